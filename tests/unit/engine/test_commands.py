import sys

import pytest

from jupyter_kfp.engine.commands import exit_words, find_program, is_notebook_step
from jupyter_kfp.engine.environments import is_satisfied
from jupyter_kfp.engine.marks import mark
from jupyter_kfp.engine.plan import Container
from jupyter_kfp.errors import JupyterKfpError


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1, "ended with exit code 1"),
        (255, "ended with exit code 255"),
        (-9, "was ended by the signal SIGKILL, perhaps because memory ran out"),
        (137, "was ended by the signal SIGKILL, perhaps because memory ran out"),
        (-15, "was ended by the signal SIGTERM"),
        (None, "never started"),
    ],
)
def test_exit_codes_in_words(code: int | None, words: str) -> None:
    assert exit_words(code) == words


def test_python3_is_this_interpreter_and_others_come_from_the_path() -> None:
    assert find_program("python3", sys.executable, "/nowhere") == sys.executable
    assert find_program("sh", sys.executable, "/bin:/usr/bin").endswith("/sh")
    with pytest.raises(JupyterKfpError, match="'sh' is not on this machine's PATH"):
        find_program("sh", sys.executable, "/nowhere")


def test_steps_of_this_package_are_told_from_others() -> None:
    boot = "# jupyter_kfp step\nimport sys"
    assert is_notebook_step(Container("i", ("python3", "-c", boot), ("{{$}}", "[]", "chunk")))
    assert not is_notebook_step(Container("i", ("python3", "-c", "print()"), ("{{$}}", "[]")))
    assert not is_notebook_step(Container("i", ("sh",), ()))


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        ("pytest", True),
        ("PyTest>=1", True),
        ("pytest>=1000", False),
        ("no-such-distribution-at-all", False),
        ("pytest; python_version < '3'", True),
        ("fsspec[no-such-extra]", True),
        ("./somewhere", False),
        ("pytest @ https://example.org/pytest.whl", False),
    ],
)
def test_what_the_users_environment_has_needs_no_other(requirement: str, expected: bool) -> None:
    assert is_satisfied(requirement) is expected


def test_marks_of_runs_inside_steps_add_up() -> None:
    outer = mark("r1", "a b", 1, {})
    assert outer == "r1/a_b/1"
    assert mark("r2", "c", 2, {"JUPYTER_KFP_ATTEMPT": outer}) == "r1/a_b/1 r2/c/2"
