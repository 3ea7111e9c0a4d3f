"""Steps with packages: cached environments beside the user's, never in it."""

import base64
import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import pytest

from jupyter_kfp.engine import environments
from jupyter_kfp.engine.environments import PackagesError, provide
from tests.integration.engine.conftest import Runner
from tests.unit.engine.building import PRELUDE, pipeline, task

PACKAGE = "jupyter-kfp-test-package"
MODULE = PACKAGE.replace("-", "_")


def call(argv: Sequence[str]) -> tuple[int, str]:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def wheel(tmp_path: Path) -> str:
    """A requirement for a tiny package that is nowhere installed."""
    info = f"{MODULE}-1.0.dist-info"
    files = {
        f"{MODULE}.py": "VALUE = 42\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = []
    path = tmp_path / f"{MODULE}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record.append(f"{name},sha256={digest},{len(text)}")
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", "\n".join([*record, f"{info}/RECORD,,"]))
    return f"{PACKAGE} @ {path.as_uri()}"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the packages that every step needs, whose own needs uv would look up in an index."""
    monkeypatch.setattr(environments, "RUNTIME_PACKAGES", ())
    monkeypatch.setenv("UV_OFFLINE", "1")


def imports(python: str, module: str) -> bool:
    return call([python, "-c", f"import {module}"])[0] == 0


@pytest.mark.usefixtures("offline")
def test_a_package_goes_beside_the_users_environment(tmp_path: Path, wheel: str) -> None:
    interpreter = provide([wheel], tmp_path / "environments", call)
    assert imports(interpreter.executable, MODULE)
    assert imports(interpreter.executable, "papermill, jupyter_kfp, pytest"), "what the user has is there too"
    assert not imports(sys.executable, MODULE)
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.version(PACKAGE)


@pytest.mark.usefixtures("offline")
def test_an_environment_is_built_once(tmp_path: Path, wheel: str) -> None:
    calls: list[Sequence[str]] = []

    def counting(argv: Sequence[str]) -> tuple[int, str]:
        calls.append(argv)
        return call(argv)

    first = provide([wheel], tmp_path / "environments", counting)
    assert calls
    calls.clear()
    assert provide([wheel], tmp_path / "environments", counting) == first
    assert calls == []


@pytest.mark.usefixtures("offline")
def test_an_environment_that_was_not_finished_is_built_again(tmp_path: Path, wheel: str) -> None:
    interpreter = provide([wheel], tmp_path / "environments", call)
    assert interpreter.directory is not None
    (interpreter.directory / "ready").unlink()
    (interpreter.directory / "bin" / "python").unlink()
    assert imports(provide([wheel], tmp_path / "environments", call).executable, MODULE)


def test_what_the_user_has_needs_no_environment(tmp_path: Path) -> None:
    def never(argv: Sequence[str]) -> tuple[int, str]:
        raise AssertionError(argv)

    assert provide(["pytest", "papermill>=1"], tmp_path / "environments", never).executable == sys.executable


@pytest.mark.usefixtures("offline")
def test_what_cannot_be_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackagesError, match=r"packages cannot be installed: .*no-such-distribution-at-all"):
        provide(["no-such-distribution-at-all"], tmp_path / "environments", call)


def notebook_step(code: str, packages: list[str]) -> dict[str, object]:
    boot = f"# jupyter_kfp step\n{PRELUDE}{code}"
    return {
        "image": "python:3.11",
        "command": ["python3", "-c", boot],
        "args": ["{{$}}", json.dumps(packages)],
    }


def test_the_packages_of_a_step(run: Runner, wheel: str) -> None:
    code = f"import {MODULE}\nleave(parameterValues={{'v': {MODULE}.VALUE}})"
    step = task(notebook_step(code, [wheel]), outputs={"v": "NUMBER_INTEGER"})
    _, told = run(pipeline({"a": step}, outputs={"v": "a.v"}))
    assert told["outputs"] == {"v": 42}, told["error"]


def test_packages_that_cannot_be_installed_fail_the_step_without_another_try(run: Runner) -> None:
    step = task(notebook_step("", ["no-such-distribution-at-all"]), retryPolicy={"maxRetryCount": 3})
    _, told = run(pipeline({"a": step}))
    assert "The step's packages cannot be installed" in told["error"]
    assert told["tasks"][0]["attempts"] == 1
