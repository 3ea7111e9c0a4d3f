"""Lightweight Python components of KFP: their command installs packages with pip, then runs a function.

Here nothing is installed that is there already, and what is missing goes into an environment of its own, never into
the user's. kfp itself is always there: its ``executor_main`` is what runs the function.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

# `kfp.dsl.component_factory`: the script installs, then becomes the rest of the command.
_SCRIPT = re.compile(r'python3 -m pip install .*&&\s*"\$0" "\$@"\s*$', re.DOTALL)
_INSTALL = re.compile(r"python3 -m pip install (.*?)(?:&&|$)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9._-]+")
# pip's words for where to install from, as uv spells them.
_SOURCES = {
    "-i": "--index-url",
    "--index-url": "--index-url",
    "--extra-index-url": "--extra-index-url",
    "-f": "--find-links",
    "--find-links": "--find-links",
    "--trusted-host": "--allow-insecure-host",
}
_INDEX, _TRUSTED = "--index-url", "--allow-insecure-host"
# How users of uv name the index that stands for all others, such as a mirror.
_OWN_INDEX = ("UV_DEFAULT_INDEX", "UV_INDEX_URL")


@dataclass(frozen=True, slots=True)
class PythonCommand:
    """The command without its installation: what to run, the packages it needs, and uv's options for them."""

    command: tuple[str, ...]
    packages: tuple[str, ...]
    options: tuple[str, ...] = ()


def unwrap(command: Sequence[str], environ: Mapping[str, str] = os.environ) -> PythonCommand | None:
    """A container's command as a `PythonCommand`; None if it is none of KFP's.

    An index of the user's own (``environ``: uv's variables) takes the place of the one that the component names:
    a machine with a mirror often reaches nothing else.
    """
    if len(command) < 4 or tuple(command[:2]) != ("sh", "-c") or not _SCRIPT.search(command[2]):
        return None
    packages: dict[str, None] = {}
    options: dict[tuple[str, str], None] = {}
    for match in _INSTALL.finditer(command[2]):
        for option, value in _words(match[1]):
            if option is None:
                packages[value] = None
            elif not _is_idle(option, value, environ):
                options[option, value] = None
    return PythonCommand(
        tuple(command[3:]),
        tuple(package for package in packages if not _is_there(package)),
        tuple(word for pair in options for word in pair),
    )


def _words(text: str) -> Iterator[tuple[str | None, str]]:
    """Packages, as (None, requirement), and sources, as (uv's option, value), of a call of pip."""
    words = iter(shlex.split(text))
    for word in words:
        option, equals, value = word.partition("=")
        if option in _SOURCES:
            yield _SOURCES[option], value if equals else next(words, "")
        elif not word.startswith("-"):
            yield None, word


def _is_idle(option: str, value: str, environ: Mapping[str, str]) -> bool:
    """Whether a source is not to be used.

    KFP makes every index a trusted host by its whole URL. pip, which wants a name, then trusts no one; uv would leave
    the certificate unchecked.
    """
    if option == _TRUSTED:
        return "://" in value
    return option == _INDEX and any(environ.get(variable) for variable in _OWN_INDEX)


def _is_there(requirement: str) -> bool:
    """Whether this is what KFP installs for itself; the kfp of this environment serves every pipeline."""
    name = _NAME.match(requirement)
    return name is not None and (
        name[0].lower() == "kfp" or requirement.replace(" ", "").endswith(';python_version<"3.9"')
    )
