from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import pytest
from botocore.exceptions import NoCredentialsError

from ragline.adapters.memory.index import MemoryIndexes
from ragline.adapters.memory.objects import MemoryObjects
from ragline.adapters.memory.queues import MemoryQueues
from ragline.cli import stack_ports
from ragline.cli.doctor import lasting
from ragline.cli.outside import Outside
from ragline.cli.stack_ports import Pinecone, StackPorts
from ragline.cli.target import Account
from ragline.domain.errors import ServiceUnavailable, SetupError
from ragline.ports import Backlog, Indexes
from ragline.usecases.findings import Finding, Kind, Report
from tests.contract import aws
from tests.unit.cli.aws_clients import cloudformation, session
from tests.unit.cli.fakes import Clock, FakeCloud, FakeLocal, FakeSession, outside, run
from tests.unit.pipeline import HANDBOOK, Pipeline

TEXT = "# Weather\n\nThe barometer is read every morning, before the gauge is emptied.\n" * 2


class Working(Clock):
    """While the doctor sleeps, the functions work."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__()
        self._pipeline = pipeline

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self._pipeline.run()


def ports_of(pipeline: Pipeline, **parts: Any) -> StackPorts:
    """The pipeline as a deployed stack, with nothing beside it."""

    def other(store: str, place: Pinecone) -> Indexes:
        raise AssertionError(f"{store} was opened")

    return StackPorts(
        pipeline.ledger,
        pipeline.objects,
        pipeline.queues,
        pipeline.indexes,
        parts.get("store", "lancedb"),
        parts.get("pinecone", Pinecone()),
        parts.get("other", other),
    )


def running(fingerprint: str | None) -> Callable[[httpx.Request], httpx.Response]:
    """An API that runs this model."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path.endswith("/live/_user_request_/api/v2/info")
        model = {"state": "ok" if fingerprint else "misconfigured", "fingerprint": fingerprint}
        return httpx.Response(200, json={"components": {"model": model}})

    return answer


def world(pipeline: Pipeline, clock: Clock | None = None) -> Outside:
    return outside(
        api=running(pipeline.embedder.fingerprint),
        environ={},
        local=FakeLocal(FakeCloud()),
        session=lambda *_: session(),
        ports=lambda where: ports_of(pipeline),
        clock=clock,
    )


@pytest.fixture
def pipeline() -> Pipeline:
    pipeline = Pipeline()
    pipeline.drop(TEXT)
    pipeline.run()
    return pipeline


def test_a_stack_in_order_is_said_to_be(pipeline: Pipeline) -> None:
    result = run(world(pipeline), "doctor")
    assert result.exit_code == 0
    assert "documents 1" in result.stdout
    assert "chunks 2" in result.stdout
    assert result.stdout.rstrip().endswith("The ledger, the bucket and the index agree.")


def test_an_empty_stack_is_in_order() -> None:
    result = run(world(Pipeline()), "doctor")
    assert result.exit_code == 0
    assert "the stack is empty" in result.stdout


def test_findings_are_told_and_exit_with_1(pipeline: Pipeline) -> None:
    pipeline.index.delete(HANDBOOK, "doc")
    result = run(world(pipeline), "doctor")
    assert result.exit_code == 1
    assert "missing_rows" in result.stdout
    assert "generation 1: 2 indexed chunks have no row." in result.stdout
    assert "1 finding: missing_rows 1. `ragline doctor --repair` sets right what can be." in (
        result.stdout
    )
    assert pipeline.queues.parts == []


