"""What stands above the code of a cell: ``%%component NAME --flags`` and ``#| option: value`` lines."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from jupyter_kfp.notebook.spellings import ALLOW_SECRET, Findings, Layer, Spelling
from jupyter_kfp.options import StepOptions

if TYPE_CHECKING:
    import yaml


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MAGIC = re.compile(r"%%(component|pipeline)(?:\s+(.*))?$")
_FLAG = re.compile(r"--([A-Za-z][\w-]*)(=|(?=\s)|$)")
_OPTION_LINE = re.compile(r"#\|[ \t]?(.*)$")
_LATER_LINE = re.compile(r"#\|\s*([\w-]+)\s*:")
# nbdev's directives (words without a colon) and Quarto's cell options: not ours, and no mistake.
_NBDEV = re.compile(
    r"\s*(export|exports|exporti|exec_doc|default_exp|default_cls_lvl|hide\w*|eval|echo|notest|code-fold|hide-\w+|"
    r"filter_stream|output|docs|slow|cuda|test\w*)\b[^:]*$"
)
_QUARTO = _words(
    "label tags echo eval output warning error include renderings id classes export column layout panel freeze "
    "title summary default_exp"
)
_QUARTO_PREFIXES = ("fig_", "tbl_", "code_", "lst_", "layout_", "cap_", "html_", "output_", "hide_")
# Their values are text, whatever YAML would make of `yes` or 1.20.
_TEXT_MAPS = frozenset({"env", "labels", "annotations", "node_selector"})


class ControlKind(str, Enum):
    """The control flow that flags can spell."""

    IF = "if"
    ELIF = "elif"
    ELSE = "else"
    FOR = "for"
    PARALLELISM = "parallelism"
    COLLECT = "collect"
    ON_EXIT = "on-exit"
    NOTEBOOK = "notebook"
    FROM = "from"


_CONTROL = frozenset(kind.value for kind in ControlKind)


@dataclass(frozen=True, slots=True)
class Control:
    """One flag of control flow: ``--if EXPR``; ``text`` is the expression, without enclosing quotes."""

    kind: ControlKind
    text: str
    line: int


@dataclass(frozen=True)
class Header:
    """The top of a cell. ``code`` is the cell without it: blank lines, so lines keep their numbers.

    ``magic`` is component, pipeline or "" and stands on line ``line`` (1-based); ``options`` are the
    texts of the ``#|`` lines with their lines.
    """

    code: str
    magic: str = ""
    line: int | None = None
    flags: str = ""
    options: tuple[tuple[int, str], ...] = ()


def read_header(source: str) -> Header:
    """Separate a cell's own first lines from its code."""
    lines = source.split("\n")
    at = _next_text(lines, 0)
    magic, line, flags = "", None, ""
    if at < len(lines) and (match := _MAGIC.match(lines[at])):
        magic, line, flags = match[1], at + 1, (match[2] or "").strip()
        lines[at] = ""
        at = _next_text(lines, at)
    if at < len(lines) and lines[at].startswith("%%"):
        at = _next_text(lines, at + 1)
    options: list[tuple[int, str]] = []
    while at < len(lines) and (match := _OPTION_LINE.match(lines[at])):
        options.append((at + 1, match[1]))
        lines[at] = ""
        at += 1
    return Header("\n".join(lines), magic, line, flags, tuple(options))


def _next_text(lines: list[str], start: int) -> int:
    return next((i for i in range(start, len(lines)) if lines[i].strip()), len(lines))


def read_options(header: Header, cell: int, findings: Findings) -> Layer:
    """The layer of the ``#|`` lines."""
    spelling = Spelling(findings, cell)
    for number, text in enumerate(header.code.split("\n"), 1):
        match = _LATER_LINE.match(text)
        if match and match[1].replace("-", "_") in StepOptions.model_fields:
            findings.warning(
                "K106",
                f"`#| {match[1]}` is not at the top of the cell and does not count.",
                "Move it up.",
                cell,
                number,
            )
    lines = [(number, text) for number, text in header.options if not _NBDEV.match(text)]
    if any(text.strip() for _, text in lines):
        _read_yaml(lines, spelling)
    return spelling.layer


