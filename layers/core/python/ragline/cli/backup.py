"""`ragline backup` and `restore`: the ledger, in a folder or a bucket, and back.

The index is not in it: it is made anew from the bucket, which `ragline doctor --repair` does.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from rich.text import Text

import ragline
from ragline.cli import options
from ragline.cli.outside import Outside
from ragline.cli.record_ports import objects_of
from ragline.cli.screen import Screen
from ragline.cli.target import Account, Choice, account
from ragline.domain.errors import Conflict, InvalidRequest, NotFound
from ragline.domain.times import iso, utc_now
from ragline.ports import Objects

PART_RECORDS = 50_000
"""Of one file: some megabytes, compressed."""

MANIFEST = "manifest.json"
_FORMAT = 1

Place = Annotated[str, typer.Argument(metavar="FOLDER|s3://BUCKET/PREFIX")]


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a backup: gzipped lines, a record each."""

    name: str
    records: int
    sha256: str


class Folder:
    """A folder, as far as a backup needs it: ``put`` and ``get`` of ``Objects``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, key: str, data: bytes, content_type: str = "") -> None:
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)  # as secret as the table
        (self._path / key).write_bytes(data)

    def get(self, key: str) -> bytes | None:
        file = self._path / key
        return file.read_bytes() if file.is_file() else None


class Prefix:
    """What lies below a prefix of a bucket."""

    def __init__(self, objects: Objects, prefix: str) -> None:
        self._objects, self._prefix = objects, prefix

    def put(self, key: str, data: bytes, content_type: str = "application/gzip") -> None:
        self._objects.put(self._prefix + key, data, content_type)

    def get(self, key: str) -> bytes | None:
        return self._objects.get(self._prefix + key)


def backup(
    ctx: typer.Context,
    to: Place,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Copy the whole ledger of a stack, of all tenants, to a folder or a bucket.

    The ledger may change meanwhile: a copy is of the time that it took. Uploads,
    chunks and vectors stay in the stack's bucket.
    """
    outside, screen = Outside.of(ctx), Screen(as_json)
    where = account(Choice(stack, profile, endpoint, region), outside)
    place = _place(to, where, outside)
    if place.get(MANIFEST) is not None:
        raise Conflict(f"there is a backup in {to} already; name another place.")
    screen.say(f"copying the ledger of stack {where.stack} to {to}")
    begun, parts = iso(utc_now()), []
    for number, run in enumerate(_runs(outside.records(where).all()), start=1):
        data = gzip.compress("".join(f"{line}\n" for line in run).encode(), mtime=0)
        part = Part(f"ledger-{number:05d}.jsonl.gz", len(run), hashlib.sha256(data).hexdigest())
        place.put(part.name, data)
        parts.append(part)
    manifest = {
        "format": _FORMAT,
        "ragline": ragline.__version__,
        "stack": where.stack,
        "begun": begun,
        "ended": iso(utc_now()),
        "records": sum(part.records for part in parts),
        "parts": [asdict(part) for part in parts],
    }
    # The last: without it there is no backup.
    place.put(MANIFEST, json.dumps(manifest, indent=2).encode(), "application/json")
    screen.give({"to": to, **manifest})
    screen.show(Text(f"{manifest['records']:,} records are in {to}.", style="bold green"))


def restore(
    ctx: typer.Context,
    source: Place,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Though the ledger holds records already.")
    ] = False,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Put a backup's records back into a stack's ledger. All of it is read and checked first.

    Then `ragline doctor --repair` makes anew what the index lacks, and says what is no more.
    """
    outside, screen = Outside.of(ctx), Screen(as_json)
    where = account(Choice(stack, profile, endpoint, region), outside)
    place, records = _place(source, where, outside), outside.records(where)
    parts = _checked(place, source)
    if not overwrite and not records.empty():
        raise Conflict(
            f"the ledger of stack {where.stack} is not empty. Restore into a new one, or write "
            "over the same keys with --overwrite (what is not in the backup stays)."
        )
    done = 0
    for part in parts:
        screen.say(f"{part.name}: {part.records:,} records")
        done += records.put(_lines(place, part))
    screen.give({"from": source, "records": done})
    screen.show(Text(f"{done:,} records are back. Next: ragline doctor --repair", style="bold"))


def _runs(lines: Iterator[str]) -> Iterator[Sequence[str]]:
    while run := list(islice(lines, PART_RECORDS)):
        yield run


def _place(text: str, where: Account, outside: Outside) -> Folder | Prefix:
    if not text.startswith("s3://"):
        return Folder(outside.directory() / text)
    address = urlsplit(text)
    if not address.netloc:
        raise InvalidRequest(f"{text!r} names no bucket: write s3://BUCKET/PREFIX.")
    prefix = address.path.strip("/")
    return Prefix(objects_of(where, address.netloc), f"{prefix}/" if prefix else "")


def _checked(place: Folder | Prefix, source: str) -> list[Part]:
    """The parts, each read and found as it was written."""
    data = place.get(MANIFEST)
    if data is None:
        raise NotFound(f"there is no backup in {source}: it has no {MANIFEST}.")
    try:
        manifest: Any = json.loads(data)
        parts = [Part(**one) for one in manifest["parts"]]
        known = manifest["format"] == _FORMAT
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidRequest(f"{MANIFEST} in {source} is damaged.") from error
    if not known:
        raise InvalidRequest(f"the backup in {source} is of another version of Ragline.")
    for part in parts:
        found = place.get(part.name)
        if found is None or hashlib.sha256(found).hexdigest() != part.sha256:
            raise InvalidRequest(f"{part.name} in {source} is missing or damaged.")
    return parts


def _lines(place: Folder | Prefix, part: Part) -> Iterator[str]:
    """A name may hold what Unicode takes for the end of a line: only a line feed ends a record."""
    text = gzip.decompress(place.get(part.name) or b"").decode()
    yield from text.removesuffix("\n").split("\n")
