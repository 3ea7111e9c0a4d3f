"""``import``: notebooks made for other tools, in this package's own form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from jupyter_kfp.cli.output import NOTEBOOK, explained
from jupyter_kfp.errors import UsageError


@click.command(name="import")
@NOTEBOOK
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="File to write; by default NOTEBOOK.kfp.ipynb beside it.",
)
@click.option(
    "--force", is_flag=True, help="Overwrite the file if there is one, the notebook itself included."
)
@explained
def import_(notebook: Path, output: Path | None, force: bool) -> None:
    """Write NOTEBOOK, made for Kale, in this package's own form: its tags and its metadata.

    Cells keep their code and their outputs, and the pipeline stays the same. What was changed, and what has
    no counterpart here, is printed. Nothing is run.
    """
    from jupyter_kfp.notebook.kale_import import convert
    from jupyter_kfp.notebook.source import read_notebook
    from jupyter_kfp.notebook.textual import is_text

    target = output or notebook.with_name(f"{notebook.stem}.kfp.ipynb")
    name = read_notebook(notebook).name  # and whatever is wrong with the file is said
    if is_text(target):
        raise UsageError(
            f"{target} would not be a notebook file.", "Name an .ipynb file; jupytext makes a text of it."
        )
    if target.exists() and not force:
        raise UsageError(
            f"{target} exists already.", "Name another file with -o, or overwrite it with --force."
        )
    conversion = convert(_document(notebook), name)
    if not conversion.changes:
        raise UsageError(
            f"Nothing in {notebook} is Kale's.",
            "It has neither Kale's tags nor its metadata; use it as it is.",
        )
    # As Jupyter writes it, so that saving the notebook there changes nothing more.
    text = json.dumps(conversion.document, ensure_ascii=False, indent=1, sort_keys=True)
    target.write_text(text + "\n", encoding="utf-8")
    click.echo(f"{target}:")
    for change in conversion.changes:
        click.echo(f"  {change}")
    if conversion.left_out:
        click.echo("Without a counterpart, left out:")
        for finding in conversion.left_out:
            place = f"{finding.place}: " if finding.place else ""
            click.echo(f"  {place}{finding.message} {finding.remedy}".rstrip())


def _document(path: Path) -> dict[str, Any]:
    """The file as nbformat's JSON; a script or Markdown becomes it."""
    from jupyter_kfp.notebook.textual import is_text, read_text

    text = path.read_text(encoding="utf-8-sig")
    if is_text(path):
        return read_text(text, path.suffix, str(path))[0]
    document: dict[str, Any] = json.loads(text)
    return document
