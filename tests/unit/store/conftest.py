from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_kfp.store.records import NewRun, NewTask, RunRecord
from jupyter_kfp.store.store import Store, open_store


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'home' / 'store.sqlite'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url)
    yield opened
    opened.close()


@pytest.fixture
def run(store: Store) -> RunRecord:
    tasks = [
        NewTask(path=key, key=key, display_name=key.title(), component=f"comp-{key}") for key in ("b", "a")
    ]
    return store.create_run(
        NewRun(id="r1", name="first", pipeline="p", ir="ir: text", root="/artifacts/r1"), tasks
    )
