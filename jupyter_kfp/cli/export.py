"""``export``: the pipeline as KFP DSL in Python, for those who leave."""

from __future__ import annotations

from pathlib import Path

import click

from jupyter_kfp.cli.output import NOTEBOOK, OUTPUT, explained, show_problems


@click.command()
@NOTEBOOK
@OUTPUT
@explained
def export(notebook: Path, output: Path | None) -> None:
    """Write NOTEBOOK as KFP DSL in Python, which kfp compiles without this package."""
    from jupyter_kfp.api import load

    loaded = load(notebook)
    exported = loaded.export(output)
    known = loaded.check()
    found = (*known, *(warning for warning in exported.warnings if warning not in known))
    if found:
        show_problems(found, loaded.sources, err=True)
    if output is None:
        click.echo(exported.text, nl=False)
    else:
        click.echo(f"{output}: {exported.text.count(chr(10))} lines", err=True)