def test_findings_as_json_say_what_and_where(pipeline: Pipeline) -> None:
    pipeline.index.delete(HANDBOOK, "doc")
    result = run(world(pipeline), "doctor", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["healthy"] is False
    assert told["totals"]["documents"] == 1
    assert told["findings"] == [
        {
            "kind": "missing_rows",
            "subject": "doc",
            "partition": "default/handbook",
            "detail": "generation 1: 2 indexed chunks have no row.",
        }
    ]
    assert "repair" not in told


def test_a_repair_waits_for_the_queues_and_examines_again(pipeline: Pipeline) -> None:
    pipeline.index.delete(HANDBOOK, "doc")
    result = run(world(pipeline, Working(pipeline)), "doctor", "--repair")
    assert result.exit_code == 0
    assert "Repaired: missing_rows 1. The ledger, the bucket and the index agree" in result.stdout
    assert pipeline.index.count(HANDBOOK, "doc") == 2


def test_what_was_only_on_its_way_is_not_repaired(pipeline: Pipeline) -> None:
    pipeline.delete()
    assert run(world(pipeline), "doctor").exit_code == 1
    result = run(world(pipeline, Working(pipeline)), "doctor", "--repair")
    assert result.exit_code == 0
    assert "repairing 0 of" in result.stderr


def test_a_version_that_comes_while_the_doctor_looks_is_not_taken_for_refuse() -> None:
    """Its chunks are listed, and the ledger was read before it began."""

    class Racing(MemoryObjects):
        comes = False

        def list(self, prefix: str, *, since: str = "") -> Iterator[str]:
            if self.comes and prefix == "uploads/":
                self.comes = False
                busy.drop("# Another\n\nThe wind has changed since.\n", sequencer="2")
            return super().list(prefix, since=since)

    objects = Racing()
    busy = Pipeline(objects=objects)
    busy.drop(TEXT)
    busy.run()
    objects.comes = True
    result = run(world(busy, Working(busy)), "doctor", "--repair")
    assert result.exit_code == 0
    busy.run()
    assert (busy.document().status, busy.document().generation) == ("indexed", 2)


def test_a_repair_of_a_stack_in_order_touches_nothing(pipeline: Pipeline) -> None:
    clock = Clock()
    result = run(world(pipeline, clock), "doctor", "--repair")
    assert result.exit_code == 0
    assert clock.slept == []
    assert pipeline.queues.backlog() == Backlog()


def test_the_wait_is_bounded_and_says_what_is_still_on_its_way(pipeline: Pipeline) -> None:
    pipeline.index.delete(HANDBOOK, "doc")
    clock = Clock()
    result = run(world(pipeline, clock), "doctor", "--repair")
    assert result.exit_code == 1
    assert 120 <= clock.now < 130
    assert "The queues are not empty (1 to go): look again when they are." in result.stdout


def test_one_look_that_finds_the_queues_empty_does_not_end_the_wait(pipeline: Pipeline) -> None:
    counts = iter([0, 0, 0, 3, 0, 2, 0, 0, 0])

    class Guessing(MemoryQueues):
        def backlog(self) -> Backlog:
            return Backlog(chunks=next(counts))

    pipeline.queues = Guessing()
    pipeline.index.delete(HANDBOOK, "doc")
    result = run(world(pipeline, Working(pipeline)), "doctor", "--repair")
    assert result.exit_code == 0
    assert list(counts) == []


def test_what_only_the_owner_can_mend_is_said_so(pipeline: Pipeline) -> None:
    pipeline.objects.delete([pipeline.document().upload_key])
    result = run(world(pipeline, Working(pipeline)), "doctor", "--repair")
    assert result.exit_code == 1
    assert "missing_upload" in result.stdout
    assert "upload those again, or delete them" in result.stdout
    told = json.loads(run(world(pipeline), "doctor", "--repair", "--json").stdout)
    assert told["repair"]["repaired"] == []
    assert [one["kind"] for one in told["repair"]["beyond_repair"]] == ["missing_upload"]


def test_more_findings_than_fit_a_screen_are_counted(pipeline: Pipeline) -> None:
    for number in range(130):
        pipeline.objects.put(f"uploads/{HANDBOOK}/lost-{number}/a.md", b"a")
    shown = run(world(pipeline), "doctor").stdout
    assert shown.count("orphan_upload ") == 101  # with the sentence
    assert "30 more" in shown
    assert len(json.loads(run(world(pipeline), "doctor", "--json").stdout)["findings"]) == 130


def test_a_service_that_fails_is_one_line_and_no_diagnosis(pipeline: Pipeline) -> None:
    class Broken(MemoryQueues):
        def backlog(self) -> Backlog:
            raise ServiceUnavailable("queue Chunks could not be reached.")

    pipeline.queues = Broken()
    pipeline.index.delete(HANDBOOK, "doc")
    result = run(world(pipeline), "doctor")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "error: queue Chunks could not be reached."


def test_without_a_local_stack_or_a_profile_it_is_not_set_up() -> None:
    result = run(outside(environ={}), "doctor")
    assert result.exit_code == 3


# ── What the ports of a stack are made of ────────────────────────────────────────────────────────


class Credentials:
    def __init__(self, token: str = "") -> None:
        self.access_key, self.secret_key, self.token = "the-id", "the-secret", token

    def get_frozen_credentials(self) -> Credentials:
        return self


class Session(FakeSession):
    """A session that has credentials, and AWS in this process behind its clients."""

    credentials: Any = Credentials()

    def get_credentials(self) -> Any:
        if isinstance(self.credentials, Exception):
            raise self.credentials
        return self.credentials


@pytest.fixture
def deployed() -> Iterator[dict[str, str]]:
    """The outputs of a stack that is there."""
    with aws.in_process_aws():
        sqs, bucket = aws.client("sqs"), "the-documents"
        aws.client("s3").create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": aws.REGION}
        )
        yield {
            "DocumentsBucketName": bucket,
            "LedgerTableName": aws.make_table(aws.client("dynamodb")),
            "ChunksQueueUrl": aws.make_queue(sqs, "ChunksQueue"),
            "PagesQueueUrl": aws.make_queue(sqs, "PagesQueue"),
            "IndexOpsQueueUrl": aws.make_queue(sqs, "IndexOpsQueue"),
        }


