"""What the commands reach outside of this process. Tests hand in another ``Outside``."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import typer

if TYPE_CHECKING:
    import httpx

    from ragline.cli.key_ports import KeyPorts
    from ragline.cli.stack_ports import StackPorts
    from ragline.cli.target import Account
    from ragline.ports import Embedder, Records, UsageBook
    from ragline.usecases.erase import Places

Say = Callable[[str], None]


class Running(Protocol):
    """A local cloud that runs."""

    @property
    def endpoint_url(self) -> str: ...

    @property
    def port(self) -> int: ...

    @property
    def keep(self) -> bool: ...


class Local(Protocol):
    """The local cloud, its deployment and the model: all that ``up`` needs."""

    def running(self, directory: Path) -> Running | None: ...

    def start(self, directory: Path, *, port: int, keep: bool, say: Say) -> Running: ...

    def stop(self, directory: Path, say: Say) -> bool:
        """False if none ran."""

    def deploy(
        self,
        endpoint_url: str,
        template: Path,
        *,
        stack: str,
        parameters: Mapping[str, str],
        say: Say,
    ) -> Mapping[str, str]: ...

    def model(self, precision: Literal["int8", "fp32"]) -> Path: ...

    def adopt(
        self,
        source: str,
        precision: Literal["int8", "fp32"],
        query_prefix: str | None,
        passage_prefix: str | None,
    ) -> Path: ...

    def reranker(self, source: str, precision: Literal["int8", "fp32"]) -> Path: ...


class ThisMachine:
    """The real ``Local``. Its modules are loaded only by the commands that use them."""

    def running(self, directory: Path) -> Running | None:
        from ragline.local import cloud

        return cloud.running(directory)

    def start(self, directory: Path, *, port: int, keep: bool, say: Say) -> Running:
        from ragline.local import cloud

        return cloud.start(directory, port=port, keep=keep, say=say)

    def stop(self, directory: Path, say: Say) -> bool:
        from ragline.local import cloud

        return cloud.stop(directory, say)

    def deploy(
        self,
        endpoint_url: str,
        template: Path,
        *,
        stack: str,
        parameters: Mapping[str, str],
        say: Say,
    ) -> Mapping[str, str]:
        from ragline.local import deploy

        return deploy.deploy(endpoint_url, template, stack=stack, parameters=parameters, say=say)

    def model(self, precision: Literal["int8", "fp32"]) -> Path:
        from ragline.embedding import prepare

        return prepare.ensure(precision)

    def adopt(
        self,
        source: str,
        precision: Literal["int8", "fp32"],
        query_prefix: str | None,
        passage_prefix: str | None,
    ) -> Path:
        from ragline.embedding import adopt

        return adopt.adopt(
            source, precision, query_prefix=query_prefix, passage_prefix=passage_prefix
        )

    def reranker(self, source: str, precision: Literal["int8", "fp32"]) -> Path:
        from ragline.embedding import adopt

        return adopt.adopt_reranker(source, precision)


def aws_session(
    profile: str | None, region: str | None, key_id: str | None = None, secret: str | None = None
) -> Any:
    import boto3

    return boto3.Session(
        profile_name=profile,
        region_name=region,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
    )


def stack_ports(where: Account) -> StackPorts:
    from ragline.cli import stack_ports as real

    return real.stack_ports(where)


def key_ports(where: Account) -> KeyPorts:
    from ragline.cli import key_ports as real

    return real.key_ports(where)


def records(where: Account) -> Records:
    from ragline.cli import record_ports as real

    return real.records(where)


def usage_book(where: Account) -> UsageBook:
    from ragline.cli import record_ports as real

    return real.usage_book(where)


def places(where: Account) -> Places:
    from ragline.cli import record_ports as real

    return real.places(where)


@contextmanager
def pooled_embedder(model_dir: Path, workers: int) -> Iterator[Embedder]:
    from ragline.embedding.pool import PooledEmbedder

    with PooledEmbedder(model_dir, workers) as embedder:
        yield embedder


@dataclass(frozen=True)
class Outside:
    local: Local = field(default_factory=ThisMachine)
    transport: httpx.BaseTransport | None = None
    session: Callable[..., Any] = aws_session
    ports: Callable[[Account], StackPorts] = stack_ports
    keys: Callable[[Account], KeyPorts] = key_ports
    records: Callable[[Account], Records] = records
    usage_book: Callable[[Account], UsageBook] = usage_book
    places: Callable[[Account], Places] = places
    embedder: Callable[[Path, int], AbstractContextManager[Embedder]] = pooled_embedder
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    directory: Callable[[], Path] = Path.cwd
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def of(cls, ctx: typer.Context) -> Outside:
        """The one that the command line was started with."""
        return ctx.obj if isinstance(ctx.obj, cls) else cls()
