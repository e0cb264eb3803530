"""`ragline up`, `down`, `info` and `env`: the stack as a whole."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from ragline.cli import options
from ragline.cli.client import Client
from ragline.cli.outside import Outside
from ragline.cli.screen import Screen, line
from ragline.cli.target import (
    DEFAULT_STACK,
    LOCAL_REGION,
    Choice,
    address,
    api_url,
    project_directory,
)
from ragline.domain.errors import SetupError
from ragline.embedding.model import read_card

DEFAULT_PORT = 4566

Port = Annotated[
    int | None,
    typer.Option(
        min=1, max=65535, help="The port of the local cloud.", show_default=str(DEFAULT_PORT)
    ),
]
Keep = Annotated[
    bool | None,
    typer.Option(
        "--keep/--no-keep", help="Keep what it holds when it is restarted.", show_default="no-keep"
    ),
]


@dataclass(frozen=True, slots=True)
class Deployed:
    """A stack on the local cloud."""

    endpoint_url: str
    stack: str
    outputs: Mapping[str, str]

    @property
    def api_url(self) -> str:
        return api_url(self.endpoint_url, LOCAL_REGION, dict(self.outputs))


def up(
    ctx: typer.Context,
    port: Port = None,
    keep: Keep = None,
    stack: options.StackName = None,
    precision: options.ModelPrecision = options.Precision.INT8,
    model: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Deploy the prepared model in this folder instead."),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A parameter of template.yaml; repeatable."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Start the local cloud and deploy the stack to it; again: deploy what has changed."""
    outside, screen = Outside.of(ctx), Screen(as_json)
    name = stack or outside.environ.get("RAGLINE_STACK") or DEFAULT_STACK
    deployed = set_up(
        outside,
        screen,
        port=port,
        keep=keep,
        stack=name,
        precision=precision,
        folder=model,
        parameters=_parameters(parameter or ()),
    )
    screen.give(
        {
            "endpoint_url": deployed.endpoint_url,
            "api_url": deployed.api_url,
            "stack": deployed.stack,
            "outputs": dict(deployed.outputs),
        }
    )
    option = "" if name == DEFAULT_STACK else f" --stack {name}"
    screen.show(
        Text("Ragline is up.", style="bold green"),
        _pairs(
            ("API", deployed.api_url),
            ("AWS endpoint", deployed.endpoint_url),
            ("bucket", deployed.outputs.get("DocumentsBucketName", "")),
        ),
        Text("Next:", style="bold"),
        Text(
            f"  ragline push FILES{option}\n  ragline search 'a question'{option}\n  ragline down"
        ),
    )


def set_up(
    outside: Outside,
    screen: Screen,
    *,
    port: int | None,
    keep: bool | None,
    stack: str,
    precision: options.Precision = options.Precision.INT8,
    folder: Path | None = None,
    parameters: Mapping[str, str] | None = None,
) -> Deployed:
    """The model, the local cloud, the stack; the first two are left alone if they are there.

    A cloud that runs already keeps its port, and whether it keeps things, where these are None.

    Raises:
        SetupError: there is no template here, or one of the three could not be had.
    """
    template = find_template(outside.directory())
    _check(parameters or {}, template)
    model = _model(folder, precision, outside, screen)
    running = outside.local.running(template.parent)
    cloud = outside.local.start(
        template.parent,
        port=port or (running.port if running else DEFAULT_PORT),
        keep=bool(running and running.keep) if keep is None else keep,
        say=screen.say,
    )
    outputs = outside.local.deploy(
        cloud.endpoint_url,
        template,
        stack=stack,
        parameters={
            "ModelDir": str(model),
            # More than one embedder for each core would only make each batch slower; the queue's
            # MaximumConcurrency is at least 2.
            "EmbedderConcurrency": str(max(2, os.cpu_count() or 2)),
            # A webhook's receiver is tried on the same machine, which has nobody else's tenants.
            "WebhookAllow": "127.0.0.0/8",
            **(parameters or {}),
        },
        say=screen.say,
    )
    return Deployed(cloud.endpoint_url, stack, outputs)


def _parameters(given: Sequence[str]) -> dict[str, str]:
    """Name → value."""
    for each in given:
        if each.find("=") < 1:
            raise typer.BadParameter(f"--parameter {each!r}: give NAME=VALUE.")
    return dict(each.split("=", 1) for each in given)


def _check(parameters: Mapping[str, str], template: Path) -> None:
    """Raises SetupError for one that the template has not: it would pass without a word."""
    if not parameters:
        return
    from ragline.local.template import load

    known = load(template).get("Parameters", {})
    if unknown := sorted(set(parameters) - set(known)):
        raise SetupError(
            f"{template} has no parameter {', '.join(unknown)}; it has {', '.join(sorted(known))}."
        )


def _model(
    folder: Path | None, precision: options.Precision, outside: Outside, screen: Screen
) -> Path:
    """Where the model is; the default one is prepared if need be."""
    if folder is not None:
        read_card(folder)  # refused here rather than by the functions
        return folder.resolve()
    screen.say("preparing the embedding model")
    return outside.local.model(precision.value)


def find_template(directory: Path) -> Path:
    """The nearest ``template.yaml``, from here upwards."""
    for folder in (directory, *directory.parents):
        if (folder / "template.yaml").is_file():
            return folder / "template.yaml"
    raise SetupError(
        f"no template.yaml in {directory} or above it. Run this in a checkout of Ragline."
    )


def down(ctx: typer.Context, as_json: options.AsJson = False) -> None:
    """Stop the local cloud of this directory; what --keep kept stays on disk."""
    outside, screen = Outside.of(ctx), Screen(as_json)
    screen.give({"stopped": outside.local.stop(project_directory(outside), screen.say)})


def info(
    ctx: typer.Context,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Say which stack the commands here talk to, and what it says of itself."""
    outside, screen = Outside.of(ctx), Screen(as_json)
    where = address(Choice(stack, profile, endpoint, region), outside)
    with Client(where, outside) as client:
        answer = client.info()
    screen.give({"place": where.place, "api_url": where.url, "bucket": where.bucket, "api": answer})
    rows = [("stack", where.place), ("API", where.url), ("bucket", where.bucket)]
    for name, value in answer.items():
        if isinstance(value, Mapping):
            rows += [(f"{name}.{inner}", _written(each)) for inner, each in value.items()]
        else:
            rows.append((name, _written(value)))
    screen.show(_pairs(*rows))


def env(
    ctx: typer.Context,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Print the APIs' addresses, a key, and the bucket, for other clients: eval "$(ragline env)".

    It prints the key, or your token if you have set one.
    """
    outside, screen = Outside.of(ctx), Screen(as_json)
    where = address(Choice(stack, profile, endpoint, region), outside)
    caller = {"RAGLINE_TOKEN": where.token} if where.token else {"RAGLINE_API_KEY": where.key}
    variables = {"RAGLINE_API_URL": where.url, **caller}
    if where.bucket:
        variables["RAGLINE_BUCKET"] = where.bucket
    if where.sockets:
        variables["RAGLINE_SOCKETS_URL"] = where.sockets
    screen.give(variables)
    if not as_json:
        for name, value in variables.items():
            typer.echo(f"export {name}={shlex.quote(value)}")


def _written(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(
            f"{name} {_written(each)}" for name, each in value.items() if each is not None
        )
    if isinstance(value, list | tuple):
        return ", ".join(map(_written, value))
    return "" if value is None else str(value)


def _pairs(*rows: tuple[str, str]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        if value:
            table.add_row(line(name), Text(line(value)))
    return table
