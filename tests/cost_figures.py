"""Measures what a document and a chunk use, on a local cloud: ``python -m tests.cost_figures``.

    python -m tests.cost_figures           measure, write figures.json and the tables
    python -m tests.cost_figures --write   only the tables, from the figures that are there

Two loads go in, of short documents and of long ones. What the functions counted of themselves
meanwhile (``domain.usage``) is taken to be linear in documents and chunks, so two loads tell both.
CPU, requests and units are measured; what a call of AWS lasts there is assumed. The requests of the
index, which the functions cannot see, are counted on a small S3 (``tests.slow_s3``) that is slow.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ragline import chunking, parsing, prices
from ragline.adapters.dynamodb.usage import DynamoUsageBook
from ragline.domain.documents import TERMINAL
from ragline.domain.figures import OTHER
from ragline.domain.times import utc_now
from ragline.domain.usage import month_of
from ragline.embedding.prepare import ensure
from ragline.embedding.tokenizer import WordPieceTokenizer
from ragline.local import aws
from tests import cost_tables
from tests.bench import material, store
from tests.bench.corpus import PARTITION, Corpus, real
from tests.bench.growth import BATCH, apply_batch
from tests.e2e.stack import NAME, ROOT, Stack, alone, until

CALL_MILLISECONDS = 15
"""What a call of S3, SQS or DynamoDB is taken to last: some take 5, some 30."""

LOADS = {"short": (2, 60), "long": (140, 12)}
"""Paragraphs of a document, and how many documents."""

MEASURED = (
    "invocations", "cpu_milliseconds", "calls", "api_requests", "dynamodb_write_units",
    "dynamodb_read_units", "s3_writes", "s3_reads", "sqs_requests", "sqs_fifo_requests",
)  # fmt: skip
Used = dict[str, Counter[str]]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--write", action="store_true", help="only write the tables anew")
    if not options.parse_args().write:
        found = json.dumps(measure(), indent=1, sort_keys=True)
        prices.FIGURES.write_text(found + "\n")
        prices.figures.cache_clear()
    cost_tables.write()


def measure() -> dict[str, Any]:
    """All that ``figures.json`` holds."""
    with tempfile.TemporaryDirectory(prefix="ragline-cost-") as folder, alone(Path(folder)) as it:
        write_at_once(it)
        load(it, "warm", 20, 8)
        sizes, used = {}, {}
        for name, (paragraphs, documents) in LOADS.items():
            before = usage(it)
            sizes[name] = documents, load(it, name, paragraphs, documents)
            used[name] = less(usage(it), before)
        time.sleep(5)
        chunks = sum(chunks for _, chunks in sizes.values())
        stored, logs = stored_bytes(it), log_bytes(it)
        whole = chunks + load.warm  # type: ignore[attr-defined]
    by_document, by_chunk = solved(sizes, used)
    for meter, amount in index_requests().items():
        by_chunk["indexer"][meter] = by_chunk["indexer"].get(meter, 0.0) + amount
    return {
        "measured": f"{utc_now():%Y-%m-%d}",
        "call_milliseconds": CALL_MILLISECONDS,
        "documents": rounded(by_document),
        "chunks": rounded(by_chunk),
        "stored": {name: round(size / whole) for name, size in stored.items()},
        "log_bytes": round(logs / whole),
        "chunk_bytes": chunk_bytes(),
        "memory": cost_tables.memory(),
    }


def write_at_once(stack: Stack) -> None:
    """Have the functions write down their use after every invocation."""
    for each in stack.functions.list_functions()["Functions"]:
        environment = dict(each.get("Environment", {}).get("Variables", {}))
        environment["USAGE_WRITE_MILLISECONDS"] = "0"
        stack.functions.update_function_configuration(
            FunctionName=each["FunctionName"], Environment={"Variables": environment}
        )


def load(stack: Stack, collection: str, paragraphs: int, documents: int) -> int:
    """Bring these documents and wait until the table has them indexed; how many chunks they are."""
    with ThreadPoolExecutor(4) as pool:
        ids = list(
            pool.map(
                lambda number: stack.upload(
                    f"{collection}-{number}.md", text(number, paragraphs), collection
                ),
                range(documents),
            )
        )
    chunks = 0
    for document_id in ids:
        item = until(lambda one=document_id: ended(stack, one), f"{document_id} to end", 600)  # type: ignore[misc]
        assert item["status"]["S"] == "indexed", item
        chunks += int(item["indexed"]["N"])
    if collection == "warm":
        load.warm = chunks  # type: ignore[attr-defined]
    return chunks


def ended(stack: Stack, document_id: str) -> Any:
    """The document's item once it has ended. Not asked of the API, whose use is measured."""
    key = {"PK": {"S": f"TENANT#default#DOC#{document_id}"}, "SK": {"S": "META"}}
    item = stack.dynamodb.get_item(TableName=stack.outputs["LedgerTableName"], Key=key)["Item"]
    return item if item["status"]["S"] in TERMINAL else None


def text(number: int, paragraphs: int) -> bytes:
    """Paragraphs of one chunk each, of sentences that people wrote."""
    known = material.sentences()
    start = number * 131
    body = [
        f"# Part {at} of {number}\n\n"
        + " ".join(known[(start + at * 7 + n) % len(known)] for n in range(7))
        for at in range(paragraphs)
    ]
    return "\n\n".join(body).encode()


