"""The Run All side by itself."""

from __future__ import annotations

from .case import output_names, parse_cells
from .run_all import code_cells


def run(zygotes, notebook, tmp_path, **params):
    cells = code_cells(notebook, params)
    ended = zygotes.light.call(
        f"{__package__}.run_all:run_all", tmp_path, cells=cells, names=output_names(notebook)
    )
    assert ended.status == 0, ended.printed
    return ended.value


def test_magics_history_await_and_commands_work(zygotes, tmp_path):
    notebook = parse_cells(
        "# %%\nimport asyncio\nx = !echo hi\n# %%\n%time y = 1\n20 + 1\n# %%\nz = _ * 2\n"
        "task = asyncio.ensure_future(asyncio.sleep(0, 5))\n# %%\nw = await task\n"
        "# %% [tags: outputs]\nx\ny\nz\nw\n"
    )
    values = run(zygotes, notebook, tmp_path)["values"]
    assert (values["y"], values["z"], values["w"]) == ("int 1", "int 42", "int 5")
    assert "str 'hi'" in values["x"]


def test_cells_share_one_context(zygotes, tmp_path):
    notebook = parse_cells(
        "# %%\nimport decimal\ndecimal.getcontext().prec = 3\n# %%\nx = str(decimal.Decimal(1) / 3)\n"
        "# %% [tags: outputs]\nx\n"
    )
    assert run(zygotes, notebook, tmp_path)["values"] == {"x": "str '0.333'"}


def test_parameters_are_injected_and_skipped_cells_left_out(zygotes, tmp_path):
    notebook = parse_cells(
        "# %% [tags: parameters]\nn = 1\n# %% [tags: skip]\nn = 100\n# %%\nm = n\n# %% [tags: outputs]\nm\n"
    )
    assert run(zygotes, notebook, tmp_path, n=7)["values"] == {"m": "int 7"}


def test_the_first_failing_cell_is_told(zygotes, tmp_path):
    notebook = parse_cells("# %%\nx = 1\n# %% [markdown]\n# text\n# %%\nx['a']\n# %%\nnever = 1\n")
    error = run(zygotes, notebook, tmp_path)["error"]
    assert (error["type"], error["cell"]) == ("TypeError", 2)


def test_nothing_is_left_from_one_notebook_to_the_next(zygotes, tmp_path):
    run(zygotes, parse_cells("# %%\nimport json\njson.left = 1\nleft = 1\n"), tmp_path)
    later = parse_cells(
        "# %%\nimport json\nhere = [hasattr(json, 'left'), 'left' in globals()]\n# %% [tags: outputs]\nhere\n"
    )
    assert run(zygotes, later, tmp_path)["values"]["here"] == "list\n  bool False\n  bool False"


def test_a_dying_notebook_is_told_from_a_failing_one(zygotes, tmp_path):
    notebook = parse_cells("# %%\nimport os\nos._exit(3)\n")
    ended = zygotes.light.call(
        f"{__package__}.run_all:run_all", tmp_path, cells=code_cells(notebook, {}), names=[]
    )
    assert (ended.value, ended.status) == (None, 3)
