"""`make bench-parsers`: what parsers make of real files, and what they cost.

    python -m tests.bench.parsers [--data FOLDER] [--formats pdf docx …] [--parsers NAME …]
                                  [--scored] [--each]

What is measured, and how: docs/parsing.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench.figures import Skipped
from tests.bench.parsers import made
from tests.bench.parsers.installed import about
from tests.bench.parsers.references import FORMATS, Case, real
from tests.bench.parsers.running import answers, interpreter
from tests.bench.parsers.tables import Result, each, markdown

GENERAL = ("ours", "kreuzberg", "markitdown")
SPECIAL = {
    "pdf": ("pypdfium2", "liteparse", "docling-parse", "pypdf", "pdfminer", "pdfplumber"),
    "docx": ("mammoth", "docx2txt"),
    "pptx": ("python-pptx",),
    "xlsx": ("openpyxl",),
    "html": ("trafilatura", "html2text"),
    "epub": (),
    "eml": ("mailparser",),
    "md": ("markdown-it",),
    "csv": (),
    "txt": (),
}


def main(arguments: Sequence[str] | None = None) -> int:
    wanted = _arguments(arguments)
    with tempfile.TemporaryDirectory() as folder:
        cases = [*made.files(Path(folder)), *real(wanted.data, set(wanted.formats))]
        for format in wanted.formats:
            of_it = [case for case in cases if case.format == format]
            if wanted.scored:
                of_it = [case for case in of_it if case.reference is not None]
            if not of_it:
                continue
            results = list(_measured(format, of_it, wanted))
            sys.stdout.write(markdown(format, of_it, results) + "\n")
            if wanted.each:
                sys.stdout.write(each(of_it, results) + "\n")
    return 0


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.parsers")
    data = os.environ.get("RAGLINE_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=Path(data), help="with docs/manifest.tsv")
    parser.add_argument("--formats", nargs="+", default=FORMATS, choices=FORMATS)
    parser.add_argument("--parsers", nargs="+", default=())
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for one file")
    parser.add_argument("--scored", action="store_true", help="only files with a reference")
    parser.add_argument("--each", action="store_true", help="every file's figures too")
    return parser.parse_args(arguments)


def _measured(format: str, cases: list[Case], wanted: argparse.Namespace) -> Iterator[Result]:
    files = [case.path for case in cases]
    for parser in (*GENERAL[:1], *SPECIAL[format], *GENERAL[1:]):
        if not wanted.parsers or parser in wanted.parsers:
            try:
                found = list(answers(parser, files, wanted.limit))
                yield Result(parser, found, *about(parser, interpreter(parser)))
            except Skipped as reason:
                sys.stderr.write(f"{format}: {reason}\n")


if __name__ == "__main__":
    sys.exit(main())
