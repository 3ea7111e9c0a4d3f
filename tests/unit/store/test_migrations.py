"""Stores of earlier versions are opened as they are, with all that is in them."""

from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from jupyter_kfp.store import database
from jupyter_kfp.store.records import State
from jupyter_kfp.store.store import open_store

# A run as version 0001 kept it: one task with an attempt, a parameter and an artifact.
ROWS = (
    "INSERT INTO runs (id, name, pipeline, state, root, parameters, provenance, options, ir, created_at, failure)"
    " VALUES ('r', 'first', 'p', 'FAILED', '/', '{}', '{}', '{}', 'ir', '2026-01-01 00:00:00', '{\"message\": \"a: no\"}')",
    "INSERT INTO tasks (id, run_id, path, key, display_name, component, state) VALUES (1, 'r', 'a', 'a', 'A', 'c', 'SUCCEEDED')",
    "INSERT INTO attempts (task_id, number, state, directory, log, started_at)"
    " VALUES (1, 1, 'SUCCEEDED', '/d', '/l', '2026-01-01 00:00:00')",
    "INSERT INTO task_parameters (task_id, direction, name, value) VALUES (1, 'OUTPUT', 'n', '3')",
    "INSERT INTO artifacts (id, run_id, name, type, uri, metadata, created_at)"
    " VALUES (5, 'r', 'o', 't', '/o', '{}', '2026-01-01 00:00:00')",
    "INSERT INTO events (task_id, direction, port, position, artifact_id, time)"
    " VALUES (1, 'OUTPUT', 'o', 0, 5, '2026-01-01 00:00:00')",
)


# What later versions have added to it.
LATER = {
    "0002": ("UPDATE tasks SET kind = 'TASK', position = '1'",),
    "0003": ("UPDATE tasks SET cache_key = 'k'", "UPDATE runs SET interrupted = false"),
    "0004": ("UPDATE runs SET pinned = true",),
}
EARLIER = sorted(
    script.revision
    for script in ScriptDirectory(str(Path(database.__file__).parent / "migrations")).walk_revisions()
    if script.revision != database.HEAD
)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("version", EARLIER)
def test_what_an_earlier_version_has_left_is_there(
    url: str, kind: str, version: str, request: pytest.FixtureRequest
) -> None:
    from alembic import command
    from alembic.config import Config

    if kind == "postgresql":
        url = request.getfixturevalue("postgresql_server").database()
    else:
        Path(url.removeprefix("sqlite:///")).parent.mkdir()
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
    config.attributes["engine"] = engine
    command.upgrade(config, version)
    with engine.begin() as connection:
        for row in ROWS + tuple(row for later in LATER if later <= version for row in LATER[later]):
            connection.execute(text(row))
    engine.dispose()
    assert database.version_of(url) == version

    store = open_store(url)
    (run,) = store.runs()
    (task,) = store.tasks("r")
    assert (run.state, run.interrupted, str(run.failure)) == (State.FAILED, False, "a: no")
    assert (task.output_parameters, task.output_artifacts["o"][0].uri) == ({"n": 3}, "/o")
    assert [attempt.log for attempt in task.attempts] == ["/l"]
    assert task.reused_from is None
    (finished,) = store.finished_tasks("r")
    assert (finished.parameters, finished.artifacts["o"][0].id) == ({"n": 3}, 5)
    assert len(store.cached("k")) == (version >= "0003")
    # Lineage is there as well: from what was recorded already.
    assert [node.id for node in store.lineage("r").nodes] == ["task:1", "artifact:5"]
    assert (store.approvals(), store.origins("r")) == ([], {})
    store.close()
    assert database.version_of(url) == database.HEAD