def _read_yaml(lines: list[tuple[int, str]], spelling: Spelling) -> None:
    import yaml

    findings, cell = spelling.findings, spelling.cell
    remedy = "Write one `#| option: value` per line, as in YAML; quote a value that holds `: `, `#` or `{`."
    try:
        root = yaml.compose("\n".join(text for _, text in lines), Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = lines[min(mark.line, len(lines) - 1)][0] if mark else lines[0][0]
        problem = getattr(error, "problem", None) or "they cannot be read"
        findings.error("K103", f"The `#|` lines are not YAML: {problem}.", remedy, cell, line)
        return
    if root is None:
        return
    if not isinstance(root, yaml.MappingNode):
        findings.error("K103", "The `#|` lines are no mapping of options.", remedy, cell, lines[0][0])
        return
    seen: dict[str, int] = {}
    for key, value in root.value:
        line = lines[key.start_mark.line][0]
        name = str(key.value)
        option = name.replace("-", "_")
        if option not in StepOptions.model_fields and (
            option in _QUARTO or option.startswith(_QUARTO_PREFIXES)
        ):
            continue
        if option in seen:
            findings.error(
                "K103",
                f"Option `{name}` is given twice, first in line {seen[option]}.",
                "Say it once.",
                cell,
                line,
            )
            continue
        seen[option] = line
        try:
            raw = _construct(value, yaml.BaseLoader if option in _TEXT_MAPS else yaml.SafeLoader)
        except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
            findings.error("K103", f"Option `{name}` is not readable YAML: {error}.", remedy, cell, line)
            continue
        if raw is not None:
            spelling.put(name, raw, line)


def _construct(node: yaml.Node, loader: type[Any]) -> Any:
    return loader("").construct_document(node)


def read_flags(header: Header, cell: int, findings: Findings) -> tuple[str, Layer, tuple[Control, ...]]:
    """The step's name, the layer of the flags and the control flow of ``%%component``."""
    spelling = Spelling(findings, cell)
    controls: list[Control] = []
    line = header.line or 1
    head, flags = _split_flags(header.flags)
    words = _shell_words(head, spelling, line)
    if len(words) > 1:
        findings.error(
            "K104",
            f"`{' '.join(words[1:])}` after the step's name is no option.",
            "Options are written `--name value`.",
            cell,
            line,
        )
    for name, text in flags:
        if name in _CONTROL:
            controls.append(Control(ControlKind(name), _unquoted(text), line))
        elif name == "no-cache" and not text:
            spelling.put("cache", raw=False, line=line)
        elif name == "cache" and not text:
            spelling.put("cache", raw=True, line=line)
        else:
            _put_flag(name, text, spelling, line)
    return (words[0] if words else ""), spelling.layer, tuple(controls)


def _put_flag(name: str, text: str, spelling: Spelling, line: int) -> None:
    words = _shell_words(text, spelling, line)
    option = name.replace("-", "_")
    known = option in StepOptions.model_fields or option == ALLOW_SECRET
    many = option == "after" or (
        known and option != ALLOW_SECRET and StepOptions.model_fields[option].default in ((), {})
    )
    if not words and (known or option == "after"):
        if text:
            return  # an open quote, reported already
        message, remedy = f"`--{name}` has no value.", f"Write `--{name} VALUE`."
        spelling.findings.error("K104", message, remedy, spelling.cell, line)
    elif len(words) > 1 and known and not many:
        message = f"`--{name}` takes one value, not {len(words)}: {' '.join(words)}."
        spelling.findings.error(
            "K104", message, f"Quote it: --{name} {shlex.quote(' '.join(words))}", spelling.cell, line
        )
    elif many:
        for word in words:
            spelling.put(name, _flag_value(option, word), line)
    else:
        spelling.put(name, words[0] if words else "", line)


def _flag_value(option: str, word: str) -> Any:
    """A quoted requirement stays whole (``--packages "pandas >= 2"``)."""
    return [word] if option == "packages" and " " in word and set(word) & set("<>=!~@;") else word


def _shell_words(text: str, spelling: Spelling, line: int) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        spelling.findings.error(
            "K104",
            f"The line of %%component cannot be read: {error}.",
            "Close the quote.",
            spelling.cell,
            line,
        )
        return []


def _split_flags(text: str) -> tuple[str, list[tuple[str, str]]]:
    """What stands before the first flag, and every flag with the text up to the next one."""
    starts = list(_flag_starts(text))
    if not starts:
        return text.strip(), []
    ends = [*(start for start, _, _ in starts[1:]), len(text)]
    flags = [(name, text[after:end].strip()) for (_, after, name), end in zip(starts, ends, strict=False)]
    return text[: starts[0][0]].strip(), flags


def _flag_starts(text: str) -> Iterator[tuple[int, int, str]]:
    """Where flags start outside quotes: position, position of the value, name."""
    quote = ""
    index = 0
    while index < len(text):
        character = text[index]
        if quote:
            if character == "\\" and quote == '"':
                index += 1
            elif character == quote:
                quote = ""
        elif character in "'\"":
            quote = character
        elif (index == 0 or text[index - 1].isspace()) and (match := _FLAG.match(text, index)):
            yield index, match.end(), match[1]
            index = match.end()
            continue
        index += 1


def _unquoted(text: str) -> str:
    """An expression without the quotes around all of it."""
    try:
        words = shlex.split(text)
    except ValueError:
        return text
    return words[0] if len(words) == 1 and text[:1] in "'\"" and text[-1:] == text[:1] else text
