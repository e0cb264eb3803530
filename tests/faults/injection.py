"""Faults at the n-th call that the workers make to a service outside of themselves."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from ragline.domain.errors import ServiceUnavailable, Throttled

OUTAGE_CALLS = 150
"""How many calls an outage lasts: longer than five deliveries of whatever it meets."""


class Killed(BaseException):
    """The worker is gone: it answers nothing, and what it did so far stays done."""


class Mode(StrEnum):
    """What happens at the call.

    ``overload`` and ``outage``: throttled, or answered by an error, there and for many calls more.
    ``stall``: the worker stands still before it while everything else goes on, then continues.
    ``repeated``: it took effect, the answer was lost, and the SDK sent it again by itself.
    """

    KILL_BEFORE = "kill_before"
    KILL_AFTER = "kill_after"
    THROTTLE = "throttle"
    OVERLOAD = "overload"
    SERVER_ERROR = "server_error"
    OUTAGE = "outage"
    LOST_ANSWER = "lost_answer"
    REPEATED = "repeated"
    PARTIAL = "partial"
    STALL = "stall"


@dataclass(frozen=True, slots=True)
class Call:
    """One call to a service; ``service`` is ``index`` for the vector index."""

    service: str
    operation: str
    params: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.service}:{self.operation}"

    @property
    def writes(self) -> bool:
        return self.operation.startswith(_WRITES)


LASTING = frozenset({Mode.OVERLOAD, Mode.OUTAGE})

_WRITES = ("Put", "Update", "Delete", "Send", "Transact", "BatchWrite", "upsert", "delete")
_IN_PARTS = frozenset(
    {"SendMessageBatch", "BatchGetItem", "BatchWriteItem", "DeleteObjects", "TransactWriteItems"}
)
_ONLY_WRITES = frozenset({Mode.KILL_AFTER, Mode.LOST_ANSWER, Mode.REPEATED})
_THROTTLING = {"s3": "SlowDown", "sqs": "RequestThrottled"}


def applies(mode: Mode, call: Call) -> bool:
    """Whether the mode can happen to the call, and differs from what another mode does to it."""
    if call.operation == "optimize":  # never raises: it can only be cut short
        return mode in {Mode.KILL_BEFORE, Mode.STALL}
    if mode is Mode.PARTIAL:
        return call.operation in _IN_PARTS
    if mode is Mode.REPEATED and call.operation == "TransactWriteItems":
        return False  # its token makes DynamoDB answer the repetition as the first
    return call.writes or mode not in _ONLY_WRITES


Do = Callable[[Mapping[str, Any]], Any]


class Faults:
    """Counts the calls made by whom it watches; at call ``at`` (from 1) the mode happens, once."""

    def __init__(self, mode: Mode | None = None, at: int = 0) -> None:
        self.mode = mode
        self.at = at
        self.calls: list[Call] = []
        self.armed = True
        self.stalled = threading.Event()
        self.resume = threading.Event()
        self.after_each: Callable[[Call], None] = lambda call: None
        # Follows the work into threads that run in a copy of its context.
        self._watching: ContextVar[bool] = ContextVar("watching", default=False)
        self._counting = threading.Lock()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """The calls of this thread, and of those that work for it, count inside."""
        before = self._watching.set(True)
        try:
            yield
        finally:
            self._watching.reset(before)

    @property
    def pending(self) -> bool:
        """Whether the fault has not begun yet."""
        return self.armed and self.mode is not None and len(self.calls) < self.at

    def through(self, call: Call, do: Do) -> Any:
        """Make the call, or what becomes of it."""
        if not (self.armed and self._watching.get()):
            return do(call.params)
        with self._counting:
            self.calls.append(call)
            mode = self._now(call)
        answer = do(call.params) if mode is None else _HAPPENS[mode](self, call, do)
        with self.aside():
            self.after_each(call)
        return answer

    def over(self) -> None:
        """From here on nothing goes wrong any more."""
        self.armed = False

    def stand_still(self) -> None:
        self.stalled.set()
        assert self.resume.wait(timeout=60), "nobody let the stalled worker go on"

    def _now(self, call: Call) -> Mode | None:
        number = len(self.calls)
        if self.mode in LASTING:
            return self.mode if self.at <= number < self.at + OUTAGE_CALLS else None
        return self.mode if number == self.at else None

    @contextmanager
    def aside(self) -> Iterator[None]:
        """The calls of this thread do not count inside."""
        before = self._watching.set(False)
        try:
            yield
        finally:
            self._watching.reset(before)


class Storm(Faults):
    """Faults of all kinds at random calls, so many and no more: in the end the world is calm."""

    def __init__(self, chance: random.Random, *, most: int = 15, share: float = 0.05) -> None:
        super().__init__()
        self._chance = chance
        self._left = most
        self._share = share

    def _now(self, call: Call) -> Mode | None:
        if not self._left or self._chance.random() > self._share:
            return None
        self._left -= 1
        kinds = [mode for mode in Mode if applies(mode, call)]
        return self._chance.choice([one for one in kinds if one not in {*LASTING, Mode.STALL}])


def _kill_before(faults: Faults, call: Call, do: Do) -> Any:
    raise Killed(f"before {call}")


def _kill_after(faults: Faults, call: Call, do: Do) -> Any:
    do(call.params)
    raise Killed(f"after {call}")


def _throttle(faults: Faults, call: Call, do: Do) -> Any:
    if call.service == "index":
        raise Throttled("the index is throttled.")
    if call.operation == "TransactWriteItems":
        raise _cancelled(call, "ThrottlingError")
    code = _THROTTLING.get(call.service, "ProvisionedThroughputExceededException")
    raise _error(call, code, 503 if call.service == "s3" else 400)


def _server_error(faults: Faults, call: Call, do: Do) -> Any:
    if call.service == "index":
        raise ServiceUnavailable("the index did not answer.")
    code = "InternalServerError" if call.service == "dynamodb" else "InternalError"
    raise _error(call, code, 500)


def _lost_answer(faults: Faults, call: Call, do: Do) -> Any:
    do(call.params)
    if call.service == "index":
        raise ServiceUnavailable("the index did not answer.")
    raise ReadTimeoutError(endpoint_url=f"https://{call.service}.example")


def _repeated(faults: Faults, call: Call, do: Do) -> Any:
    do(call.params)
    return do(call.params)


def _stall(faults: Faults, call: Call, do: Do) -> Any:
    faults.stand_still()
    return do(call.params)


def _partial(faults: Faults, call: Call, do: Do) -> Any:
    return _PARTLY[call.operation](call, do)


def _some_sent(call: Call, do: Do) -> Any:
    entries = call.params["Entries"]
    sent = entries[: len(entries) // 2]
    answer = do({**call.params, "Entries": sent}) if sent else {"Successful": []}
    failed = [
        {"Id": one["Id"], "SenderFault": False, "Code": "InternalError", "Message": ""}
        for one in entries[len(sent) :]
    ]
    return {**answer, "Failed": failed}


def _some_read(call: Call, do: Do) -> Any:
    ((table, request),) = call.params["RequestItems"].items()
    keys = request["Keys"]
    now = keys[: len(keys) // 2]
    answer = do({"RequestItems": {table: {**request, "Keys": now}}}) if now else {"Responses": {}}
    left = {table: {**request, "Keys": keys[len(now) :]}}
    return {**answer, "UnprocessedKeys": left}


def _some_written(call: Call, do: Do) -> Any:
    ((table, requests),) = call.params["RequestItems"].items()
    now = requests[: len(requests) // 2]
    answer = do({"RequestItems": {table: now}}) if now else {}
    return {**answer, "UnprocessedItems": {table: requests[len(now) :]}}


def _some_deleted(call: Call, do: Do) -> Any:
    objects = call.params["Delete"]["Objects"]
    now = objects[: len(objects) // 2]
    answer = do({**call.params, "Delete": {**call.params["Delete"], "Objects": now}}) if now else {}
    errors = [
        {"Key": one["Key"], "Code": "InternalError", "Message": ""} for one in objects[len(now) :]
    ]
    return {**answer, "Errors": errors}


def _none_written(call: Call, do: Do) -> Any:
    raise _cancelled(call, "TransactionConflict")


_HAPPENS: dict[Mode, Callable[[Faults, Call, Do], Any]] = {
    Mode.KILL_BEFORE: _kill_before,
    Mode.KILL_AFTER: _kill_after,
    Mode.THROTTLE: _throttle,
    Mode.OVERLOAD: _throttle,
    Mode.SERVER_ERROR: _server_error,
    Mode.OUTAGE: _server_error,
    Mode.LOST_ANSWER: _lost_answer,
    Mode.REPEATED: _repeated,
    Mode.PARTIAL: _partial,
    Mode.STALL: _stall,
}

_PARTLY: dict[str, Callable[[Call, Do], Any]] = {
    "SendMessageBatch": _some_sent,
    "BatchGetItem": _some_read,
    "BatchWriteItem": _some_written,
    "DeleteObjects": _some_deleted,
    "TransactWriteItems": _none_written,
}


def _cancelled(call: Call, code: str) -> ClientError:
    """The last item of the transaction is the one to blame."""
    codes = ["None" for _ in call.params["TransactItems"][1:]] + [code]
    error = _error(call, "TransactionCanceledException", 400)
    error.response["CancellationReasons"] = [{"Code": one, "Message": ""} for one in codes]
    return error


def _error(call: Call, code: str, status: int) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": "made up by a test"},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "",
                "HostId": "",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
            },
        },
        call.operation,
    )
