"""``image``: the container image that notebook steps start quickly in."""

from __future__ import annotations

import click

from jupyter_kfp.cli.output import explained


@click.group()
def image() -> None:
    """Images for steps that run in containers."""


@image.command()
@click.option("--tag", help="Name of the image; localhost/jupyter-kfp:VERSION by default.")
@click.option("--base", help="Image to build on, with Python and pip; python:X.Y-slim by default, as here.")
@click.option("--package", "packages", multiple=True, help="A pip requirement to install; may be repeated.")
@click.option("--engine", metavar="URL", help="Container engine to build with; the one found by default.")
@click.option("--print", "only_print", is_flag=True, help="Print the Containerfile, and build nothing.")
@explained
def build(
    tag: str | None, base: str | None, packages: tuple[str, ...], engine: str | None, only_print: bool
) -> None:
    """Build the image that `run --runner container` takes for steps which name none.

    It holds papermill and what else executing a notebook needs, in the versions that are installed here, so that no
    step installs anything. The package index is that of PIP_INDEX_URL or uv's variables.
    """
    from importlib.metadata import version

    from jupyter_kfp.engine.containers import build as building
    from jupyter_kfp.engine.containers.client import connect

    arguments = {} if only_print else building.index_arguments()
    text = building.containerfile(
        base or building.default_base(), packages, version=version("jupyter-kfp"), arguments=tuple(arguments)
    )
    if only_print:
        click.echo(text, nl=False)
        return
    name = tag or building.default_tag()
    found = connect({"DOCKER_HOST": engine}) if engine else connect()
    identity = building.build(found, text, name, lambda line: click.echo(line, nl=False, err=True), arguments)
    click.echo(f"{name} {identity}")
    if name != building.default_tag():
        click.echo(f"Steps take it with --image {name}, or KF_PIPELINES_DEFAULT_IMAGE={name}.", err=True)
