"""The real embedding model, prepared once into the user's cache (or RAGLINE_CACHE)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragline.embedding import weights
from ragline.embedding.prepare import ensure


@pytest.fixture(scope="session")
def int8_dir() -> Path:
    return ensure("int8")


@pytest.fixture(scope="session")
def fp32_dir() -> Path:
    return ensure("fp32")


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights as published: what everything else is compared with."""
    return weights.find(None, tmp_path_factory.mktemp("published"))
