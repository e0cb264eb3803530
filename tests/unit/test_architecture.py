"""The folders mean what they say: imports point one way, and importing does no work."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "layers/core/python/ragline"

# A layer may import itself and what stands below it in this table.
LAYERS = {
    "domain": {"domain"},
    "ports": {"ports", "domain"},
    "parsing": {"parsing", "ports", "domain"},
    "spans": {"spans", "ports"},
    "chunking": {"chunking", "spans", "domain", "ports"},
    "ocr": {"ocr", "adapters", "domain", "ports"},
    "reading": {"reading", "parsing", "ports", "domain"},
    "usecases": {"usecases", "parsing", "chunking", "ports", "domain"},
    "adapters": {"adapters", "ports", "domain"},
    "embedding": {"embedding", "domain", "ports"},
    "reranking": {"reranking", "embedding", "adapters", "domain", "ports"},
    "vision": {"vision", "reading", "adapters", "domain", "ports"},
    "settings": {"settings", "domain"},
}


def modules(layer: str) -> list[Path]:
    folder = PACKAGE / layer
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def imported(path: Path) -> set[str]:
    """The names below ``ragline`` that a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            if node.module == "ragline":
                names |= {f"ragline.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("ragline.")}


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_only_what_stands_below_it(layer: str) -> None:
    wrong = {
        str(path.relative_to(PACKAGE)): above
        for path in modules(layer)
        if (above := imported(path) - LAYERS[layer] - {"__version__"})
    }
    assert not wrong


def test_no_handler_imports_boto3_or_is_longer_than_a_page() -> None:
    for path in sorted((ROOT / "functions").glob("*/handler.py")):
        text = path.read_text()
        assert "boto3" not in text, path
        assert len(text.splitlines()) <= 100, path


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("ragline.wiring", {"boto3", "numpy", "lancedb", "onnxruntime", "tokenizers", "fastapi"}),
        ("ragline.parsing", {"pypdfium2", "docx", "pptx", "openpyxl", "lxml", "markdown_it"}),
        ("ragline.api.app", {"boto3", "lancedb", "onnxruntime", "tokenizers"}),
        ("ragline.usecases.search", {"boto3", "numpy", "lancedb", "onnxruntime"}),
    ],
)
def test_importing_a_module_does_not_load_what_only_some_routes_use(
    module: str, heavy: set[str]
) -> None:
    code = f"import sys, {module}; print('\\n'.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not heavy & set(loaded)
