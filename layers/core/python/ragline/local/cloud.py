"""The local cloud of one directory: MiniStack behind the guard, started and ended as one process.

What it needs lies in ``{directory}/.ragline``: cloud.json (which process, which port), cloud.log,
``tmp`` (emptied at each start), ``kept`` (documents and state, only when asked to keep them), and
decisions.jsonl (what was allowed and refused, only when asked to enforce policies).
"""

from __future__ import annotations

import fcntl
import http.client
import json
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ragline.domain.errors import SetupError
from ragline.local import guard, installed, process

Say = Callable[[str], None]

START_SECONDS = 60
GRACE_SECONDS = 20
"""A clean end saves the state; MiniStack took under a second for thousands of items."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """A local cloud that runs. ``started`` tells its process from a later one of the same pid."""

    directory: Path
    pid: int
    started: str
    port: int
    keep: bool
    ministack: str
    enforce: bool = False

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return home(self.directory) / "cloud.log"

    @property
    def decisions(self) -> Path:
        """What policies allowed and refused (authority.py), where they are enforced."""
        return home(self.directory) / "decisions.jsonl"


def home(directory: Path) -> Path:
    """Where the local cloud of a directory keeps its files."""
    return directory.absolute() / ".ragline"


def start(
    directory: Path, *, port: int = 4566, keep: bool = False, enforce: bool = False, say: Say
) -> Cloud:
    """The local cloud of ``directory``: the one that runs, else a new one, ready to be used.

    With ``keep``, what it holds survives a clean stop and comes back at the next start with
    ``keep``; without, a new one is empty. With ``enforce``, a function may do only what the
    policies of its role allow, as on AWS; without, anything.

    Raises:
        SetupError: it runs with other settings, the port is taken, MiniStack cannot be installed,
            or it ended at once; each says what to do.
    """
    with _alone(directory):
        found = _read(directory, say)
        if found is not None:
            _same(found, port, keep, enforce)
            say(f"The local cloud already runs at {found.endpoint_url} (process {found.pid}).")
            return found
        _require_free(port)
        python = installed.interpreter(say)
        say(f"Starting MiniStack {installed.version()} on port {port}")
        return _launch(directory.absolute(), python, port, keep, enforce)


def stop(directory: Path, say: Say) -> bool:
    """End the local cloud of ``directory``, and only it; False if none ran."""
    with _alone(directory):
        found = _read(directory, say)
        if found is None:
            say("No local cloud runs here.")
            return False
        clean = process.end(found.pid, found.started, grace=GRACE_SECONDS)
        _forget(directory)
        if not clean and found.keep:
            say("It had to be killed: kept data are those of the last clean stop.")
        say(f"Stopped the local cloud (process {found.pid}).")
        return True


def running(directory: Path) -> Cloud | None:
    """The local cloud of ``directory`` if its process lives; changes nothing."""
    found = _recorded(directory)
    return found if found and process.started(found.pid) == found.started else None


def _launch(directory: Path, python: Path, port: int, keep: bool, enforce: bool) -> Cloud:
    files = home(directory)
    shutil.rmtree(files / "tmp", ignore_errors=True)
    (files / "tmp").mkdir()
    (files / "decisions.jsonl").unlink(missing_ok=True)
    log = files / "cloud.log"
    command = [str(python), "-I", guard.__file__]
    try:
        pid = process.spawn(command, env=_environment(directory, port, keep, enforce), log=log)
    except OSError as error:
        raise SetupError(f"{python} cannot be run: {error.strerror}. Delete its venv.") from error
    started = process.started(pid) or ""
    cloud = Cloud(directory, pid, started, port, keep, installed.version(), enforce)
    record = asdict(cloud) | {"directory": str(directory)}
    (files / "cloud.json").write_text(json.dumps(record, indent=2) + "\n")
    try:
        _await_ready(cloud)
    except BaseException:
        process.end(pid, started, grace=2)
        _forget(directory)
        raise
    return cloud


def _environment(directory: Path, port: int, keep: bool, enforce: bool) -> dict[str, str]:
    """All that MiniStack gets, and its functions inherit: nothing of the user's shell."""
    files = home(directory)
    env = {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",  # in the URLs that it makes: no name to look up
        "IOT_MTLS_ENABLED": "0",  # else an MQTT port is opened on every interface
        "SFTP_ENABLED": "0",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TMPDIR": str(files / "tmp"),
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "DOCKER_HOST": "unix:///nonexistent",  # the user's containers are none of its business
        "RAGLINE_CLOUD_DIRECTORY": str(directory),
    }
    if enforce:
        env |= {"AUTH": "true", "RAGLINE_DECISIONS": str(files / "decisions.jsonl")}
    if keep:
        kept = files / "kept"
        env |= {"PERSIST_STATE": "1", "STATE_DIR": str(kept / "state")}
        env |= {"S3_PERSIST": "1", "S3_DATA_DIR": str(kept / "s3")}
    return env


