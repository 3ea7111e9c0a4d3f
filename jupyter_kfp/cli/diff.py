"""``diff``: what changed between two versions of a pipeline, or two runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jupyter_kfp.cli.output import AS_JSON, explained, print_json

if TYPE_CHECKING:
    from jupyter_kfp.remote.changes import Change
    from jupyter_kfp.remote.package import Package
    from jupyter_kfp.store.records import State, TaskRecord

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.command()
@click.argument("before")
@click.argument("after")
@click.option("--exit-code", is_flag=True, help="Exit status 1 if anything changed.")
@AS_JSON
@explained
def diff(before: str, after: str, exit_code: bool, as_json: bool) -> None:
    """Say what changed from BEFORE to AFTER, each a notebook, a compiled pipeline or a run.

    Of two runs, here or on clusters, it also compares the parameters they were given and what they made: their
    states, metrics and results, and the content of their data.
    """
    from jupyter_kfp.remote.changes import changes

    old, new = _side(before), _side(after)
    found = changes(
        old.package, new.package, (old.sources, new.sources), (old.parameters, new.parameters)
    ) + _outcomes(old, new)
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
    """What is compared; ``parameters``, ``state``, ``made`` and ``tasks`` are those of a run."""

    package: Package
    parameters: Mapping[str, Any] | None = None
    state: State | None = None
    made: Mapping[str, Any] = field(default_factory=dict)
    tasks: Sequence[TaskRecord] = ()

    @property
    def sources(self) -> Mapping[str, str]:
        """The code of its steps by the paths of their tasks; nothing for steps of no notebook."""
        from jupyter_kfp.engine.packed import sources

        return sources(self.package.plan)


def _side(given: str) -> _Side:
    from jupyter_kfp.api import load
    from jupyter_kfp.remote import package
    from jupyter_kfp.store.store import open_store

    if Path(given).suffix or Path(given).exists():
        return _Side(package.read(load(given).compile()))
    with closing(open_store()) as store:
        record = store.unchecked_run(given)
        made = store.values([record.id]).get(record.id, {})
        return _Side(
            package.read(store.ir(record.id)), record.parameters, record.state, made, store.tasks(record.id)
        )


def _outcomes(old: _Side, new: _Side) -> list[Change]:
    """What two runs made, if both are."""
    if old.state is None or new.state is None:
        return []
    from jupyter_kfp.remote.outcomes import outcomes

    return outcomes((old.state, new.state), (old.made, new.made), (old.tasks, new.tasks))
