"""Where to talk: which account or endpoint, which stack in it, and so which API.

In this order: what the command line names (``--profile``, ``--endpoint``, ``--stack``),
``RAGLINE_API_URL``, ``AWS_ENDPOINT_URL``, the local cloud of this directory. Who calls: the user of
``RAGLINE_TOKEN``, the key ``RAGLINE_API_KEY``, else the stack's own key, if we may read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ragline.cli import aws
from ragline.cli.outside import Outside
from ragline.domain.errors import SetupError

DEFAULT_STACK = "ragline-dev"
LOCAL_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Choice:
    """What the command line named; None where it said nothing."""

    stack: str | None = None
    profile: str | None = None
    endpoint: str | None = None
    region: str | None = None

    @property
    def anything(self) -> bool:
        return any((self.stack, self.profile, self.endpoint, self.region))


@dataclass(frozen=True, slots=True)
class Account:
    """An AWS account, or an endpoint that acts as one, and the stack in it."""

    session: Any
    endpoint_url: str | None
    stack: str

    def client(self, service: str, **options: Any) -> Any:
        with aws.translated(f"reaching {service}"):
            return self.session.client(service, endpoint_url=self.endpoint_url, **options)


@dataclass(frozen=True, slots=True)
class Address:
    """An HTTP API, and the bucket and the WebSocket API beside it if the stack told. ``key`` and
    ``token`` are secrets.

    Where there is a token it is sent, and no key.
    """

    url: str
    place: str
    key: str = ""
    bucket: str = ""
    token: str = ""
    sockets: str = ""

    def __repr__(self) -> str:
        return f"Address({self.url!r})"


def project_directory(outside: Outside) -> Path:
    """The nearest folder, from here upwards, that holds a template or a local cloud; else here."""
    here = outside.directory()
    for folder in (here, *here.parents):
        if (folder / "template.yaml").is_file() or (folder / ".ragline").is_dir():
            return folder
    return here


def account(choice: Choice, outside: Outside) -> Account:
    """Raises SetupError when nothing says where to talk."""
    stack = choice.stack or outside.environ.get("RAGLINE_STACK") or DEFAULT_STACK
    if choice.profile or (choice.region and not choice.endpoint):
        with aws.translated("opening an AWS session"):
            session = outside.session(_profile(choice.profile, outside), choice.region)
        return Account(session, choice.endpoint, stack)
    endpoint = choice.endpoint or outside.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        _check_url(endpoint, "--endpoint" if choice.endpoint else "AWS_ENDPOINT_URL")
        return Account(_session_for(endpoint, choice.region, outside), endpoint, stack)
    running = outside.local.running(project_directory(outside))
    if running is None:
        raise SetupError(
            "no local stack runs here. Start one with `ragline up`, or say where to talk: "
            "--profile NAME for AWS, --endpoint URL, or RAGLINE_API_URL and RAGLINE_API_KEY."
        )
    return Account(_dummy_session(None, outside), running.endpoint_url, stack)


def address(choice: Choice, outside: Outside) -> Address:
    """The API to call, and its key.

    Raises:
        SetupError: nothing says where, the stack is not there, or it has no API.
    """
    url, key = outside.environ.get("RAGLINE_API_URL"), outside.environ.get("RAGLINE_API_KEY", "")
    token = outside.environ.get("RAGLINE_TOKEN", "")
    if url and not choice.anything:
        _check_url(url, "RAGLINE_API_URL")
        return Address(url.rstrip("/"), url.rstrip("/"), key, token=token)
    return address_at(account(choice, outside), key, token)


def address_at(where: Account, key: str = "", token: str = "") -> Address:
    """The API of a stack; its own key, unless a key or a token is given. Raises as ``address``."""
    cloudformation = where.client("cloudformation")
    outputs = aws.stack_outputs(cloudformation, where.stack)
    if "ApiId" not in outputs:
        raise SetupError(f"stack {where.stack} has no output ApiId: is it a Ragline stack?")
    if not key and not token:
        key = _own_key(where, outputs)
    meta = cloudformation.meta
    return Address(
        api_url(meta.endpoint_url, meta.region_name, outputs),
        f"{where.stack} at {meta.endpoint_url}",
        key,
        outputs.get("DocumentsBucketName", ""),
        token,
        sockets_url(meta.endpoint_url, meta.region_name, outputs.get("SocketsApiId", "")),
    )


def _own_key(where: Account, outputs: dict[str, str]) -> str:
    if outputs.get("OwnerKeyArn"):
        return aws.secret_value(where.client("secretsmanager"), outputs["OwnerKeyArn"])
    if outputs.get("ApiKeyId"):  # a stack of before 0.5, whose key the gateway kept
        return aws.key_value(where.client("apigateway"), outputs["ApiKeyId"])
    return ""


def api_url(endpoint_url: str, region: str, outputs: dict[str, str]) -> str:
    """The address of a REST API, by the endpoint that its stack was found at.

    Every stand-in for AWS answers at ``/restapis/…/_user_request_``:
    https://docs.localstack.cloud/aws/services/apigateway/
    """
    api, stage = outputs["ApiId"], outputs.get("ApiStage", "live")
    if suffix := aws.domain_of(endpoint_url):
        return f"https://{api}.execute-api.{region}.{suffix}/{stage}"
    return f"{endpoint_url.rstrip('/')}/restapis/{api}/{stage}/_user_request_"


def sockets_url(endpoint_url: str, region: str, api: str) -> str:
    """Where a WebSocket API answers: on AWS by its name, on a local cloud by its path.

    '' for that of a stack without one.
    """
    if not api:
        return ""
    if suffix := aws.domain_of(endpoint_url):
        return f"wss://{api}.execute-api.{region}.{suffix}/live"
    parts = urlsplit(endpoint_url)
    scheme = "wss" if parts.scheme == "https" else "ws"
    return f"{scheme}://{parts.netloc}/_aws/execute-api/{api}/live"


def _profile(name: str | None, outside: Outside) -> str | None:
    """``default`` means boto3's own chain when no such profile is written down."""
    if name != "default":
        return name
    return name if name in outside.session(None, None).available_profiles else None


def _session_for(endpoint: str, region: str | None, outside: Outside) -> Any:
    """Credentials of the environment if there are any: stand-ins tell accounts apart by them."""
    if "AWS_ACCESS_KEY_ID" in outside.environ or "AWS_PROFILE" in outside.environ:
        with aws.translated(f"opening a session at {endpoint}"):
            return outside.session(None, region or outside.environ.get("AWS_REGION"))
    return _dummy_session(region, outside)


def _dummy_session(region: str | None, outside: Outside) -> Any:
    """Never the person's own credentials: a local cloud has no use for them."""
    return outside.session(None, region or LOCAL_REGION, "test", "test")


def _check_url(url: str, name: str) -> None:
    try:
        parts = urlsplit(url)
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine:
        raise SetupError(f"{name}={url!r} is not an http:// or https:// address.")
