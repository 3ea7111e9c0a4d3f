"""What housekeeping removes, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from jupyter_kfp.views.lineage import size_text
from jupyter_kfp.views.tables import state_text

if TYPE_CHECKING:
    from jupyter_kfp.store.retention import Candidate


def chosen_table(runs: Iterable[Candidate]) -> Table:
    """The runs, in the order given, with their sizes."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("RUN", "PIPELINE", "STATE", "STARTED"):
        table.add_column(column, no_wrap=True)
    table.add_column("SIZE", justify="right", no_wrap=True)
    for run in runs:
        table.add_row(
            Text(run.id),
            Text(run.pipeline),
            state_text(run.state),
            run.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
            size_text(run.size),
        )
    return table
