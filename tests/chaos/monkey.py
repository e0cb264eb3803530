"""The one who breaks things while the load runs: kills workers, arms faults, repeats events."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.chaos.project import Chaos
from tests.chaos.worker import AFTER, ANY, BEFORE, HANG, KILL, LOSE, THROTTLE, Fault
from tests.e2e.stack import NAME

WEIGHTS = {
    "splitter": 4, "embedder": 4, "indexer": 1, "dead_letters": 1, "maintenance": 2, "api": 1,
}  # fmt: skip
"""How often each is picked. All that the indexer has in hand stands still until it comes back."""

POINTS = (
    Fault("splitter", "PutObject"),
    Fault("splitter", "TransactWriteItems"),
    Fault("splitter", "SendMessageBatch", BEFORE),
    Fault("splitter", "SendMessageBatch"),
    Fault("splitter", "GetObject", action=LOSE),
    Fault("splitter", ANY, BEFORE, THROTTLE),
    Fault("embedder", "GetObject", BEFORE, HANG),
    Fault("embedder", "PutObject"),
    Fault("embedder", "TransactWriteItems"),
    Fault("embedder", "SendMessageBatch", BEFORE),
    Fault("embedder", "SendMessageBatch"),
    Fault("embedder", "TransactWriteItems", action=LOSE),
    Fault("embedder", ANY, BEFORE, THROTTLE),
    Fault("indexer", "index.upsert", BEFORE),
    Fault("indexer", "index.upsert"),
    Fault("indexer", "index.delete"),
    Fault("indexer", "TransactWriteItems"),
    Fault("indexer", "TransactWriteItems", action=LOSE),
    Fault("indexer", "DeleteObjects", BEFORE),
    Fault("indexer", ANY, BEFORE, THROTTLE),
    Fault("api", ANY, AFTER, KILL),
    Fault("dead_letters", ANY, AFTER, KILL),
    Fault("maintenance", ANY, AFTER, KILL),
)
"""Where a worker fails from within."""


@dataclass(slots=True)
class Monkey:
    """``seed`` decides what it does, and the machine when: every ``every`` seconds on average."""

    chaos: Chaos
    seed: int
    every: float
    kills: int = 0
    events_again: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        threads = [threading.Thread(target=run) for run in (self._break, self._repeat)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()
            disarm(self.chaos)
            self._send_events(everything=True)

    def _break(self) -> None:
        draw = random.Random(self.seed)
        while not self._over.wait(draw.uniform(0.5, 1.5) * self.every):
            function = draw.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            point = draw.choice([point for point in POINTS if point.function == function])
            if draw.random() < 0.5:
                self.kills += kill_worker(self.chaos, function, draw)
            elif function not in {fault.function for fault in self.chaos.armed()}:
                point.arm(self.chaos.faults)

    def _repeat(self) -> None:
        while not self._over.wait(1.0):
            self._send_events(everything=False)

    def _send_events(self, *, everything: bool) -> None:
        """Give the splitter events of the bucket again, out of order: some at once, some late."""
        for path in sorted((self.chaos.faults / "events").iterdir()):
            old = time.time() - path.stat().st_mtime > 2
            if everything or (old and random.random() < 0.15):
                self.chaos.stack.functions.invoke(
                    FunctionName=f"{NAME}-splitter",
                    InvocationType="Event",
                    Payload=path.read_bytes(),
                )
                path.unlink()
                self.events_again += 1


def kill_worker(chaos: Chaos, function: str, draw: random.Random) -> int:
    """SIGKILL to one of a function's workers, if it has one; how many that were.

    Those that still start are spared: for one of them that dies the local cloud ends all workers
    of the function and deletes their code, others' too that still start, and so on.
    """
    up = {int(path.name) for path in (chaos.faults / "up").iterdir()}
    found = [pid for pid in workers(chaos, function) if pid in up]
    if not found:
        return 0
    with contextlib.suppress(ProcessLookupError):
        os.kill(draw.choice(found), signal.SIGKILL)
        return 1
    return 0


def workers(chaos: Chaos, function: str) -> list[int]:
    """The processes of a function's workers: children of this very cloud, known by their script."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=", "-o", "ppid=", "-o", "args="],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    name = f"{NAME}-{function.replace('_', '-')}"
    mark = f"{chaos.cloud.directory}/.ragline/tmp/ministack-lambda-{name}-"
    found = []
    for line in listed.stdout.splitlines():
        pid, parent, command = line.split(maxsplit=2)
        if int(parent) == chaos.cloud.pid and mark in command:
            found.append(int(pid))
    return sorted(found)


def disarm(chaos: Chaos) -> None:
    for path in (chaos.faults / "armed").iterdir():
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def killed_within(chaos: Chaos) -> int:
    """How many workers killed themselves, or hung until they were killed."""
    return sum(fault.action in (KILL, HANG) for fault in chaos.fired())
