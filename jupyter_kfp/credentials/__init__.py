"""Finding credentials in texts: by detect-secrets, and by the forms of issuers that it does not know.

What is found is never said: a finding names its kind, its line and its hash, the one that detect-secrets keeps in a
baseline. Pure; detect-secrets is imported when a line may hold something.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from jupyter_kfp.credentials.kinds import FORMS

__all__ = ["CODE", "Credential", "find", "find_value"]

CODE = "K306"
"""The code of the diagnostic about one. Whatever shows it does not show the line."""

# A line without any of this needs no closer look: words that name credentials, or a long run of characters.
_HINTS = ("pass", "pwd", "secret", "key", "contrase", "putty", "://", "bearer")
_WORDS = re.compile(
    r"passw|pwd|secret|contrase|(api|auth|service|account|db|database|priv|private|client)_?key|"
    r"(db|database|key)_?pass|private key|putty|://[^\s/]*:[^\s/]+@|bearer|['\"]key['\"]"
)
_RUN = re.compile(r"[\w+/=.:~@-]{16,}")
_LONG_WORD = 32
# detect-secrets reads `name = "value"`: not `name: str = "value"`, `%env name=value` and `export name=value`.
_ANNOTATED = re.compile(r"^(\s*[\w.]+)\s*:\s*[\w\[\], .|]+?\s*=(?!=)")
_EXPORTED = re.compile(r"^\s*(?:%(?:set_)?env|!?\s*export)\s+(\w+)\s*[= ]\s*([^\s'\"]+)\s*$")
# What says where a credential is, or of what kind, and is none: password_file, secret_name.
_ABOUT = (
    r"(?i)(passw\w*|pwd|secret|key)s?_?(name|file|path|dir|env|var|variable|column|col|field|arn|length|len|policy|type)s?"
    r"\b['\"\]]*\s*[:=]"
)
_PRAGMA = "pragma: allowlist"
# In minified code names of variables say nothing, and longer lines yet are libraries that a page brings along.
_LONGEST = 2_000
_LIBRARY = 100_000


@dataclass(frozen=True, slots=True)
class Credential:
    """Something that looks like one: what kind, on which line (from 1), and the SHA-1 hashes of its value.

    There are two, as detect-secrets finds a text in a notebook's JSON with the backslash of the quote that ends it.
    """

    kind: str
    line: int
    hashes: tuple[str, str]


def find(text: str, *, names: bool = True) -> Iterator[Credential]:
    """The first credential of each line that seems to hold one.

    ``names``: whether the name of a variable may say that its value is one (``password = "..."``). A line with detect-secrets' own mark, ``pragma: allowlist secret``, is let through.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > _LIBRARY or not _may_hold(line) or _PRAGMA in line:
            continue
        assignment = _EXPORTED.sub(r'\1 = "\2"', _ANNOTATED.sub(r"\1 =", line))
        found = _first(assignment, names=names and len(line) <= _LONGEST)
        if found is not None:
            kind, value = found
            yield Credential(kind, number, (_sha1(value), _sha1(f"{value}\\")))


def find_value(name: str, value: object) -> Credential | None:
    """The first credential in a JSON value that goes by ``name``, which may say that it is one."""
    match value:
        case str():
            lines = [f"{name} = {_quoted(line)}" for line in value.split("\n")]
            return next(find("\n".join(lines)), None)
        case Mapping():
            pairs = [(str(key), item) for key, item in value.items()]
        case list() | tuple():
            pairs = [(name, item) for item in value]
        case _:
            return None
    return next((found for each in pairs if (found := find_value(*each)) is not None), None)


def _sha1(value: str) -> str:
    return hashlib.sha1(value.encode("utf-8", "replace")).hexdigest()  # noqa: S324 (detect-secrets' own)


def _quoted(line: str) -> str:
    mark = "'" if '"' in line else '"'
    return f"{mark}{line}{mark}"


def _may_hold(line: str) -> bool:
    low = line.lower()
    if any(hint in low for hint in _HINTS) and _WORDS.search(low):
        return True
    return any(len(run) >= _LONG_WORD or any(map(str.isdigit, run)) for run in _RUN.findall(line))


def _first(line: str, *, names: bool) -> tuple[str, str] | None:
    """The kind and the value of the first credential in a line."""
    for kind, form in _forms():
        if match := form.search(line):
            return kind, match[1] if form.groups else match[0]
    for kind, search in _detectors():
        if kind == "Secret Keyword" and not names:
            continue
        for value in search(line):
            # Words in capitals look like keys of Artifactory.
            is_word = kind == "Artifactory Credentials" and not any(map(str.isdigit, value))
            if not is_word and not _is_placeholder(value):
                return kind, value
    return None


def _is_placeholder(value: str) -> bool:
    """Whether a text stands for a value, as ``${PASSWORD}``, ``<password>`` and ``****`` do."""
    from detect_secrets.filters import heuristic

    return bool(
        heuristic.is_templated_secret(value)
        or heuristic.is_prefixed_with_dollar_sign(value)
        or not set(value) - set("*.xX-_ ")
    )


@cache
def _forms() -> list[tuple[str, re.Pattern[str]]]:
    return [(kind, re.compile(form)) for kind, form in FORMS.items()]


@cache
def _detectors() -> list[tuple[str, Callable[[str], Iterable[str]]]]:
    """detect-secrets' plugins by what they find, in an order that is always the same."""
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
    from detect_secrets.settings import default_settings

    with default_settings():
        classes: Mapping[str, Callable[..., Any]] = get_mapping_from_secret_type_to_class()
        # Entropy alone flags hashes, paths and base64 data, of which notebooks are full.
        chosen = {kind: made for kind, made in classes.items() if "Entropy" not in kind and "IP" not in kind}
        arguments = {"Secret Keyword": {"keyword_exclude": _ABOUT}}
        plugins = {kind: chosen[kind](**arguments.get(kind, {})) for kind in sorted(chosen)}
    searches = {kind: plugin.analyze_string for kind, plugin in plugins.items()}
    # It gives the prefix alone, whose hash all of them have.
    whole = plugins["GitHub Token"].denylist
    searches["GitHub Token"] = lambda line: [match[0] for form in whole for match in form.finditer(line)]
    return list(searches.items())
