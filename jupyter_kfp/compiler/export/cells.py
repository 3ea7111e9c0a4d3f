"""A cell's code as Python that needs no IPython.

``!command`` becomes ``subprocess.run``, magics become what they do, and magics about the notebook itself
(``%matplotlib inline``) a comment. What has no counterpart is an error that names cell and line.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Collection
from dataclasses import dataclass, field
from string import Formatter

from jupyter_kfp.compiler.export.layout import block, quoted
from jupyter_kfp.compiler.export.scoping import global_reads
from jupyter_kfp.errors import Diagnostic, Severity
from jupyter_kfp.notebook.syntax import transform
from jupyter_kfp.pipeline import Code


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# They say how a notebook shows or edits things, or measure; they bind nothing.
_WITHOUT_EFFECT = _words(
    """autoreload autosave colors conda config doctest_mode gui history kfp load_ext lsmagic mamba matplotlib
    micromamba pdb pdef pdoc pfile pinfo pinfo2 pip precision psearch psource quickref reload_ext tensorboard timeit
    unload_ext uv watermark who whos xmode"""
)
_ALIASES = _words("cat cp ldir lf lk ll ls lx mkdir mv rm rmdir")
_SHOWN = _words("html HTML javascript js latex markdown svg SVG timeit")
_SHELLS = _words("bash sh")
_OWN_IMPORT = "jupyter_kfp"
_LAST_RESULTS = re.compile(r"_{1,3}|_i{1,3}|_\d+|_i\d+|In|Out|_oh|_ih|_dh|get_ipython")


@dataclass
class Python:
    """A cell as Python. ``modules`` are those its replaced lines use; ``errors`` what has no counterpart."""

    source: str
    modules: set[str] = field(default_factory=set)
    errors: list[Diagnostic] = field(default_factory=list)
    artifacts: bool = False


class _NoCounterpartError(Exception):
    pass


def to_python(code: Code, step: str, bound: Collection[str]) -> Python:
    """The cell ``code`` of ``step``; ``bound`` are the names that have a value when it runs."""
    found = Python(_without_placeholder(code.source))
    read = transform(code.source)
    if read.constructs or _not_python(code.source):
        from IPython.core.inputtransformer2 import TransformerManager

        found.source = _without_placeholder(TransformerManager().transform_cell(code.source)).rstrip("\n")
    _replace(found, code, step, bound)
    return found


def _not_python(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return True
    return False


def _without_placeholder(source: str) -> str:
    """Without the ``#`` that stands where the cell's header was."""
    return source[1:].lstrip("\n") if source.startswith("#\n") else source


def _lines_dropped(source: str) -> int:
    """The lines at the top that `_without_placeholder`, or IPython, leaves out."""
    text = source[1:] if source.startswith("#\n") else source
    return len(text) - len(text.lstrip("\n"))


def _replace(found: Python, code: Code, step: str, bound: Collection[str]) -> None:
    """Replace calls of IPython, and imports of this package, in ``found.source``."""
    tree = ast.parse(found.source, type_comments=False)
    shift = _lines_dropped(code.source)
    edits: list[tuple[ast.expr | ast.stmt, str]] = []
    done: set[int] = set()

    def edit(node: ast.AST) -> None:
        if isinstance(node, ast.Expr) and _ipython_call(node.value):
            done.add(id(node.value))
            edits.append((node, _statement(node.value, found, bound)))
        elif isinstance(node, ast.Call) and id(node) not in done and _ipython_call(node):
            edits.append((node, _expression(node, found, bound)))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            edits.extend(_own_imports(node, found))

    for node in ast.walk(tree):
        try:
            edit(node)
        except _NoCounterpartError as reason:  # noqa: PERF203 - everything that is wrong is said at once
            line = getattr(node, "lineno", 1) + shift
            found.errors.append(_error(str(reason), code, line, step))
    for node, text in sorted(edits, key=lambda e: (e[0].lineno, e[0].col_offset), reverse=True):
        found.source = _spliced(found.source, node, text)
    if not found.errors:
        found.errors += _last_results(found.source, code, step, bound, shift)


