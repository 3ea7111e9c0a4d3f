"""Exit steps, and cells that assign the inputs of something else."""

from __future__ import annotations

import pytest

from jupyter_kfp.live.errors import LiveError
from jupyter_kfp.live.inputs import match_inputs
from jupyter_kfp.pipeline import Parameter, ParameterType, ValueType

from .kernel import Kernel


def test_an_exit_step_has_a_status_and_leaves_nothing() -> None:
    kernel = Kernel(x=1, seen=[])
    kernel.session.ended("train", ZeroDivisionError("division by zero"))
    kernel.run("%%component notify --on-exit\nx = 2\nmade = 1\nseen.append(status)\nstatus.state = 'changed'")
    kernel.session.ended("train", None)
    kernel.run("%%component notify --on-exit\nseen.append(status)")
    failed, ended = kernel["seen"]
    assert (failed.state, failed.error_code) == ("changed", 2)
    assert (failed.error_message, failed.pipeline_task_name) == (
        "ZeroDivisionError: division by zero",
        "train",
    )
    assert (ended.state, ended.error_code, ended.error_message) == ("SUCCEEDED", None, None)
    assert set(kernel.names) == {"x", "seen"}
    assert kernel["x"] == 1


@pytest.mark.parametrize(
    ("error", "state"), [(ValueError("a"), "FAILED"), (KeyboardInterrupt(), "CANCELLED"), (None, "SUCCEEDED")]
)
def test_the_status_is_that_of_the_last_step(error: BaseException | None, state: str) -> None:
    kernel = Kernel(seen=[])
    kernel.session.ended("a", error)
    kernel.run("%%component notify --on-exit\nseen.append(status.state)")
    assert kernel["seen"] == [state]


def test_an_exit_step_that_fails_leaves_nothing_either() -> None:
    kernel = Kernel(x=1)
    with pytest.raises(ZeroDivisionError):
        kernel.run("%%component notify --on-exit\nx = 2\n1 / 0")
    assert kernel.names == {"x": 1}


@pytest.mark.parametrize("flag", ["--notebook other.ipynb", "--from component.yaml"])
def test_assigned_names_are_arguments_and_outputs_are_bound(flag: str) -> None:
    kernel = Kernel(rows=5, small=1)
    kernel.outputs = {"data": [1], "small": 2}
    said = kernel.run(
        f"%%component prep {flag}\nrows = rows * 2\na, b = 1, 2\nsame: int = 1\nhelper(rows) if 0 else 0"
    )
    assert kernel.calls == [{"rows": 10, "a": 1, "b": 2, "same": 1}]
    assert kernel.names == {"rows": 5, "small": 2, "data": [1]}
    assert said == ["prep bound data, small"]


def test_an_input_may_be_what_it_was() -> None:
    kernel = Kernel(n=1)
    kernel.run("%%component prep --notebook other.ipynb\nn = 1")
    assert kernel.calls == [{"n": 1}]


def test_notebooks_in_loops_and_branches() -> None:
    kernel = Kernel(big=False)
    kernel.outputs = {"data": "d"}
    kernel.run("%%component p --for n in [1, 2] --collect all_data=data --notebook o.ipynb\nrows = n")
    kernel.run("%%component q --if big --notebook o.ipynb\nrows = 9")
    assert kernel.calls == [{"rows": 1}, {"rows": 2}]
    assert kernel.names == {"big": False, "all_data": ["d", "d"]}


INT, TEXT = ValueType(ParameterType.INTEGER), ValueType(ParameterType.STRING)
TAKES = (Parameter("rows", INT, required=True), Parameter("name", TEXT, "a"), Parameter("note", TEXT))


def test_inputs_have_the_types_of_the_parameters() -> None:
    import numpy as np

    assert match_inputs("o", "parameter", {"rows": np.int64(3), "note": None}, TAKES) == {
        "rows": 3,
        "note": None,
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"row": 1}, "o.ipynb has no parameter `row`. Did you mean `rows`?"),
        ({"rows": 1, "zzz": 1}, "o.ipynb has no parameter `zzz`. It takes rows, name, note."),
        ({"name": "b"}, "o.ipynb needs its parameter `rows`. Assign rows in this cell."),
        ({"rows": "3"}, "`rows` is of type int, but is given str '3'. Convert it"),
        ({"rows": 1, "name": None}, "`name` is of type str, but is given NoneType None."),
    ],
)
def test_wrong_inputs(given: dict[str, object], said: str) -> None:
    with pytest.raises(LiveError) as caught:
        match_inputs("o.ipynb", "parameter", given, TAKES)
    assert said in str(caught.value)


def test_the_next_cell_of_an_exit_step_sees_what_the_first_bound() -> None:
    kernel = Kernel(words=0, seen=[])
    kernel.run("%%component notify --on-exit\nwords = [status.state]")
    kernel.run("%%component notify --on-exit\nseen.extend(words)")
    assert (kernel["seen"], kernel["words"]) == (["SUCCEEDED"], 0)
