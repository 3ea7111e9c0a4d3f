"""The inputs that a cell assigns for a notebook or a component, against those it takes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from jupyter_kfp.live.errors import LiveError
from jupyter_kfp.pipeline import Json, Parameter


def check_names(
    where: str, what: str, given: Mapping[str, Any], names: Sequence[str], required: Sequence[str]
) -> None:
    """Raise LiveError where ``given`` has a name that is not among ``names``, or lacks a required one.

    ``where`` is the file, ``what`` the word for what it takes: parameter or input.
    """
    for name in given:
        if name not in names:
            close = difflib.get_close_matches(name, names, 1)
            listed = f"It takes {', '.join(names)}." if names else "It takes none."
            remedy = f"Did you mean `{close[0]}`?" if close else listed
            raise LiveError(f"{where} has no {what} `{name}`.", remedy)
    missing = [name for name in required if name not in given]
    if missing:
        raise LiveError(
            f"{where} needs its {what} `{missing[0]}`.", f"Assign {', '.join(missing)} in this cell."
        )


def match_inputs(
    where: str, what: str, given: Mapping[str, Any], parameters: Sequence[Parameter]
) -> dict[str, Json]:
    """The values for ``parameters`` that ``given`` has, each of its type. Raises LiveError."""
    required = [p.name for p in parameters if p.required]
    check_names(where, what, given, [p.name for p in parameters], required)
    return {p.name: typed(where, what, given[p.name], p) for p in parameters if p.name in given}


def typed(where: str, what: str, value: Any, parameter: Parameter) -> Json:
    """``value`` as ``parameter`` takes it. Raises LiveError where its type is another."""
    from jupyter_kfp.notebook.parameters import coerce
    from jupyter_kfp.runtime.parameters import plain

    if value is None and not parameter.required and parameter.default is None:
        return None
    try:
        return coerce(plain(value), parameter.type)
    except ValueError:
        kind = type(value).__name__
        message = f"{where}: {what} `{parameter.name}` is of type {parameter.type}, but is given {kind} {value!r:.40}."
        raise LiveError(message, "Convert it in this cell.") from None
