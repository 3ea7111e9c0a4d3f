"""``profiles``: the clusters that pipelines are handed to."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from jupyter_kfp.cli.output import AS_JSON, explained, print_json, say_warning, show
from jupyter_kfp.errors import JupyterKfpError, UsageError

if TYPE_CHECKING:
    from jupyter_kfp.remote.profile import Profile

_AUTHS = ["none", "token", "service-account", "cookie", "dex", "google"]


@click.group()
def profiles() -> None:
    """Clusters to submit to: add, list, test, use, remove."""


@profiles.command(name="add")
@click.argument("name")
@click.option(
    "--kind", type=click.Choice(["kfp", "vertex"]), help="Kubeflow Pipelines, or Vertex AI Pipelines."
)
@click.option("--endpoint", metavar="URL", help="URL of Kubeflow Pipelines, such as https://HOST/pipeline.")
@click.option("--ui-endpoint", metavar="URL", help="URL of its web pages, where it is another.")
@click.option("--namespace", help="Your namespace (of a multi-user cluster).")
@click.option("--experiment", help="Experiment of runs whose pipeline names none.")
@click.option("--pipeline-root", metavar="URI", help="Where artifacts are kept: s3://..., gs://...")
@click.option("--service-account", help="Kubernetes service account of runs.")
@click.option("--default-image", help="Image of steps that name none.")
@click.option("--mlflow", metavar="URI", help="Tracking URI of the MLflow that is told of runs.")
@click.option("--ca-file", type=click.Path(), help="Certificates to check the server's against (PEM).")
@click.option("--no-verify", is_flag=True, help="Do not check the server's certificate.")
@click.option("--timeout", type=float, help="Longest wait for an answer, in seconds; 10 by default.")
@click.option("--auth", type=click.Choice(_AUTHS), help="How the server is told who asks.")
@click.option("--username", help="User of the Dex login.")
@click.option("--token-file", type=click.Path(), help="File with the service account's token.")
@click.option("--audience", help="OAuth client id of Google's Identity-Aware Proxy.")
@click.option("--secret-env", metavar="VARIABLE", help="Environment variable with token, cookie or password.")
@click.option("--project", help="Google Cloud project (Vertex AI).")
@click.option("--location", help="Google Cloud region (Vertex AI).")
@click.option("--force", is_flag=True, help="Replace the profile if there is one of that name.")
@explained
def add(name: str, force: bool, no_verify: bool, **fields: Any) -> None:
    """Add the profile NAME. A secret is asked for and goes into the keyring, never into the file.

    With --secret-env nothing is asked; without a terminal the secret is read from standard input.
    """
    from jupyter_kfp.remote import profiles as known
    from jupyter_kfp.remote import vault
    from jupyter_kfp.remote.profile import make

    made = make(name, **fields, verify=False if no_verify else None)
    if name in known.load() and not force:
        raise UsageError(f"There is a profile {name!r} already.", "Replace it with --force.")
    if made.auth.needs_secret and not made.secret_env:
        vault.keep(made, _ask(made))
    known.save(made, replace=force)
    if len(known.load()) == 1:
        known.use(name)
    click.echo(f"{known.path()}: profile {name}", err=True)


def _ask(profile: Profile) -> str:
    what = {"token": "Token", "cookie": "Cookie", "dex": f"Password of {profile.username}"}[
        profile.auth.value
    ]
    if sys.stdin.isatty():
        return str(click.prompt(what, hide_input=True, err=True)).strip()
    given = sys.stdin.read().strip()
    if not given:
        raise UsageError(
            f"{what} is missing.", "Give it on standard input, or name its variable: --secret-env."
        )
    return given


@profiles.command(name="list")
@AS_JSON
@explained
def list_(as_json: bool) -> None:
    """List the profiles; the one that is used by default is marked."""
    from jupyter_kfp.remote import profiles as known

    chosen, found = known.default_name(), known.load()
    if as_json:
        shown = [
            p.model_dump(mode="json", exclude_none=True) | {"default": p.name == chosen}
            for p in found.values()
        ]
        print_json(shown)
        return
    if not found:
        click.echo("No profiles. `jupyter kfp profiles add NAME --endpoint URL` adds one.", err=True)
        return
    from rich.table import Table

    table = Table("", "name", "endpoint", "namespace", "auth", box=None)
    for p in found.values():
        place = p.endpoint or f"Vertex AI {p.project} {p.location}"
        table.add_row("*" if p.name == chosen else "", p.name, place, p.namespace or "", p.auth.value)
    show(table)


@profiles.command(name="test")
@click.argument("name", required=False)
@AS_JSON
@explained
def test(name: str | None, as_json: bool) -> None:
    """Say whether the cluster of profile NAME can be used; if not, why, and what to do (exit status 3)."""
    from jupyter_kfp.remote import preflight  # fmt: skip
    from jupyter_kfp.remote import profiles as known
    from jupyter_kfp.remote.profile import Kind

    profile = known.find(name)
    if profile.kind is Kind.VERTEX:
        from jupyter_kfp.remote import vertex

        vertex.check(profile)
        click.echo(f"{profile.name}: Vertex AI Pipelines, project {profile.project}, {profile.location}")
        return
    report = preflight.check(profile)
    if as_json:
        print_json(
            {
                "profile": profile.name,
                "endpoint": report.endpoint,
                "multi_user": report.multi_user,
                "version": report.version,
                "warning": report.warning or None,
            }
        )
        return
    users = "for several users" if report.multi_user else "for one user"
    click.echo(f"{profile.name}: Kubeflow Pipelines {report.version or '2'} at {report.endpoint}, {users}")
    if report.warning:
        say_warning(report.warning)


@profiles.command(name="use")
@click.argument("name")
@explained
def use(name: str) -> None:
    """Use profile NAME where none is named."""
    from jupyter_kfp.remote import profiles as known

    known.use(name)


@profiles.command(name="remove")
@click.argument("name")
@explained
def remove(name: str) -> None:
    """Remove profile NAME, and its secret from the keyring."""
    from jupyter_kfp.remote import profiles as known
    from jupyter_kfp.remote import vault

    found = known.load().get(name)
    known.remove(name)
    if found is None:
        return
    try:
        vault.forget(found)
    except JupyterKfpError as error:  # the profile is gone all the same
        click.echo(f"The secret stays in the keyring: {error}", err=True)
