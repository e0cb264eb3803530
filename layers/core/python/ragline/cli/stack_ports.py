"""The ports of a deployed stack, reached from here with a person's own credentials."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ragline.cli import aws
from ragline.cli.target import Account
from ragline.domain.errors import SetupError
from ragline.ports import Indexes, Ledger, Objects, Queues

LANCEDB, PINECONE = "lancedb", "pinecone"


@dataclass(frozen=True, slots=True)
class Pinecone:
    """A Pinecone index, and the secret that holds its API key."""

    host: str = ""
    secret_arn: str = ""

    @property
    def address(self) -> str:
        """The host, bare: it may be given as a URL, or as Pinecone's console shows it."""
        return self.host.strip().lower().rpartition("://")[2].rstrip("/").removesuffix(":443")


@dataclass(frozen=True, slots=True)
class StackPorts:
    """``indexes`` are those of the deployed ``store``; ``other`` opens another one by its name,
    where it takes no part in the deployment.
    """

    ledger: Ledger
    objects: Objects
    queues: Queues
    indexes: Indexes
    store: str
    pinecone: Pinecone
    other: Callable[[str, Pinecone], Indexes]


def stack_ports(where: Account) -> StackPorts:
    """What the stack's functions have behind their ports.

    Raises:
        SetupError: there is no such stack, it lacks an output, or there are no credentials.
    """
    from ragline.adapters.dynamodb.ledger import DynamoLedger
    from ragline.adapters.s3_objects import S3Objects
    from ragline.adapters.sqs_queues import SqsQueues

    outputs = aws.stack_outputs(where.client("cloudformation"), where.stack)
    output = partial(aws.needed, outputs, stack=where.stack)

    bucket = output("DocumentsBucketName")
    queues = SqsQueues(
        client(where, "sqs"),
        chunks_url=output("ChunksQueueUrl"),
        pages_url=output("PagesQueueUrl"),
        index_ops_url=output("IndexOpsQueueUrl"),
    )
    s3 = client(where, "s3")

    def opened(store: str, pinecone: Pinecone) -> Indexes:
        if store == PINECONE:
            return _pinecone(where, pinecone)
        return _lance(f"s3://{bucket}/index", where.session, s3.meta)

    store = outputs.get("IndexStore", LANCEDB)
    deployed = Pinecone(outputs.get("PineconeHost", ""), outputs.get("PineconeSecretArn", ""))
    return StackPorts(
        DynamoLedger(output("LedgerTableName"), client=client(where, "dynamodb")),
        S3Objects(bucket, client=s3),
        queues,
        opened(store, deployed),
        store,
        deployed,
        opened,
    )


def client(where: Account, service: str) -> Any:
    from botocore.config import Config

    config = Config(retries={"mode": "standard", "total_max_attempts": 4})
    if where.endpoint_url:
        # A stand-in has no names for its buckets.
        config = config.merge(Config(s3={"addressing_style": "path"}))
    return where.client(service, config=config)


def _pinecone(where: Account, pinecone: Pinecone) -> Indexes:
    try:
        from ragline.adapters.pinecone.index import PineconeIndexes
        from ragline.adapters.pinecone.key import api_key, check_place
    except ImportError as error:
        raise SetupError(
            f"reaching Pinecone needs {error.name}: install ragline with the extra `cli`."
        ) from error
    check_place(pinecone.host, pinecone.secret_arn)
    secrets = client(where, "secretsmanager")
    return PineconeIndexes(
        pinecone.host,
        lambda: api_key(pinecone.secret_arn, client=secrets),
        secret=pinecone.secret_arn,
    )


def _lance(uri: str, session: Any, s3: Any) -> Indexes:
    """Lance has an S3 client of its own, which knows nothing of sessions and profiles."""
    try:
        from ragline.adapters.lance.index import LanceIndexes, storage_options

        return LanceIndexes(
            uri,
            storage_options=storage_options(_endpoint(s3.endpoint_url), s3.region_name)
            | _credentials(session),
        )
    except ImportError as error:
        raise SetupError(
            f"reading the index needs {error.name}: install ragline with the extra `cli`."
        ) from error


def _credentials(session: Any) -> dict[str, str]:
    with aws.translated("reading the AWS credentials"):
        found = session.get_credentials()
        frozen = found.get_frozen_credentials() if found else None
    if frozen is None:
        raise SetupError("no AWS credentials were found. Name a profile with --profile.")
    if not frozen.token:
        # Lance would send the environment's beside these keys, whoever's it is.
        os.environ.pop("AWS_SESSION_TOKEN", None)
    named = {
        "aws_access_key_id": frozen.access_key,
        "aws_secret_access_key": frozen.secret_key,
        "aws_session_token": frozen.token,
    }
    return {name: value for name, value in named.items() if value}


def _endpoint(url: str) -> str:
    """The endpoint of a stand-in, however the session came by it; '' for AWS itself."""
    return "" if aws.domain_of(url) else url
