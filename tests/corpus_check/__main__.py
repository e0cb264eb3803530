"""``make corpus-check DOCS=folder``: every file of a folder through a stack of its own.

The template is deployed to a local cloud that is gone afterwards; the files go in by the API, with
the passwords of the folder's manifest.tsv, and through all functions into the index. Embedded is
everything, by a small model of random weights (--model for another): what is looked at here is
whether each document ends, and how. Exits with 1 if any does not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from ragline.local import cloud, deploy
from tests.corpus_check.material import files_of
from tests.corpus_check.model import small_model
from tests.corpus_check.pushing import await_all, endings, push_all
from tests.corpus_check.tables import UNENDED, Ending, table
from tests.deployed import api_address
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
NAME = "ragline-corpus"
PATIENCE = 3_000.0
MANY = 30


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tests.corpus_check", description=__doc__)
    asked.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    asked.add_argument("--model", type=Path, help="a prepared embedding model instead")
    asked.add_argument("--patience", type=float, default=PATIENCE, help="seconds to wait at most")
    asked.add_argument("--list", action="store_true", help="tell of every file, not of odd ones")
    options = asked.parse_args()
    for folder in options.folders:
        if not folder.is_dir():
            asked.error(f"{folder} is no folder: DOCS=folder")
    found: list[Ending] = []
    with tempfile.TemporaryDirectory(prefix="ragline-corpus-") as home:
        model = options.model or small_model(Path(home))
        with deployed(Path(home) / "cloud", model) as api:
            for folder in options.folders:
                found += check(api, folder, options.patience)
    say("")
    for line in told(found, every=options.list):
        say(line)
    sys.exit(any(one.state == UNENDED for one in found))


def check(api: httpx.Client, folder: Path, patience: float) -> list[Ending]:
    """Push the folder's files, await their ends, and show the table of it."""
    files, begun = files_of(folder), time.monotonic()
    collection = f"check-{abs(hash(str(folder))) % 10**8}"
    say(f"{folder}: {len(files)} files")
    pushed = push_all(api, files, collection)
    say(f"  all sent after {time.monotonic() - begun:.0f} s")
    last = [0.0]

    def progress(ended: int, of: int) -> None:
        if time.monotonic() - last[0] > MANY:
            last[0] = time.monotonic()
            say(f"  {ended} of {of} have ended after {time.monotonic() - begun:.0f} s")

    known = await_all(api, collection, patience, progress)
    ends = endings(pushed, known)
    say(f"\n### {folder.name}, {time.monotonic() - begun:.0f} s\n\n{table(ends)}\n")
    return ends


def told(found: Sequence[Ending], *, every: bool) -> Iterator[str]:
    """A line for each file that is not simply indexed, or for each."""
    for one in sorted(found, key=lambda one: (one.state, one.name)):
        if every or one.state != "indexed":
            yield f"- {one.state}: {one.name} ({one.kind}): {one.detail}"


@contextmanager
def deployed(home: Path, model: Path) -> Iterator[httpx.Client]:
    """A stack on a local cloud of its own: a client that carries its key."""
    running = cloud.start(home, port=free_port(), keep=False, say=silent)
    try:
        outputs = deploy.deploy(
            running.endpoint_url,
            ROOT / "template.yaml",
            stack=NAME,
            parameters={
                "ModelDir": str(model),
                "EmbedderConcurrency": "2",
                "Observability": "none",
            },
            say=silent,
        )
        url, key = api_address(running.endpoint_url, outputs)
        headers = {"x-api-key": key}
        with httpx.Client(base_url=url, headers=headers, timeout=120, trust_env=False) as api:
            yield api
    finally:
        cloud.stop(home, silent)


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def silent(_: str) -> None:
    return


if __name__ == "__main__":
    main()
