"""What a notebook can do that a pipeline of separate processes cannot see: warned of beforehand.

Variables are followed exactly (see :mod:`dataflow`); the channels here are beside them: the global
random state, files in the working directory, values that differ each time they are made.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping

from jupyter_kfp.errors import Diagnostic
from jupyter_kfp.notebook.codes import diagnostic
from jupyter_kfp.notebook.mutation import callee, dotted
from jupyter_kfp.notebook.roles import Reading, StepCell, StepReading

_UNSTABLE = frozenset(
    [
        "now",
        "today",
        "utcnow",
        "time",
        "time_ns",
        "perf_counter",
        "monotonic",
        "uuid1",
        "uuid4",
        "urandom",
        "token_hex",
        "token_urlsafe",
        "token_bytes",
        "randint",
        "random",
        "choice",
        "sample",
        "shuffle",
        "rand",
        "randn",
        "getpid",
        "mkdtemp",
        "mkstemp",
        "gettempdir",
        "input",
        "getpass",
    ]
)
_SEEDS = frozenset({"seed", "manual_seed", "set_seed"})
_STATE_FREE = frozenset(
    {"default_rng", "RandomState", "Generator", "Random", "SystemRandom", "SeedSequence", "PCG64"}
)
_WRITERS = frozenset(
    {"savefig", "save", "savez", "savetxt", "write_text", "write_bytes", "dump", "save_model", "write_image"}
)
_READERS = frozenset({"load", "loadtxt", "genfromtxt", "read_text", "read_bytes", "load_model", "imread"})


def unstable_call(nodes: Iterable[ast.AST]) -> str:
    """The first call in ``nodes`` whose result differs every time, or ""."""
    for top in nodes:
        for node in ast.walk(top):
            if isinstance(node, ast.Call):
                name = callee(node)
                seeded = bool(node.args or node.keywords)
                if name in _UNSTABLE or (name == "default_rng" and not seeded):
                    return dotted(node.func) or name
    return ""


def check_side_channels(reading: Reading, imports: Mapping[str, str]) -> Iterator[Diagnostic]:
    """Warnings about random state and files that steps would share in one kernel."""
    yield from _random_state(reading, imports)
    yield from _files(reading)
    yield from _process_state(reading)


def _calls(cells: Iterable[StepCell]) -> Iterator[tuple[StepCell, ast.Call]]:
    for cell in cells:
        for node in ast.walk(cell.python.tree) if cell.python.tree is not None else ():
            if isinstance(node, ast.Call):
                yield cell, node


def _random_call(node: ast.Call, imports: Mapping[str, str]) -> str:
    """The function of a global random generator that ``node`` calls (``seed``, ``rand``, …), or ""."""
    head, _, rest = dotted(node.func).partition(".")
    path = imports.get(head, "")
    path = f"{path}.{rest}" if rest else path
    module, _, name = path.rpartition(".")
    return name if module in {"random", "numpy.random"} and name not in _STATE_FREE else ""


def _random_state(reading: Reading, imports: Mapping[str, str]) -> Iterator[Diagnostic]:
    seeded = any(_random_call(call, imports) in _SEEDS for _, call in _calls(reading.preamble))
    drawn_before = False
    for step in reading.steps:
        used = [(cell, call, _random_call(call, imports)) for cell, call in _calls(step.cells)]
        used = [u for u in used if u[2]]
        if not used:
            continue
        cell, call, name = used[0]
        if name in _SEEDS:
            seeded = True
        elif seeded and drawn_before:
            yield diagnostic(
                "K216",
                f"step {step.name} goes on with the global random state where an earlier step left it in the notebook; as a step of its own it cannot.",
                cell=cell.cell,
                line=call.lineno,
                step=step.name,
            )
        drawn_before = True


def _process_state(reading: Reading) -> Iterator[Diagnostic]:
    """Settings of the whole process that one step makes and later ones would find in one kernel."""
    for step in reading.steps[:-1]:
        for cell in step.cells:
            for node in ast.walk(cell.python.tree) if cell.python.tree is not None else ():
                what = _sets_process_state(node)
                if what:
                    yield diagnostic(
                        "K215",
                        f"step {step.name} changes {what} of its process, which the steps after it will not see.",
                        cell=cell.cell,
                        line=getattr(node, "lineno", None),
                        step=step.name,
                    )


_STATE_CALLS = {
    "os.chdir": "the working directory",
    "os.putenv": "the environment",
    "locale.setlocale": "the locale",
    "sys.setrecursionlimit": "the recursion limit",
    "decimal.setcontext": "the decimal context",
}
_STATE_SETTERS = frozenset(
    {"set_option", "seterr", "set_default_dtype", "set_default_device", "set_printoptions", "set_config"}
)


def _sets_process_state(node: ast.AST) -> str:
    match node:
        case ast.Call(func=ast.Attribute(attr=method, value=owner) as function):
            path = dotted(function)
            if path in _STATE_CALLS:
                return _STATE_CALLS[path]
            if dotted(owner) == "sys.path" and method in {"append", "insert", "extend", "remove"}:
                return "the search path for modules"
            if dotted(owner) == "os.environ" and method in {"update", "setdefault", "pop", "clear"}:
                return "the environment"
            return "settings of a library" if method in _STATE_SETTERS else ""
        case ast.Subscript(value=value, ctx=ast.Store() | ast.Del()) if dotted(value) == "os.environ":
            return "the environment"
        case ast.Attribute(value=ast.Call() as call, ctx=ast.Store()) if callee(call) == "getcontext":
            return "the decimal context"
        case _:
            return ""


def _files(reading: Reading) -> Iterator[Diagnostic]:
    written: dict[str, StepReading] = {}
    for step in reading.steps:
        fresh: set[str] = set()
        for cell, call in _calls(step.cells):
            path, writes = _relative_path(call)
            if not path:
                continue
            if writes:
                fresh.add(path)
            elif path in written and path not in fresh:
                yield diagnostic(
                    "K218",
                    f"step {step.name} reads the file {path!r}, which step {written[path].name} writes; steps have working directories of their own.",
                    cell=cell.cell,
                    line=call.lineno,
                    step=step.name,
                )
        written.update(dict.fromkeys(fresh, step))


def _relative_path(call: ast.Call) -> tuple[str, bool]:
    """The literal relative path a call opens, and whether it writes it; ("", False) for other calls."""
    name = callee(call)
    arguments = [*call.args, *(k.value for k in call.keywords)]
    if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Call):
        arguments = [*call.func.value.args, *arguments]  # Path("x.txt").read_text()
    texts = [a.value for a in arguments if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if name == "open" and texts:
        writes = any(set("wax") & set(mode) and len(mode) <= 3 for mode in texts[1:])
    elif name in _WRITERS or name.startswith("to_"):
        writes = True
    elif name in _READERS or name.startswith(("read_", "scan_")):
        writes = False
    else:
        return "", False
    path = next(
        (t for t in texts if re.search(r"\.\w+$", t) and "://" not in t and not t.startswith("/")), ""
    )
    return path, writes
