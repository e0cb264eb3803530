"""Leaf stacks folded into the template that includes them.

The local cloud expands SAM only in the stack that is deployed, not in the stacks nested in it. So
what ``AWS::Serverless::Application`` includes from a file becomes part of the template itself:
the leaf's resources get the name of its Application before theirs, its parameters the values that
are given there, and ``Application.Outputs.X`` what the leaf says of X. ``AWS::StackName`` then
names the whole stack, in a leaf too.
"""

from __future__ import annotations

import copy
import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragline.domain.errors import SetupError
from ragline.local import template
from ragline.local.packaging import LEFT_OUT

APPLICATION = "AWS::Serverless::Application"
FUNCTION = "AWS::Serverless::Function"

_PATHS = (("Properties", "CodeUri"), ("Properties", "ContentUri"), ("Metadata", "DockerContext"))
"""What a resource says relative to its own template."""

_VARIABLE = re.compile(r"\$\{(!?)([^}]+)\}")


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A leaf's template as its Application includes it: under ``name``, with these ``values``."""

    name: str
    body: Mapping[str, Any]
    values: Mapping[str, Any]

    def renamed(self, other: str) -> str:
        return f"{self.name}{other}"


def flattened(root: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The template without Applications and without Globals; the one given is left as it is.

    ``folder`` is the template's. Globals are written out first, since each template has its own.

    Raises:
        SetupError: a leaf cannot be read, lacks a value for a parameter, or has no such output.
    """
    whole = _without_globals(root)
    leaves: dict[str, _Leaf] = {}
    for name, resource in list(whole["Resources"].items()):
        if resource["Type"] == APPLICATION and name not in LEFT_OUT:
            del whole["Resources"][name]
            leaf = leaves[name] = _leaf(name, resource["Properties"], folder)
            _merge(whole, leaf, resource.get("Condition"))
    resolved: dict[str, Any] = _walk(whole, lambda value: _output(value, leaves))
    return resolved


def _leaf(name: str, properties: Mapping[str, Any], folder: Path) -> _Leaf:
    location = str(properties["Location"])
    body = _without_globals(template.load(folder / location))
    for resource in body["Resources"].values():
        if resource["Type"] == APPLICATION:
            raise SetupError(f"{location}: a leaf includes no stacks of its own.")
        for section, key in _PATHS:
            if key in resource.get(section, {}):
                path = posixpath.join(posixpath.dirname(location), resource[section][key])
                resource[section][key] = posixpath.normpath(path)
    given = properties.get("Parameters", {})
    values = {}
    for parameter, declared in body.get("Parameters", {}).items():
        if parameter not in given and "Default" not in declared:
            raise SetupError(f"{name}: {location} needs a value for its parameter {parameter}.")
        values[parameter] = given.get(parameter, declared.get("Default"))
    if unknown := set(given) - set(values):
        raise SetupError(f"{name}: {location} has no parameter {', '.join(sorted(unknown))}.")
    return _Leaf(name, body, values)


def _merge(whole: dict[str, Any], leaf: _Leaf, condition: str | None) -> None:
    """Put a leaf's resources and conditions into the whole; ``condition`` is its Application's."""
    conditions = whole.setdefault("Conditions", {})
    for name, test in leaf.body.get("Conditions", {}).items():
        conditions[leaf.renamed(name)] = _inside(test, leaf)
    for name, resource in leaf.body["Resources"].items():
        placed = _inside(resource, leaf)
        for key in {"Condition", "DependsOn"} & set(placed):
            named = resource[key]
            placed[key] = (
                leaf.renamed(named)
                if isinstance(named, str)
                else [leaf.renamed(one) for one in named]
            )
        if condition:
            placed["Condition"] = _both(conditions, condition, placed.get("Condition"))
        whole["Resources"][leaf.renamed(name)] = placed


def _both(conditions: dict[str, Any], outer: str, inner: str | None) -> str:
    if inner is None:
        return outer
    name = f"{outer}And{inner}"
    conditions[name] = {"Fn::And": [{"Condition": outer}, {"Condition": inner}]}
    return name


def _inside(value: Any, leaf: _Leaf) -> Any:
    """A part of a leaf, in the words of the whole template."""

    def translate(part: Mapping[str, Any]) -> Any:
        ((key, said),) = part.items()
        if key == "Ref" and said in leaf.values:
            return copy.deepcopy(leaf.values[said])
        if key == "Ref" and not said.startswith("AWS::"):
            return {"Ref": leaf.renamed(said)}
        if key == "Condition" and isinstance(said, str):
            return {"Condition": leaf.renamed(said)}
        if key == "Fn::GetAtt":
            return {"Fn::GetAtt": [leaf.renamed(said[0]), *said[1:]]}
        if key == "Fn::If":
            return {"Fn::If": [leaf.renamed(said[0]), *(_inside(one, leaf) for one in said[1:])]}
        if key == "Fn::Sub":
            return _substitution(said, leaf)
        return None

    return _walk(value, translate)


def _substitution(said: Any, leaf: _Leaf) -> dict[str, Any]:
    """``Fn::Sub`` with the leaf's parameters as variables of its own."""
    text, own = (said, {}) if isinstance(said, str) else said
    variables = {name: _inside(value, leaf) for name, value in own.items()}

    def rename(found: re.Match[str]) -> str:
        literal, name = found.groups()
        if literal or name in own or name.startswith("AWS::"):
            return found[0]
        if name in leaf.values:
            variables[name] = copy.deepcopy(leaf.values[name])
            return found[0]
        return f"${{{leaf.renamed(name)}}}"

    text = _VARIABLE.sub(rename, text)
    return {"Fn::Sub": [text, variables] if variables else text}


def _output(part: Mapping[str, Any], leaves: Mapping[str, _Leaf]) -> Any:
    """What a leaf says of an output that the whole asks of its Application."""
    named = part.get("Fn::GetAtt", ["", ""])
    if named[0] not in leaves:
        return None
    leaf = leaves[named[0]]
    output = named[1].removeprefix("Outputs.")
    if output not in leaf.body.get("Outputs", {}):
        raise SetupError(f"{leaf.name} has no output {output}.")
    return _inside(leaf.body["Outputs"][output]["Value"], leaf)


def _walk(value: Any, translate: Callable[[Mapping[str, Any]], Any]) -> Any:
    """A copy in which every mapping of one key is what ``translate`` makes of it, unless None."""
    if isinstance(value, Mapping):
        if len(value) == 1 and (translated := translate(value)) is not None:
            return translated
        return {key: _walk(item, translate) for key, item in value.items()}
    if isinstance(value, list):
        return [_walk(item, translate) for item in value]
    return value


def _without_globals(body: Mapping[str, Any]) -> dict[str, Any]:
    """A copy whose functions say themselves what its Globals say of every function.

    https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification-template-anatomy-globals.html
    """
    written = copy.deepcopy(dict(body))
    shared = written.pop("Globals", {})
    if unknown := set(shared) - {"Function"}:
        raise SetupError(f"Globals of {', '.join(sorted(unknown))} are not known here.")
    for resource in written["Resources"].values():
        if resource["Type"] == FUNCTION:
            own = resource.get("Properties", {})
            resource["Properties"] = _joined(shared.get("Function", {}), own)
    return written


def _joined(shared: Any, own: Any) -> Any:
    """Maps are merged, lists appended to; of anything else, the resource's own word counts."""
    if isinstance(shared, dict) and isinstance(own, dict):
        keys = [*shared, *(key for key in own if key not in shared)]
        return {
            key: _joined(shared[key], own[key])
            if key in shared and key in own
            else copy.deepcopy(own.get(key, shared.get(key)))
            for key in keys
        }
    if isinstance(shared, list) and isinstance(own, list):
        return [*copy.deepcopy(shared), *own]
    return own
