"""Large pipelines in ordinary sizes; `tests/benchmarks/test_scale.py` has the large sizes."""

import resource
from collections.abc import Iterator

import pytest

from jupyter_kfp.engine import launch
from jupyter_kfp.engine.launch import RunOptions
from jupyter_kfp.engine.runner import Runner
from jupyter_kfp.store.records import State
from jupyter_kfp.store.store import Store
from tests.integration.engine.inline import Engine, engines_inline
from tests.integration.engine.scaling import KINDS, chain, expected


@pytest.fixture
def engine(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    with engines_inline(monkeypatch):
        yield Engine(store)


@pytest.mark.parametrize(("kind", "size"), [("chain", 60), ("fan_in", 60), ("loop", 120)])
def test_nothing_is_lost(engine: Engine, kind: str, size: int) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run = engine.run(KINDS[kind](size))
    assert (run.state, run.outputs) == ("SUCCEEDED", expected(kind, size))
    assert len(run.states) == size + (kind == "fan_in")
    assert set(run.attempts.values()) == {1}
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 40 * 1024, f"the engine grew by {grown} KiB"


def test_runs_beside_each_other_do_not_meet(store: Store) -> None:
    text = chain(5)
    handles = [launch.start(text, options=RunOptions(runner=Runner.PROCESS)) for _ in range(4)]
    assert [launch.wait(handle).state for handle in handles] == [State.SUCCEEDED] * len(handles)
    assert [store.outputs(handle.id) for handle in handles] == [{"y": 5}] * len(handles)
