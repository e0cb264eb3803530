"""The stack with its index on Pinecone: one parameter, and the key in Secrets Manager."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragline.embedding.prepare import ensure
from ragline.local import aws, cloud, deploy
from tests.e2e.stack import NAME, ROOT, CommandLine, opened, texts, until
from tests.pinecone_server import API_KEY, PineconeServer
from tests.ports import free_port

pytestmark = pytest.mark.e2e


def test_a_document_goes_to_pinecone_is_found_there_and_goes_again(tmp_path: Path) -> None:
    with PineconeServer(384) as pinecone:
        try:
            local = cloud.start(tmp_path, port=free_port(), keep=False, say=print)
            url = local.endpoint_url
            secrets = aws.session().client("secretsmanager", endpoint_url=url, config=aws.config())
            arn = secrets.create_secret(Name="ragline/pinecone", SecretString=API_KEY)["ARN"]
            parameters = {
                "ModelDir": str(ensure("int8")),
                "EmbedderConcurrency": "2",
                "IndexStore": "pinecone",
                "PineconeHost": pinecone.host,
                "PineconeSecretArn": arn,
            }
            outputs = deploy.deploy(
                url, ROOT / "template.yaml", stack=NAME, parameters=parameters, say=print
            )
            with opened(url, outputs) as stack:
                document = stack.upload(
                    "keeper.md", b"# Fog\n\nThe keeper trims the lamp.", "notes"
                )
                stack.indexed(document)
                assert stack.keys("index/") == [], "nothing is kept in the bucket"
                for mode in ("hybrid", "dense", "bm25"):
                    found = texts(stack.query("Who trims the lamp?", "notes", mode=mode))
                    assert [text for text in found if "keeper trims" in text], mode
                assert stack.rows("notes") == 1
                assert CommandLine(tmp_path, url)("doctor")["healthy"]
                assert stack.api.delete(f"/api/v2/documents/{document}").status_code == 204
                assert texts(stack.query("Who trims the lamp?", "notes")) == []
                until(lambda: stack.rows("notes") == 0, "the rows to go")
        finally:
            cloud.stop(tmp_path, print)
