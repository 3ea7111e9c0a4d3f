"""What several of these tests need: the data, the goldens, the conformance pipelines."""

from __future__ import annotations

import os
from pathlib import Path

from jupyter_kfp.views.graph import Graph, graph_from_ir

DATA = Path(__file__).parent / "data"
SHARED = Path(__file__).parents[3].parent / "shared" / "conformance" / "ir"
# Set this to write the goldens anew, then review the difference like code.
UPDATE = "JUPYTER_KFP_UPDATE_GOLDENS"

STATES = {
    "load": "CACHED",
    "split": "SUCCEEDED",
    "train-forest": "RUNNING",
    "train-logistic": "FAILED",
    "evaluate": "SKIPPED",
    "report": "PENDING",
}


def pipeline(name: str, states: dict[str, str] | None = None) -> Graph:
    return graph_from_ir((DATA / f"{name}.yaml").read_text(encoding="utf-8"), states)


def check_golden(name: str, text: str) -> None:
    path = DATA / name
    if os.environ.get(UPDATE):
        path.write_text(text, encoding="utf-8", newline="\n")
    assert text == path.read_text(encoding="utf-8")