def _await_ready(cloud: Cloud) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.started(cloud.pid) == cloud.started:
        if (_ask(cloud.port) or {}).get("pid") == cloud.pid:
            return
        if time.monotonic() > deadline:
            raise SetupError(f"MiniStack did not answer in {START_SECONDS} s. {_last_words(cloud)}")
        time.sleep(0.1)
    raise SetupError(f"MiniStack ended at once. {_last_words(cloud)}")


def _last_words(cloud: Cloud) -> str:
    lines = cloud.log.read_text(errors="replace").strip().splitlines()[-10:]
    return f"The end of {cloud.log}:\n" + "\n".join(lines)


def _ask(port: int) -> dict[str, Any] | None:
    """What the guard on this port says about itself; None if no guard answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", guard.IDENTITY_PATH)
        answer = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return answer if isinstance(answer, dict) else None


def _require_free(port: int) -> None:
    # The kernel closes the sockets of a killed process a moment after its pid is gone.
    deadline = time.monotonic() + 0.5
    while (refused := _bind(port)) is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    if refused is None:
        return
    holder, way_out = _holder(port)
    raise SetupError(
        f"Port {port} is in use by {holder}: {way_out}, or choose another with "
        f"`ragline up --port {port + 1}`."
    ) from refused


def _bind(port: int) -> OSError | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error
    return None


def _holder(port: int) -> tuple[str, str]:
    answer = _ask(port) or {}
    if "pid" in answer and "directory" in answer:
        where = answer["directory"]
        return f"the local cloud of {where} (process {answer['pid']})", "`ragline down` there"
    if answer:
        return "another program that speaks HTTP, perhaps a local AWS stand-in", "stop it"
    return "another program", f"stop it (`lsof -i :{port}` names it)"


def _same(found: Cloud, port: int, keep: bool, enforce: bool) -> None:
    if (found.port, found.keep, found.enforce) != (port, keep, enforce):
        how = "kept data" if found.keep else "nothing kept"
        how += ", policies enforced" if found.enforce else ""
        raise SetupError(
            f"The local cloud of this directory already runs on port {found.port} with {how}: "
            "`ragline down` first, or use the same options."
        )


def _read(directory: Path, say: Say) -> Cloud | None:
    """As ``running``, and what a process that is gone left behind is cleaned up."""
    found = running(directory)
    if found is None and (home(directory) / "cloud.json").exists():
        _forget(directory)
        say("The local cloud of an earlier start is gone without a stop; cleaned up after it.")
    return found


def _recorded(directory: Path) -> Cloud | None:
    try:
        record = json.loads((home(directory) / "cloud.json").read_text())
        return Cloud(**record | {"directory": directory.absolute()})
    except (OSError, ValueError, TypeError):  # absent, cut short, or of another version
        return None


def _forget(directory: Path) -> None:
    shutil.rmtree(home(directory) / "tmp", ignore_errors=True)
    (home(directory) / "cloud.json").unlink(missing_ok=True)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """One start or stop at a time per directory; the others wait."""
    files = home(directory)
    try:
        files.mkdir(parents=True, exist_ok=True)
        lock = (files / "lock").open("w")
    except OSError as error:
        raise SetupError(f"{files} cannot be written: {error.strerror}.") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
