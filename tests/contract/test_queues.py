"""What every set of queues promises: on the fake, and on SQS as the template declares it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from ragline.adapters.backoff import Backoff
from ragline.adapters.memory.queues import MemoryQueues
from ragline.adapters.sqs_queues import SqsQueues, group_id
from ragline.domain.chunks import Part
from ragline.domain.documents import Partition
from ragline.domain.errors import ServiceUnavailable, SetupError
from ragline.domain.messages import (
    Delete,
    IndexOp,
    PageRange,
    PageWork,
    PartReady,
    Span,
    Uploaded,
    Upsert,
    read_index_op,
    read_page_work,
    read_part,
)
from ragline.ports import Backlog, Queues
from tests.contract import aws

pytestmark = pytest.mark.disable_socket

HOME = Partition("acme", "papers")
AWAY = Partition("acme", "letters")
QUICK = Backoff(tries=3, sleep=lambda _: None)


class Sqs:
    """The queues on SQS, and a way to read them out."""

    def __init__(self, client: Any = None) -> None:
        self.client = client or aws.client("sqs")
        self.urls = {
            "chunks_url": aws.make_queue(self.client, "ChunksQueue"),
            "pages_url": aws.make_queue(self.client, "PagesQueue"),
            "index_ops_url": aws.make_queue(self.client, "IndexOpsQueue"),
        }
        self.queues = SqsQueues(self.client, **self.urls, backoff=QUICK)

    def receive_one(self) -> None:
        """Have one message of the Chunks queue in hand."""
        (_,) = self.client.receive_message(QueueUrl=self.urls["chunks_url"])["Messages"]

    def drain(self, url: str) -> list[str]:
        bodies = []
        while found := self.client.receive_message(
            QueueUrl=self.urls[url], MaxNumberOfMessages=10
        ).get("Messages"):
            for one in found:
                bodies.append(one["Body"])
                self.client.delete_message(
                    QueueUrl=self.urls[url], ReceiptHandle=one["ReceiptHandle"]
                )
        return bodies


Received = Callable[[], tuple[list[PartReady], list[PageWork], list[IndexOp]]]


@pytest.fixture(params=["memory", "sqs"])
def setup(request: pytest.FixtureRequest) -> Iterator[tuple[Queues, Received]]:
    if request.param == "memory":
        memory = MemoryQueues()
        yield memory, lambda: (memory.parts, memory.pages, memory.ops)
        return
    with aws.in_process_aws():
        sqs = Sqs()
        yield (
            sqs.queues,
            lambda: (
                [read_part(body) for body in sqs.drain("chunks_url")],
                [read_page_work(body) for body in sqs.drain("pages_url")],
                [read_index_op(body) for body in sqs.drain("index_ops_url")],
            ),
        )


def parts(count: int) -> list[Part]:
    return [Part(HOME, "d1", 1, 16 * n, 16) for n in range(count)]


def upsert(n: int, partition: Partition = HOME) -> Upsert:
    return Upsert(
        tenant=partition.tenant,
        collection=partition.collection,
        document_id="d1",
        generation=1,
        vectors_key=f"vectors/{n}.npz",
        parts=(Span(first=n, count=1),),
    )


def delete(partition: Partition = HOME) -> Delete:
    return Delete(
        tenant=partition.tenant, collection=partition.collection, document_id="d1", generation=1
    )


def of(partition: Partition, ops: Sequence[IndexOp]) -> list[IndexOp]:
    return [op for op in ops if op.partition == partition]


def page_range(n: int) -> PageRange:
    return PageRange(
        tenant="acme",
        collection="papers",
        document_id="d1",
        generation=1,
        number=n,
        first_page=n + 1,
        last_page=n + 1,
        upload_key="uploads/ü",
    )


def test_every_part_and_all_pages_work_arrives_however_much(setup: tuple[Queues, Received]) -> None:
    queues, received = setup
    upload = Uploaded(key="uploads/acme/papers/ü.md", sequencer="0A", etag="e")
    ranges = [page_range(n) for n in range(11)]
    queues.send_parts(parts(23))
    queues.send_pages([*ranges, upload])
    queues.send_parts([])
    got_parts, got_pages, _ = received()
    assert sorted((one.part for one in got_parts), key=lambda part: part.first) == parts(23)
    assert not any(one.nonce for one in got_parts)
    assert [one for one in got_pages if isinstance(one, Uploaded)] == [upload]
    got_ranges = [one for one in got_pages if isinstance(one, PageRange)]
    assert sorted(got_ranges, key=lambda one: one.number) == ranges


def test_a_part_that_is_asked_for_anew_carries_the_nonce(setup: tuple[Queues, Received]) -> None:
    queues, received = setup
    queues.send_parts(parts(2), nonce="retry-1")
    assert [one.nonce for one in received()[0]] == ["retry-1", "retry-1"]


def test_the_backlog_counts_what_each_queue_holds(setup: tuple[Queues, Received]) -> None:
    queues, _ = setup
    assert queues.backlog() == Backlog()
    queues.send_parts(parts(3))
    queues.send_pages([page_range(0)])
    queues.send_ops([upsert(1), upsert(2, AWAY)])
    assert queues.backlog() == Backlog(pages=1, chunks=3, index_ops=2)


def test_operations_arrive_in_order_within_each_partition(setup: tuple[Queues, Received]) -> None:
    queues, received = setup
    home: list[IndexOp] = [*(upsert(n) for n in range(12)), delete(), upsert(13)]
    away: list[IndexOp] = [delete(AWAY), upsert(1, AWAY)]
    queues.send_ops([*home[:5], *away, *home[5:]])
    ops = received()[2]
    assert of(HOME, ops) == home
    assert of(AWAY, ops) == away


class Failing:
    """A client whose batches fail in part: the entries for which ``fails`` says so."""

    def __init__(self, client: Any, fails: Callable[[str], bool], **failure: Any) -> None:
        self._client, self._fails, self._failure = client, fails, failure
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def send_message_batch(self, QueueUrl: str, Entries: list[Any]) -> Any:  # noqa: N803
        self.calls += 1
        failed = [one for one in Entries if self._fails(one["MessageBody"])]
        sent = [one for one in Entries if one not in failed]
        if sent:
            self._client.send_message_batch(QueueUrl=QueueUrl, Entries=sent)
        return {"Failed": [{"Id": one["Id"], **self._failure} for one in failed]}


@pytest.fixture
def client() -> Iterator[Any]:
    with aws.in_process_aws():
        yield aws.client("sqs")


def once() -> Callable[[str], bool]:
    """Fails every message the first time."""
    seen: set[str] = set()

    def fails(body: str) -> bool:
        new = body not in seen
        seen.add(body)
        return new

    return fails


@pytest.mark.parametrize(
    "failure",
    [
        {"Code": "InternalError", "SenderFault": False},
        {"Code": "RequestThrottled", "SenderFault": True},
    ],
)
def test_entries_that_failed_are_sent_again_and_no_others(
    client: Any, failure: dict[str, Any]
) -> None:
    third = {PartReady.of(part).model_dump_json() for part in parts(23)[::3]}
    first_time = once()
    sqs = Sqs(Failing(client, lambda body: body in third and first_time(body), **failure))
    sqs.queues.send_parts(parts(23))
    bodies = sqs.drain("chunks_url")
    assert sorted(bodies) == sorted(PartReady.of(part).model_dump_json() for part in parts(23))


def test_entries_that_keep_failing_are_an_error_that_counts_them(client: Any) -> None:
    """Ignoring ``Failed`` would lose these parts in silence, and their document would never end."""
    lost = {PartReady.of(part).model_dump_json() for part in parts(10)[:4]}
    sqs = Sqs(Failing(client, lost.__contains__, Code="InternalError", SenderFault=False))
    with pytest.raises(ServiceUnavailable, match="ChunksQueue: 4 messages"):
        sqs.queues.send_parts(parts(10))
    assert len(sqs.drain("chunks_url")) == 6


def test_a_senders_fault_is_not_tried_again(client: Any) -> None:
    failing = Failing(client, lambda _: True, Code="AccessDenied", SenderFault=True)
    sqs = Sqs(failing)
    with pytest.raises(SetupError, match="AccessDenied"):
        sqs.queues.send_parts(parts(10))
    assert failing.calls == 1


def test_an_operation_that_failed_is_not_overtaken_by_a_later_one(client: Any) -> None:
    sqs = Sqs(Failing(client, once(), Code="InternalError", SenderFault=False))
    home: list[IndexOp] = [upsert(1), upsert(2), delete()]
    away: list[IndexOp] = [upsert(1, AWAY), delete(AWAY)]
    sqs.queues.send_ops([*home, *away])
    ops = [read_index_op(body) for body in sqs.drain("index_ops_url")]
    assert of(HOME, ops) == home
    assert of(AWAY, ops) == away


def test_upserts_of_different_documents_go_in_one_call_and_what_must_keep_its_place_waits(
    client: Any,
) -> None:
    counted = Failing(client, lambda _: False)
    sqs = Sqs(counted)
    ops: list[IndexOp] = [upsert(n).model_copy(update={"document_id": f"d{n}"}) for n in range(5)]
    sqs.queues.send_ops(ops)
    assert counted.calls == 1
    sqs.queues.send_ops([*ops[:2], upsert(9), delete(), ops[3]])  # d1: again, and another one
    assert counted.calls == 1 + 4
    assert [read_index_op(body) for body in sqs.drain("index_ops_url")] == [
        *ops,
        upsert(9),
        delete(),
    ]


def test_nothing_follows_an_operation_that_could_not_be_sent(client: Any) -> None:
    stuck = upsert(2).model_dump_json()
    failing = Failing(client, stuck.__eq__, Code="InternalError", SenderFault=False)
    sqs = Sqs(failing)
    with pytest.raises(ServiceUnavailable):
        sqs.queues.send_ops([upsert(1), upsert(2), delete()])
    assert [read_index_op(body) for body in sqs.drain("index_ops_url")] == [upsert(1)]


def test_the_same_operation_sent_twice_is_kept_once(client: Any) -> None:
    sqs = Sqs(client)
    sqs.queues.send_ops([upsert(1)])
    sqs.queues.send_ops([upsert(1), upsert(2)])
    assert len(sqs.drain("index_ops_url")) == 2


def test_a_group_is_named_like_its_partition_unless_that_is_too_long() -> None:
    assert group_id(HOME) == "acme/papers"
    longest = Partition("t" * 63, "c" * 63)
    assert group_id(longest) == str(longest)
    longer = [Partition("t" * 100, "c" * 28 + end) for end in "ab"]
    assert len({group_id(one) for one in longer}) == 2
    assert all(len(group_id(one)) <= 128 for one in longer)


def test_a_missing_queue_is_an_error_of_setup_that_names_it(client: Any) -> None:
    url = f"https://sqs.{aws.REGION}.amazonaws.com/123456789012/nowhere"
    queues = SqsQueues(client, chunks_url=url, pages_url=url, index_ops_url=url)
    with pytest.raises(SetupError, match="nowhere"):
        queues.send_parts(parts(1))


def test_the_backlog_counts_messages_in_hand_and_messages_held_back(client: Any) -> None:
    """Else a document whose messages are being worked on would look forgotten."""
    sqs = Sqs(client)
    sqs.queues.send_parts(parts(2))
    sqs.receive_one()
    client.send_message(QueueUrl=sqs.urls["chunks_url"], MessageBody="paused", DelaySeconds=900)
    assert sqs.queues.backlog() == Backlog(chunks=3)


def test_a_backlog_that_cannot_be_asked_for_is_an_error_that_names_the_queue(client: Any) -> None:
    url = f"https://sqs.{aws.REGION}.amazonaws.com/123456789012/nowhere"
    queues = SqsQueues(client, chunks_url=url, pages_url=url, index_ops_url=url)
    with pytest.raises(SetupError, match="nowhere"):
        queues.backlog()


def test_an_operation_that_is_asked_for_anew_is_not_dropped_as_a_duplicate(client: Any) -> None:
    sqs = Sqs(client)
    again = upsert(1).model_copy(update={"nonce": "retry-1"})
    sqs.queues.send_ops([upsert(1)])
    sqs.queues.send_ops([again])
    assert [read_index_op(b) for b in sqs.drain("index_ops_url")] == [upsert(1), again]
