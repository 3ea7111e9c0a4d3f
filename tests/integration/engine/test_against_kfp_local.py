"""`kfp.local` as the oracle where it is right: the same pipelines have the same outputs there and here."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from kfp import local

from jupyter_kfp.engine import launch
from jupyter_kfp.engine.result import document
from jupyter_kfp.store.store import open_store
from tests.integration.engine import generated
from tests.integration.engine.generated import Op, build
from tests.unit.engine.pipelines import compiled

# A pipeline takes seconds in either: one is generated, unless you ask for more.
EXAMPLES = int(os.environ.get("JUPYTER_KFP_DIFFERENTIAL_EXAMPLES", "1"))
EVERY_KIND = [
    Op(kind, number, number + 1, "é $(x) `y` {z} \\n") for number, kind in enumerate(generated.KINDS)
]


def theirs(pipeline: Any, given: dict[str, str], root: Path) -> Any:
    """The outputs by `kfp.local`, which prints a lot."""
    local.init(
        local.SubprocessRunner(use_venv=False),
        pipeline_root=str(root),
        workspace_root=str(root / "workspace"),
        raise_on_error=True,
    )
    return pipeline(**given).outputs


def ours(pipeline: Any, given: dict[str, str]) -> Any:
    record = launch.wait(launch.start(compiled(pipeline), given))
    store = open_store()
    try:
        told = document(store, record.id)
    finally:
        store.close()
    assert told["state"] == "SUCCEEDED", told["error"]
    return told["outputs"]


@settings(
    max_examples=EXAMPLES,
    derandomize=EXAMPLES == 1,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(ops=EVERY_KIND, word="a'b\"c", choice="a")
@given(ops=generated.PIPELINES, word=generated.TEXTS, choice=st.sampled_from("abc"))
def test_outputs_are_those_of_kfp_local(
    ops: list[Op], word: str, choice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    values = {"word": word, "choice": choice}
    assert ours(build(ops), values) == theirs(build(ops), values, tmp_path / "kfp")
