"""Builds the handbook's chapters that are no plain text: the same bytes every time.

    python docs/build_handbook.py          writes them into docs/handbook

The Markdown and HTML chapters are written by hand; the facts are those of the code of this release.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import docx
from fpdf import FPDF

HERE = Path(__file__).with_name("handbook")
WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)

OPERATIONS: list[list[tuple[str, list[str]]]] = [
    [
        (
            "Running a local stack",
            [
                "The command 'ragline up' starts a cloud on this machine, on the loopback address "
                "only, and deploys the stack to it. Called again, it deploys what has changed. "
                "The command 'ragline down' ends it. Neither needs an account or a container.",
                "Without the option --keep a local stack is empty after every start. With --keep "
                "its documents and its ledger are on disk after a clean stop and come back with "
                "the next start.",
            ],
        ),
        (
            "Following a document",
            [
                "The command 'ragline push' waits until every document has ended and prints a "
                "table. For a single document, 'ragline status' prints its counts: how many pages "
                "were read, and how many chunks were found, embedded, indexed and failed. These "
                "counts are exact, not estimates.",
                "A percentage below one hundred that stands still means that work waits in a "
                "queue or is being retried. 'ragline logs' shows what the functions say about it, "
                "and 'ragline logs --follow' goes on showing it. Of a document that is failed or "
                "partial, 'ragline status' prints what went wrong, how often, and when.",
            ],
        ),
    ],
    [
        (
            "Two kinds of failure",
            [
                "A permanent failure is one that no retry can mend: a damaged file, a password, a "
                "limit that was passed. It is recorded with its reason and, where known, its page "
                "and chunk. The message that led to it is consumed.",
                "A transient failure is one that may pass: a service is away, or a worker died. "
                "The message goes back to its queue and is tried again later.",
                "A service that asks to slow down is no failure at all. The work is put off, for "
                "a day if need be, without using up its attempts.",
            ],
        ),
        (
            "Dead letters",
            [
                "A message that was received five times without success goes to the dead-letter "
                "queue that belongs to its queue. The dead_letters function reads it from there, "
                "writes the failure and its reason into the ledger, and keeps the message in the "
                "documents bucket under dead-letters/ for ninety days.",
                "Dead letters are not moved back. Mend the cause, then have the documents tried "
                "again with 'ragline redrive': it makes new messages from what is stored.",
            ],
        ),
        (
            "A failed chunk",
            [
                "A chunk that cannot be embedded does not hold up its neighbours. The others are "
                "indexed and can be found, and the document ends as partial. The route "
                "/api/v2/documents/{id}/failures names each chunk that failed.",
            ],
        ),
    ],
    [
        (
            "Replacing a document",
            [
                "Send a new version with the same document_id. Until the new version is indexed, "
                "queries go on finding the old one; from then on they find only the new one. The "
                "order of the versions is the order in which the bucket received them, so a late "
                "event of an older version is ignored.",
            ],
        ),
        (
            "Removing a document",
            [
                "'ragline rm' removes documents by id. Removing the uploaded object from the "
                "bucket with any S3 client has the same effect. The order to drop rows follows "
                "the orders to write them through the same queue, so nothing written late comes "
                "back to life.",
            ],
        ),
        (
            "Dropping files with an S3 client",
            [
                "Files can be copied into the documents bucket without the API, below "
                "uploads/{tenant}/{collection}/. Such a file becomes a document whose id is made "
                "from its path, so copying it again replaces it.",
            ],
        ),
    ],
    [
        (
            "Trying again",
            [
                "'ragline redrive --document' followed by an id has one document tried again. The "
                "options --code, --collection and --since select many, --all selects all, and "
                "--dry-run only says what would be done. Only the chunks and page ranges that "
                "failed are done anew; a partial document stays searchable meanwhile.",
                "Permanent failures are left out unless --force is given: use it when a limit was "
                "raised, or a newer release reads the file.",
            ],
        ),
        (
            "What stands still",
            [
                "Every five minutes the maintenance function looks for documents that have not "
                "moved for twenty minutes. One that waits behind others is left alone. One that is "
                "stuck is set going again, three times, and then ends as failed with the code "
                "stalled. A document whose bytes never arrive ends as failed with the code "
                "upload_expired, one hour after its address has expired.",
            ],
        ),
        (
            "The doctor",
            [
                "'ragline doctor' compares the ledger with the bucket and the index: every chunk "
                "of an indexed document is there, and nothing of a deleted one. It exits with an "
                "error if anything is wrong. 'ragline doctor --repair' sets right what can be set "
                "right, and looks again.",
            ],
        ),
    ],
]

LIMITS: list[tuple[str, list[str], list[tuple[str, str, str]]]] = [
    (
        "Uploading",
        [
            "The direct upload route, /api/v2/documents/upload, takes files of at most 4.5 MB in "
            "one request: the gateway passes on no larger body. Bigger files are sent to the "
            "presigned address that registering a document returns, as 'ragline push' always does.",
            "A presigned address takes one PUT of exactly the bytes that were registered, and is "
            "good for one hour. A document whose bytes have not arrived an hour after that ends as "
            "failed; registering it again gives a new address.",
        ],
        [],
    ),
    (
        "Documents",
        ["Passing one of these limits ends the document as failed; the reason names the limit."],
        [
            ("limit", "value", "setting"),
            ("size of a file", "1280 MiB", "MAX_FILE_BYTES"),
            ("pages of a document", "5,000", "MAX_PAGES"),
            ("pages that one splitter call reads", "100", "PAGES_PER_RANGE"),
        ],
    ),
    (
        "Passages",
        [
            "A chunk holds at most 254 tokens of the embedding model, and never crosses a heading. "
            "Where a paragraph is too long and has to be cut, the pieces overlap by 32 tokens. "
            "Each piece of a table repeats the table's header row.",
        ],
        [],
    ),
    (
        "Names and metadata",
        [
            "A collection's name has 1 to 63 lower-case letters, digits, hyphens or underscores. "
            "A document carries up to 50 metadata fields; a field's text has at most 1,024 "
            "characters.",
        ],
        [],
    ),
    (
        "Queries",
        [
            "A question has at most 2,000 characters, and a query returns at most 100 hits.",
        ],
        [],
    ),
]

STATUSES = [
    ("status", "meaning", "final", "found by queries", "what to do"),
    ("awaiting_upload", "registered; the bytes have not arrived", "no", "no", "send the bytes"),
    (
        "splitting",
        "the file is being read and cut into chunks",
        "no",
        "only what was found before",
        "wait",
    ),
    (
        "processing",
        "chunks are being embedded and indexed",
        "no",
        "only what was found before",
        "wait",
    ),
    ("indexed", "every chunk is in the index", "yes", "yes", "ask questions"),
    (
        "partial",
        "some chunks or pages failed; the others are indexed",
        "yes",
        "yes",
        "read its failures, then redrive it",
    ),
    (
        "failed",
        "it could not be indexed; the reason says why",
        "yes",
        "only an older version",
        "read the reason, then redrive it or upload a better file",
    ),
    ("empty", "the file was read and holds no text", "yes", "no", "follow the advice"),
    ("deleted", "removed on request", "yes", "no", "nothing"),
]


def operations() -> bytes:
    pdf = FPDF(format="A4")
    # Not compressed: zlib's output differs between its versions, these bytes shall not.
    pdf.set_compression(False)
    pdf.set_creation_date(WRITTEN)
    pdf.set_producer("ragline")
    pdf.set_title("Operating Ragline")
    pdf.set_margin(25)
    for page in OPERATIONS:
        pdf.add_page()
        if page is OPERATIONS[0]:
            pdf.set_font("helvetica", "B", 22)
            pdf.multi_cell(0, 12, "Operating Ragline", new_x="LMARGIN", new_y="NEXT")
        for heading, paragraphs in page:
            pdf.start_section(heading)
            pdf.set_font("helvetica", "B", 15)
            pdf.ln(4)
            pdf.multi_cell(0, 10, heading, new_x="LMARGIN", new_y="NEXT")
            pdf.set_font("helvetica", "", 11)
            for paragraph in paragraphs:
                pdf.multi_cell(0, 6, paragraph, align="L", new_x="LMARGIN", new_y="NEXT")
                pdf.ln(3)
    return bytes(pdf.output())


def limits() -> bytes:
    document = docx.Document()
    document.core_properties.title = "Limits of Ragline"
    document.core_properties.author = "Ragline"
    document.core_properties.created = document.core_properties.modified = WRITTEN
    document.add_heading("Limits of Ragline", 1)
    for heading, paragraphs, rows in LIMITS:
        document.add_heading(heading, 2)
        for paragraph in paragraphs:
            document.add_paragraph(paragraph)
        if rows:
            table = document.add_table(len(rows), len(rows[0]))
            for row, values in zip(table.rows, rows, strict=True):
                for cell, value in zip(row.cells, values, strict=True):
                    cell.text = value
    written = io.BytesIO()
    document.save(written)
    return _undated(written.getvalue())


def statuses() -> bytes:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(STATUSES)
    return written.getvalue().encode()


def _undated(archive: bytes) -> bytes:
    """The same zip archive, its members dated alike."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(written, "w") as new:
        for member in old.namelist():
            entry = zipfile.ZipInfo(member, WRITTEN.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            new.writestr(entry, old.read(member))
    return written.getvalue()


CHAPTERS: dict[str, Callable[[], bytes]] = {
    "operations.pdf": operations,
    "limits.docx": limits,
    "statuses.csv": statuses,
}


def main() -> None:
    for name, build in CHAPTERS.items():
        (HERE / name).write_bytes(build())


if __name__ == "__main__":
    main()
