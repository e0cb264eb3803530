"""Policies enforced by the local cloud as AWS would, and a journal of what they decided.

MiniStack (``AUTH=true``) gives every function a session of its own role and asks the role's
policies at each call. Six things are put right here, in its process and nowhere else:

- It asks for ``sqs:SendMessageBatch`` and the like, which are calls but no actions: on AWS a batch
  needs the action of the single call.
  https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html
- So it does for ``bedrock:Converse``, for which AWS asks ``bedrock:InvokeModel``.
  https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-call.html
- It speaks plain HTTP, so policies that ask for TLS would refuse everything. The loopback stands
  for TLS, unless a request says by ``X-Forwarded-Proto: http`` that it came without.
- It asks ``ssm:DeleteParameters`` and other calls on many for any resource, where AWS asks for each
  parameter's, or the path's.
- It tells anyone that an object is absent. On S3 this is a 404 only for who may list the bucket.
  https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html#API_GetObject_RequestSyntax
- It keeps no record. The journal has one JSON object a line: ``role``, ``action``, ``resource``,
  ``allowed``.

Run by guard.py in MiniStack's interpreter: imports nothing of ragline, nor MiniStack before
``install``.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]

_BATCH = "Batch"
_CALLED_FOR_MANY = frozenset(
    {"sqs:SendMessageBatch", "sqs:DeleteMessageBatch", "sqs:ChangeMessageVisibilityBatch"}
)


def action_of(call: str | None) -> str | None:
    """The IAM action that AWS asks for where MiniStack names the call."""
    if call == "bedrock:Converse":
        return "bedrock:InvokeModel"
    return call.removesuffix(_BATCH) if call in _CALLED_FOR_MANY else call


def parameter_of(target: str, body: bytes) -> str:
    """The first parameter, or the path, that a call on many of SSM names; '' for any other call."""
    if not target.endswith((".DeleteParameters", ".GetParameters", ".GetParametersByPath")):
        return ""
    asked = json.loads(body or b"{}")
    names = asked.get("Names") or [asked.get("Path", "")]
    return str(names[0])


def over_tls(app: App) -> App:
    """``app``, told that every request came over TLS which does not say otherwise."""

    async def forwarded(scope: Scope, receive: Any, send: Any) -> None:
        headers = scope.get("headers", [])
        if scope["type"] == "http" and not any(name == b"x-forwarded-proto" for name, _ in headers):
            scope = {**scope, "headers": [*headers, (b"x-forwarded-proto", b"https")]}
        await app(scope, receive, send)

    return forwarded


def role_of(principal_arn: str) -> str:
    """The name of the role, or user, behind ``arn:aws:sts::…:assumed-role/NAME/SESSION``."""
    kind, _, rest = principal_arn.rpartition(":")[2].partition("/")
    return rest.split("/", 1)[0] if kind == "assumed-role" else rest or kind


def note(journal: Path, role: str, action: str, resource: str, *, allowed: bool) -> None:
    """Add one decision to the journal."""
    line = {"role": role, "action": action, "resource": resource, "allowed": allowed}
    with journal.open("a") as lines:
        lines.write(json.dumps(line) + "\n")


def install(journal: Path) -> None:
    """Have MiniStack ask for AWS's actions as AWS does, and keep the journal.

    Its request handler imports both functions anew at each request (ministack/app.py), so
    replacing them in their modules is enough. The account's own keys may do all, and are not kept.
    """
    from ministack.core import iam_actions, iam_evaluator
    from ministack.core.responses import get_account_id
    from ministack.services import s3

    extract, enforce = iam_actions.extract_iam_action, iam_evaluator.enforce
    resource_of = iam_actions.extract_resource_arn

    def extracted(*args: Any, **named: Any) -> str | None:
        return action_of(extract(*args, **named))

    def resource(service: str, method: str, path: str, headers: Any, body: Any, *more: Any) -> str:
        name = parameter_of(headers.get("x-amz-target", ""), body) if service == "ssm" else ""
        if name:
            region, account = more[-2:]
            return f"arn:aws:ssm:{region}:{account}:parameter/{name.lstrip('/')}"
        return str(resource_of(service, method, path, headers, body, *more))

    def asked(key: str, action: str, service: str, region: str, resource: str, **named: Any) -> Any:
        denied = enforce(key, action, service, region, resource_arn=resource, **named)
        caller = iam_evaluator.resolve_principal(key or "", get_account_id(), None)
        if getattr(caller, "policies", None) is not None:  # neither the account nor a wrong key
            note(journal, role_of(caller.arn), action, resource, allowed=denied is None)
        return denied

    def enforced(
        key: str, action: str, service: str, region: str, resource_arn: str = "*", **named: Any
    ) -> Any:
        denied = asked(key, action, service, region, resource_arn, **named)
        if denied is None and action == "s3:GetObject":
            bucket, _, name = resource_arn.rpartition(":")[2].partition("/")
            if name not in (s3._buckets.get(bucket) or {"objects": {name: {}}})["objects"]:
                arn = resource_arn.partition("/")[0]
                return asked(key, "s3:ListBucket", service, region, arn)
        return denied

    iam_actions.extract_iam_action = extracted
    iam_actions.extract_resource_arn = resource
    iam_evaluator.enforce = enforced
