"""``diff``: what changed between two versions of a pipeline."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jupyter_kfp.cli.output import AS_JSON, explained, print_json

if TYPE_CHECKING:
    from jupyter_kfp.api import LoadedPipeline

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--exit-code", is_flag=True, help="Exit status 1 if anything changed.")
@AS_JSON
@explained
def diff(before: Path, after: Path, exit_code: bool, as_json: bool) -> None:
    """Say what changed from BEFORE to AFTER, each a notebook or a compiled pipeline."""
    from jupyter_kfp.api import load
    from jupyter_kfp.remote import package
    from jupyter_kfp.remote.changes import changes

    both = load(before), load(after)
    packages = [package.read(loaded.compile()) for loaded in both]
    found = changes(packages[0], packages[1], (_sources(both[0]), _sources(both[1])))
    if as_json:
        print_json([change.as_dict() for change in found])
    else:
        for change in found:
            click.echo(change)
            for line in change.lines:
                click.secho(f"    {line}", fg=_COLOURS.get(line[:1]))
        if not found:
            click.echo("Nothing changed.", err=True)
    if found and exit_code:
        sys.exit(1)


def _sources(loaded: LoadedPipeline) -> dict[str, str]:
    """The code of a notebook's steps by the keys of their tasks; nothing for a compiled pipeline."""
    if loaded.analysis is None:
        return {}
    from jupyter_kfp.compiler import task_names

    pipeline = loaded.pipeline
    keys = task_names(pipeline)
    return {
        keys[step.name]: "\n".join(code.source for code in (*step.preamble, *step.body))
        for step in pipeline.steps
        if step.name in keys
    }
