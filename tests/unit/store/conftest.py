from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_kfp.store.records import NewRun, NewTask, RunRecord
from jupyter_kfp.store.store import Store, open_store
from tests import postgresql


@pytest.fixture(scope="session")
def template(postgresql_server: postgresql.Server) -> str:
    """A database with the tables, to be copied: quicker than to make them."""
    url = postgresql_server.database()
    open_store(url).close()
    return url


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'home' / 'store.sqlite'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def any_url(request: pytest.FixtureRequest, url: str) -> str:
    """An empty store of each kind that there is."""
    if request.param == "sqlite":
        return url
    found: postgresql.Server = request.getfixturevalue("postgresql_server")
    return found.database(like=request.getfixturevalue("template"))


@pytest.fixture
def store(any_url: str) -> Iterator[Store]:
    opened = open_store(any_url)
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
