"""Commands that hand a pipeline to a cluster: ``submit``, ``upload``, ``trigger``, and ``diff`` of versions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jupyter_kfp.cli.notebooks import warn
from jupyter_kfp.cli.output import AS_JSON, NOTEBOOK, explained, print_json, show
from jupyter_kfp.cli.runs import attend, exit_code, parameters_of

if TYPE_CHECKING:
    from jupyter_kfp.runs import Run

PARAMETER = click.option(
    "-p", "--parameter", "pairs", multiple=True, metavar="NAME=VALUE", help="A parameter; may be repeated."
)
PARAMETERS_FILE = click.option(
    "--params-file", type=click.Path(path_type=Path), help="Parameters from a YAML or JSON file."
)
PROFILE = click.option("--profile", help="The cluster; by default the one that is used by default.")
EXPERIMENT = click.option("--experiment", help="Experiment of the run; made if there is none of that name.")


@click.command()
@NOTEBOOK
@PARAMETER
@PARAMETERS_FILE
@PROFILE
@EXPERIMENT
@click.option("--name", help="Name of the run.")
@click.option("--wait", is_flag=True, help="Follow the run to its end. Ctrl-C cancels it.")
@click.option("--no-cache", is_flag=True, help="Reuse no earlier results.")
@AS_JSON
@explained
def submit(
    notebook: Path,
    pairs: tuple[str, ...],
    params_file: Path | None,
    profile: str | None,
    experiment: str | None,
    name: str | None,
    wait: bool,
    no_cache: bool,
    as_json: bool,
) -> None:
    """Start a run of NOTEBOOK (or of a compiled pipeline) on a cluster; print its id and its URL."""
    from jupyter_kfp.api import load
    from jupyter_kfp.remote.submit import Options

    loaded = load(notebook)
    text = loaded.compile()
    warn(loaded)
    options = Options(profile, experiment, name, cache=not no_cache)
    submission = loaded.submit(parameters_of(text, pairs, params_file), options)
    if wait and not submission.followed:
        click.echo("Runs on Vertex AI are not followed from here; see the URL.", err=True)
    elif wait:
        from jupyter_kfp.runs import Run

        if not as_json:
            click.echo(submission.url, err=True)
        _wait(Run(submission.run_id), as_json=as_json)
    if as_json:
        print_json(submission.as_dict())
        return
    click.echo(submission.run_id)
    click.echo(submission.url)


def _wait(run: Run, *, as_json: bool) -> None:
    """Follow a run to its end, print it, and end with its exit status."""
    attend(run, quiet=as_json)
    document = run.as_dict()
    if as_json:
        print_json(document)
    else:
        from jupyter_kfp.views.tables import run_view

        show(run_view(document))
    sys.exit(exit_code(document["state"]))


@click.command()
@NOTEBOOK
@PROFILE
@click.option("--name", help="Name of the pipeline on the cluster; its own by default.")
@click.option("--pin", is_flag=True, help="Print only PIPELINE_ID/VERSION_ID, to put under version control.")
@AS_JSON
@explained
def upload(notebook: Path, profile: str | None, name: str | None, pin: bool, as_json: bool) -> None:
    """Put NOTEBOOK (or a compiled pipeline) on a cluster as a version; the same pipeline only once."""
    from jupyter_kfp.api import load
    from jupyter_kfp.remote import versions

    loaded = load(notebook)
    text = loaded.compile()
    warn(loaded)
    made = versions.upload(text, profile=profile, name=name)
    if as_json:
        print_json(
            {
                "pipeline": made.pipeline,
                "pipeline_id": made.pipeline_id,
                "version": made.version,
                "version_id": made.version_id,
                "pin": made.pin,
                "new": made.is_new,
            }
        )
    elif pin:
        click.echo(made.pin)
    else:
        what = "uploaded" if made.is_new else "was there already"
        click.echo(f"{made.pipeline}: version {made.version} {what}", err=True)
        click.echo(made.pin)


@click.command()
@click.argument("pin", metavar="PIPELINE_ID/VERSION_ID")
@click.option(
    "-p", "--parameter", "pairs", multiple=True, metavar="NAME=JSON", help="A parameter; may be repeated."
)
@PARAMETERS_FILE
@click.option("--key", help="Idempotency key: calls with the same one start one run.")
@PROFILE
@EXPERIMENT
@click.option("--name", help="Name of the run.")
@AS_JSON
@explained
def trigger(
    pin: str,
    pairs: tuple[str, ...],
    params_file: Path | None,
    key: str | None,
    profile: str | None,
    experiment: str | None,
    name: str | None,
    as_json: bool,
) -> None:
    """Start a run of an uploaded version, as `upload --pin` prints it."""
    from jupyter_kfp.remote.trigger import trigger as start

    values = values_of(pairs, params_file)
    submission = start(pin, values, key=key, profile=profile, experiment=experiment, name=name)
    if as_json:
        print_json(submission.as_dict())
        return
    click.echo(submission.run_id)
    click.echo(submission.url)


def values_of(pairs: tuple[str, ...], file: Path | None) -> dict[str, Any]:
    """Parameters of a pipeline that is only on the cluster: texts that are JSON are what they say."""
    import yaml

    from jupyter_kfp.cli.runs import parameters_file
    from jupyter_kfp.errors import UsageError

    values = parameters_file(file) if file is not None else {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not separator or not name.strip():
            raise UsageError(f"{pair!r} is not NAME=VALUE.", "Write for instance -p epochs=10.")
        try:
            values[name.strip()] = yaml.safe_load(text)
        except yaml.YAMLError:
            values[name.strip()] = text
    return values
