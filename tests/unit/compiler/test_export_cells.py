"""Cells in functions: what stays as it is, what is executed as a module, what has no counterpart."""

from __future__ import annotations

import pytest

from jupyter_kfp.compiler.export.cells import to_python
from jupyter_kfp.compiler.export.layout import indented
from jupyter_kfp.compiler.export.scoping import reason
from jupyter_kfp.pipeline import Code


@pytest.mark.parametrize(
    "source",
    [
        "x = 1\ndef f():\n    return x\nx = 2\nf()",
        "squares = [n * n for n in range(3)]",
        "x = 1\ndel x",
        "def f(a=1):\n    def g():\n        nonlocal a\n        a += 1\n    g()\n    return a",
        "class A:\n    y = 1\n    def m(self):\n        return self.y",
        "text = '''a\n  b'''",
        "vars(x), dir(x)",
        "async def f():\n    await g()",
    ],
)
def test_most_code_may_stand_in_a_function(source: str) -> None:
    assert reason([], [source], ["x"]) is None


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("n = 0\ndef f():\n    global n\n    n += 1", "global n"),
        ("x = 1\nclass A:\n    x = x", "both reads and binds"),
        ("from math import *", "import \\*"),
        ("from __future__ import annotations", "__future__"),
        ("globals()['y'] = 1", "globals"),
        ("exec('y = 1')", "exec"),
        ("if __name__ == '__main__':\n    pass", "__name__"),
        ("await f()", "awaits"),
        ("[x async for x in f()]", "awaits"),
        ("list = [1]", "Python's own"),
        ("import pickle\ndef f(): pass", "by their module"),
        ("class Node:\n    next: 'Node'", "looked up in its module"),
        ("def f(d):\n    return d.query('a > @limit')", "looks for the notebook's names"),
        ("a = '{{$.inputs}}'", "replace"),
        ("a = '$$'", "replace"),
        ("a = '''x\n  \ny'''", "line of blanks"),
    ],
)
def test_code_that_needs_a_module_says_why(source: str, why: str) -> None:
    import re

    found = reason([], [source], [])
    assert found is not None
    assert re.search(why, found)


def test_an_input_that_the_preamble_binds_needs_a_module() -> None:
    assert "`pi`" in str(reason(["from math import pi"], ["print(pi)"], ["pi"]))


@pytest.mark.parametrize(
    ("cell", "python"),
    [
        ("!ls -l", 'subprocess.run("ls -l", shell=True)'),
        ("!cat {path}", 'subprocess.run("cat {}".format(path), shell=True)'),
        ("!echo $path and $HOME", 'subprocess.run("echo $path and $HOME", shell=True)'),
        ("!echo $path", 'subprocess.run("echo {}".format(path), shell=True)'),
        ("files = !ls", 'files = subprocess.getoutput("ls").splitlines()'),
        ("%matplotlib inline\nx = 1", "pass  # %matplotlib inline\nx = 1"),
        ("%time x = f()", "x = f()"),
        ("%env A=b c", 'os.environ["A"] = "b c"'),
        ("%cd data", 'os.chdir(os.path.expanduser("data"))'),
        ("if x:\n    !ls", 'if x:\n    subprocess.run("ls", shell=True)'),
        ("%%time\nx = 1\ny = 2", "x = 1\ny = 2"),
        ("%%bash\necho $x\n", 'subprocess.run(["bash"], input="""\\\necho $x\n""", text=True, check=True)'),
        ("%%writefile a.txt\none\n", 'with open("a.txt", "w") as file:\n    file.write("""\\\none\n""")'),
        ("#\nx = 1  # why", "x = 1  # why"),
    ],
)
def test_ipython_becomes_python(cell: str, python: str) -> None:
    found = to_python(Code(cell, 0), "s", {"path", "x", "f"})
    assert not found.errors
    assert found.source == python


@pytest.mark.parametrize(
    ("cell", "line", "what"),
    [
        ("x = 1\n%run other.py", 2, "`%run`"),
        ("%%capture out\nprint(1)", 1, "`%%capture out`"),
        ("x = 1\n\ny = _ + 1", 3, "`_`"),
        ("import jupyter_kfp", 1, "`import jupyter_kfp`"),
        ("get_ipython().ask_exit()", 1, "`get_ipython`"),
    ],
)
def test_what_has_no_counterpart_is_an_error_with_its_place(cell: str, line: int, what: str) -> None:
    (error,) = to_python(Code(cell, 4), "s", {"x"}).errors
    assert (error.cell, error.line, error.step) == (4, line, "s")
    assert what in error.message


def test_texts_of_several_lines_are_not_indented() -> None:
    assert indented('x = """a\n  b"""\nif x:\n    y = 1', 1) == [
        '    x = """a', '  b"""', "    if x:", "        y = 1"
    ]  # fmt: skip


def test_artifact_classes_come_from_kfp() -> None:
    found = to_python(Code("from jupyter_kfp import Metrics as M", 0), "s", ())
    assert found.source == "from kfp import dsl\nM = artifact_class(dsl.Metrics)"
