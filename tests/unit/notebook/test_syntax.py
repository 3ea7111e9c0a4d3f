"""IPython's syntax as equivalent Python: names, lines, packages, and what is executed."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_kfp.notebook.equivalent import Reader
from jupyter_kfp.notebook.syntax import CellMagic, Help, LineMagic, ShellCommand, Transformed, transform


def names(read: Transformed) -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
    """What the equivalent reads and binds, with lines; IPython's own calls left out."""
    assert read.tree is not None, read.error
    found = [n for n in ast.walk(read.tree) if isinstance(n, ast.Name) and n.id != "get_ipython"]
    reads = {(n.id, n.lineno) for n in found if isinstance(n.ctx, ast.Load)}
    return reads, {(n.id, n.lineno) for n in found if isinstance(n.ctx, ast.Store)}


@pytest.mark.parametrize(
    ("source", "reads", "binds"),
    [
        ("%time x = f(y)", {("f", 1), ("y", 1)}, {("x", 1)}),
        ("a = 1\n\nx = %time f(y)", {("f", 3), ("y", 3)}, {("a", 1), ("x", 3)}),
        ("x = !ls {d}", {("d", 1)}, {("x", 1)}),
        ("x = !ls \\\n  {d}\ny = x", {("d", 1), ("x", 3)}, {("x", 1), ("y", 3)}),
        ("a, b = %sql select 1", set(), {("a", 1), ("b", 1)}),
        ("x[0] = !ls", {("x", 1)}, set()),
        ("!cp {src['a']} $dst.path", {("src", 1), ("dst", 1)}, set()),
        ("!awk '{print $1}' f", set(), set()),
        ("!echo $$x {{y}}", set(), set()),
        ("for i in r:\n    !run {i}\n    %time g(i)", {("r", 1), ("i", 2), ("g", 3), ("i", 3)}, {("i", 1)}),
        ("%%time\nx = y\nz = x", {("y", 2), ("x", 3)}, {("x", 2), ("z", 3)}),
        ("\n\n%%time\nx = y", {("y", 4)}, {("x", 4)}),
        ("%%capture out --no-stderr\nx = y", {("y", 2)}, {("x", 2), ("out", 1)}),
        ("%%capture\n%%time\n%time x = y", {("y", 3)}, {("x", 3)}),
        ("%timeit x = f(y)", {("f", 1), ("y", 1)}, set()),
        ("%timeit -n 10 -r3 a.append(b)", {("a", 1), ("b", 1)}, set()),
        ("r = %timeit -o f(x)", {("f", 1), ("x", 1)}, {("r", 1)}),
        ("%%timeit k = n\nlocal = k + m\ng(local)", {("n", 1), ("m", 1), ("g", 1)}, set()),
        ("%prun -l 5 x = f()", {("f", 1)}, {("x", 1)}),
        ("%memit -r 1 x = f()", {("f", 1)}, {("x", 1)}),
        ("%lprun -f m.f m.f(x)", {("m", 1), ("x", 1)}, set()),
        ("%store x y", {("x", 1), ("y", 1)}, set()),
        ("%store -r x", set(), {("x", 1)}),
        ("%%bash --out text --err=bad\necho $nothing {nothing}", set(), {("text", 1), ("bad", 1)}),
        ("%%bash -s {x}\necho", {("x", 1)}, set()),
        ("%%writefile {folder}/a.py\nimport nothing", {("folder", 1)}, set()),
        ("%%html\n<b>{x}</b>", set(), set()),
        ("%%sql rows <<\nselect * from t where a = :a and b = {{b}}", {("a", 1), ("b", 1)}, {("rows", 1)}),
        ("%%R -i a,b -o c\nlm(a)", {("a", 1), ("b", 1)}, {("c", 1)}),
        ("%env KEY=$value", {("value", 1)}, set()),
        ("df?\nx = 1", set(), {("x", 2)}),
        ("??df", set(), set()),
        (",f a b", {("f", 1)}, set()),
        ("/f a", {("f", 1), ("a", 1)}, set()),
        (">>> x = 1\n>>> y = x", {("x", 2)}, {("x", 1), ("y", 2)}),
        ("In [1]: x = 1", set(), {("x", 1)}),
        ("    x = 1\n    !ls", set(), {("x", 1)}),
        ("x = '''\n%time\n!ls {y}\n'''\n%time z = x", {("x", 5)}, {("x", 1), ("z", 5)}),
        ("await f(x)\n!ls", {("f", 1), ("x", 1)}, set()),
        (
            "async with a as b:\n    x = [i async for i in b]",
            {("a", 1), ("b", 2), ("i", 2)},
            {("b", 1), ("x", 2), ("i", 2)},
        ),
        ("cd $folder", {("folder", 1)}, set()),
        ("%aimport a.b", set(), set()),
    ],
)
def test_names_keep_their_lines(
    source: str, reads: set[tuple[str, int]], binds: set[tuple[str, int]]
) -> None:
    assert names(transform(source)) == (reads, binds)