def _error(message: str, code: Code, line: int, step: str) -> Diagnostic:
    return Diagnostic(
        "export-cell",
        Severity.ERROR,
        f"{message} has no counterpart outside of a notebook.",
        "Write it in plain Python.",
        cell=code.cell,
        line=line,
        step=step,
    )


def _last_results(source: str, code: Code, step: str, bound: Collection[str], shift: int) -> list[Diagnostic]:
    """What reads IPython's own names: results of earlier cells, the shell."""
    wanted = {name for name in global_reads(source) if name not in bound and _LAST_RESULTS.fullmatch(name)}
    lines: dict[str, int] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and node.id in wanted:
            lines.setdefault(node.id, node.lineno)
    return [_error(f"`{name}`", code, line + shift, step) for name, line in lines.items()]


def _ipython_call(node: ast.AST) -> bool:
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython"), args=[]), attr=attribute),
            args=[ast.Constant(value=str()), *_],
        ):
            return attribute in {"system", "getoutput", "run_line_magic", "run_cell_magic"}
    return False


def _parts(node: ast.AST) -> tuple[str, tuple[str, ...]]:
    """The method of IPython's shell that is called, and its arguments."""
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Attribute)
    texts = tuple(a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str))
    if len(texts) != len(node.args):
        raise _NoCounterpartError(f"`{ast.unparse(node)}`")
    return node.func.attr, texts


def _statement(node: ast.AST, found: Python, bound: Collection[str]) -> str:
    match _parts(node):
        case "run_line_magic", (name, text) if name in _WITHOUT_EFFECT:
            return f"pass  # %{name} {text}".rstrip()
        case "run_line_magic", ("time" | "prun", text):
            return text
        case "run_line_magic", ("env" | "set_env", text):
            return _environment(text, found, bound)
        case "run_line_magic", ("cd", text):
            found.modules.add("os")
            return f"os.chdir(os.path.expanduser({expanded(text or '~', bound)}))"
        case "run_cell_magic", (name, _, _) if name in _SHOWN:
            return f"pass  # %%{name}: for the notebook only"
        case "run_cell_magic", (name, line, body):
            return _cell_magic(name, line.strip(), body, found, bound)
    return _expression(node, found, bound)


def _expression(node: ast.AST, found: Python, bound: Collection[str]) -> str:
    match _parts(node):
        case ("system", (text,)) | ("run_line_magic", ("system" | "sx" | "!", text)):
            found.modules.add("subprocess")
            return f"subprocess.run({expanded(text, bound)}, shell=True)"
        case "getoutput", (text,):
            found.modules.add("subprocess")
            return f"subprocess.getoutput({expanded(text, bound)}).splitlines()"
        case "run_line_magic", (name, text) if name in _ALIASES:
            found.modules.add("subprocess")
            return f"subprocess.run({expanded(f'{name} {text}'.strip(), bound)}, shell=True)"
        case "run_line_magic", ("time", text):
            return f"({text})"
        case "run_line_magic", ("pwd", _):
            found.modules.add("os")
            return "os.getcwd()"
        case "run_line_magic", (name, _):
            raise _NoCounterpartError(f"`%{name}`")
        case "run_cell_magic", (name, _, _):
            raise _NoCounterpartError(f"`%%{name}`")
    raise _NoCounterpartError(f"`{ast.unparse(node)}`")


def _environment(text: str, found: Python, bound: Collection[str]) -> str:
    name, separator, value = text.partition("=" if "=" in text else " ")
    if not separator:
        return f"pass  # %env {text}".rstrip()
    found.modules.add("os")
    return f"os.environ[{quoted(name.strip())}] = {expanded(value.strip(), bound)}"


