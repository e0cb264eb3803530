"""What `ragline cost`, `backup` and `tenants delete` work on, with a person's own rights."""

from __future__ import annotations

from ragline.adapters.dynamodb.records import DynamoRecords
from ragline.adapters.dynamodb.usage import DynamoUsageBook
from ragline.adapters.dynamodb.webhooks import DynamoWebhooks
from ragline.adapters.s3_objects import S3Objects
from ragline.adapters.tenant_secrets import TenantSecrets
from ragline.cli import aws
from ragline.cli.key_ports import key_ports
from ragline.cli.stack_ports import client, stack_ports
from ragline.cli.target import Account
from ragline.ports import Objects, Records, UsageBook
from ragline.usecases.erase import Places


def records(where: Account) -> Records:
    return DynamoRecords(_table(where), client=client(where, "dynamodb"))


def usage_book(where: Account) -> UsageBook:
    return DynamoUsageBook(_table(where), client=client(where, "dynamodb"))


def objects_of(where: Account, bucket: str) -> Objects:
    """Any bucket, such as one for backups."""
    return S3Objects(bucket, client=client(where, "s3"))


def places(where: Account) -> Places:
    """Wherever the stack keeps something of a tenant."""
    ports, access = stack_ports(where), key_ports(where)
    table, dynamodb = _table(where), client(where, "dynamodb")
    return Places(
        ports.ledger,
        DynamoRecords(table, client=dynamodb),
        ports.objects,
        ports.queues,
        ports.indexes,
        access.keys,
        access.plans,
        DynamoWebhooks(table, client=dynamodb),
        TenantSecrets(
            f"/{where.stack}/webhooks", f"/{where.stack}/passwords", client=client(where, "ssm")
        ),
    )


def _table(where: Account) -> str:
    outputs = aws.stack_outputs(where.client("cloudformation"), where.stack)
    return aws.needed(outputs, "LedgerTableName", where.stack)