def test_other_bindings() -> None:
    assert transform("%aimport a.b").equivalent.endswith("import a.b")
    assert transform("%xdel x").equivalent.endswith("del x")


@pytest.mark.parametrize(
    "source", ["!echo $HOME", "%%unknown\nx = HOME", "%cd $HOME", "HOME = 1\n!ls {HOME}"]
)
def test_reads_that_ipython_leaves_as_text_are_soft(source: str) -> None:
    line = source.count("\n") + 1
    assert ("HOME", line) in transform(source).soft


def test_a_one_line_name_of_a_magic_is_soft() -> None:
    assert transform("ls").soft == {("ls", 1)}
    assert not transform("ls\nx = 1").soft
    assert not transform("model").soft


@pytest.mark.parametrize(
    ("source", "unknown"),
    [
        ("%run other.py", True),
        ("%%magic_of_mine\nx = 1", True),
        ("%pylab", True),
        ("%store -r", True),
        ("%matplotlib inline", False),
        ("%load_ext autoreload\n%autoreload 2", False),
        ("!ls", False),
    ],
)
def test_what_may_bind_anything_is_said(source: str, unknown: bool) -> None:
    assert bool(transform(source).unknown) is unknown


def test_reset_unbinds_everything() -> None:
    assert transform("x = 1\n%reset -f").resets == (2,)
    assert not transform("%reset -f in out").resets


def test_constructs_are_named() -> None:
    read = transform("%matplotlib inline\nx = !ls\ny = %env HOME\ndf?")
    assert set(read.constructs) == {
        ShellCommand(2, "ls", ("x",)),
        LineMagic("env", 3, "HOME", ("y",)),
        LineMagic("matplotlib", 1, "inline"),
        Help(4, "df"),
    }
    assert transform("%%bash -x\nls").constructs == (CellMagic("bash", 1, "-x", "ls"),)


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("x = 1\nreturn x", 2, "return"),
        ("yield 1", 1, "yield"),
        ("x = (\n", 1, "never closed"),
        ("!ls\nx = = 1", 2, "invalid"),
        ("%%time\nx = 1\ny = = 2", 3, "invalid"),
        ("%time x = [1,\n 2]", 1, "never closed"),
        ("def f():\n    await g()", 2, "await"),
        ("break", 1, "break"),
        ("x = 1\0", 1, "null"),
        ("x = '\ud800'", 1, "surrogates"),
        ("(" * 500 + ")" * 500, 1, ""),
    ],
)
def test_what_is_not_python_says_where(source: str, line: int, words: str) -> None:
    read = transform(source)
    assert read.tree is None
    assert read.error is not None
    assert read.error.line == line
    assert words in read.error.message
    assert read.executed == source


