"""Reading a CloudFormation template: YAML in which ``!Sub x`` is short for ``{"Fn::Sub": x}``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ragline.domain.errors import SetupError

_PLAIN = ("Ref", "Condition")
"""The two short forms whose long form has no ``Fn::``."""


class _Loader(yaml.SafeLoader):
    """Safe loading, and CloudFormation's tags."""


def _long_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any = None
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = str(value).split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in _PLAIN else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _long_form)
# A policy's `Version: 2012-10-17` is text to CloudFormation, not a date.
_Loader.yaml_implicit_resolvers = {
    first: [entry for entry in resolvers if entry[0] != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load(path: Path) -> dict[str, Any]:
    """The template in ``path``, its short forms written out.

    Raises:
        SetupError: there is no such file, it is not YAML, or has no Resources.
    """
    try:
        loaded = yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise SetupError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(loaded, dict) or not isinstance(loaded.get("Resources"), dict):
        raise SetupError(f"{path} is no CloudFormation template: it has no Resources.")
    return loaded
