"""Commands about a notebook that run nothing: ``check``, ``compile``, ``graph``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jupyter_kfp.cli.output import (
    AS_JSON,
    NOTEBOOK,
    OUTPUT,
    console,
    explained,
    has_errors,
    print_json,
    show,
    show_problems,
)
from jupyter_kfp.errors import JupyterKfpError

if TYPE_CHECKING:
    from jupyter_kfp.api import LoadedPipeline
    from jupyter_kfp.views.model import Graph


@click.command()
@NOTEBOOK
@AS_JSON
@explained
def check(notebook: Path, as_json: bool) -> None:
    """Say what is wrong with NOTEBOOK, and what to do. Exit status 1 if there are errors."""
    from jupyter_kfp.api import load

    loaded = load(notebook)
    found = loaded.check()
    if as_json:
        print_json([diagnostic.as_dict() for diagnostic in found])
    else:
        show_problems(found, loaded.sources, err=False)
    if has_errors(found):
        sys.exit(1)


@click.command(name="compile")
@NOTEBOOK
@OUTPUT
@click.option(
    "--provenance", is_flag=True, help="Put git commit, notebook and author into every step's environment."
)
@explained
def compile_(notebook: Path, output: Path | None, provenance: bool) -> None:
    """Write NOTEBOOK as a pipeline that Kubeflow Pipelines runs (IR YAML)."""
    from jupyter_kfp.api import load

    loaded = load(notebook)
    text = loaded.compile(output, provenance=provenance)
    warn(loaded)
    if output is None:
        click.echo(text, nl=False)
    else:
        click.echo(f"{output}: {len(text.encode()) / 1000:.0f} kB", err=True)


def warn(loaded: LoadedPipeline) -> None:
    """Print the warnings about a notebook that has no errors."""
    if loaded.check():
        show_problems(loaded.check(), loaded.sources, err=True)


@click.command()
@NOTEBOOK
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "mermaid", "svg", "json"]),
    default="text",
    show_default=True,
)
@OUTPUT
@explained
def graph(notebook: Path, format_: str, output: Path | None) -> None:
    """Draw the graph of NOTEBOOK or of a compiled pipeline."""
    from jupyter_kfp.api import load

    drawn = load(notebook).graph()
    if output is not None:
        try:
            output.write_text(_drawing(drawn, format_), encoding="utf-8")
        except OSError as error:
            raise JupyterKfpError(
                f"{output} cannot be written ({error.strerror}).", "Name another file."
            ) from error
    elif format_ == "text":
        from jupyter_kfp.views.text import to_rich

        out = console()
        show(to_rich(drawn, ascii_only=not out.encoding.lower().startswith("utf"), width=out.width))
    else:
        click.echo(_drawing(drawn, format_), nl=False)


def _drawing(drawn: Graph, format_: str) -> str:
    match format_:
        case "svg":
            from jupyter_kfp.views.svg import to_svg

            text = to_svg(drawn)
        case "mermaid":
            from jupyter_kfp.views.mermaid import to_mermaid

            text = to_mermaid(drawn)
        case "json":
            text = json.dumps(drawn.as_dict(), indent=2, ensure_ascii=False)
        case _:
            from jupyter_kfp.views.text import to_text

            text = to_text(drawn)
    return text if text.endswith("\n") else text + "\n"
