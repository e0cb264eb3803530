"""docs/ocr.md says what the code does, and its commands exist."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import get_args

from ragline.domain.documents import Partition
from ragline.domain.keys import recognised_key
from ragline.domain.pages import PageKind
from ragline.local.template import load
from ragline.ocr.rapid import DETECTION_SIDE
from ragline.parsing.pdf.scans import MAX_PIXELS, RESOLUTION
from ragline.parsing.recognised import LEAST_CONFIDENCE
from ragline.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/ocr.md").read_text()
PARAMETERS = load(ROOT / "template.yaml")["Parameters"]


def test_every_engine_that_can_be_chosen_is_described() -> None:
    engines = get_args(Settings.model_fields["ocr"].annotation)
    assert set(engines) == set(PARAMETERS["Ocr"]["AllowedValues"])
    assert PARAMETERS["Ocr"]["Default"] == Settings.model_fields["ocr"].default == "local"
    for engine in engines:
        assert f"`{engine}`" in TEXT


def test_its_commands_set_parameters_that_there_are() -> None:
    set_here = re.findall(r"(?<=[ =])([A-Z]\w+)=(\S+)", TEXT)
    assert {name for name, _ in set_here} == {"Ocr", "OcrModel"}
    for name, value in set_here:
        assert value in PARAMETERS[name].get("AllowedValues", [value])
        assert re.fullmatch(PARAMETERS[name].get("AllowedPattern", ".*"), value)
    (module,) = re.findall(r"python -m (\S+)", TEXT)
    assert importlib.util.find_spec(module)


def test_every_kind_of_page_is_explained() -> None:
    assert set(re.findall(r"^\| `(\w+)` \| ", TEXT, re.M)) >= set(PageKind)


def test_the_numbers_are_those_of_the_code() -> None:
    scans = Settings.model_fields["scans_per_range"].default
    for words in (
        f"{MAX_PIXELS:,} pixels",
        f"at {RESOLUTION} dots an inch",
        f"{DETECTION_SIDE:,} pixels a",
        f"confidence of {LEAST_CONFIDENCE}",
        f"`SCANS_PER_RANGE` pages ({scans})",
    ):
        assert words in TEXT, words


def test_what_is_kept_is_where_the_page_says() -> None:
    key = recognised_key(Partition("{tenant}", "{collection}"), "{document_id}", "{engine}", "{}")
    assert f"`{key.replace('{}', '{SHA-256 of the picture}')}`" in TEXT
