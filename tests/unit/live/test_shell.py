"""Control flow in IPython itself: one shell in this process."""

from __future__ import annotations

import ast
import asyncio
import atexit
import re
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from jupyter_kfp.live import shell as live_shell
from jupyter_kfp.magics import load_ipython_extension, unload_ipython_extension


class Shell:
    """An IPython of its own, with the extension."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "nocolor"
        module = types.ModuleType("notebook_of_the_test")
        self.ip = InteractiveShell(config=config, user_module=module, user_ns=vars(module))
        self._capsys = capsys
        load_ipython_extension(self.ip)

    def run(self, source: str, cell: str | None = None) -> str:
        """Run a cell and return all it showed."""
        self._capsys.readouterr()
        self.ip.run_cell(source, store_history=True, cell_id=cell)
        shown = self._capsys.readouterr()
        return shown.out + shown.err

    def __getitem__(self, name: str) -> Any:
        return self.ip.user_ns[name]

    def __contains__(self, name: str) -> bool:
        return name in self.ip.user_ns


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    before = sys.displayhook, sys.excepthook
    made = Shell(capsys)
    yield made
    unload_ipython_extension(made.ip)
    atexit.unregister(made.ip.atexit_operations)
    sys.modules.pop("notebook_of_the_test", None)
    sys.displayhook, sys.excepthook = before


def test_the_last_expression_is_shown_in_each_iteration(shell: Shell) -> None:
    assert shell.run("%%component a --for x in [1, 2]\ny = x\ny * 10") == (
        "x = 1 (1 of 2)\nOut[1]: 10\nx = 2 (2 of 2)\nOut[1]: 20\n"
    )
    assert "Out" not in shell.run("%%component a --for x in [1, 2]\nx;")
    assert shell.run("%%component a --if 1\n'shown'\nNone") == ""
    assert shell["_"] == 20


@pytest.mark.parametrize(
    ("interactivity", "shown"),
    [("all", ["1", "2"]), ("none", []), ("last_expr_or_assign", ["2"]), ("last", ["2"])],
)
def test_the_shells_own_setting_says_what_is_shown(
    shell: Shell, interactivity: str, shown: list[str]
) -> None:
    shell.ip.ast_node_interactivity = interactivity
    text = shell.run(
        "%%component a --if 1\n1\nx = 2" if "assign" in interactivity else "%%component a --if 1\n1\n2"
    )
    assert re.findall(r"Out\[1\]: (\d)", text) == shown


def test_names_land_in_the_notebook(shell: Shell) -> None:
    shell.run("x = 1")
    shell.run(
        "%%component a --if x\nfrom __future__ import annotations\ndef f(y: nowhere): return x + y\nz: int = f(1)"
    )
    assert (shell["z"], shell["f"].__module__) == (2, "notebook_of_the_test")
    assert {name for name in shell.ip.user_ns if "kfp" in name} == set()


def test_await_and_magics(shell: Shell) -> None:
    shell.run("import asyncio")
    text = shell.run(
        "%%component a --for x in [1] --collect ys=y,ts=t\nawait asyncio.sleep(0)\n%time y = x + 1\nt = !echo {y}"
    )
    assert "Wall time" in text
    assert (shell["ys"], shell["ts"]) == ([2], [["2"]])
    assert "Wall time" in shell.run("%%component a --for x in [5] --collect ys=y\n%%time\ny = x")
    assert shell["ys"] == [5]
    shell.run("%%component a --for x in [1, 2] --collect cs=c\n%%capture c\nprint(x)")
    assert [c.stdout for c in shell["cs"]] == ["1\n", "2\n"]


def test_an_awaited_cell_runs_in_the_loop_that_is_there(shell: Shell) -> None:
    """As ipykernel runs it: transformed first, then awaited."""

    async def run(source: str) -> Any:
        transformed = shell.ip.transform_cell(source)
        assert shell.ip.should_run_async(source, transformed_cell=transformed)
        return await shell.ip.run_cell_async(source, transformed_cell=transformed)

    source = "%%component a --for x in [1, 2] --collect ys=y\nimport asyncio\nawait asyncio.sleep(0)\ny = x"
    assert asyncio.run(run(source)).success
    assert shell["ys"] == [1, 2]


def test_errors_are_at_their_lines_and_show_the_cell_alone(shell: Shell) -> None:
    text = shell.run("\n%%component a --for x in [0]\ny = 1\ny / x")
    assert "----> 4 y / x" in text
    assert "In the iteration x = 0 (1 of 1) of a." in text
    assert not re.search(r"jupyter_kfp/|contextlib", text)
    text = shell.run("%%component a --if nobody > 1\ny = 1")
    assert re.search(r"----> 1 .*%%component a --if nobody > 1", text)
    assert "NameError: name 'nobody' is not defined" in text
    assert not re.search(r"jupyter_kfp/|contextlib", text)
    text = shell.run("%%component a --else\npass")
    assert (
        text.strip() == "LiveError: `--else` of a has no `--if` before it. Run the cell with the --if first."
    )


def test_syntax_errors(shell: Shell) -> None:
    text = shell.run("%%component a --for x in [1]\ny = 1\ndef f(:\n    pass")
    assert re.search(r"(line |:)3\b", text)
    assert "y" not in shell
    text = shell.run("%%component a --for x in [1]\ny = 1\nif y: break")
    assert re.search(r":3\n.*if y: break", text)
    assert "'break' outside loop" in text
    assert "y" not in shell
    assert "`--for xs` is no loop" in shell.run("%%component a --for xs\ny = 1")
    assert shell.run("%%component a --for x in [3] --collect ys=y\ny = x") == "x = 3 (1 of 1)\n"


def test_other_transformers_do_not_matter(shell: Shell) -> None:
    class Number(int):
        pass

    class Wrapper(ast.NodeTransformer):
        def visit_Constant(self, node: ast.Constant) -> ast.AST:
            if not isinstance(node.value, int):
                return node
            return ast.Call(ast.Name("Number", ast.Load()), [node], [])

    shell.ip.user_ns["Number"] = Number
    shell.ip.ast_transformers.append(Wrapper())
    shell.ip.input_transformers_cleanup.append(lambda lines: [line.replace("ONE", "1") for line in lines])
    shell.run("%%component a --for x in [1] --if x == 1 --collect ys=y\ny = [x, ONE]")
    assert [type(y) for y in shell["ys"][0]] == [Number, Number]


def test_a_cell_in_quotes_stays_a_text(shell: Shell) -> None:
    assert shell.run("'''%%component a --if nobody\n1 / 0'''").startswith("Out[1]: '%%component a")


def test_a_front_end_that_names_cells(shell: Shell) -> None:
    shell.run("%%component a --for x in [1, 2]\ny = x", "first")
    shell.run("%%component b --for x in [1, 2]\nz = y", "second")
    shell.run("%%component a --for x in [1, 2]\ny = x * 10", "first")
    shell.run("%%component b --for x in [1, 2] --collect zs=z\nz = y + 1", "second")
    assert shell["zs"] == [11, 21]


def test_a_silent_execution_is_no_cell_of_the_notebook(shell: Shell) -> None:
    shell.run("%%component a --for x in [1, 2]\ny = x", "first")
    shell.ip.run_cell("unseen = 1", silent=True)
    shell.run("%%component b --for x in [1, 2] --collect ys=y\npass", "second")
    assert shell["ys"] == [1, 2]


def test_interrupts(shell: Shell) -> None:
    shell.run("x = 'outer'")
    assert "KeyboardInterrupt" in shell.run(
        "%%component a --for x in [1, 2]\nif x == 2: raise KeyboardInterrupt"
    )
    assert shell["x"] == "outer"
    assert live_shell._runs == {}


def test_the_status_follows_the_steps(shell: Shell) -> None:
    shell.run("%%component train\n1 / 0")
    text = shell.run(
        "%%component notify --on-exit\nstatus.state, status.error_message, status.pipeline_task_name"
    )
    assert "('FAILED', 'ZeroDivisionError: division by zero', 'train')" in text
    shell.run("%%component train --if False\n1 / 0")
    assert "'SUCCEEDED'" in shell.run("%%component notify --on-exit\nstatus.state")
    assert "status" not in shell


def test_warnings_of_what_cannot_travel(shell: Shell) -> None:
    assert "`g` (generator) cannot travel" in shell.run("%%component a --if 1\ng = (i for i in [])")
    assert "cannot travel" not in shell.run("%%component a --for g in [1]\ng = (i for i in [])")


def test_a_pipeline_cell_is_read_and_not_run(shell: Shell) -> None:
    text = shell.run("%%pipeline\ndata = prepare()\nwith dsl.If(True):\n    train(data=data.output)")
    assert text == "The pipeline calls prepare, train. %kfp preview shows it, %kfp run runs it.\n"
    assert "line 3: " in shell.run("%%pipeline\nx = 1\ny = = 2")
    assert "is no option" in shell.run("%%pipeline --fast\nx = 1")


def test_unloading(shell: Shell) -> None:
    unload_ipython_extension(shell.ip)
    hooks = [
        *shell.ip.input_transformers_cleanup,
        *shell.ip.input_transformers_post,
        *shell.ip.ast_transformers,
    ]
    assert not any("jupyter_kfp" in str(hook) for hook in hooks)
    assert not any(
        "jupyter_kfp" in str(hook) for hooks in shell.ip.events.callbacks.values() for hook in hooks
    )
    load_ipython_extension(shell.ip)
    load_ipython_extension(shell.ip)
    assert len(shell.ip.ast_transformers) == 1
