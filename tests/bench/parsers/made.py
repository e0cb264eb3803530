from pathlib import Path
from collections.abc import Iterator
from tests.bench.parsers.references import Case


def files(folder: Path) -> Iterator[Case]:
    return iter(())
