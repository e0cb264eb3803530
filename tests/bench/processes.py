"""What processes took: peak memory and CPU time, by component."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from tests.function_runtime import FUNCTIONS


def components(stack: str, home: Path, cloud: int) -> Iterator[tuple[str, float, float]]:
    """Name, peak megabytes and CPU seconds of each function's workers, then of the local cloud.

    The local cloud, which lives in ``home`` and whose process id ``cloud`` is, stands for every
    AWS service. Stacks of the same name in other local clouds are not counted.
    """
    for name in FUNCTIONS:
        mark = f"{stack}-{name.replace('_', '-')}-"
        used = [use for pid in Path("/proc").glob("[0-9]*") if (use := usage(pid, str(home), mark))]
        if used:
            yield name, max(peak for peak, _ in used), sum(cpu for _, cpu in used)
    if use := usage(Path(f"/proc/{cloud}")):
        yield "local cloud", *use


def usage(process: Path, *marks: str) -> tuple[float, float] | None:
    """Peak megabytes (VmHWM) and CPU seconds of a process whose command line holds all marks.

    None if it is not such a process, has ended, or the system has no /proc.
    """
    try:
        command = (process / "cmdline").read_text()
        if not all(mark in command for mark in marks):
            return None
        peak = re.search(r"VmHWM:\s+(\d+) kB", (process / "status").read_text())
        # pid (command) state …: fields 14 and 15 are user and system time in clock ticks
        # https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
        times = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
    except OSError:
        return None
    ticks = sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
    return (int(peak[1]) / 1024 if peak else 0.0), ticks
