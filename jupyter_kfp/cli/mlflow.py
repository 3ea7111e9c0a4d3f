"""``mlflow``: tell MLflow of runs that have ended."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import click

from jupyter_kfp.cli.output import AS_JSON, explained, print_json
from jupyter_kfp.errors import UsageError


@click.group()
def mlflow() -> None:
    """Runs in MLflow."""


@mlflow.command()
@click.argument("run_ids", metavar="[RUN]...", nargs=-1)
@click.option(
    "--tracking-uri", metavar="URI", help="Which MLflow; by default the run's own, then MLFLOW_TRACKING_URI."
)
@click.option(
    "--register", "pairs", multiple=True, metavar="OUTPUT=MODEL",
    help="Register this result of the pipeline as a version of MODEL. May be repeated.",
)  # fmt: skip
@AS_JSON
@explained
def sync(run_ids: tuple[str, ...], tracking_uri: str | None, pairs: tuple[str, ...], as_json: bool) -> None:
    """Tell MLflow of each RUN; without RUN, of all that were to be told and are not.

    What MLflow has already is brought up to date.
    """
    from jupyter_kfp.store.store import open_store
    from jupyter_kfp.tracking import settings
    from jupyter_kfp.tracking.sync import sync as tell

    register = settings.registered(",".join(pairs))
    found: list[dict[str, Any]] = []
    with closing(open_store()) as store:
        ids = [store.run(run_id).id for run_id in run_ids] or [
            run.id for run in store.runs() if run.state.is_final and settings.is_pending(run.options)
        ]
        for run_id in ids:
            now = store.run(run_id).options.get(settings.KEY, {})
            if tracking_uri or not now:
                now = settings.wanted(tracking_uri).get(settings.KEY, now)
            if register:
                now = {**now, "register": {**now.get("register", {}), **register}}
            if not now.get("tracking_uri"):
                raise UsageError(
                    f"Nothing says to which MLflow run {run_id} goes.",
                    "Name it: --tracking-uri, or MLFLOW_TRACKING_URI.",
                )
            store.set_option(run_id, settings.KEY, now)
            url = tell(store, run_id)
            found.append({"run_id": run_id, "mlflow": store.run(run_id).options[settings.KEY]})
            if not as_json:
                click.echo(f"{run_id} {url or now['tracking_uri']}")
    if as_json:
        print_json(found)
    elif not ids:
        click.echo("MLflow knows of all runs that it is to know of.", err=True)
