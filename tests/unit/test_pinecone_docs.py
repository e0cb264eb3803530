"""docs/pinecone.md says what the code does."""

from __future__ import annotations

import inspect
import re
import types
from pathlib import Path
from typing import Any

import pytest
from pinecone.client.indexes import Indexes

from ragline.adapters.pinecone import connection as pinecone_connection
from ragline.adapters.pinecone import documents as pinecone_documents
from ragline.adapters.pinecone import search as pinecone_search
from ragline.adapters.pinecone.documents import FILTERABLE, RETURNED, TERMS, VECTOR, schema
from ragline.local.template import load

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/pinecone.md").read_text()


def test_the_index_that_the_page_makes_is_the_one_that_the_adapter_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, Any] = {}

    class Made:
        host = "ragline.example"

    class Fake:
        def __init__(self, api_key: str) -> None:
            self.indexes = self

        def create(self, **options: Any) -> Made:
            inspect.signature(Indexes.create).bind(self, **options)
            asked.update(options)
            return Made()

    monkeypatch.setattr("pinecone.Pinecone", Fake)
    (snippet,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(inspect.cleandoc(snippet), types.ModuleType("snippet").__dict__)
    assert asked["schema"] == schema(384)
    assert "ragline.example" in capsys.readouterr().out


def test_the_parameters_are_those_of_the_template() -> None:
    named = set(re.findall(r"\b(IndexStore|Pinecone[A-Z]\w+)=", TEXT))
    assert named == {"IndexStore", "PineconeHost", "PineconeSecretArn"}
    assert named <= set(load(ROOT / "template.yaml")["Parameters"])


def test_every_field_of_a_document_is_named() -> None:
    for name in (VECTOR, TERMS, *FILTERABLE, *RETURNED):
        assert f"`{name}`" in TEXT, name


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"{pinecone_documents.MAX_REQUEST_BYTES / 1e6:g} MB, four at a time" in TEXT
    assert f"{pinecone_documents.MAX_METADATA_BYTES // 1_000} KB of metadata" in TEXT
    assert f"{pinecone_documents.MAX_TEXT_TOKENS:,} words of text" in TEXT
    assert f"{pinecone_documents.MAX_QUERY_BYTES // 1_000} KB a query" in TEXT
    assert f"in pieces of {pinecone_search.MAX_RESULT_ROWS} rows" in TEXT
    assert pinecone_connection.RETRIES == 2
    assert "two more tries" in TEXT
