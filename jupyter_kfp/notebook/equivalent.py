"""From a cell with magics to Python that binds, reads and mutates the same names, line for line.

IPython's own transformers find the magics, so both agree on what is one; what each does with names
is in :mod:`jupyter_kfp.notebook.ipython`. Only cells that are not plain Python come here.
"""

from __future__ import annotations

import ast
import builtins
import re
import symtable
import warnings
from collections.abc import Iterable

from jupyter_kfp.notebook.constructs import (
    CellMagic,
    Construct,
    Help,
    Install,
    LineMagic,
    ShellCommand,
    SyntaxProblem,
)
from jupyter_kfp.notebook.ipython import HELP_MAGICS, Effect, cell_effect, is_expression, line_effect
from jupyter_kfp.notebook.requirements import read_install

# How deep magics may stand in each other (`%time %time …`), and IPython's own limit per cell.
_DEPTH = 20
_ROUNDS = 500
# A line that is a magic or a command and neither help nor continued.
_SIMPLE = re.compile(r"(?:%([A-Za-z_]\w*)(?:[ \t]+(.*?))?|!(?!!)[ \t]*(.*?))(?<![\\?])[ \t]*$")
# The first lines of code that is indented as a whole or pasted with its prompts.
_PASTED = re.compile(r"[ \t]|>>>|\.\.\.|(\[\w+\] )?In \[")
_PROMPT = re.compile(r"\s*(\[\w+\] )?In \[\d+\]: ")