def _cell_magic(name: str, line: str, body: str, found: Python, bound: Collection[str]) -> str:
    if name in _SHELLS and not line:
        found.modules.add("subprocess")
        return f"subprocess.run([{quoted(name)}], input={block(body)}, text=True, check=True)"
    if name == "writefile":
        append, _, path = line.rpartition(" ")
        if append in {"", "-a", "--append"}:
            mode = quoted("a" if append else "w")
            path = expanded(shlex.join(shlex.split(path)) if "{" not in path else path, bound)
            return f"with open({path}, {mode}) as file:\n    file.write({block(body)})"
    if name in {"time", "prun"} or (name == "capture" and not re.sub(r"--no-\w+", "", line).strip()):
        inner = to_python(Code(body.rstrip("\n"), 0), "", bound) if not line or name == "capture" else None
        if inner is not None and not inner.errors:
            found.modules |= inner.modules
            return inner.source
    raise _NoCounterpartError(f"`%%{name} {line}`".replace(" `", "`"))


def expanded(text: str, bound: Collection[str]) -> str:
    """The text of a command as Python text: IPython puts in ``{expressions}`` and ``$names`` that have a value.

    It leaves the text alone as soon as one of them has none (IPython's ``var_expand``).
    """
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        return quoted(text)
    pattern, expressions = "", []
    for literal, expression, spec, conversion in parts:
        for number, piece in enumerate(re.split(r"\$\$|\$(?=[A-Za-z_])", literal)):
            name = re.match(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", piece) if number else None
            if name:
                expressions.append(name[0])
                pattern += "{}"
            pattern += piece[name.end() if name else 0 :].replace("{", "{{").replace("}", "}}")
        if expression is not None:
            expressions.append(expression)
            pattern += "{" + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "") + "}"
    if not expressions or not all(_has_value(e, bound) for e in expressions):
        return quoted(text)
    return f"{quoted(pattern)}.format({', '.join(expressions)})"


def _has_value(expression: str, bound: Collection[str]) -> bool:
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except SyntaxError:
        return False
    import builtins

    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    local = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return all(name in bound or hasattr(builtins, name) for name in names - local)


def _own_imports(node: ast.Import | ast.ImportFrom, found: Python) -> list[tuple[ast.stmt, str]]:
    """Artifact classes come from kfp.dsl instead; nothing else of this package exists there."""
    if isinstance(node, ast.Import):
        if any(alias.name.partition(".")[0] == _OWN_IMPORT for alias in node.names):
            raise _NoCounterpartError(f"`{ast.unparse(node)}`")
        return []
    if node.level or (node.module or "").partition(".")[0] != _OWN_IMPORT:
        return []
    from jupyter_kfp.runtime import artifacts

    lines = ["from kfp import dsl"]
    for alias in node.names:
        if not isinstance(getattr(artifacts, alias.name, None), type):
            raise _NoCounterpartError(f"`{ast.unparse(node)}`")
        lines.append(f"{alias.asname or alias.name} = artifact_class(dsl.{alias.name})")
    found.artifacts = True
    return [(node, "\n".join(lines))]


def _spliced(source: str, node: ast.expr | ast.stmt, text: str) -> str:
    """``source`` with ``text`` instead of ``node``; further lines of code are indented as the first."""
    lines = source.split("\n")
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    first, last = lines[node.lineno - 1].encode(), lines[node.end_lineno - 1].encode()
    before, after = first[: node.col_offset].decode(), last[node.end_col_offset :].decode()
    margin = before if not before.strip() else ""
    if margin:
        from jupyter_kfp.compiler.export.layout import text_lines

        fixed = text_lines(text)
        text = "\n".join(
            row if number == 1 or number in fixed else margin + row
            for number, row in enumerate(text.split("\n"), 1)
        )
    if text.startswith("pass  #") and after.strip():
        text = "pass"
    return "\n".join([*lines[: node.lineno - 1], before + text + after, *lines[node.end_lineno :]])
