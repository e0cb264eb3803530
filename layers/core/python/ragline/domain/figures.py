"""What a document and a chunk take, as it was measured, and what that costs. Pure.

Use grows with documents and with chunks, so both have their own figure: a chunk of a short document
costs more than one of a long one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ragline.domain.costs import GIGABYTE, Line, Prices, bill
from ragline.domain.usage import Usage

OTHER = ""
"""In a kind's place: files of any other ending."""


@dataclass(frozen=True, slots=True)
class Figures:
    """``documents`` and ``chunks``: function → meter → how much each takes. ``call_milliseconds``:
    what an AWS call is taken to last, besides the measured CPU. ``stored``: store → bytes by chunk.
    ``chunk_bytes``: a file's ending → its bytes by chunk. ``log_bytes``: by chunk. ``memory``:
    function → its megabytes, as the template gives them.
    """

    measured: str
    call_milliseconds: float
    documents: Mapping[str, Mapping[str, float]]
    chunks: Mapping[str, Mapping[str, float]]
    stored: Mapping[str, float]
    chunk_bytes: Mapping[str, float]
    log_bytes: float
    memory: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Size:
    """How big a load is."""

    documents: int
    chunks: int
    bytes: int = 0


def usages(size: Size, figures: Figures) -> list[Usage]:
    """What a load uses by function."""
    return [
        Usage(function, _timed(_added(size, function, figures), megabytes, figures))
        for function, megabytes in figures.memory.items()
        if function in figures.chunks or function in figures.documents
    ]


def ingest_lines(size: Size, figures: Figures, prices: Prices) -> list[Line]:
    """What taking in a load costs, by meter; with the uploads, which no function makes, each by a
    PUT, and the logs that are written."""
    uploads = Usage("", {"s3_writes": size.documents})
    logs = figures.log_bytes * size.chunks / GIGABYTE
    return [
        *bill([*usages(size, figures), uploads], prices),
        Line("log_gigabytes", logs, prices.cost("cloudwatch.log_gb", logs)),
    ]


def storage_lines(size: Size, figures: Figures, prices: Prices) -> list[Line]:
    """What keeping a load costs in a month, by store. The upload is as big as it is, if told."""
    lines = []
    for store, each in figures.stored.items():
        whole = size.bytes if store == "uploads" and size.bytes else each * size.chunks
        gigabytes = whole / GIGABYTE
        rate = ("dynamodb.gb_month", "dynamodb.pitr_gb_month") if store == "ledger" else (
            "s3.gb_month",
        )  # fmt: skip
        cost = sum(prices.cost(one, gigabytes) for one in rate)
        lines.append(Line(f"{store}_gigabyte_months", gigabytes, cost))
    return lines


def size_of(files: Iterable[tuple[str, int]], figures: Figures) -> Size:
    """How big a load these files are, by their endings (such as ``.pdf``) and bytes."""
    documents, chunks, whole = 0, 0.0, 0
    for ending, size in files:
        each = figures.chunk_bytes.get(ending, figures.chunk_bytes[OTHER])
        documents, whole = documents + 1, whole + size
        chunks += max(1.0, size / each)
    return Size(documents, round(chunks), whole)


def _added(size: Size, function: str, figures: Figures) -> dict[str, float]:
    by_document = figures.documents.get(function, {})
    by_chunk = figures.chunks.get(function, {})
    return {
        meter: size.documents * by_document.get(meter, 0.0) + size.chunks * by_chunk.get(meter, 0.0)
        for meter in {*by_document, *by_chunk}
    }


def _timed(counts: dict[str, float], megabytes: int, figures: Figures) -> dict[str, float]:
    """With the time that is billed: the CPU's, and the wait for each call and for the index."""
    waited = counts.get("calls", 0.0) * figures.call_milliseconds
    waited += counts.get("wait_milliseconds", 0.0)
    milliseconds = counts.get("cpu_milliseconds", 0.0) + waited
    return {
        **counts,
        "milliseconds": milliseconds,
        "megabyte_milliseconds": milliseconds * megabytes,
    }
