"""Commands about a run: ``run``, ``show``, ``logs``, ``cancel``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jupyter_kfp.cli.notebooks import warn
from jupyter_kfp.cli.output import (
    AS_JSON,
    CANCELED,
    NOTEBOOK,
    console,
    explained,
    print_json,
    say_warning,
    show,
)
from jupyter_kfp.errors import UsageError

if TYPE_CHECKING:
    from jupyter_kfp.runs import Run


@click.command()
@NOTEBOOK
@click.option(
    "-p", "--parameter", "pairs", multiple=True, metavar="NAME=VALUE", help="A parameter; may be repeated."
)
@click.option("--params-file", type=click.Path(path_type=Path), help="Parameters from a YAML or JSON file.")
@click.option(
    "--max-parallel", type=click.IntRange(min=1), help="How many steps run at once; the cores by default."
)
@click.option(
    "--runner",
    type=click.Choice(["auto", "process", "container"]),
    help="Run steps as processes or in containers (Docker, Podman); auto: in containers what is not Python.",
)
@click.option("--image", help="In containers: image of steps that name none.")
@click.option("--no-cache", is_flag=True, help="Execute every step, whatever earlier runs have left.")
@click.option("--from", "from_step", metavar="STEP", help="Take what comes before STEP from the last run.")
@click.option(
    "--mlflow", metavar="URI", help="Tracking URI of the MLflow to tell; MLFLOW_TRACKING_URI by default."
)
@click.option("--detach", is_flag=True, help="Return at once; the run goes on.")
@AS_JSON
@explained
def run(
    notebook: Path,
    pairs: tuple[str, ...],
    params_file: Path | None,
    max_parallel: int | None,
    runner: str | None,
    image: str | None,
    no_cache: bool,
    from_step: str | None,
    mlflow: str | None,
    detach: bool,
    as_json: bool,
) -> None:
    """Run NOTEBOOK (or a compiled pipeline) on this machine. Ctrl-C cancels."""
    from jupyter_kfp.api import getting_ready, load

    with getting_ready(runner):
        loaded = load(notebook)
        text = loaded.compile()
        warn(loaded)
        values = parameters_of(text, pairs, params_file)
        started = loaded.start(
            values,
            max_parallel=max_parallel,
            runner=runner,
            image=image,
            cache=not no_cache,
            from_step=from_step,
            mlflow=mlflow,
        )
    follow_through(started, detach=detach, as_json=as_json)


def follow_through(started: Run, *, detach: bool, as_json: bool) -> None:
    """Show a run that has just been started to its end, and exit with the status that tells how that was."""
    if detach:
        if as_json:
            print_json(started.as_dict())
        else:
            click.echo(started.id)
        return
    attend(started, quiet=as_json)
    document = started.as_dict()
    if as_json:
        print_json(document)
    else:
        from jupyter_kfp.views.tables import run_view

        # On one terminal the progress has just shown the tasks and their errors.
        shown_already = sys.stdout.isatty() and sys.stderr.isatty()
        show(run_view(document, tasks=not shown_already))
    sys.exit(exit_code(document["state"]))


def attend(started: Run, *, quiet: bool) -> None:
    """Wait for a run, showing how it goes; one line an event where standard error is no terminal."""
    if quiet:
        started.wait()
        return
    from jupyter_kfp.views import progress

    with progress.Watch(tasks=started.steps, console=console(err=True)) as watch:
        started.wait(watch)


def parameters_of(ir_text: str, pairs: tuple[str, ...], file: Path | None) -> dict[str, Any]:
    """Parameters from a file, then from ``NAME=VALUE``; text is read as the type the pipeline declares."""
    from jupyter_kfp.api import parse_parameters

    values = parameters_file(file) if file is not None else {}
    return {**values, **parse_parameters(ir_text, pairs)}


def parameters_file(file: Path) -> dict[str, Any]:
    """Parameters from a YAML or JSON file."""
    import yaml

    form = "Write one `NAME: VALUE` per line."
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror}).", "Check the path.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"{file} is neither YAML nor JSON: {reason}.", form) from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise UsageError(f"{file} holds no parameters.", form)
    return {str(name): value for name, value in found.items()}


def exit_code(state: str) -> int:
    """The exit status that tells how a run ended."""
    return {"SUCCEEDED": 0, "CACHED": 0, "CANCELED": CANCELED}.get(state, 1)


def say_stale(found: Run) -> None:
    """Say it where a run's cluster could not be asked, and what is shown is what was last known."""
    if found.stale is not None:
        say_warning(f"{found.stale} This is what was last known.")


@click.command(name="show")
@click.argument("run_id", metavar="RUN")
@AS_JSON
@explained
def show_(run_id: str, as_json: bool) -> None:
    """Show one RUN: its tasks, outputs and errors."""
    from jupyter_kfp.runs import Run

    found = Run(run_id)
    document = found.as_dict()
    say_stale(found)
    if as_json:
        print_json(document)
    else:
        from jupyter_kfp.views.tables import run_view

        show(run_view(document))


@click.command()
@click.argument("run_id", metavar="RUN")
@click.argument("task", required=False)
@AS_JSON
@explained
def logs(run_id: str, task: str | None, as_json: bool) -> None:
    """Print what TASK of RUN printed; every task's without TASK.

    With --json: all attempts, a list of lines with their times, levels, tasks and attempts.
    """
    from jupyter_kfp.runs import Run

    found = Run(run_id)
    found.fetch_logs()
    say_stale(found)
    try:
        steps = found.steps if task is None else {task: found[task]}
    except KeyError as error:
        raise UsageError(f"There is {error.args[0]}.", "Name one of them.") from None
    if as_json:
        print_json([line for step in steps.values() for line in step.log_records])
        return
    texts = {path: step.log for path, step in steps.items()}
    if len(texts) == 1 and not sys.stdout.isatty():
        click.echo(next(iter(texts.values())), nl=False)
        return
    from jupyter_kfp.views.tables import logs_view

    show(logs_view(texts))


@click.command()
@click.argument("run_id", metavar="RUN")
@explained
def cancel(run_id: str) -> None:
    """End RUN: its running steps are ended, nothing more starts."""
    from jupyter_kfp.runs import Run

    found = Run(run_id)
    found.cancel()
    click.echo(f"Asked run {found.id} to end.", err=True)
