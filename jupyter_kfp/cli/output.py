"""What all commands share: how results and errors are printed."""

from __future__ import annotations

import errno
import functools
import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from jupyter_kfp.errors import DiagnosticsError, JupyterKfpError, JupyterKfpWarning, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rich.console import Console, RenderableType

    from jupyter_kfp.errors import Diagnostic

CANCELED = 130
_Command = TypeVar("_Command", bound=Callable[..., None])

NOTEBOOK = click.argument("notebook", type=click.Path(path_type=Path))
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
OUTPUT = click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File to write; standard output by default."
)


def explained(command: _Command) -> _Command:
    """Errors and warnings raised on purpose are one message each; an error ends with its exit status."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("always", JupyterKfpWarning)
                warnings.showwarning = functools.partial(_show_warning, warnings.showwarning)
                command(*args, **kwargs)
        except JupyterKfpError as error:
            _fail(error, kwargs.get("notebook"), as_json=kwargs.get("as_json", False))
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # `jupyter kfp runs | head`: click ends quietly, whoever read us has had enough
            place = f"{error.filename}: " if error.filename else ""
            _fail(JupyterKfpError(f"{place}{error.strerror or error}."), None, as_json=False)
        except KeyboardInterrupt:
            sys.exit(CANCELED)

    return wrapper  # type: ignore[return-value]  # the wrapper takes what the command takes


def _show_warning(
    otherwise: Callable[..., None], message: Warning | str, category: type[Warning], *rest: Any
) -> None:
    """Print a warning: one of our own as a sentence, others as Python does."""
    if issubclass(category, JupyterKfpWarning):
        say_warning(str(message))
    else:
        otherwise(message, category, *rest)


def say_warning(text: str) -> None:
    """Print a warning for people."""
    click.echo(click.style("Warning: ", fg="yellow", bold=True) + text, err=True)


def _fail(error: JupyterKfpError, notebook: Path | None, *, as_json: bool) -> NoReturn:
    found = error.diagnostics if isinstance(error, DiagnosticsError) else ()
    if found:
        from jupyter_kfp.api import load

        show_problems(found, load(notebook).sources if notebook is not None else {}, err=True)
    else:
        click.echo(click.style("Error: ", fg="red", bold=True) + error.message, err=True)
        if error.remedy:
            click.echo(f"  {error.remedy}", err=True)
    if as_json:
        problems = [diagnostic.as_dict() for diagnostic in found]
        print_json({"error": error.message, "remedy": error.remedy, "diagnostics": problems})
    sys.exit(error.exit_code)


def show_problems(found: Iterable[Diagnostic], sources: Mapping[int, str], *, err: bool) -> bool:
    """Print diagnostics with the lines they are about; says whether there is an error among them."""
    from jupyter_kfp.views.tables import diagnostics_view

    found = tuple(found)
    show(diagnostics_view(found, sources), err=err)
    return has_errors(found)


def has_errors(found: Iterable[Diagnostic]) -> bool:
    """Whether there is more than warnings."""
    return any(diagnostic.severity is Severity.ERROR for diagnostic in found)


def console(*, err: bool = False) -> Console:
    """Standard output (or error) as rich knows it."""
    from rich.console import Console

    return Console(stderr=err)


def show(renderable: RenderableType, *, err: bool = False) -> None:
    """Print for people: in colour on a terminal, plain elsewhere."""
    from jupyter_kfp.views.tables import emit

    target = console(err=err)
    emit(renderable, target)
    target.file.flush()  # a reader that is gone is noticed here, not while Python ends


def print_json(document: object) -> None:
    """Print the one document of ``--json``."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str))
