import os
import sys
from pathlib import Path

import pytest

from jupyter_kfp.engine.lightweight import PythonCommand, unwrap
from jupyter_kfp.engine.warm.pool import forkable

REST = ("sh", "-ec", "python3 -m kfp.dsl.executor_main", "source")


def script(install: str) -> str:
    return (
        '\nif ! [ -x "$(command -v pip)" ]; then\n    python3 -m ensurepip\nfi\n\n'
        f'PIP_DISABLE_PIP_VERSION_CHECK=1 {install} && "$0" "$@"\n'
    )


KFP = "python3 -m pip install --quiet --no-warn-script-location 'kfp==2.14.3' '--no-deps' 'typing-extensions>=3.7.4,<5; python_version<\"3.9\"'"
VENV = 'export X=1\ntmp=$(mktemp -d)\npython3 -m venv "$tmp/venv" --system-site-packages\n. "$tmp/venv/bin/activate"\n'


@pytest.mark.parametrize(
    ("install", "packages", "options"),
    [
        (KFP, (), ()),
        (f"python3 -m pip install --quiet 'yapf'  &&  {KFP}", ("yapf",), ()),
        (f"python3 -m pip install --quiet 'a==1' 'b[x]>=2,<3'  &&  \n{VENV} {KFP}", ("a==1", "b[x]>=2,<3"), ()),
        (f"python3 -m pip install 'kfp-kubernetes==2'  && {KFP}", ("kfp-kubernetes==2",), ()),
        (
            f"python3 -m pip install --index-url https://mirror.example/simple --trusted-host mirror.example 'a' && {KFP}",
            ("a",),
            ("--index-url", "https://mirror.example/simple", "--allow-insecure-host", "mirror.example"),
        ),
        (
            f"python3 -m pip install --index-url https://mirror.example/simple --trusted-host https://mirror.example/simple 'a' && {KFP}",
            ("a",),
            ("--index-url", "https://mirror.example/simple"),
        ),
        (f"python3 -m pip install --extra-index-url=https://x.example 'a' && {KFP}", ("a",), ("--extra-index-url", "https://x.example")),
    ],
)  # fmt: skip
def test_what_a_lightweight_component_installs(
    install: str, packages: tuple[str, ...], options: tuple[str, ...]
) -> None:
    assert unwrap(("sh", "-c", script(install), *REST), {}) == PythonCommand(REST, packages, options)


@pytest.mark.parametrize("variable", ["UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_the_users_own_index_takes_the_place_of_the_components(variable: str) -> None:
    install = "python3 -m pip install --index-url https://a.example --extra-index-url https://b.example 'x'"
    found = unwrap(("sh", "-c", script(f"{install} && {KFP}"), *REST), {variable: "https://own.example"})
    assert found is not None
    assert found.options == ("--extra-index-url", "https://b.example")


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("echo", "hello"),
        ("sh", "-c", "echo hello"),
        ("sh", "-c", "python3 -m pip install a && python3 -m mine", "x"),
        ("sh", "-c", 'exec "$0" "$@"', "x"),
    ],
)
def test_other_commands_are_left_alone(command: tuple[str, ...]) -> None:
    assert unwrap(command) is None


def test_the_commands_of_this_kfp_are_known() -> None:
    import yaml

    from tests.unit.engine import pipelines

    spec = yaml.safe_load(pipelines.compiled(pipelines.tolerant))
    for executor in spec["deploymentSpec"]["executors"].values():
        found = unwrap(executor["container"]["command"])
        assert found is not None
        assert (found.packages, found.options) == ((), ())
        assert found.command[0] == "sh"


def test_a_fork_of_a_component_is_of_the_python_its_shell_would_find(tmp_path: Path) -> None:
    """One with packages of its own has an environment of its own."""
    script = 'printf "%s" "$0" > "$program_path/ephemeral_component.py"'
    argv = ["sh", "-ec", script, "source", "--executor_input", "{}"]
    other = tmp_path / "bin" / "python3"
    other.parent.mkdir()
    other.touch(mode=0o755)
    own = str(Path(sys.executable).parent)
    for path, python in ((own, sys.executable), (f"{other.parent}:{own}", str(other))):
        command = forkable(argv, {**os.environ, "PATH": path}, tmp_path)
        assert (command and command.executable) == (python if sys.platform == "linux" else None)
