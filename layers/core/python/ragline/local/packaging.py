"""The one place where local packaging differs from ``sam build``: no Docker, no dependencies.

A function's zip holds its ``handler.py`` alone. The core layer holds the package's source and one
.pth line that lets a worker import the dependencies from the environment that runs ``ragline``.
Zips are named by their content, so an unchanged one is neither uploaded nor deployed again.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import importlib.util
import io
import py_compile
import re
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragline.domain.errors import SetupError

Template = dict[str, Any]

FUNCTION = "AWS::Serverless::Function"
LAYER = "AWS::Serverless::LayerVersion"

LEFT_OUT = {
    "ModelLayer": "functions read the model where the parameter ModelDir says, unzipped",
    "Watch": "the local stand-in has no metrics to watch; `ragline top` shows what goes on",
}
"""Resources of the template that are not deployed locally, each with its reason."""

LEFT_OUT_TYPES = {
    "AWS::CloudWatch::CompositeAlarm": "the local stand-in refuses the type",
}
"""Resource types that are not deployed locally, each with its reason."""

HANDLER = "handler.lambda_handler"
RUNTIME = "python3.13"
"""What image functions become. The name is AWS's; locally the interpreter is our own version."""

NOT_HERE = {"POWERTOOLS_TRACE_DISABLED": "true"}
"""Environment of every function: there is no X-Ray here to send to, and recording each call of the
SDK costs as much as the call."""

_IMAGE_ONLY = ("PackageType", "ImageUri", "ImageConfig")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A zip and the key that its content gives it."""

    key: str
    data: bytes


def bundles(template: Mapping[str, Any], root: Path, site: Sequence[str]) -> dict[str, Bundle]:
    """The zip of every function and layer that is deployed, by logical id.

    ``root`` is the template's folder, ``site`` the folders that dependencies are imported from.

    Raises:
        SetupError: a function has no handler.py where the template says, or a layer no content.
    """
    made = {}
    for name, resource in _deployed(template).items():
        if resource["Type"] == FUNCTION:
            made[name] = _function(name, root / _code_folder(name, resource))
        elif resource["Type"] == LAYER:
            made[name] = _layer(name, root / resource["Properties"]["ContentUri"], site)
    return made


def localise(
    template: Mapping[str, Any], locations: Mapping[str, str], parameters: Mapping[str, str]
) -> Template:
    """The template as it is deployed locally; the one given is left as it is.

    ``locations`` gives the ``s3://`` address of each function's and layer's zip, by logical id;
    ``parameters`` the values that differ from the template's defaults.
    """
    local: Template = _with_numbers(template, _numbers(template, parameters))
    gone = set(local["Resources"]) - set(_deployed(local))
    local["Resources"] = _deployed(local)
    local["Outputs"] = {
        name: output
        for name, output in local.get("Outputs", {}).items()
        if not _mentions(output, gone)
    }
    layers = _layers_in_use(local["Resources"], gone)
    for name, resource in local["Resources"].items():
        properties = resource.setdefault("Properties", {})
        # What teardown leaves behind would stand in the way of the next deploy, by its name.
        resource.pop("DeletionPolicy", None)
        if resource["Type"] == FUNCTION:
            resource.pop("Metadata", None)
            if properties.get("PackageType") == "Image":
                _as_zip(properties, layers)
            properties["CodeUri"] = locations[name]
            environment = properties.setdefault("Environment", {}).setdefault("Variables", {})
            environment |= NOT_HERE
            if "Layers" in properties:
                properties["Layers"] = [x for x in properties["Layers"] if not _mentions(x, gone)]
        elif resource["Type"] == LAYER:
            resource.pop("Metadata", None)
            properties["ContentUri"] = locations[name]
        if "DependsOn" in resource:
            named = resource["DependsOn"]
            named = [named] if isinstance(named, str) else named
            resource["DependsOn"] = [other for other in named if other not in gone]
    return local


def site_packages() -> list[str]:
    """The folders that this process imports its dependencies from."""
    names = {"site-packages", "dist-packages"}
    return [path for path in sys.path if Path(path).name in names and Path(path).is_dir()]


def _numbers(template: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, int | float]:
    """The values of the Number parameters, by name."""
    values = {
        name: parameters.get(name, parameter.get("Default"))
        for name, parameter in template.get("Parameters", {}).items()
        if parameter["Type"] == "Number"
    }
    return {name: _number(name, value) for name, value in values.items() if value is not None}


def _number(name: str, value: Any) -> int | float:
    try:
        number = float(value)
    except ValueError as error:
        raise SetupError(f"The parameter {name} must be a number, not {value!r}.") from error
    return int(number) if number.is_integer() else number


def _with_numbers(value: Any, numbers: Mapping[str, int | float]) -> Any:
    """A copy in which a Ref to a Number parameter is the number itself.

    MiniStack hands it on as text, and one such MaximumConcurrency stops all its SQS polling.
    """
    if isinstance(value, Mapping):
        if len(value) == 1 and value.get("Ref") in numbers:
            return numbers[value["Ref"]]
        return {name: _with_numbers(item, numbers) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_numbers(item, numbers) for item in value]
    return value


def _deployed(template: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: resource
        for name, resource in template["Resources"].items()
        if name not in LEFT_OUT and resource["Type"] not in LEFT_OUT_TYPES
    }


def _as_zip(properties: dict[str, Any], layers: list[Any]) -> None:
    for name in _IMAGE_ONLY:
        properties.pop(name, None)
    properties |= {"Handler": HANDLER, "Runtime": RUNTIME, "Layers": copy.deepcopy(layers)}


def _layers_in_use(resources: Mapping[str, Any], gone: set[str]) -> list[Any]:
    """The layers of the zip functions, each once, in the template's order."""
    found: list[Any] = []
    for resource in resources.values():
        if resource["Type"] == FUNCTION:
            for layer in resource["Properties"].get("Layers", []):
                if layer not in found and not _mentions(layer, gone):
                    found.append(layer)
    return found


