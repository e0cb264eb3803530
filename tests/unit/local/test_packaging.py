from __future__ import annotations

import copy
import importlib.util
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ragline.domain.errors import SetupError
from ragline.local import packaging, template

ROOT = Path(__file__).parents[3]


def small() -> dict[str, Any]:
    return {
        "Parameters": {"Wide": {"Type": "Number", "Default": 4}, "Text": {"Type": "String"}},
        "Resources": {
            "Core": {
                "Type": "AWS::Serverless::LayerVersion",
                "Metadata": {"BuildMethod": "python3.13"},
                "Properties": {"ContentUri": "layer"},
            },
            "ModelLayer": {
                "Type": "AWS::Serverless::LayerVersion",
                "Metadata": {"BuildMethod": "makefile"},
                "Properties": {"ContentUri": "model"},
            },
            "Zip": {
                "Type": "AWS::Serverless::Function",
                "DependsOn": ["ModelLayer", "Table"],
                "Properties": {
                    "CodeUri": "functions/zip",
                    "Layers": [{"Ref": "Core"}, {"Ref": "ModelLayer"}],
                    "MaximumConcurrency": {"Ref": "Wide"},
                    "Name": {"Ref": "Text"},
                },
            },
            "Image": {
                "Type": "AWS::Serverless::Function",
                "Metadata": {"Dockerfile": "functions/image/Dockerfile", "DockerContext": "."},
                "Properties": {"PackageType": "Image", "ImageConfig": {}, "Timeout": 9},
            },
            "Table": {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain"},
        },
        "Outputs": {
            "Model": {"Value": {"Fn::Sub": "arn:${ModelLayer}"}},
            "TableName": {"Value": {"Ref": "Table"}},
        },
    }


WHERE = {"Core": "s3://b/core", "Zip": "s3://b/zip", "Image": "s3://b/image"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for path in ("functions/zip/handler.py", "functions/image/handler.py", "layer/pkg/__init__.py"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(f"# {path}\n")
    (tmp_path / "layer/pkg/__pycache__").mkdir()
    (tmp_path / "layer/pkg/__pycache__/x.pyc").write_bytes(b"stale")
    (tmp_path / "functions/zip/requirements.txt").write_text("boto3\n")
    return tmp_path


def test_an_image_function_becomes_a_zip_with_its_siblings_layers() -> None:
    image = packaging.localise(small(), WHERE, {})["Resources"]["Image"]
    assert image == {
        "Type": "AWS::Serverless::Function",
        "Properties": {
            "CodeUri": "s3://b/image",
            "Handler": "handler.lambda_handler",
            "Runtime": "python3.13",
            "Layers": [{"Ref": "Core"}],
            "Timeout": 9,
            "Environment": {"Variables": packaging.NOT_HERE},
        },
    }


def test_the_model_layer_is_left_out_with_everything_that_refers_to_it() -> None:
    local = packaging.localise(small(), WHERE, {})
    assert "ModelLayer" not in json.dumps(local)
    assert list(local["Outputs"]) == ["TableName"]
    assert local["Resources"]["Zip"]["DependsOn"] == ["Table"]


def test_code_comes_from_the_given_locations_and_nothing_is_built() -> None:
    resources = packaging.localise(small(), WHERE, {})["Resources"]
    assert resources["Zip"]["Properties"]["CodeUri"] == "s3://b/zip"
    assert resources["Core"]["Properties"]["ContentUri"] == "s3://b/core"
    assert not any("Metadata" in resource for resource in resources.values())


def test_a_number_parameter_is_passed_as_a_number() -> None:
    def width(parameters: dict[str, str]) -> object:
        local = packaging.localise(small(), WHERE, parameters)
        return local["Resources"]["Zip"]["Properties"]["MaximumConcurrency"]

    assert width({}) == 4
    assert width({"Wide": "7"}) == 7
    with pytest.raises(SetupError, match="Wide must be a number"):
        width({"Wide": "many"})


def test_a_text_parameter_stays_a_reference() -> None:
    local = packaging.localise(small(), WHERE, {"Text": "5"})
    assert local["Resources"]["Zip"]["Properties"]["Name"] == {"Ref": "Text"}


def test_nothing_is_retained_after_a_teardown() -> None:
    local = packaging.localise(small(), WHERE, {})
    assert local["Resources"]["Table"] == {"Type": "AWS::DynamoDB::Table", "Properties": {}}


def test_the_given_template_is_left_as_it_was() -> None:
    before = small()
    given = copy.deepcopy(before)
    packaging.localise(given, WHERE, {})
    assert given == before


def test_a_functions_zip_holds_its_handler_alone(checkout: Path) -> None:
    made = packaging.bundles(small(), checkout, [])
    assert set(made) == {"Core", "Zip", "Image"}
    assert unzipped(made["Zip"]) == {"handler.py": "# functions/zip/handler.py\n"}
    assert unzipped(made["Image"]) == {"handler.py": "# functions/image/handler.py\n"}


def test_the_layer_holds_the_source_and_no_compiled_leftovers(checkout: Path) -> None:
    files = unzipped(packaging.bundles(small(), checkout, [])["Core"])
    assert [name for name in files if not name.endswith(".pth")] == ["python/pkg/__init__.py"]


def test_a_worker_imports_the_layer_without_compiling_it(checkout: Path, tmp_path: Path) -> None:
    (checkout / "layer/pkg/broken.py").write_text("def :\n")
    core = packaging.bundles(small(), checkout, [])["Core"]
    with zipfile.ZipFile(io.BytesIO(core.data)) as archive:
        archive.extractall(tmp_path / "unpacked")
    package = tmp_path / "unpacked/python/pkg"
    assert [path.name for path in (package / "__pycache__").iterdir()] == [
        Path(importlib.util.cache_from_source("__init__.py")).name
    ]
    (package / "__init__.py").write_text("raise RuntimeError('the source was read')\n")
    script = "import pkg; print(pkg.__spec__.cached, pkg.__spec__.origin)"
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=package.parent, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    assert str(package) in found.stdout


def test_the_layers_pth_puts_dependencies_behind_the_layer_and_before_all_else(
    checkout: Path,
) -> None:
    site = ["/x/it's site-packages", "/y/site-packages"]
    files = unzipped(packaging.bundles(small(), checkout, site)["Core"])
    (line,) = [text for name, text in files.items() if name.endswith(".pth")]
    # An interpreter of its own, as site.addpackage would run such a line in a worker.
    script = f"import sys; sys.path = ['layer', 'code']\n{line}print(sys.path)"
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == repr(["layer", *site, "code"])
    assert line.count("\n") == 1


def test_a_zip_is_named_by_its_content_alone(checkout: Path) -> None:
    first = packaging.bundles(small(), checkout, [])
    (checkout / "functions/zip/handler.py").touch()
    assert packaging.bundles(small(), checkout, []) == first
    (checkout / "functions/zip/handler.py").write_text("# changed\n")
    second = packaging.bundles(small(), checkout, [])
    assert second["Zip"].key != first["Zip"].key
    assert second["Image"] == first["Image"]


def test_a_function_without_a_handler_is_named(checkout: Path) -> None:
    (checkout / "functions/image/handler.py").unlink()
    with pytest.raises(SetupError, match=r"Image: there is no .*handler\.py"):
        packaging.bundles(small(), checkout, [])


def test_the_pipelines_own_template_becomes_one_of_zips_only() -> None:
    body = template.load(ROOT / "template.yaml")
    made = packaging.bundles(body, ROOT, packaging.site_packages())
    local = packaging.localise(body, {name: f"s3://b/{made[name].key}" for name in made}, {})
    functions = [r for r in local["Resources"].values() if r["Type"] == packaging.FUNCTION]
    assert len(functions) >= 5
    for function in functions:
        assert function["Properties"]["CodeUri"].startswith("s3://")
        assert function["Properties"]["Layers"] == [{"Ref": "CoreLayer"}]
        assert "PackageType" not in function["Properties"]
        variables = function["Properties"]["Environment"]["Variables"]
        assert variables["POWERTOOLS_TRACE_DISABLED"] == "true"
    layer = unzipped(made["CoreLayer"])
    assert "python/ragline/domain/errors.py" in layer
    assert set(local["Outputs"]) == set(body["Outputs"])
    # CloudFormation takes at most 51,200 bytes of template in a request
    assert len(json.dumps(local, separators=(",", ":"))) < 51_200


def test_the_environment_that_runs_this_is_where_dependencies_come_from() -> None:
    import boto3

    assert str(Path(boto3.__file__).parents[1]) in packaging.site_packages()


def unzipped(bundle: packaging.Bundle) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(bundle.data)) as archive:
        names = [name for name in archive.namelist() if not name.endswith(".pyc")]
        return {name: archive.read(name).decode() for name in names}
