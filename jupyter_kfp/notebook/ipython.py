"""What IPython's magics do with names: the knowledge behind the equivalent Python of a cell.

Facts are from IPython's own magics (``IPython/core/magics``) and the manuals of the extensions named
here. Everything else is unknown, and said to be.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from string import Formatter


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Magics that run the Python code they are given in the user's namespace: their options, as getopt
# writes them (a colon: takes a value).
_RUNS_CODE = {
    "time": "",
    "prun": "D:l:rs:T:q",
    "debug": "b:",
    "memit": "r:t:i:co",
    "lprun": "rsf:m:D:T:u:z",
    "mprun": "f:cr:T:",
    "snakeviz": "tf:",
    "pyinstrument": "",
    "ipytest": "",
    "run_pytest": "",
}
_SCRIPTS = _words("bash sh script perl ruby python python2 python3 pypy cmd")
_OPAQUE_BODIES = _words("html HTML javascript js latex markdown svg SVG writefile file mermaid dot code_wrap")
_SHELLS = frozenset({"sx", "system", "!"})
# Line magics that neither read nor bind names, besides what `{x}` and `$x` in their text read.
LINE_MAGICS = _words(
    "alias alias_magic autoawait autocall automagic autoreload bookmark cat cd code_wrap colors conda config "
    "cp dhist dirs doctest_mode ed edit env gui hist history kfp killbgscripts ldir lf lk ll load load_ext loadpy "
    "logoff logon logstart logstate logstop ls lsmagic lx magic mamba man matplotlib micromamba mkdir more "
    "mv notebook page pastebin pdb pdef pdoc pfile pinfo pinfo2 pip popd pprint precision psearch psource "
    "pushd pwd pycat quickref rehashx reload_ext rep rm rmdir save sc set_env sx system tb tensorboard "
    "unalias unload_ext uv wandb watermark who who_ls whos xmode"
)
_AUTOMAGIC = LINE_MAGICS | {"time", "timeit", "run", "prun", "store", "xdel", "reset", "macro"}
HELP_MAGICS = frozenset({"pinfo", "pinfo2", "psearch"})
_NAME = re.compile(r"[^\W\d]\w*$")


@dataclass(frozen=True)
class Effect:
    """What a magic does, as far as names go.

    ``code`` is Python (again with IPython's syntax) that is run where the magic stands; a cell magic's
    starts on the magic's own line. ``isolated`` code binds nothing outside (``%timeit``); the reads of
    ``guessed`` code may be no reads at all. ``reads`` and ``soft`` are expressions: the latter stay
    text when they fail. ``binds`` and ``deletes`` happen after the code. ``unknown``: it may bind
    names nobody can see; ``resets``: it unbinds every name.
    """

    code: str = ""
    isolated: bool = False
    guessed: bool = False
    reads: tuple[str, ...] = ()
    soft: tuple[str, ...] = ()
    binds: tuple[str, ...] = ()
    deletes: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    unknown: bool = False
    resets: bool = False


@dataclass
class _Options:
    """The options in front of a magic's text, and the rest of it."""

    rest: str
    values: dict[str, list[str]] = field(default_factory=dict)

    def names(self, *options: str) -> tuple[str, ...]:
        """The values of ``options``, split at commas."""
        texts = [text for option in options for text in self.values.get(option, [])]
        return tuple(part.strip() for text in texts for part in text.split(",") if part.strip())


def _options(text: str, spec: str, long_values: frozenset[str] = frozenset()) -> _Options:
    found = _Options(text.strip())
    while match := re.match(r"(--?)([A-Za-z][\w-]*)(=\S+)?(\s+|$)", found.rest):
        dashes, name, value, _ = match.groups()
        found.rest = found.rest[match.end() :]
        if dashes == "-":
            # Clustered flags; the first that takes a value takes what follows it.
            for index, flag in enumerate(name):
                if f"{flag}:" in spec:
                    attached = name[index + 1 :]
                    found.values.setdefault(flag, []).append(attached or _shift(found))
                    break
                found.values.setdefault(flag, [])
        elif value:
            found.values.setdefault(name, []).append(value[1:])
        else:
            found.values.setdefault(name, []).extend([_shift(found)] if name in long_values else [])
    return found


def _shift(options: _Options) -> str:
    word, _, options.rest = options.rest.partition(" ")
    options.rest = options.rest.lstrip()
    return word


def expansions(text: str) -> tuple[str, ...]:
    """The expressions IPython puts into the text of a magic or a command: ``{x + 1}``, ``$x.y``."""
    found: list[str] = []
    try:
        parts = list(Formatter().parse(text))
    except ValueError:  # stray braces: IPython then leaves the whole text alone
        return ()
    for literal, expression, _, _ in parts:
        found += [name.rstrip(".") for name in re.findall(r"(?<!\$)\$([^\W\d][\w.]*)", literal)]
        if expression:
            found.append(expression)
    return tuple(dict.fromkeys(e for e in found if is_expression(e)))


def is_expression(text: str) -> bool:
    """Whether ``text`` is one Python expression (on one line)."""
    try:
        ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return "\n" not in text.strip()


def _valid(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if _NAME.match(name))


def line_effect(name: str, text: str) -> Effect:
    """What ``%name text`` does."""
    if name in _RUNS_CODE:
        return _runs(name, text)
    if name in _LINE_EFFECTS:
        return _LINE_EFFECTS[name](text)
    return Effect(soft=expansions(text), unknown=name not in LINE_MAGICS)


def cell_effect(name: str, text: str, body: str) -> Effect:
    """What ``%%name text`` does with the ``body`` below it."""
    if name in _RUNS_CODE:
        effect = _runs(name, "" if name == "time" else text)
        return replace(effect, code=f"{effect.code}\n{body}")
    if name in _CELL_EFFECTS:
        return _CELL_EFFECTS[name](text, body)
    soft = expansions(text)
    if name in _SHELLS:
        return Effect(soft=(*soft, *expansions(body)))
    if name in _SCRIPTS:
        options = _options(text, "", frozenset({"out", "err", "proc"}))
        return Effect(soft=soft, binds=_valid(options.names("out", "err", "proc")))
    if name in _OPAQUE_BODIES:
        return Effect(soft=soft)
    return Effect("\n" + body, guessed=True, soft=soft, unknown=True)


def _runs(name: str, text: str) -> Effect:
    options = _options(text, _RUNS_CODE[name])
    functions = tuple(
        e for e in options.values.get("f", []) if name in {"lprun", "mprun"} and is_expression(e)
    )
    return Effect(options.rest, reads=functions)


def _timeit(text: str, body: str | None = None) -> Effect:
    options = _options(text, "n:r:tcp:qov:")
    code = options.rest if body is None else f"{options.rest}\n{body}"
    return Effect(code, isolated=True, binds=_valid(options.names("v")))


def _capture(text: str, body: str) -> Effect:
    words = [word for word in text.split() if not word.startswith("-")]
    return Effect("\n" + body, binds=_valid(tuple(words[:1])), soft=expansions(text))


def _store(text: str) -> Effect:
    options = _options(text, "drz")
    words = options.rest.split(">")[0].split()
    if "r" in options.values:
        return Effect(binds=_valid(tuple(words)), unknown=not words)
    return Effect() if options.values else Effect(reads=_valid(tuple(words)))


def _xdel(text: str) -> Effect:
    return Effect(deletes=_valid((_options(text, "n").rest,)))


def _aimport(text: str) -> Effect:
    modules = (module.strip() for module in text.split(","))
    return Effect(imports=tuple(module for module in modules if re.match(r"[^\W\d][\w.]*$", module)))


def _macro(text: str) -> Effect:
    return Effect(binds=_valid(tuple(_options(text, "rq").rest.split()[:1])), unknown=True)


def _reset(text: str) -> Effect:
    return Effect(resets=not set(text.split()) & {"in", "out", "dhist", "array"})


def _r(text: str, _body: str = "") -> Effect:
    options = _options(text, "i:o:w:h:p:b:u:r:c:", frozenset({"input", "output"}))
    return Effect(reads=_valid(options.names("i", "input")), binds=_valid(options.names("o", "output")))


def _sql(text: str, body: str = "") -> Effect:
    """``result << SELECT …`` binds; ``{x}``, ``{{x}}``, ``$x`` and ``:x`` read."""
    whole = f"{text}\n{body}"
    names = re.findall(r"\{\{\s*([^\W\d][\w.]*)[^}]*\}\}|(?<![:\w]):([^\W\d]\w*)", whole)
    soft = dict.fromkeys((*expansions(text), *expansions(body), *(a or b for a, b in names)))
    target = re.match(r"(?:--\w+\s+)*([^\W\d]\w*)\s*=?\s*<<", whole.strip())
    return Effect(soft=tuple(soft), binds=_valid((target[1],) if target else ()))


def _bigquery(text: str, body: str = "") -> Effect:
    return Effect(soft=expansions(f"{text} {body}"), binds=_valid(tuple(text.split()[:1])))


_LINE_EFFECTS: Mapping[str, Callable[[str], Effect]] = {
    "timeit": _timeit,
    "store": _store,
    "xdel": _xdel,
    "aimport": _aimport,
    "macro": _macro,
    "reset": _reset,
    "R": _r,
    "Rpush": lambda text: Effect(reads=_valid(tuple(text.split()))),
    "Rpull": lambda text: Effect(binds=_valid(tuple(text.split()))),
    "sql": _sql,
    "bigquery": _bigquery,
}
_CELL_EFFECTS: Mapping[str, Callable[[str, str], Effect]] = {
    "timeit": _timeit,
    "capture": _capture,
    "R": _r,
    "sql": _sql,
    "bigquery": _bigquery,
    "cython": lambda text, _body: Effect(soft=expansions(text), unknown=True),
}


def automagic(line: str) -> tuple[str, str] | None:
    """The magic of a one-line cell written without its ``%`` (``cd data``), as name and text."""
    match = re.match(r"\s*([^\W\d]\w*)(?:\s+(?![=(<>,+*/%^&|])(.*))?\s*$", line)
    if match is None or match[1] not in _AUTOMAGIC:
        return None
    return match[1], match[2] or ""