def _mentions(value: Any, names: set[str]) -> bool:
    """Whether a part of the template refers to one of these resources (Ref, GetAtt, Sub)."""
    if isinstance(value, dict):
        if value.get("Ref") in names or (value.get("Fn::GetAtt") or [None])[0] in names:
            return True
        text = value.get("Fn::Sub", "")
        text = text[0] if isinstance(text, list) else text
        if names.intersection(re.findall(r"\$\{(\w+)", text)):
            return True
        return any(_mentions(item, names) for item in value.values())
    return isinstance(value, list) and any(_mentions(item, names) for item in value)


def _code_folder(name: str, resource: Mapping[str, Any]) -> Path:
    """Where a function's handler.py is: its CodeUri, or the folder of an image's Dockerfile."""
    properties, metadata = resource["Properties"], resource.get("Metadata", {})
    if properties.get("PackageType") != "Image":
        return Path(properties["CodeUri"])
    if "Dockerfile" not in metadata:
        raise SetupError(f"{name}: an image function needs Metadata.Dockerfile in the template.")
    return Path(metadata.get("DockerContext", ".")) / Path(metadata["Dockerfile"]).parent


def _function(name: str, folder: Path) -> Bundle:
    handler = folder / "handler.py"
    if not handler.is_file():
        raise SetupError(f"{name}: there is no {handler}.")
    return _zipped(name, [("handler.py", handler.read_bytes())])


def _layer(name: str, folder: Path, site: Sequence[str]) -> Bundle:
    files = [
        (f"python/{path.relative_to(folder).as_posix()}", path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]
    if not files:
        raise SetupError(f"{name}: there is nothing in {folder}.")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    line = f"import sys; sys.path[1:1] = {list(site)!r}\n"
    files.append((f"python/lib/{version}/site-packages/ragline-local.pth", line.encode()))
    return _zipped(name, files, _compiled(files))


def _compiled(files: Iterable[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Bytecode beside the sources, which every new worker would compile for itself: each unpacks
    the layer anew. It is not compared with its source, since it comes with it, nor by any time,
    since a zip has none worth the name: https://peps.python.org/pep-0552/
    """
    made = []
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "module.py"), Path(folder, "module.pyc")
        for path, data in files:
            if path.endswith(".py"):
                source.write_bytes(data)
                with contextlib.suppress(py_compile.PyCompileError):  # whoever imports it is told
                    py_compile.compile(
                        str(source),
                        str(target),
                        path,
                        doraise=True,
                        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
                    )
                    made.append((importlib.util.cache_from_source(path), target.read_bytes()))
    return made


def _zipped(
    name: str,
    files: Sequence[tuple[str, bytes]],
    derived: Sequence[tuple[str, bytes]] = (),
) -> Bundle:
    """A zip named by the names and contents of its files; ``derived`` are made of those alone."""
    buffer, named = io.BytesIO(), hashlib.sha256(sys.version.encode())
    for path, data in files:
        named.update(f"{path}\0{len(data)}\0".encode() + data)
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in [*files, *derived]:
            info = zipfile.ZipInfo(path, date_time=(1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o644 << 16
            archive.writestr(info, data, zipfile.ZIP_DEFLATED)
    return Bundle(f"{name}-{named.hexdigest()[:16]}.zip", buffer.getvalue())
