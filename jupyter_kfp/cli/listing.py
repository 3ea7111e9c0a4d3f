"""``runs``: the runs there are, compared by their metrics and parameters."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from jupyter_kfp.cli.output import AS_JSON, explained, print_json, show
from jupyter_kfp.cli.runs import say_stale
from jupyter_kfp.errors import UsageError

if TYPE_CHECKING:
    from jupyter_kfp.store.records import RunRecord
    from jupyter_kfp.store.table import Row


@click.command()
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many, newest first."
)
@click.option("--pipeline", help="Only runs of the pipeline of this name.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="A column: a metric, an output or a parameter; of one step STEP.NAME. May be repeated.",
)
@click.option(
    "--where",
    multiple=True,
    metavar="EXPR",
    help="Only runs for which it holds: lr > 0.01 and kind == 'tree'. May be repeated.",
)
@click.option(
    "--sort", multiple=True, metavar="NAME", help="The order; -NAME: the largest first. May be repeated."
)
@click.option(
    "--csv", "as_csv", is_flag=True, help="Print CSV; without --metric with all parameters and results."
)
@AS_JSON
@explained
def runs(
    limit: int,
    pipeline: str | None,
    metrics: tuple[str, ...],
    where: tuple[str, ...],
    sort: tuple[str, ...],
    as_csv: bool,
    as_json: bool,
) -> None:
    """List the runs of this machine, and those it handed to clusters, newest first."""
    from jupyter_kfp.store.store import open_store
    from jupyter_kfp.store.table import Query, columns

    if as_csv and as_json:
        raise UsageError("--csv and --json exclude each other.", "Choose one.")
    query = Query(metrics, where, sort, limit)
    with closing(open_store()) as store:
        _look_at_clusters(store.runs(limit=limit, pipeline=pipeline))
        if not (metrics or where or sort or as_csv):
            _show(store.runs(limit=limit, pipeline=pipeline), as_json=as_json)
            return
        rows = store.table(query, pipeline=pipeline)
    if as_csv:
        _print_csv(rows, columns(rows, query))
    elif as_json:
        print_json(
            [_document(row.record) | {"metrics": {name: row.value(name) for name in metrics}} for row in rows]
        )
    else:
        from jupyter_kfp.views.tables import runs_table

        show(runs_table([row.flat(metrics) for row in rows], metrics))


def _show(found: list[RunRecord], *, as_json: bool) -> None:
    if as_json:
        print_json([_document(record) for record in found])
        return
    from jupyter_kfp.views.tables import runs_table

    show(runs_table(found))


def _look_at_clusters(listed: Iterable[RunRecord]) -> None:
    """One look at each run that is still going on; a cluster that is away is asked once."""
    from jupyter_kfp.runs import Run

    away: dict[str, Run] = {}
    for record in listed:
        remote = record.options.get("remote")
        if remote and not record.state.is_final and remote["endpoint"] not in away:
            seen = Run(record.id)
            if seen.stale is not None:
                away[remote["endpoint"]] = seen
    for seen in away.values():
        say_stale(seen)


def _document(record: RunRecord) -> dict[str, Any]:
    return {
        "run_id": record.id,
        "name": record.name,
        "pipeline": record.pipeline,
        "state": record.state.value,
        "created_at": _iso(record.created_at),
        "started_at": _iso(record.started_at),
        "ended_at": _iso(record.ended_at),
        "parameters": dict(record.parameters),
        "notebook": record.origin.notebook,
    }


def _print_csv(rows: Iterable[Row], names: list[str]) -> None:
    from jupyter_kfp.store.table import FIELDS

    writer = csv.DictWriter(sys.stdout, list(dict.fromkeys((*FIELDS, *names))), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.flat(names) for row in rows)


def _iso(moment: Any) -> str | None:
    return None if moment is None else str(moment.isoformat())