@pytest.mark.parametrize(
    ("source", "packages", "executed"),
    [
        ("%pip install a b>=2 'c[x] < 3' -q --upgrade\nimport a", ("a", "b>=2", "c[x] < 3"), "\nimport a"),
        ("!pip install a", ("a",), ""),
        ("pip install a", ("a",), ""),
        ("!pip3 --quiet install -U a==1.0 > /dev/null 2>&1", ("a==1.0",), ""),
        ("!{sys.executable} -m pip install a | tail -1", ("a",), ""),
        ("!python -m pip install --no-cache-dir --progress-bar off a", ("a",), ""),
        ("%uv pip install a", ("a",), ""),
        ("!pip install git+https://x.org/y.git@v1", ("git+https://x.org/y.git@v1",), ""),
        ("%pip install \\\n  a \\\n  b\nx = 1", ("a", "b"), "\n\n\nx = 1"),
        ("if new:\n    !pip install a\nx = 1", ("a",), "if new:\n    pass\nx = 1"),
        ("%%capture\n!pip install a", ("a",), "%%capture\npass"),
        ("!pip install a  # needed", ("a",), ""),
        ("!pip install a && python -m a.download", ("a",), "!pip install a && python -m a.download"),
        ("out = !pip install a", ("a",), "out = !pip install a"),
        ("!pip list\n!pip uninstall -y a", (), "!pip list\n!pip uninstall -y a"),
        ("!echo pip install a", (), "!echo pip install a"),
    ],
)
def test_install_lines_become_packages(source: str, packages: tuple[str, ...], executed: str) -> None:
    read = transform(source)
    assert read.error is None
    assert tuple(p for install in read.installs for p in install.packages) == packages
    assert read.executed == executed


@pytest.mark.parametrize(
    "source",
    [
        "%conda install a",
        "!pip install -e .",
        "!pip install ./a",
        "!pip install a.whl",
        "!pip install {name}",
        "%pip install --index-url https://x.org a",
        "%pip install --pre a",
        "%pip install -c constraints.txt a",
    ],
)
def test_what_of_an_install_cannot_travel_is_noted(source: str) -> None:
    (install,) = transform(source).installs
    assert install.notes
    assert not set(install.packages) - {"a"}


def test_requirements_files_are_named() -> None:
    (install,) = transform("%pip install -r one.txt --requirement=two.txt -rthree.txt").installs
    assert install.files == ("one.txt", "two.txt", "three.txt")


def test_lines_that_talk_to_this_package_are_not_executed() -> None:
    read = transform("%load_ext jupyter_kfp\nimport x\n%kfp check\n%load_ext other")
    assert read.executed == "\nimport x\n\n%load_ext other"
    assert not read.unknown


def test_plain_cells_and_common_magics_do_not_import_ipython() -> None:
    program = (
        "import sys; from jupyter_kfp.notebook.syntax import transform\n"
        "for s in ('x = 1', '%load_ext a\\nx = 1\\n!ls {x}', '%%time\\nx = 1', '%%capture o\\n%time x = 1', 'x = (', 'ls'):\n"
        "    transform(s)\n"
        "sys.exit('IPython' in sys.modules and 'x = (' == s)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


PIECES = st.sampled_from(
    [
        "x = 1", "x = 1; y?", "%time x = y", "!ls {x}", "!pip install a", "x = !ls $y", "%%time", "%%capture o", "%%bash",
        "if x:", "    %time z = x", "    !pip install b", "'''", '"""', "f(", ")", "x = %timeit -o y", "?x", "x??", ">>> z = 2",
        "...     q", "%timeit a = b", "%%timeit", "\\", "!ls \\", "  ", "", "%kfp run", "#| a: b", "%run q", "%%unknown", "\f",
        "%", "!", "%%", "x = %", "x = !", "In [3]: x", "{", "await x", "$x", "%sql a << b", "%lprun -f", ";f x", "\u2028", "%store",
    ]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=6))
def test_every_cell_is_read_and_keeps_its_lines(pieces: list[str]) -> None:
    source = "\n".join(pieces)
    read = transform(source)
    assert (read.tree is None) is (read.error is not None)
    assert read.executed.count("\n") == source.count("\n")
    assert all(1 <= construct.line <= len(pieces) for construct in read.constructs)
    if read.tree is not None:
        assert all(
            1 <= node.lineno <= max(len(pieces), 1)
            for node in ast.walk(read.tree)
            if isinstance(node, ast.stmt)
        )


@settings(deadline=None)
@given(st.text())
def test_any_text_is_read(text: str) -> None:
    transform(text)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=5))
def test_the_way_without_ipython_gives_the_same(pieces: list[str]) -> None:
    source = "\n".join(pieces)
    quick = transform(source)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reader, "_simple_lines", lambda *_: None)
        slow = transform(source)
    assert quick.executed == slow.executed
    if quick.tree is not None or slow.tree is not None:
        assert quick.equivalent == slow.equivalent
        assert quick.soft == slow.soft
