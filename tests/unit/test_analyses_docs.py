"""docs/analyses.md says what the code does, and its commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from ragline.cli.analyse import numbers
from ragline.cli.app import app
from ragline.domain import analyses
from ragline.domain.analyses import ADVICE, AnalysisStatus, Estimate
from ragline.local.template import load
from ragline.prices import prices, token_prices
from ragline.settings import Settings
from ragline.usecases.analyse import PAINT_SECONDS
from ragline.vision import asking, child, pages
from tests.cost_tables import POLLS_A_MONTH

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/analyses.md").read_text()
WORDS = " ".join(TEXT.split())
COMMANDS = re.findall(r"^    (.+)$", TEXT, re.M)
PARAMETERS = load(ROOT / "template.yaml")["Parameters"]


def test_the_parameters_are_those_of_the_template() -> None:
    table = set(re.findall(r"^\| `(Vision\w+|MaxAnalysis\w+)` \|", TEXT, re.M))
    assert table == {one for one in PARAMETERS if one.startswith(("Vision", "MaxAnalysis"))}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_sets_parameters_that_exist_and_has_options_that_are_known(
    command: str,
) -> None:
    words = shlex.split(command)
    named = [word.partition("=")[0] for word in words if re.match(r"[A-Z]\w+=", word)]
    assert set(named) <= set(PARAMETERS)
    if words[0] == "ragline":
        known = getattr(typer.main.get_command(app), "commands")[words[1]]  # noqa: B009
        known.make_context(words[1], words[2:], resilient_parsing=False)
    if "--pages" in words:
        assert numbers(words[words.index("--pages") + 1])


def test_every_status_and_every_reason_is_named() -> None:
    for status in AnalysisStatus:
        assert f"| `{status}` |" in TEXT, status
    for code in ADVICE:
        assert f"`{code}`" in TEXT, code


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"of at most {pages.LONG_SIDE:,} pixels a side and {pages.MAX_BYTES / 1e6:g} MB" in WORDS
    assert f"cut at {asking.MAX_WORDS} characters" in WORDS
    assert f"a token for {analyses.PIXELS_PER_TOKEN} pixels and for" in WORDS
    assert f"{analyses.CHARACTERS_PER_TOKEN} characters of the prompt" in WORDS
    assert f"at most {child.MEGABYTES / 1024:.1f} GB and {PAINT_SECONDS:g} seconds" in WORDS
    hours = analyses.STARVED_AFTER.total_seconds() / 3_600
    assert f"touched for {hours:g} hours" in WORDS
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    assert f"may look at; {defaults['max_analysis_pages']} |" in TEXT
    assert f"as is allowed ({defaults['max_answer_tokens']:,} tokens)" in WORDS


def test_what_a_page_and_two_queues_cost_is_reckoned_so() -> None:
    nova = token_prices("amazon.nova-lite-v1:0")
    assert nova
    seen = Estimate(1_109 * 1_568, 200, 1_000)
    assert round(seen.input_tokens, -3) == 2_000
    assert f"${nova.cost(seen.input_tokens, 200):.4f} by Nova Lite" in WORDS
    assert f"(1,000 tokens), ${seen.cost(nova):.4f}" in WORDS
    polls = prices().cost("sqs.request", 2 * POLLS_A_MONTH)
    assert f"${polls:.2f} a month" in WORDS


def test_a_profile_has_the_prices_of_its_model_and_what_is_said_counts_more() -> None:
    assert token_prices("eu.amazon.nova-lite-v1:0") == token_prices("amazon.nova-lite-v1:0")
    assert token_prices("looker") is None
    said = token_prices("amazon.nova-lite-v1:0", "0.15,0.60")
    assert said and (said.input, said.output) == (0.15, 0.60)


def test_the_address_of_the_local_model_is_one_that_is_taken() -> None:
    from ragline.vision.openai import check_url

    for url in re.findall(r"VisionUrl=(\S+)", TEXT):
        check_url(url)
