"""The command ``doctor``."""

from __future__ import annotations

import sys

import click

from jupyter_kfp.cli.output import AS_JSON, explained, print_json

_LOOKS = {
    "ok": ("✓", "green"),
    "off": ("-", "bright_black"),
    "warning": ("!", "yellow"),
    "error": ("✗", "red"),
}


@click.command()
@click.option("--offline", is_flag=True, help="Do not ask the clusters of profiles.")
@AS_JSON
@explained
def doctor(offline: bool, as_json: bool) -> None:
    """Say whether everything works here, and what to do where it does not (exit status 1)."""
    from jupyter_kfp.doctor.everything import findings
    from jupyter_kfp.doctor.finding import Status

    found = []
    for finding in findings(offline=offline):
        found.append(finding)
        if not as_json:
            symbol, colour = _LOOKS[finding.status.value]
            try:
                symbol.encode(sys.stdout.encoding or "ascii")
            except UnicodeEncodeError:
                symbol = finding.status.value
            click.echo(f"{click.style(symbol, fg=colour, bold=True)} {finding.check:<17} {finding.message}")
            if finding.remedy:
                click.echo(f"  {'':<17} {finding.remedy}")
    broken = any(finding.status is Status.ERROR for finding in found)
    if as_json:
        print_json({"ok": not broken, "checks": [finding.as_dict() for finding in found]})
    sys.exit(1 if broken else 0)