def usage(stack: Stack) -> Used:
    book = DynamoUsageBook(stack.outputs["LedgerTableName"], client=stack.dynamodb)
    found: Used = defaultdict(Counter)
    for _, used in book.everyone(month_of(utc_now())):
        found[used.function].update(used.counts)
    return found


def less(after: Used, before: Used) -> Used:
    return {
        name: Counter({meter: n - before.get(name, Counter())[meter] for meter, n in each.items()})
        for name, each in after.items()
    }


def solved(
    sizes: Mapping[str, tuple[int, int]], used: Mapping[str, Used]
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """What a document takes and what a chunk takes, by function; no share below nothing."""
    (d1, c1), (d2, c2) = sizes["short"], sizes["long"]
    documents: dict[str, dict[str, float]] = defaultdict(dict)
    chunks: dict[str, dict[str, float]] = defaultdict(dict)
    for name in sorted({*used["short"], *used["long"]} - {"maintenance"}):
        for meter in MEASURED:
            m1, m2 = (
                used["short"].get(name, Counter())[meter],
                used["long"].get(name, Counter())[meter],
            )
            if not (m1 or m2):
                continue
            whole = d1 * c2 - d2 * c1
            document, chunk = (m1 * c2 - m2 * c1) / whole, (d1 * m2 - d2 * m1) / whole
            if chunk < 0:
                document, chunk = (m1 + m2) / (d1 + d2), 0.0
            if document < 0:
                document, chunk = 0.0, (m1 + m2) / (c1 + c2)
            documents[name][meter], chunks[name][meter] = document, chunk
    return documents, chunks


def stored_bytes(stack: Stack) -> dict[str, float]:
    """Bytes by store, of all that was brought; an item of the ledger takes 100 more than it says.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    found: dict[str, float] = {"ledger": sum(items(stack))}
    for prefix in ("uploads", "chunks", "vectors", "index"):
        pages = stack.s3.get_paginator("list_objects_v2").paginate(
            Bucket=stack.bucket, Prefix=f"{prefix}/"
        )
        found[prefix] = sum(one["Size"] for page in pages for one in page.get("Contents", []))
    return found


def items(stack: Stack) -> Iterator[int]:
    pages = stack.dynamodb.get_paginator("scan").paginate(
        TableName=stack.outputs["LedgerTableName"]
    )
    for page in pages:
        for item in page["Items"]:
            yield 100 + sum(
                len(name) + len(str(next(iter(value.values())))) for name, value in item.items()
            )


def log_bytes(stack: Stack) -> float:
    """Of all functions' logs; CloudWatch adds 26 bytes to every line."""
    logs = aws.session().client("logs", endpoint_url=stack.endpoint_url, config=aws.config())
    whole = 0
    for group in logs.describe_log_groups()["logGroups"]:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
        if NAME in group["logGroupName"]:
            lines = (event["message"] for page in pages for event in page["events"])
            whole += sum(len(line.encode()) + 26 for line in lines)
    return whole


def index_requests(batches: int = 12) -> dict[str, float]:
    """By row: the requests of the index's own S3 client, and how long the indexer waits for them.

    Full batches, as in an ingest that is under way, with the folding that comes due meanwhile.
    """
    with tempfile.TemporaryDirectory(prefix="ragline-cost-") as folder:
        corpus = Corpus(*real(200, ensure("int8")), per_document=160)
        store.folder(Path(folder))
        with store.far(Path(folder)) as (place, meter):
            meter.reset(delay_ms=CALL_MILLISECONDS)
            indexes = place.indexes()
            took = [apply_batch(indexes, corpus, n * BATCH, PARTITION) for n in range(batches)]
            seen = meter.read()
    rows = batches * BATCH
    waited = sum(max(0.0, one.seconds - one.cpu) for one in took)
    return {
        "s3_writes": (seen["PUT"] + seen["LIST"] + seen["POST"]) / rows,
        "s3_reads": (seen["GET"] + seen["HEAD"]) / rows,
        "wait_milliseconds": 1_000 * waited / rows,
    }


def chunk_bytes() -> dict[str, float]:
    """Bytes of a file by chunk, by its ending: the handbook and these docs, as they are cut."""
    tokenizer, sizes, chunks = WordPieceTokenizer(ensure("int8")), Counter[str](), Counter[str]()
    for path in sorted((ROOT / "docs").rglob("*")):
        if path.suffix not in {".md", ".pdf", ".docx", ".html", ".csv"}:
            continue
        data = path.read_bytes()
        extraction = parsing.extract(parsing.Source(data, path.name))
        sizes[path.suffix] += len(data)
        chunks[path.suffix] += len(list(chunking.chunk(extraction, tokenizer=tokenizer)))
    found = {ending: round(sizes[ending] / chunks[ending]) for ending in sizes}
    return {**found, OTHER: found[".md"], ".txt": found[".md"], ".htm": found[".html"]}


def rounded(found: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    return {
        name: {meter: float(f"{amount:.4g}") for meter, amount in each.items() if amount}
        for name, each in found.items()
    }


if __name__ == "__main__":
    main()
