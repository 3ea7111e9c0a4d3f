"""What install lines (``%pip install …``) add to the ``packages`` of steps."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from jupyter_kfp.notebook.constructs import Install
from jupyter_kfp.notebook.requirements import read_requirements_file
from jupyter_kfp.notebook.spellings import Findings

_INCLUDES = 10


def packages_of(
    installs: Iterable[Install], directory: Path | None, cell: int, findings: Findings
) -> tuple[str, ...]:
    """The requirements of a cell's install lines; what cannot travel is reported.

    Requirements files are read from ``directory``, where the notebook stands.
    """
    packages: list[str] = []
    for install in installs:
        packages += install.packages
        for note in install.notes:
            findings.warning("K122", f"{note[:1].upper()}{note[1:]}.", "", cell, install.line)
        for name in install.files:
            packages += _file(name, directory, (cell, install.line), findings, _INCLUDES)
    return tuple(dict.fromkeys(packages))


def _file(
    name: str, directory: Path | None, place: tuple[int, int], findings: Findings, left: int
) -> list[str]:
    path = (directory or Path()) / name
    try:
        if directory is None or left == 0 or not name:
            raise FileNotFoundError
        found = read_requirements_file(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, ValueError):
        findings.error(
            "K123",
            f"The requirements file {name!r} cannot be read.",
            "Put it beside the notebook, or name the packages themselves.",
            *place,
        )
        return []
    for note in found.notes:
        findings.warning("K122", f"In {name}: {note}.", "", *place)
    included = [_file(more, path.parent, place, findings, left - 1) for more in found.files]
    return [*found.packages, *(package for packages in included for package in packages)]
