"""The contract of a vector index, on LanceDB where it lives in production: in a bucket."""

from __future__ import annotations

import uuid

import pytest

from ragline.adapters.lance.index import LanceIndex, storage_options
from ragline.local import aws
from ragline.local.cloud import Cloud
from ragline.ports import VectorIndex
from tests.contract.test_vector_index import VectorIndexContract

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def scratch(local: Cloud) -> str:
    bucket = f"scratch-{uuid.uuid4().hex[:8]}"
    s3 = aws.session().client("s3", endpoint_url=local.endpoint_url, config=aws.config())
    s3.create_bucket(Bucket=bucket)
    return bucket


class TestLanceIndexOnS3(VectorIndexContract):
    @pytest.fixture
    def index(self, local: Cloud, scratch: str, monkeypatch: pytest.MonkeyPatch) -> VectorIndex:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        return LanceIndex(
            f"s3://{scratch}/{uuid.uuid4().hex}",
            storage_options=storage_options(local.endpoint_url, aws.REGION),
        )
