"""Lines that install packages (``%pip install …``, ``!pip install …``) as pip requirements.

A step gets its packages before it starts, so these lines become ``packages`` and are not run again.
What of such a line cannot travel (an index, a local folder, conda) is said, never dropped in silence.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CONDA = frozenset({"conda", "mamba", "micromamba"})
_PIP = re.compile(r"pip(\d(\.\d+)?)?$")
_PYTHON = re.compile(r"(python(\d(\.\d+)?)?|\{sys\.executable\}|\$sys\.executable)$")
_ENDS = frozenset({"&&", "||", ";", "|", "&", "|&"})
_REDIRECTION = re.compile(r"(\d?|&)(>>?|<)(&\d|.*)$")
_REQUIREMENT = re.compile(r"[A-Za-z0-9][\w.-]*\s*(\[[\w\s,.-]*\])?\s*([<>=!~@;(].*)?$", re.DOTALL)
_LOCAL = re.compile(r"(\.|/|~|file:)|.*\.(whl|zip|tar\.gz)$")

# Options with a value that change nothing about what is installed.
_HARMLESS_VALUES = _words(
    "--cache-dir --timeout --retries --progress-bar --log --root-user-action --upgrade-strategy --src"
)
# Options that do: with a value, and without.
_NOTED_VALUES = _words(
    "-i --index-url --extra-index-url -f --find-links --trusted-host -t --target --prefix --root --proxy "
    "--python-version --platform --implementation --abi --only-binary --no-binary -C --config-settings "
    "-c --constraint --python --channel"
)
_NOTED = _words("--pre --no-deps --no-index --no-build-isolation --require-hashes")


@dataclass
class Packages:
    """What an install command names. ``alone``: the command does nothing besides installing."""

    packages: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    alone: bool = True


def read_install(command: str) -> Packages | None:
    """The packages of a shell command that installs some; None for any other command."""
    try:
        tokens = shlex.split(command.replace("\\\n", " "), comments=False)
    except ValueError:  # an unclosed quote: the shell would refuse it too
        return None
    found = Packages()
    tokens = list(_first_command(tokens, found))
    arguments = _arguments(tokens)
    if arguments is None:
        return None
    tool, words = arguments
    if tool == "conda":
        found.notes.append(
            "conda packages are not installed in steps; name the pip packages (`#| packages: …`) or an image"
        )
        return found
    _read_words(words, found)
    return found


def _first_command(tokens: list[str], found: Packages) -> Iterator[str]:
    """The words of the first command; redirections and pipes of its output do not matter."""
    skip = False
    for index, word in enumerate(tokens):
        if skip:
            skip = False
        elif word in _ENDS or word.endswith(";"):
            if word not in _ENDS:
                yield word[:-1]
            # `| tail -1` only filters what is shown; anything else is a command of its own.
            found.alone = word == "|" or index == len(tokens) - 1
            return
        elif word.startswith("#"):
            return
        elif match := _REDIRECTION.match(word):
            skip = not match[3]
        else:
            yield word


def _arguments(tokens: list[str]) -> tuple[str, list[str]] | None:
    """The tool (pip or conda) and the words after ``install``; None when nothing is installed."""
    while tokens and (re.match(r"[A-Za-z_]\w*=", tokens[0]) or tokens[0] == "sudo"):
        tokens = tokens[1:]
    if not tokens:
        return None
    program = PurePosixPath(tokens[0]).name
    rest = tokens[1:]
    if _PYTHON.match(program) and rest[:2] == ["-m", "pip"]:
        program, rest = "pip", rest[2:]
    elif program == "uv" and rest[:1] == ["pip"]:
        program, rest = "pip", rest[1:]
    while rest and rest[0].startswith("-"):
        rest = rest[1:]
    if rest[:1] != ["install"]:
        return None
    if program in _CONDA:
        return "conda", rest[1:]
    return ("pip", rest[1:]) if _PIP.match(program) else None


def _read_words(words: list[str], found: Packages) -> None:
    queue = iter(words)
    for word in queue:
        option, separator, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if option.startswith("-r") and not option.startswith("--"):
            found.files.append(option[2:] or next(queue, ""))
        elif option == "--requirement":
            found.files.append(value or next(queue, ""))
        elif option in {"-e", "--editable"}:
            _add(value or next(queue, ""), found)
        elif option in _NOTED_VALUES:
            given = value if separator else next(queue, "")
            found.notes.append(
                f"`{option} {given}` does not reach the steps; use an image that has the packages"
            )
        elif option in _HARMLESS_VALUES:
            if not separator:
                next(queue, None)
        elif option in _NOTED:
            found.notes.append(f"`{option}` does not reach the steps; pin the versions you need")
        elif not option.startswith("-"):
            _add(word, found)


def _add(text: str, found: Packages) -> None:
    if "{" in text or "$" in text:
        found.notes.append(f"{text!r} is only known when the notebook runs; write the package itself")
    elif "://" in text and not text.startswith("file:"):
        found.packages.append(text)
    elif _LOCAL.match(text):
        found.notes.append(f"{text!r} is a local path, which no other machine has; use a git URL or an image")
    elif _REQUIREMENT.match(text):
        found.packages.append(text)
    else:
        found.notes.append(f"{text!r} is not a pip requirement")


def read_requirements_file(text: str) -> Packages:
    """The packages of a ``requirements.txt``; files it includes are in ``files``."""
    found = Packages()
    for line in text.replace("\\\n", " ").splitlines():
        stripped = re.sub(r"(^|\s)#.*$", "", line).strip()
        if stripped.startswith("-"):
            option, _, value = stripped.partition(" ")
            _read_words([option, value.strip()] if value else [option], found)
        elif stripped:
            # Hashes pin a file, not a requirement.
            _add(re.split(r"\s--", stripped, maxsplit=1)[0].strip(), found)
    return found
