"""Commands that let a run go on: ``resume``, ``retry``."""

from __future__ import annotations

import click

from jupyter_kfp.cli.output import AS_JSON, explained
from jupyter_kfp.cli.runs import follow_through

_DETACH = click.option("--detach", is_flag=True, help="Return at once; the run goes on.")


@click.command()
@click.argument("run_id", metavar="RUN")
@_DETACH
@AS_JSON
@explained
def resume(run_id: str, detach: bool, as_json: bool) -> None:
    """Go on with RUN where it was canceled or its engine died: what is finished stays."""
    from jupyter_kfp.runs import Run

    found = Run(run_id)
    found.resume()
    follow_through(found, detach=detach, as_json=as_json)


@click.command()
@click.argument("run_id", metavar="RUN")
@_DETACH
@AS_JSON
@explained
def retry(run_id: str, detach: bool, as_json: bool) -> None:
    """Execute again what failed in RUN, here or on its cluster, and what comes after; what ended well stays.

    It is the pipeline as it was when the run began: changes of the notebook since then are for a new run.
    """
    from jupyter_kfp.runs import Run

    found = Run(run_id)
    found.retry()
    if found.url is None:
        follow_through(found, detach=detach, as_json=as_json)
        return
    click.echo(f"Run {found.id} goes on.", err=True)
    if as_json:
        follow_through(found, detach=True, as_json=True)
