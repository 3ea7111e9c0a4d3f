"""The command line: ``jupyter kfp COMMAND``.

Results go to standard output; progress, warnings and errors go to standard error. Exit status: 0 succeeded,
1 failed, 2 wrong use, 3 a remote is unreachable, 130 canceled.

With ``--json`` standard output holds exactly one JSON document. Where a command fails before it has a
result, that document is ``{"error": message, "remedy": text, "diagnostics": [...]}``, and standard error
says the same to people; a run that was started and failed is a result (``"state": "FAILED"``). Only a
command line that cannot be read (an unknown option) leaves standard output empty.

Only what a command needs is imported, and only when it runs.
"""

from __future__ import annotations

import click

from jupyter_kfp.cli import (
    diff,
    doctor,
    export,
    gc,
    image,
    imports,
    lineage,
    listing,
    mlflow,
    notebooks,
    profiles,
    resume,
    runs,
    schedule,
    store,
    submit,
)

__all__ = ["main"]


class _Group(click.Group):
    """Commands in the order they are added, which is the order of use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="jupyter-kfp", prog_name="jupyter kfp")
def main() -> None:
    """Run a Jupyter notebook as a Kubeflow pipeline, here or on a cluster."""


for _command in (
    notebooks.check,
    notebooks.compile_,
    export.export,
    image.image,
    notebooks.graph,
    diff.diff,
    mlflow.mlflow,
    imports.import_,
    runs.run,
    listing.runs,
    runs.show_,
    runs.logs,
    runs.cancel,
    resume.resume,
    resume.retry,
    lineage.lineage,
    lineage.approve,
    submit.submit,
    submit.upload,
    schedule.schedule,
    submit.trigger,
    profiles.profiles,
    gc.gc,
    gc.pin,
    gc.unpin,
    store.store,
    doctor.doctor,
):
    main.add_command(_command)
