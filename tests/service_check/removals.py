"""Every grant of a stack's policies is needed: taken away, something breaks for want of it.

First each scenario runs with all grants, and the local cloud's journal tells which of them it used.
Then each grant is taken from its role alone, a scenario that used it runs again, and has to fail
*and* be refused that very action. Grants that no scenario used, and those that can be missed, are
the findings: they go, or get a scenario.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ragline.local import cloud
from tests.e2e.stack import NAME, opened
from tests.e2e.stack import deployed as deploy_stack
from tests.ports import free_port
from tests.service_check.by_hand import ByHand, by_hand
from tests.service_check.grants import Deployed, Grant, declared, deployed
from tests.service_check.saying import say
from tests.service_check.scenarios import SCENARIOS, Scenario

ELSEWHERE: dict[tuple[str, str], str] = {
    ("secretsmanager:GetSecretValue", "PineconeSecretArn"): (
        "only with IndexStore pinecone: tests/contract/test_pinecone_key.py"
    ),
    ("bedrock:Rerank", "*"): "only with Reranker bedrock: tests/unit/reranking/test_bedrock.py",
    ("bedrock:InvokeModel", "RerankerModelArn"): (
        "only with Reranker bedrock: Rerank asks it of its caller"
    ),
    ("textract:DetectDocumentText", "*"): "only with Ocr textract: tests/contract/test_ocr.py",
    ("bedrock:InvokeModel", "foundation-model/OcrModel"): (
        "only with Ocr bedrock: tests/contract/test_vision.py"
    ),
    ("bedrock:InvokeModel", "inference-profile/OcrModel"): (
        "the same by a profile: tests/contract/test_vision.py"
    ),
    ("Splitter bedrock:InvokeModel", "arn::bedrock:*::foundation-model/*"): (
        "the models behind that profile: tests/contract/test_vision.py"
    ),
    ("bedrock:InvokeModel", "foundation-model/VisionModel"): (
        "of the deployer's choice, with VisionModel alone: tests/e2e/test_analyses.py"
    ),
    ("bedrock:InvokeModel", "inference-profile/VisionModel"): (
        "the same by a profile: tests/unit/test_analyses_template.py"
    ),
    ("bedrock:InvokeModel", "arn::bedrock:*::foundation-model/*"): (
        "the models behind that profile: tests/unit/test_analyses_template.py"
    ),
    ("secretsmanager:GetSecretValue", "VisionSecretArn"): (
        "only with VisionSecretArn: tests/integration/test_analyst_handler.py"
    ),
    ("kms:Decrypt", "KmsKeyArn"): "only with KmsKeyArn: S3 and SQS ask it of who reads",
    ("kms:GenerateDataKey", "KmsKeyArn"): "only with KmsKeyArn: S3 and SQS ask it of who writes",
    ("kms:Encrypt", "KmsKeyArn"): "only with KmsKeyArn: Parameter Store asks it of who writes",
    ("Maintenance ssm:DeleteParameters", "parameter/stack/passwords/*"): (
        "a quarter of an hour later: tests/unit/test_passwords.py"
    ),
    ("execute-api:ManageConnections", "PushSocketsApi/live/DELETE/@connections/*"): (
        "a connection that takes no message is cut: tests/unit/test_notify.py"
    ),
    ("Maintenance dynamodb:Query", "LedgerTable/index/ByCollection"): (
        "once an hour, by the clock: tests/unit/test_drift.py"
    ),
}
"""(Action, resource) → why it is granted where the local cloud cannot show it, and what does. The
function stands before the action where others need theirs."""


def elsewhere(grant: Grant) -> str:
    """Why a grant stands that no scenario can be asked about; '' for all others."""
    own = f"{grant.function} {grant.action}", grant.resource
    return ELSEWHERE.get(own) or ELSEWHERE.get((grant.action, grant.resource), "")


@dataclass(frozen=True, slots=True)
class Decision:
    """One line of the journal, in logical ids."""

    function: str
    action: str
    resource: str
    allowed: bool

    def is_of(self, grant: Grant) -> bool:
        return (self.function, self.action) == (grant.function, grant.action) and fnmatchcase(
            self.resource, grant.resource
        )


class Journal:
    """The local cloud's decisions since they were last asked for."""

    def __init__(self, path: Path, policies: Deployed) -> None:
        self._path = path
        self._policies = policies
        self._functions = {role.name: name for name, role in policies.roles.items()}
        self._read = 0

    def since(self) -> list[Decision]:
        with self._path.open() as lines:
            lines.seek(self._read)
            text = lines.read()
            self._read = lines.tell()
        found = map(json.loads, text.splitlines())
        return [
            Decision(
                self._functions.get(one["role"], one["role"]),
                one["action"],
                self._policies.logical(one["resource"]),
                one["allowed"],
            )
            for one in found
        ]


