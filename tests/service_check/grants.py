"""What the functions of a stack are allowed: one *grant* is one action on one resource."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragline.local import aws, nesting, template

ROOT = Path(__file__).parents[2]
FUNCTION = "AWS::Serverless::Function"
POLICY = "AWS::IAM::Policy"
STACK = "stack"
"""What the stack's own name is called here."""

Statement = dict[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """``function`` and ``resource`` by logical id, as in ``bucket/uploads/*`` or
    ``LedgerTable/index/ByStatus``."""

    function: str
    action: str
    resource: str

    def __str__(self) -> str:
        return f"{self.function} {self.action} {self.resource}"


def declared(path: Path = ROOT / "template.yaml") -> list[Grant]:
    """Every grant of a template and of the leaves that it includes, in its order."""
    whole = nesting.flattened(template.load(path), path.parent)
    values = {"AWS::StackName": STACK} | {
        name: str(one["Default"])
        for name, one in whole.get("Parameters", {}).items()
        if one.get("Default") and not str(one["Default"]).startswith("arn:")
    }
    found: list[Grant] = []
    for name, resource in whole["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == FUNCTION:
            for policy in properties.get("Policies", []):
                found += _atoms([name], policy["Statement"], values)
        elif resource["Type"] == POLICY:
            roles = [role["Ref"].removesuffix("Role") for role in properties["Roles"]]
            found += _atoms(roles, properties["PolicyDocument"]["Statement"], values)
    return list(dict.fromkeys(found))


def _atoms(functions: Iterable[str], statements: Any, values: Mapping[str, str]) -> Iterator[Grant]:
    for statement in listed(statements):
        for function in functions:
            for action in listed(statement["Action"]):
                for resource in listed(statement["Resource"]):
                    yield Grant(function, action, named(resource, values))


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def named(resource: Any, values: Mapping[str, str]) -> str:
    """A resource of a template by logical id; the documents bucket is ``bucket``.

    ``values``: what parameters stand for, by name.
    """
    if isinstance(resource, str):
        return resource
    if "Fn::GetAtt" in resource:
        return str(resource["Fn::GetAtt"][0])
    if "Ref" in resource:
        return values.get(resource["Ref"], str(resource["Ref"]))
    text, own = resource["Fn::Sub"], {}
    if not isinstance(text, str):  # with variables of its own: the leaf's parameters
        text, own = text
    for name, value in {
        **values,
        **{name: named(one, values) for name, one in own.items()},
    }.items():
        text = text.replace(f"${{{name}}}", value)
    text = re.sub(r"\$\{AWS::\w+\}", "", text)
    text = re.sub(rf"^arn::s3:::{STACK}-documents-", "bucket", text)
    text = re.sub(r"^arn::[a-z-]+:::", "", text)
    return re.sub(r"\$\{(\w+)(\.Arn)?\}", r"\1", text)


@dataclass(frozen=True, slots=True)
class Role:
    """A deployed function's role and its inline policies: name → document."""

    function: str
    name: str
    policies: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Deployed:
    """The roles of a stack on the local cloud, by the function's logical id."""

    stack: str
    iam: Any
    roles: Mapping[str, Role]
    names: Mapping[str, str]

    def grants(self) -> dict[Grant, tuple[str, Statement]]:
        """Grant → the policy that holds it, and the statement of it alone, as deployed."""
        return {
            Grant(role.function, one["Action"], self.logical(one["Resource"])): (policy, one)
            for role in self.roles.values()
            for policy, document in role.policies.items()
            for one in atoms(document)
        }

    def logical(self, arn: str) -> str:
        """An ARN by logical id; what is none stays as it is."""
        if arn in self.names or not arn.startswith("arn:"):
            return self.names.get(arn, arn)
        service, _, resource = arn.split(":", 2)[2].partition(":")
        resource = resource.split(":", 2)[-1]
        if service == "s3":
            _, _, below = resource.partition("/")
            return f"bucket/{below}" if below else "bucket"
        if service == "secretsmanager":  # secret:NAME-, and six characters of AWS's own
            resource = resource.removeprefix("secret:").rpartition("-")[0]
        resource = resource.removeprefix("table/")
        first, slash, rest = resource.partition("/")
        return self.names.get(first, first) + slash + rest.replace(f"{self.stack}/", f"{STACK}/")

    def without(self, grant: Grant) -> None:
        """Take one grant away from its function; all others stay."""
        policy, gone = self.grants()[grant]
        role = self.roles[grant.function]
        kept = [one for one in atoms(role.policies[policy]) if one != gone]
        if not kept:  # a policy without statements is none
            self.iam.delete_role_policy(RoleName=role.name, PolicyName=policy)
            return
        self._put(role, policy, {"Version": "2012-10-17", "Statement": kept})

    def restore(self, grant: Grant) -> None:
        policy, _ = self.grants()[grant]
        role = self.roles[grant.function]
        self._put(role, policy, role.policies[policy])

    def _put(self, role: Role, policy: str, document: Any) -> None:
        self.iam.put_role_policy(
            RoleName=role.name, PolicyName=policy, PolicyDocument=json.dumps(document)
        )


def atoms(document: Any) -> Iterator[Statement]:
    """The same policy in statements of one action and one resource."""
    for statement in listed(document["Statement"]):
        for action in listed(statement["Action"]):
            for resource in listed(statement["Resource"]):
                yield {**statement, "Action": action, "Resource": resource}


def deployed(endpoint_url: str, stack: str) -> tuple[Deployed, dict[str, tuple[str, str]]]:
    """The roles of a stack's functions; and its resources, logical id → (type, physical id)."""
    session, options = aws.session(), aws.config()
    cloudformation = session.client("cloudformation", endpoint_url=endpoint_url, config=options)
    iam = session.client("iam", endpoint_url=endpoint_url, config=options)
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    logical = {
        one["LogicalResourceId"]: (one["ResourceType"], one["PhysicalResourceId"])
        for page in pages
        for one in page["StackResourceSummaries"]
    }
    roles = {
        name.removesuffix("Role"): _role(iam, name.removesuffix("Role"), physical)
        for name, (kind, physical) in logical.items()
        if kind == "AWS::IAM::Role"
    }
    names = {physical.rsplit("/", 1)[-1]: name for name, (_, physical) in logical.items()}
    return Deployed(stack, iam, roles, names), logical


def _role(iam: Any, function: str, name: str) -> Role:
    policies = {
        policy: iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
    }
    return Role(function, name, policies)
