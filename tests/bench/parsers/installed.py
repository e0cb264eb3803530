"""What a parser brings: the size and the licence of its packages, asked of its environment."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

PACKAGES = {
    "ours": ["pypdfium2", "lxml", "openpyxl", "python-pptx", "python-docx", "markdown-it-py"],
    "pdfminer": ["pdfminer.six"],
    "mailparser": ["mail-parser"],
    "markdown-it": ["markdown-it-py"],
    "markitdown": [
        *("markitdown", "mammoth", "pdfminer.six", "pdfplumber"),
        *("python-pptx", "openpyxl", "pandas"),
    ],
}
_ASK = """
import importlib.metadata as metadata, json, re, sys
def walk(name, seen):
    name = re.sub(r"[-_.]+", "-", name).lower()
    try:
        one = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return
    if name not in seen:
        seen[name] = sum(f.locate().stat().st_size for f in one.files or () if f.locate().is_file())
        for wanted in one.requires or ():
            if "extra ==" not in wanted:
                walk(re.match(r"[\\w.-]+", wanted).group(), seen)
seen = {}
for name in sys.argv[1:]:
    walk(name, seen)
about = metadata.metadata(sys.argv[1])
licence = about["License-Expression"] or about["License"] or ""
if not licence or len(licence) > 60:
    kinds = [one for one in about.get_all("Classifier", ()) if one.startswith("License")]
    licence = kinds[0].rpartition(" :: ")[2] if kinds else "?"
print(json.dumps([about["Version"], licence, sum(seen.values()) / 2**20]))
"""


def about(parser: str, python: Path) -> tuple[str, str, float]:
    """Version, licence, and MiB on disk with all that it requires (not Python)."""
    packages = PACKAGES.get(parser, [parser])
    done = subprocess.run(
        [python, "-c", _ASK, *packages], capture_output=True, text=True, check=True
    )
    version, licence, size = json.loads(done.stdout)
    return version, licence, size
