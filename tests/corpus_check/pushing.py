"""Files through the API of a deployed stack, and what the ledger says of them in the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import httpx

from ragline.domain.documents import TERMINAL
from tests.corpus_check.material import Material
from tests.corpus_check.tables import UNENDED, Ending

UPLOADS = 4
"""At the same time."""

POLL_SECONDS = 3.0
KINDS = ("text", "ocr", "image", "blank", "failed")

Documents = Mapping[str, Any]


def push_all(
    api: httpx.Client, files: Sequence[Material], collection: str
) -> dict[str, Material | Ending]:
    """Document id → its file; a file that the API refused is an ending already, by its name."""

    def one(file: Material) -> tuple[str, Material | Ending]:
        data = file.path.read_bytes()
        answer = api.post("/api/v2/documents", json=_registration(file, len(data), collection))
        if answer.status_code == 400:
            code = answer.json()["code"]
            return file.name, Ending(file.name, file.kind, f"failed: {code}", "refused by the API")
        made = answer.raise_for_status().json()
        slot = made["upload"]
        bucket.put(slot["url"], headers=slot["headers"], content=data).raise_for_status()
        return made["document_id"], file

    with httpx.Client(timeout=120, trust_env=False) as bucket, ThreadPoolExecutor(UPLOADS) as pool:
        return dict(pool.map(one, files))


def _registration(file: Material, size: int, collection: str) -> dict[str, Any]:
    """The same bytes may be there under two names: each is to end by itself."""
    body = {"filename": file.path.name, "size": size, "collection": collection, "upload": "put"}
    body["allow_duplicate"] = True
    return body | ({"password": file.password} if file.password else {})


def await_all(
    api: httpx.Client, collection: str, patience: float, told: Callable[[int, int], None]
) -> dict[str, Any]:
    """Document id → what the ledger says, once all have ended, or after ``patience`` seconds.

    Those that came within others, such as an archive's, are among them.
    """
    deadline = time.monotonic() + patience
    while True:
        found = {one["document_id"]: one for one in _documents(api, collection)}
        ended = sum(one["status"] in TERMINAL for one in found.values())
        told(ended, len(found))
        if ended == len(found) or time.monotonic() > deadline:
            return found
        time.sleep(POLL_SECONDS)


def _documents(api: httpx.Client, collection: str) -> Iterator[Any]:
    query: dict[str, str | int] = {"collection": collection, "limit": 100}
    while True:
        page = api.get("/api/v2/documents", params=query).raise_for_status().json()
        yield from page["documents"]
        if not page["cursor"]:
            return
        query["cursor"] = page["cursor"]


def endings(pushed: Mapping[str, Material | Ending], found: Documents) -> list[Ending]:
    """Of every file that was pushed, and of those that came within them."""
    made: list[Ending] = []
    for document_id, file in pushed.items():
        if isinstance(file, Ending):
            made.append(file)
        elif document_id in found:
            made.append(_ending(file.name, file.kind, found[document_id]))
        else:
            made.append(Ending(file.name, file.kind, UNENDED, "the ledger does not know it"))
    inside = (one for document_id, one in found.items() if document_id not in pushed)
    return made + [_ending(one["filename"], "within others", one) for one in inside]


def _ending(name: str, kind: str, document: Any) -> Ending:
    reason, progress = document["reason"], document["progress"]
    state = document["status"]
    if state not in TERMINAL:
        state = UNENDED
    elif state == "failed":
        state = f"failed: {reason['code']}"
    return Ending(
        name,
        kind,
        state,
        detail=" ".join(filter(None, (reason and reason["message"], document["advice"]))),
        seconds=_seconds(document) if state != UNENDED else 0.0,
        chunks=progress["chunks_total"],
        pages=page_kinds(progress),
    )


def page_kinds(progress: Documents) -> dict[str, int]:
    told = progress.get("pages") or {}
    return {kind: told[kind] for kind in KINDS if told.get(kind)}


def _seconds(document: Any) -> float:
    begun, ended = (datetime.fromisoformat(document[at]) for at in ("created_at", "updated_at"))
    return max(0.1, (ended - begun).total_seconds())