def reached(outputs: dict[str, str]) -> Session:
    names = ("s3", "sqs", "dynamodb")
    clients = {"cloudformation": cloudformation(outputs), **{n: aws.client(n) for n in names}}
    return Session(clients)


@pytest.fixture
def lance(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    """Where an index was asked for, and with which options; it is in memory."""
    asked: list[tuple[str, dict[str, str]]] = []

    def connect(uri: str, *, storage_options: dict[str, str]) -> Any:
        asked.append((uri, storage_options))
        return MemoryIndexes()

    monkeypatch.setattr("ragline.adapters.lance.index.LanceIndexes", connect)
    return asked


def test_the_ports_are_those_that_the_outputs_name(
    deployed: dict[str, str], lance: list[tuple[str, dict[str, str]]]
) -> None:
    ports = stack_ports.stack_ports(Account(reached(deployed), None, "ragline-dev"))
    aws.client("s3").put_object(Bucket="the-documents", Key="uploads/a", Body=b"a")
    aws.client("sqs").send_message(QueueUrl=deployed["ChunksQueueUrl"], MessageBody="a")
    assert list(ports.objects.list("uploads/")) == ["uploads/a"]
    assert ports.queues.backlog() == Backlog(chunks=1)
    assert list(ports.ledger.audit()) == []
    ((uri, options),) = lance
    assert uri == "s3://the-documents/index"
    assert options["aws_access_key_id"] == "the-id"
    assert options["aws_secret_access_key"] == "the-secret"
    assert options["region"] == aws.REGION
    assert not {"aws_session_token", "endpoint"} & set(options)


def test_the_index_is_reached_with_the_session_s_own_token(
    deployed: dict[str, str], lance: list[tuple[str, dict[str, str]]]
) -> None:
    there = reached(deployed)
    there.credentials = Credentials("the-token")
    stack_ports.stack_ports(Account(there, None, "ragline-dev"))
    assert lance[0][1]["aws_session_token"] == "the-token"


def test_the_index_is_not_sent_a_token_of_another_identity(
    deployed: dict[str, str],
    lance: list[tuple[str, dict[str, str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Lance takes the environment's token beside whatever keys it is given."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-somebody-else")
    stack_ports.stack_ports(Account(reached(deployed), None, "ragline-dev"))
    assert "aws_session_token" not in lance[0][1]
    assert "AWS_SESSION_TOKEN" not in os.environ


def test_the_index_is_looked_for_where_the_bucket_is(
    deployed: dict[str, str], lance: list[tuple[str, dict[str, str]]]
) -> None:
    """A profile may name an endpoint of its own, which only the session knows."""
    assert stack_ports._endpoint("https://s3.eu-west-1.amazonaws.com") == ""
    assert stack_ports._endpoint("https://s3.cn-north-1.amazonaws.com.cn") == ""
    assert stack_ports._endpoint("http://127.0.0.1:4566") == "http://127.0.0.1:4566"
    assert stack_ports._endpoint("https://amazonaws.com.example") != ""


@pytest.mark.parametrize("missing", ["LedgerTableName", "PagesQueueUrl", "DocumentsBucketName"])
def test_a_stack_that_lacks_an_output_is_told_to_be_deployed_anew(
    deployed: dict[str, str], lance: list[tuple[str, dict[str, str]]], missing: str
) -> None:
    del deployed[missing]
    with pytest.raises(SetupError, match=f"no output {missing}: deploy this version"):
        stack_ports.stack_ports(Account(reached(deployed), None, "ragline-dev"))


@pytest.mark.parametrize("found", [None, NoCredentialsError()])
def test_without_credentials_it_is_not_set_up(
    deployed: dict[str, str], lance: list[tuple[str, dict[str, str]]], found: Any
) -> None:
    there = reached(deployed)
    there.credentials = found
    with pytest.raises(SetupError, match="no AWS credentials"):
        stack_ports.stack_ports(Account(there, None, "ragline-dev"))


# ── What lasts ───────────────────────────────────────────────────────────────────────────────────


def lasted(first: Sequence[Finding], second: Sequence[Finding]) -> Sequence[Finding]:
    looks = iter([Report(first, {}), Report(second, {})])
    return lasting(lambda: next(looks)).findings


def missing(ordinals: Sequence[int], **where: Any) -> Finding:
    where = {"kind": Kind.MISSING_ROWS, "subject": "doc", "partition": HANDBOOK, **where}
    return Finding(detail=f"{len(ordinals)} lost", ordinals=ordinals, **where)


def test_of_a_finding_that_shrinks_or_grows_what_was_found_twice_is_left() -> None:
    assert lasted([missing(range(100))], [missing(range(50, 120))]) == [
        replace(missing(range(50, 120)), ordinals=tuple(range(50, 100)))
    ]
    orphans = partial(Finding, Kind.ORPHAN_OBJECTS, "doc", "orphans")
    assert lasted([orphans(keys=("a", "b"))], [orphans(keys=("b", "c"))]) == [orphans(keys=("b",))]


def test_a_finding_about_other_chunks_or_another_generation_is_not_the_same() -> None:
    assert lasted([missing([1, 2])], [missing([3])]) == []
    assert lasted([missing([1], generation=1)], [missing([1], generation=2)]) == []
    assert lasted([missing([1])], [missing([1], subject="other")]) == []


def test_two_findings_of_one_name_do_not_hide_one_another() -> None:
    both = [missing((1,)), missing((2,))]
    assert lasted(both, both) == both


def test_what_is_about_no_chunk_in_particular_lasts() -> None:
    stuck = Finding(Kind.STUCK, "doc", "since nine")
    assert lasted([stuck], [replace(stuck, detail="since ten")]) == [
        replace(stuck, detail="since ten")
    ]