def parse_python(source: str) -> tuple[ast.Module | None, SyntaxProblem | None]:
    """The tree of Python as IPython accepts it (with top-level await), or what is wrong with it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "\\d" in a user's string is not ours to report
        try:
            tree = ast.parse(source)
            # Compiling finds what parsing does not: `return` outside a function, a misplaced global.
            compile(tree, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        except SyntaxError as error:
            return None, SyntaxProblem(error.msg, max(error.lineno or 1, 1), max(error.offset or 1, 1))
        except (ValueError, MemoryError, RecursionError) as error:  # null bytes, surrogates, deep nesting
            return None, SyntaxProblem(str(error) or type(error).__name__, 1, 1)
    return tree, None


def loads(tree: ast.AST) -> Iterable[tuple[str, int]]:
    """The names that are read, with their lines."""
    return [
        (n.id, n.lineno) for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)
    ]


def has_prompt(source: str) -> bool:
    """Whether ``source`` was pasted with ``In [1]: ``, which Python takes for an annotation."""
    return _PROMPT.match(source) is not None


class Reader:
    """Turns IPython's syntax into equivalent Python and notes what it meets."""

    def __init__(self) -> None:
        self.constructs: list[Construct] = []
        self.installs: list[Install] = []
        self.soft: set[tuple[str, int]] = set()
        self.unknown: list[Construct] = []
        self.resets: list[int] = []
        self.tail: list[tuple[str, int]] = []
        self.removed: list[tuple[int, int]] = []
        self._depth = 0

    def read(self, text: str, base: int) -> str:
        """Equivalent Python of ``text``, whose first line is line ``base`` of the cell; as many lines."""
        if parse_python(text)[0] is not None and not has_prompt(text):
            return text
        self._depth += 1
        if self._depth > _DEPTH:
            raise SyntaxError("magics are nested too deeply")
        lines = _split(text)
        blank = next((i for i, line in enumerate(lines) if line.strip()), len(lines))
        body = _clean(lines[blank:])
        if body and body[0].startswith("%%") and not re.match(r"%%\w+\?", body[0]):
            body = self._cell(body, base + blank)
        else:
            body = self._lines(body, base + blank)
        self._depth -= 1
        return "".join([*lines[:blank], *body]).removesuffix("\n")

    def place_tail(self, tree: ast.Module, lines: int) -> None:
        """Give what stands beyond the source the line of the magic it belongs to."""
        for statement in tree.body:
            if statement.lineno > lines:
                line = self.tail[statement.lineno - lines - 1][1]
                for node in ast.walk(statement):
                    if isinstance(node, ast.expr | ast.stmt):
                        node.lineno = node.end_lineno = line

    def _cell(self, lines: list[str], line: int) -> list[str]:
        name, _, text = lines[0][2:].strip().partition(" ")
        body = "".join(lines[1:]).removesuffix("\n")
        construct = CellMagic(name, line, text.strip(), body)
        self.constructs.append(construct)
        effect = cell_effect(name, text.strip(), body)
        self._note(effect, line, construct)
        code = self._code(effect, line).split("\n") if effect.code else [""]
        code += [""] * (len(lines) - len(code))
        reads = self._reads(effect, line)
        self.tail += [(text, line) for text in self._afterwards(effect)]
        if reads:
            self.tail.append((f"get_ipython().run_cell_magic({name!r}, {reads})", line))
        return [text + "\n" for text in code]

    def _lines(self, lines: list[str], base: int) -> list[str]:
        """Replace one construct after the other, the first first; the lines it covered stay as blanks."""
        simple = self._simple_lines(lines, base)
        if simple is not None:
            return simple
        from IPython.core import inputtransformer2 as ipython

        finders = (ipython.MagicAssign, ipython.SystemAssign, ipython.EscapedCommand, ipython.HelpEnd)
        for _ in range(_ROUNDS):
            tokens = ipython.make_tokens_by_line(lines)
            found = [construct for finder in finders if (construct := finder.find(tokens))]
            for construct in sorted(found, key=ipython.TokenTransformBase.sortby):
                try:
                    changed = construct.transform(lines)
                except SyntaxError:
                    continue
                start = construct.start_line
                covered = len(lines) - len(changed) + 1
                prefix = lines[start][: construct.start_col]
                call = changed[start][len(prefix) :].strip()
                new = prefix + self._call(prefix, call, base + start, base + start + covered - 1)
                lines = [
                    *lines[:start],
                    new.rstrip() + "\n",
                    *["\n"] * (covered - 1),
                    *lines[start + covered :],
                ]
                break
            else:
                return lines
        raise SyntaxError("too many magics in one cell")

    def _call(self, prefix: str, call: str, line: int, last: int) -> str:
        """The equivalent of the call IPython makes of a construct, after ``prefix`` (indent or targets)."""
        if not call:
            return "pass"
        method, arguments = _ipython_call(call)
        return self._known_call(method, arguments, line, last, _targets(prefix)) or call

    def _known_call(
        self, method: str, arguments: list[str], line: int, last: int, assigns: tuple[str, ...]
    ) -> str:
        match method, arguments:
            case "run_line_magic", [name, text]:
                return self._magic(name, text, line, last, assigns)
            case (("system" | "getoutput"), [command]):
                self.constructs.append(ShellCommand(line, command, assigns))
                if self._install(command, line, last, assigns):
                    return "pass"
                reads = self._reads(line_effect("sx", command), line)
                return f"get_ipython().{method}({reads})"
            case _:  # `/f a b` and its kind are Python by now
                return ""

    def _simple_lines(self, lines: list[str], base: int) -> list[str] | None:
        """Whole lines of `%magic` or `!command` in otherwise plain Python; None for anything harder.

        Finding these does not take IPython, whose import costs more than analyzing a notebook.
        """
        found = {i: match for i, line in enumerate(lines) if (match := _SIMPLE.match(line))}
        marked = "".join("_\n" if i in found else line for i, line in enumerate(lines))
        tree, _ = parse_python(marked)
        if tree is None:
            return None
        statements = {
            node.lineno
            for node in tree.body
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Name)
        }
        # A line that is no statement stands inside a text.
        if any(i + 1 not in statements for i in found):
            return None
        for i, match in found.items():
            name, text, command = match.groups()
            method, arguments = ("run_line_magic", [name, text or ""]) if name else ("system", [command])
            lines = [
                *lines[:i],
                self._known_call(method, arguments, base + i, base + i, ()) + "\n",
                *lines[i + 1 :],
            ]
        return lines

    def _magic(self, name: str, text: str, line: int, last: int, assigns: tuple[str, ...]) -> str:
        if name in HELP_MAGICS:
            self.constructs.append(Help(line, text))
            return "None" if assigns else "pass"
        magic = LineMagic(name, line, text, assigns)
        self.constructs.append(magic)
        command = f"{name} {text}" if name in {"pip", "uv", "conda", "mamba", "micromamba"} else ""
        if name in {"sx", "system"}:
            command = text
        if command and self._install(command, line, last, assigns):
            return "pass"
        if name == "kfp" or (name in {"load_ext", "reload_ext"} and text.strip() == "jupyter_kfp"):
            self.removed.append((line, last))
            return "None" if assigns else "pass"
        effect = line_effect(name, text)
        self._note(effect, line, magic)
        code = self._code(effect, line).strip() if effect.code else ""
        call = f"get_ipython().run_line_magic({', '.join(filter(None, [repr(name), self._reads(effect, line)]))})"
        if assigns:
            value = _value(code) or call
            return f"({effect.binds[0]} := {value})" if effect.binds else value
        parts = [code or call, *([call] if code and effect.reads else []), *self._afterwards(effect)]
        joined = "; ".join(parts)
        return joined if parse_python(joined)[0] is not None else parts[0]

    def _note(self, effect: Effect, line: int, construct: Construct) -> None:
        if effect.unknown:
            self.unknown.append(construct)
        if effect.resets:
            self.resets.append(line)

    def _code(self, effect: Effect, line: int) -> str:
        """The equivalent of the code a magic runs. Raises SyntaxError where it is none."""
        if effect.guessed and not self._looks_like_python(effect.code):
            return ""
        code = self.read(effect.code, line)
        tree, problem = parse_python(code)
        if problem is not None:
            raise SyntaxError(problem.message, ("<cell>", problem.line + line - 1, problem.offset, None))
        if tree is not None and effect.guessed:
            self.soft |= {(name, n + line - 1) for name, n in loads(tree)}
        return _isolated(code) if effect.isolated else code

    def _looks_like_python(self, text: str) -> bool:
        try:
            return parse_python(Reader().read(text, 1))[0] is not None
        except SyntaxError:
            return False

    def _reads(self, effect: Effect, line: int) -> str:
        """The expressions of ``effect`` as arguments of a call."""
        for text in effect.soft:
            self.soft |= {(name, line) for name, _ in loads(ast.parse(text.strip(), mode="eval"))}
        return ", ".join(f"({text.strip()})" for text in (*effect.reads, *effect.soft))

    def _afterwards(self, effect: Effect) -> list[str]:
        return [
            *(f"import {module}" for module in effect.imports),
            *(f"{name} = get_ipython().user_ns" for name in effect.binds),
            *(f"del {name}" for name in effect.deletes),
        ]

    def _install(self, command: str, line: int, last: int, assigns: tuple[str, ...]) -> bool:
        """Note the packages of an install command; whether the line is thereby done with."""
        found = read_install(command)
        if found is None:
            return False
        kept = bool(assigns) or not found.alone
        self.installs.append(
            Install(line, last, tuple(found.packages), tuple(found.files), tuple(found.notes), kept)
        )
        if not kept:
            self.removed.append((line, last))
        return not kept


