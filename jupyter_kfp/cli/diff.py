"""``diff``: what changed between two versions of a pipeline."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jupyter_kfp.cli.output import AS_JSON, explained, print_json

if TYPE_CHECKING:
    from jupyter_kfp.api import LoadedPipeline
    from jupyter_kfp.remote.package import Package

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.command()
@click.argument("before")
@click.argument("after")
@click.option("--exit-code", is_flag=True, help="Exit status 1 if anything changed.")
@AS_JSON
@explained
def diff(before: str, after: str, exit_code: bool, as_json: bool) -> None:
    """Say what changed from BEFORE to AFTER, each a notebook, a compiled pipeline or a run.

    Of two runs, here or on clusters, the parameters they were given are compared, too.
    """
    from jupyter_kfp.remote.changes import changes

    old, new = _side(before), _side(after)
    found = changes(old.package, new.package, (old.sources, new.sources), (old.values, new.values))
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


@dataclass(frozen=True, slots=True)
class _Side:
    """What is compared; ``values`` are the parameters of a run."""

    package: Package
    sources: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] | None = None


def _side(given: str) -> _Side:
    from jupyter_kfp.api import load
    from jupyter_kfp.remote import package
    from jupyter_kfp.store.store import open_store

    if Path(given).suffix or Path(given).exists():
        loaded = load(given)
        return _Side(package.read(loaded.compile()), _sources(loaded))
    with closing(open_store()) as store:
        record = store.unchecked_run(given)
        return _Side(package.read(store.ir(record.id)), values=record.parameters)


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
