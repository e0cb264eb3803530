"""A section of the benchmarks runs, small, on the real model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import venv
from tests.bench.encoding import embedding
from tests.bench.figures import Outcome, Plan, measure


@pytest.mark.model
def test_the_embedding_is_measured_with_and_without_the_peers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venv, "PYTHON", tmp_path / "no-such-python")
    outcome = Outcome("embedding")
    measure(embedding, Plan(tmp_path, texts=4), outcome, lambda _: None)
    assert not outcome.failed
    assert all(figure.value > 0 for figure in outcome.figures)
    assert any("make bench-peers" in note for note in outcome.notes)
