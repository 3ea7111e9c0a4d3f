"""``lineage`` and ``approve``: what was made of what, and who approved it."""

from __future__ import annotations

import getpass
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jupyter_kfp.cli.output import AS_JSON, OUTPUT, explained, print_json, say_warning, show
from jupyter_kfp.errors import UsageError

if TYPE_CHECKING:
    from jupyter_kfp.store.lineage.model import Lineage
    from jupyter_kfp.store.store import Store

_FORMATS = ("table", "mermaid", "svg", "json", "openlineage")


@click.command()
@click.argument("subject", required=False)
@click.option("--up", "way", flag_value="up", default="up", help="What it was made of (the default).")
@click.option("--down", "way", flag_value="down", help="What was made of it.")
@click.option("--both", "way", flag_value="both", help="Both.")
@click.option("--format", "form", type=click.Choice(_FORMATS), default="table", show_default=True)
@click.option(
    "--verify",
    is_flag=True,
    help="Check the chain of approvals, and every content; exit status 1 if one is wrong.",
)
@OUTPUT
@AS_JSON
@explained
def lineage(
    subject: str | None, way: str, form: str, verify: bool, output: Path | None, as_json: bool
) -> None:
    """Show what SUBJECT was made of, across runs, and the answers to an auditor's five questions.

    SUBJECT is RUN, RUN/STEP, RUN:NAME (an artifact), an artifact's number or URI, or the path of a file, which is
    found by what it holds. With --verify it may be left out.
    """
    from jupyter_kfp.store.store import open_store

    if subject is None and not verify:
        raise UsageError("Say whose lineage to show.", "`jupyter kfp runs` lists the runs.")
    with closing(open_store()) as store:
        found = store.lineage(_seen(store, subject), way) if subject is not None else None
        if verify:
            _verify(store, found, as_json=as_json or form == "json")
            return
        assert found is not None, "checked above"
        if form == "table" and not as_json:
            _show(store, found, output)
            return
        _write(_text(store, found, "json" if as_json else form), output)


def _seen(store: Store, subject: str) -> str:
    """The subject, once the run that it is of has been looked at, if that is on a cluster."""
    from jupyter_kfp.errors import JupyterKfpError
    from jupyter_kfp.runs import Run

    run_id = subject.partition("/")[0].partition(":")[0]
    try:
        record = store.unchecked_run(run_id)
    except UsageError:
        return subject
    if not record.state.is_final:
        try:
            stale = Run(record.id).stale
        except JupyterKfpError as error:
            stale = str(error)
        if stale:
            say_warning(f"Run {record.id} is shown as it was last seen: {stale}")
    return subject


def _text(store: Store, found: Lineage, form: str) -> str:
    import json

    match form:
        case "json":
            answers = [each.as_dict() for each in store.audit(found)]
            document = {**found.as_dict(), "answers": answers}
            return json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n"
        case "openlineage":
            from jupyter_kfp.store.lineage.openlineage import as_json

            events = [as_json(event) for run in found.runs for event in store.openlineage(run)]
            return json.dumps(events, indent=2, ensure_ascii=False) + "\n"
        case "mermaid":
            from jupyter_kfp.views.lineage import lineage_graph
            from jupyter_kfp.views.mermaid import to_mermaid

            return to_mermaid(lineage_graph(found))
        case _:
            from jupyter_kfp.views.lineage import lineage_graph
            from jupyter_kfp.views.svg import to_svg

            return to_svg(lineage_graph(found))


def _show(store: Store, found: Lineage, output: Path | None) -> None:
    from rich.console import Group

    from jupyter_kfp.store.lineage.model import Way
    from jupyter_kfp.views.lineage import answers_view, lineage_table
    from jupyter_kfp.views.tables import plain

    parts = [
        part
        for answers in (store.audit(found) if found.way is not Way.DOWN else [])
        for part in (answers_view(answers, store.environment(answers.environment)), "")
    ]
    view = Group(*parts, lineage_table(found))
    if output is None:
        show(view)
    else:
        _write(plain(view), output)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")


def _verify(store: Store, found: Lineage | None, *, as_json: bool) -> None:
    from jupyter_kfp.store.lineage.verify import verify
    from jupyter_kfp.views.values import counted

    verdict = verify(store.approvals(), found)
    if as_json:
        print_json(verdict.as_dict())
    else:
        for problem in verdict.problems:
            click.echo(problem)
        head = f", the newest with the hash {verdict.head}" if verdict.head else ""
        said = "all as recorded" if not verdict.problems else counted(len(verdict.problems), "problem")
        click.echo(
            f"{counted(verdict.approvals, 'approval')}{head}; {counted(verdict.checked, 'content')} read: {said}."
        )
    if verdict.problems:
        sys.exit(1)


@click.command()
@click.argument("artifact")
@click.option("--by", default=None, help="Who approves; by default the user of this machine.")
@click.option("--note", default="", help="Why, or on which condition.")
@AS_JSON
@explained
def approve(artifact: str, by: str | None, note: str, as_json: bool) -> None:
    """Approve what ARTIFACT holds now: RUN:NAME, its number, its URI or the path of a file.

    Of a RUN it is the only model. An approval cannot be changed or taken back; `lineage --verify` shows whether
    anybody did.
    """
    from jupyter_kfp.store.store import open_store

    with closing(open_store()) as store:
        made = store.approve(artifact, by if by is not None else getpass.getuser(), note)
    if as_json:
        print_json(made.as_dict())
        return
    click.echo(
        f"Approval {made.number}: {made.name} of run {made.run_id} (SHA-256 {made.sha256}) by {made.approved_by}."
    )
    click.echo(f"Its hash, to note elsewhere: {made.hash}")
