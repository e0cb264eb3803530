"""An index is of the code that made it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragline.evaluation import sources


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    files = {
        "__init__.py": "",
        "build.py": "from ragline import parsing\nfrom ragline.usecases.cut import cut\n",
        "parsing/__init__.py": "",
        "parsing/pdf.py": "",
        "usecases/__init__.py": "",
        "usecases/cut.py": "def cut():\n    import ragline.tables\n",
        "usecases/search.py": "",
        "tables.py": "from ragline import build\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["build.py", "usecases/cut.py", "tables.py", "parsing/pdf.py"])
def test_what_is_imported_by_whatever_way_counts(package: Path, name: str) -> None:
    before = sources.digest("ragline.build")
    (package / name).write_text((package / name).read_text() + "\n# changed\n")
    assert sources.digest("ragline.build") != before


def test_what_is_not_imported_does_not(package: Path) -> None:
    before = sources.digest("ragline.build")
    (package / "usecases/search.py").write_text("# changed")
    assert sources.digest("ragline.build") == before


def test_the_search_is_no_part_of_what_builds_an_index(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    files = sources._files

    def watched(module: str) -> list[Path]:
        read.append(module)
        return files(module)

    monkeypatch.setattr(sources, "_files", watched)
    sources.digest("ragline.evaluation.building")
    assert {"ragline.chunking", "ragline.parsing", "ragline.usecases.embed"} <= set(read)
    assert not {"ragline.usecases.search", "ragline.usecases.fusion"} & set(read)
