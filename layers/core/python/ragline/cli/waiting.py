"""Waiting for a stack's queues to empty."""

from __future__ import annotations

import math

from ragline.cli.outside import Outside
from ragline.ports import Queues

LONGEST_WAIT = 120.0
PAUSE = 2.0
QUIET_ROUNDS = 3
"""SQS only estimates how many messages it holds: one look that finds none proves little."""


def wait(queues: Queues, outside: Outside, *, while_it_moves: bool = False) -> int:
    """Wait until the queues hold nothing, for some looks on end; how much they hold in the end.

    At most ``LONGEST_WAIT``; if ``while_it_moves``, so long after each time that they held less.
    """
    deadline, quiet, least = outside.clock() + LONGEST_WAIT, 0, math.inf
    while True:
        left = waiting(queues)
        quiet = 0 if left else quiet + 1
        if while_it_moves and left < least:
            deadline, least = outside.clock() + LONGEST_WAIT, left
        if quiet == QUIET_ROUNDS or outside.clock() >= deadline:
            return left
        outside.sleep(PAUSE)


def waiting(queues: Queues) -> int:
    """How many messages the queues hold, roughly."""
    backlog = queues.backlog()
    return backlog.pages + backlog.chunks + backlog.index_ops