def _clean(lines: list[str]) -> list[str]:
    """What IPython does before it looks for magics: a common indent and pasted prompts go."""
    if not any(_PASTED.match(line) for line in lines[:2]):
        return lines
    from IPython.core import inputtransformer2 as ipython

    for cleanup in (ipython.leading_indent, ipython.classic_prompt, ipython.ipython_prompt):
        # They also split at U+2028 and its kind, which Python's tokenizer does not count as line ends.
        lines = _split("".join(cleanup(lines)).removesuffix("\n"))
    return lines


def _split(text: str) -> list[str]:
    return [line + "\n" for line in text.split("\n")]


def _ipython_call(call: str) -> tuple[str, list[str]]:
    """The method of ``get_ipython()`` that ``call`` calls, and its text arguments; "" for other code."""
    try:
        node = ast.parse(call, mode="eval").body
    except (SyntaxError, ValueError):
        return "", []
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython")), attr=method), args=args
        ):
            return method, [str(arg.value) for arg in args if isinstance(arg, ast.Constant)]
        case _:
            return "", []


def _targets(prefix: str) -> tuple[str, ...]:
    """The names ``x, y = `` assigns to; empty for a mere indent."""
    if "=" not in prefix:
        return ()
    try:
        tree = ast.parse(prefix.strip() + " None")
    except SyntaxError:
        return ("",)
    return tuple(
        n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    ) or ("",)


def _value(code: str) -> str:
    """One expression that does what ``code`` does, for the right side of an assignment; or ""."""
    if not code:
        return ""
    if is_expression(code):
        return f"({code})"
    tree, _ = parse_python(code)
    match tree.body if tree else []:
        case [ast.Assign(targets=[ast.Name(id=name)], value=value)]:
            return f"({name} := {ast.unparse(value)})"
        case _:
            return ""


def _isolated(code: str) -> str:
    """``code`` as it is where it binds no name; else only the reads of names from outside."""
    body = "\n".join("    " + line for line in code.split("\n"))
    function = symtable.symtable(f"async def _():\n{body}\n    pass\n", "<cell>", "exec").get_children()[0]
    if not function.get_symbols() or not any(symbol.is_local() for symbol in function.get_symbols()):
        return code
    names = sorted(_outer_names(function))
    lines = code.split("\n")
    first = next(i for i, line in enumerate(lines) if line.strip())
    lines = ["" for _ in lines]
    lines[first] = f"({', '.join(names)},)" if names else "pass"
    return "\n".join(lines)


def _outer_names(table: symtable.SymbolTable) -> set[str]:
    names = {
        s.get_name() for s in table.get_symbols() if s.is_global() and not hasattr(builtins, s.get_name())
    }
    return names.union(*(_outer_names(child) for child in table.get_children()))