@dataclass
class Proofs:
    """A stack that is worked by hand, its policies, and the journal of what they decide."""

    hand: ByHand
    policies: Deployed
    journal: Journal

    def grants(self) -> list[Grant]:
        """Those of the templates; SAM adds some of its own to what it makes."""
        own = {one for one in declared() if not elsewhere(one)}
        return [one for one in self.policies.grants() if one in own]

    def tried(self, scenario: Scenario) -> tuple[Exception | None, list[Decision]]:
        """How a scenario failed, if it did, and what was decided meanwhile."""
        self.hand.purge()
        self.journal.since()
        try:
            scenario(self.hand)
        except Exception as error:
            return error, self.journal.since()
        return None, self.journal.since()

    def used(self, scenarios: Sequence[Scenario]) -> dict[Grant, list[Scenario]]:
        """Every grant → the scenarios that use it, the one that decides least first.

        Raises:
            AssertionError: a scenario fails, or is refused anything, with all that is granted.
        """
        users: dict[Grant, list[tuple[float, Scenario]]] = {g: [] for g in self.grants()}
        broken: list[str] = []
        for scenario in scenarios:
            began = time.monotonic()
            error, decisions = self.tried(scenario)
            refused = {one for one in decisions if not one.allowed}
            if error or refused:
                broken.append(f"{scenario.__name__}: {error}, refused {refused}")
            for grant, of_grant in users.items():
                if any(one.is_of(grant) for one in decisions):
                    of_grant.append((time.monotonic() - began, scenario))
        assert not broken, "\n".join(broken)
        return {
            grant: [one for _, one in sorted(some, key=lambda pair: pair[0])]
            for grant, some in users.items()
        }

    def missed(self, grant: Grant, scenario: Scenario) -> bool:
        """Whether a scenario fails, for want of this grant, without it."""
        self.policies.without(grant)
        try:
            error, decisions = self.tried(scenario)
        finally:
            self.policies.restore(grant)
        refused = any(one.is_of(grant) and not one.allowed for one in decisions)
        return error is not None and refused

    def needed_by(self, grant: Grant, scenarios: Iterable[Scenario]) -> str:
        """The name of the first scenario that breaks without it; '' if none does."""
        return next((one.__name__ for one in scenarios if self.missed(grant, one)), "")


@contextlib.contextmanager
def proofs(directory: Path) -> Iterator[Proofs]:
    """A stack of its own on a local cloud that enforces policies."""
    try:
        local = cloud.start(directory, port=free_port(), enforce=True, say=say)
        with opened(local.endpoint_url, deploy_stack(local.endpoint_url)) as stack:
            policies, resources = deployed(local.endpoint_url, NAME)
            hand = by_hand(stack, resources)
            local.decisions.touch()
            yield Proofs(hand, policies, Journal(local.decisions, policies))
    finally:
        cloud.stop(directory, say)


HEAD = "| function | action | resource | without it fails |"


def table(needed: Mapping[Grant, str]) -> str:
    """The policy table of docs/security.md: every grant that the templates declare."""
    rows = [HEAD, "|---|---|---|---|"]
    for grant in declared():
        told = elsewhere(grant) or needed.get(grant, "").replace("_", " ") or "**nothing**"
        rows.append(f"| {grant.function} | `{grant.action}` | `{grant.resource}` | {told} |")
    return "\n".join(rows)


def main(words: Sequence[str]) -> int:
    """Prove each grant; 1 if one is not needed. Prints a line each, or the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.service_check.removals")
    parser.add_argument("--table", action="store_true", help="print the table of docs/security.md")
    parser.add_argument("--only", default="", help="grants that hold this text")
    parser.add_argument("--dry", action="store_true", help="what is used, nothing taken away")
    asked = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder, proofs(Path(folder)) as found:
        began = time.monotonic()
        used = found.used(SCENARIOS)
        say(f"{len(SCENARIOS)} scenarios in {time.monotonic() - began:.0f} s")
        needed: dict[Grant, str] = {}
        for grant, scenarios in used.items():
            if asked.only not in str(grant):
                continue
            by = scenarios[0].__name__ if asked.dry and scenarios else ""
            needed[grant] = by if asked.dry else found.needed_by(grant, scenarios)
            if not asked.table:
                say(f"{grant}: {needed[grant] or 'NOTHING'} ({len(scenarios)})")
    if asked.table:
        say(table(needed))
    idle = [grant for grant, by in needed.items() if not by]
    say(f"{len(needed) - len(idle)} of {len(needed)} grants are needed")
    return 1 if idle else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
