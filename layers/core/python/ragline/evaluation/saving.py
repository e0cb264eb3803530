"""Runs and reports as files that other tools read."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from ragline.evaluation.asking import Run
from ragline.evaluation.measures import ranked
from ragline.evaluation.reports import Report


def save_report(folder: Path, report: Report, runs: Sequence[Run]) -> None:
    """``{dataset}.json``, and ``{dataset}.{mode}.run`` for trec_eval and its like.

    Their lines are cut at white space, so what ids hold of it becomes ``_``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^\w.-]", "-", report.dataset)
    told = json.dumps(report.answer(), ensure_ascii=False, indent=2)
    (folder / f"{name}.json").write_text(told + "\n", encoding="utf-8")
    for run in runs:
        lines = (
            f"{_word(query)} Q0 {_word(document)} {rank} {score:.6f} ragline-{run.variant}\n"
            for query, documents in run.found.items()
            for rank, (document, score) in enumerate(ranked(documents).items(), start=1)
        )
        path = folder / f"{name}.{run.variant}.run"
        path.write_text("".join(lines), encoding="utf-8")


def _word(text: str) -> str:
    return re.sub(r"\s", "_", text)
