"""docs/push.md says what the code does."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import time
from pathlib import Path
from typing import Any

import pytest
import typer.main

from ragline.adapters.dynamodb.stream import read_change
from ragline.adapters.memory.push import MemoryConnections
from ragline.adapters.push.event_bus import SOURCE, detail_type
from ragline.adapters.push.receivers import SECONDS
from ragline.api.views_webhooks import TEXTS
from ragline.cli.app import app
from ragline.domain import connections, signatures, webhooks
from ragline.domain.changes import Change
from ragline.domain.documents import TERMINAL, Document, Partition, Status
from ragline.local.template import load
from ragline.usecases import follow
from tests.unit.test_follow import Client

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/push.md").read_text()
JSON = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
WORDS = " ".join(PAGE.split())


def recorded() -> list[Change]:
    records = json.loads((ROOT / "events/notifier.json").read_text())["Records"]
    return [change for one in records if (change := read_change(one))]


def test_the_event_and_the_message_are_those_that_the_recorded_stream_makes() -> None:
    counted, ended = recorded()
    assert json.loads(JSON[0]) == json.loads(TEXTS.event(ended))
    assert json.loads(JSON[2]) == json.loads(TEXTS.progress(counted))


def test_every_message_that_the_page_shows_is_understood() -> None:
    client = Client()
    client.document("01JEXAMPLEDOCUMENT000000001")
    follow.connect("c1", "acme", "", connections=client.connections)
    assert isinstance(client.connections, MemoryConnections)
    for body in JSON[1].splitlines():
        asked = json.loads(body)
        assert client.ask(body)[0]["type"] == f"{asked['action']}d"


def test_the_snippet_verifies_what_we_sign_and_refuses_the_rest() -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    there: dict[str, Any] = {}
    exec(snippet, there)
    verified, now, body = there["is_from_ragline"], int(time.time()), '{"ü": 1}'
    header = signatures.sign(body, ["new", "old"], now)
    assert verified(header, body.encode(), "new")
    assert verified(header, body.encode(), "old")
    assert not verified(header, body.encode(), "other")
    assert not verified(header, b"{}", "new")
    stale = signatures.sign(body, ["new"], now - signatures.REPLAY_SECONDS - 5)
    assert not verified(stale, body.encode(), "new")
    assert not verified("", body.encode(), "new")
    digest = hashlib.sha256(body.encode()).hexdigest()
    assert not verified(f"t={now},v1={digest}", body.encode(), "new")


def test_the_pattern_is_of_what_we_put_on_the_bus() -> None:
    pattern = json.loads(JSON[3])
    assert pattern["source"] == [SOURCE]
    home = Partition("default", "reports")
    for status in TERMINAL:
        name = detail_type(Change(Document(home, "d", "x", status, "", ""), True))
        assert f"`{name}`" in PAGE
        assert (name in pattern["detail-type"]) == (status in {Status.FAILED, Status.PARTIAL})


def spoken(seconds: int) -> str:
    for unit, of in (("h", 3_600), ("min", 60)):
        if seconds % of == 0:
            return f"{seconds // of} {unit}"
    return f"{seconds} s"


def test_the_numbers_are_those_of_the_code() -> None:
    waits = [spoken(one) for one in webhooks.RETRY_SECONDS]
    assert f"{', '.join(waits[:-1])} and {waits[-1]}" in WORDS
    assert f"tried {webhooks.MAX_ATTEMPTS} times" in WORDS
    assert f"at most {webhooks.MAX_WEBHOOKS}:" in WORDS
    assert f"within {SECONDS:g} seconds" in WORDS
    assert f"up to {webhooks.LONGEST_WAIT // 3_600} hours" in WORDS
    assert f"For {webhooks.ROTATION_HOURS} hours" in WORDS
    assert f"for {webhooks.KEPT_DAYS} days" in WORDS
    assert f"more than {signatures.REPLAY_SECONDS} seconds old" in WORDS
    assert f"within {connections.TICKET_SECONDS} seconds" in WORDS
    assert f"at most {connections.MAX_TOPICS} things" in WORDS
    leaf = load(ROOT / "infra/push.yaml")["Resources"]
    age = leaf["Notifier"]["Properties"]["Events"]["Ledger"]["Properties"]
    assert f"for {age['MaximumRecordAgeInSeconds'] // 3_600} hours" in WORDS
    receives = leaf["Deliveries"]["Properties"]["RedrivePolicy"]["maxReceiveCount"]
    assert f"after {receives} times" in WORDS


def test_every_header_status_and_parameter_is_named() -> None:
    for header in (signatures.HEADER, signatures.EVENT_HEADER, signatures.ATTEMPT_HEADER):
        assert f"`{header}`" in PAGE
    for status in TERMINAL:
        assert f"`{status}`" in PAGE
    parameters = load(ROOT / "template.yaml")["Parameters"]
    assert {"WebhookAllow", "EventBus"} <= set(parameters)
    assert parameters["EventBus"]["Default"] == "default"


def commands() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [shlex.split(one) for one in lines]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_is_one_that_the_command_line_takes(words: list[str]) -> None:
    assert words[0] == "ragline"
    command: Any = typer.main.get_command(app)
    left = words[1:]
    while hasattr(command, "commands"):
        command = command.commands[left.pop(0)]
    command.make_context(words[1], left, resilient_parsing=False)
