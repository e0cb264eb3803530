"""Each function with nothing but what its own package holds: it imports, answers, and fits.

The local cloud lends every function the whole environment, so only these tests see a requirement
that is missing from a function's own list.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ragline.embedding.prepare import ensure
from ragline.usecases.reconcile import Verdict
from tests import samples
from tests.function_runtime import FUNCTIONS, RuntimeApi, install, question, start, unpack

ROOT = Path(__file__).parents[2]
# With the model layer?
ZIP_FUNCTIONS = {
    "embedder": True, "authorizer": False, "dead_letters": False,
    "maintenance": False, "notifier": False, "deliverer": False, "sockets": False,
}  # fmt: skip
ISSUER = {"JWT_ISSUER": "https://issuer.example", "JWT_AUDIENCE": "ragline"}
"""With it the authoriser reads tokens, and so needs what it reads them with."""
LIMIT = 250 * 1024 * 1024
"""Unzipped bytes of a zip function and its layers.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""


def bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module", params=FUNCTIONS)
def package(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One function as Lambda unpacks it: its code, its requirements and the core layer."""
    return unpack(request.param, tmp_path_factory.mktemp(request.param))


def test_a_function_answers_under_the_real_runtime_client_with_only_its_own_requirements(
    package: Path, tmp_path: Path
) -> None:
    name = next(name for name in FUNCTIONS if package.name.startswith(name))
    with RuntimeApi(question(name)) as runtime:
        process = start(package, runtime, tmp_path, ISSUER)
        try:
            answered = runtime.wait(process)
        finally:
            process.kill()
            said = process.communicate()[1]
    assert answered, said
    if name == "authorizer":  # of this very answer the gateway makes a 401
        assert runtime.path.endswith("/error"), runtime.body
        assert runtime.body["errorMessage"] == "Unauthorized"
        return
    assert runtime.path.endswith("/response"), runtime.body
    if name == "api":
        assert runtime.body["statusCode"] == 200
    elif name == "sockets":  # no authoriser said whose the connection is
        assert runtime.body == {"statusCode": 401}
    elif name == "notifier":
        assert runtime.body is None
    elif name == "maintenance":
        assert runtime.body == dict.fromkeys(Verdict, 0)
    elif name != "splitter":
        assert runtime.body == {"batchItemFailures": []}


def test_the_analyst_renders_with_only_its_own_requirements(tmp_path: Path) -> None:
    task, file = unpack("analyst", tmp_path / "analyst"), tmp_path / "two.pdf"
    file.write_bytes(samples.pdf())
    asked = {"file": str(file), "pages": [], "folder": str(tmp_path), "most": 9, "seconds": 60}
    done = subprocess.run(
        [sys.executable, "-S", "-m", "ragline.vision.child"],
        input=json.dumps(asked), env={"PYTHONPATH": str(task)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["images"]) == {"1", "2"}


@pytest.mark.parametrize("name", ZIP_FUNCTIONS)
def test_a_zip_function_with_its_layers_stays_below_the_unzipped_limit(
    name: str, tmp_path: Path
) -> None:
    install(
        ROOT / f"functions/{name}/requirements.txt",
        tmp_path,
        *("--require-hashes", "--only-binary", ":all:"),
        *("--python-version", "3.13", "--python-platform", "x86_64-manylinux_2_28"),
    )
    size = bytes_below(tmp_path) + bytes_below(ROOT / "layers/core/python")
    if ZIP_FUNCTIONS[name]:
        size += bytes_below(ensure("int8"))
    print(f"{name}: {size / 1024 / 1024:.0f} MiB unzipped")  # noqa: T201
    assert size < LIMIT


def test_the_locked_requirements_of_each_function_are_those_of_the_whole() -> None:
    def pins(path: Path) -> set[str]:
        lines = path.read_text().splitlines()
        return {line.split(" ")[0] for line in lines if "==" in line and line[0].isalnum()}

    whole = pins(ROOT / "requirements.txt")
    assert whole <= pins(ROOT / "requirements-dev.txt")
    for name in FUNCTIONS:
        assert pins(ROOT / f"functions/{name}/requirements.txt") <= whole, name
