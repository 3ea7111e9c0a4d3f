"""`jupyter kfp gc` over runs that the engine has made, and what later runs find in the cache then."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from jupyter_kfp.cli import main
from jupyter_kfp.engine import supervisor
from jupyter_kfp.runs import Run
from jupyter_kfp.store import housekeeping
from jupyter_kfp.store.database import Database
from jupyter_kfp.store.location import store_url
from jupyter_kfp.store.store import Store
from tests.integration.engine.inline import Engine, engines_inline
from tests.integration.engine.test_cache import CACHED, RAN, two


@pytest.fixture
def engine(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    with engines_inline(monkeypatch):
        yield Engine(store)


def gc(*arguments: str) -> Any:
    ended = CliRunner().invoke(main, ["gc", "--json", *arguments])
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.stdout)


def test_cache_entries_that_a_run_has_used_are_whole_afterwards(engine: Engine, home: Path) -> None:
    first = engine.run(two(), {"n": 1})
    other = engine.run(two(), {"n": 2})
    second = engine.run(two(), {"n": 1})
    assert (first.states, second.states) == (RAN, CACHED)

    planned = gc("--keep", "1", "--dry-run")
    told = gc("--keep", "1")
    assert planned["chosen"] == told["chosen"]
    assert (planned["removed"], planned["freed"], planned["dry_run"]) == ([], 0, True)
    assert [each["run_id"] for each in told["removed"]] == [other.id]
    assert told["kept"] == [{"run_id": first.id, "reason": f"run {second.id} uses what it has made"}]
    assert told["freed"] >= told["removed"][0]["freed"] == told["chosen"][0]["size"] > 0
    assert not list(home.rglob(f"{other.id}*"))

    assert Run(second.id).outputs["data"].path.is_dir()
    assert engine.run(two(), {"n": 1}).states == CACHED
    assert engine.run(two(), {"n": 2}).states == RAN, "its entries are gone"


def test_a_pin_keeps_a_run(engine: Engine) -> None:
    run = engine.run(two(), {"n": 1})
    assert CliRunner().invoke(main, ["pin", run.id[:6]]).exit_code == 0
    assert CliRunner().invoke(main, ["pin"]).stdout == f"{run.id}\n"
    assert gc("--keep", "0")["kept"] == [{"run_id": run.id, "reason": "it is pinned"}]
    assert CliRunner().invoke(main, ["unpin", run.id]).exit_code == 0
    ended = CliRunner().invoke(main, ["gc", "--max-size", "0"])
    assert ended.stdout.splitlines()[-1].startswith("1 run removed, ")
    assert run.id in ended.stdout
    assert engine.store.runs() == []


def test_an_entry_that_is_removed_while_it_is_looked_at_is_a_miss(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = engine.run(two(), {"n": 1})
    looked = supervisor.reuse.checked

    def checked(*arguments: Any) -> Any:
        found = looked(*arguments)
        database = Database(store_url())
        list(housekeeping.remove_runs(database, [first.id]))
        database.close()
        return found

    monkeypatch.setattr(supervisor.reuse, "checked", checked)
    second = engine.run(two(), {"n": 1})
    assert (second.states, second.state) == (RAN, "SUCCEEDED")


def test_it_has_to_be_told_what_is_too_much() -> None:
    ended = CliRunner().invoke(main, ["gc"])
    assert ended.exit_code == 2
    assert "--older-than 30d, --keep 20 or --max-size 20GB" in ended.stderr
    assert CliRunner().invoke(main, ["gc", "--max-size", "much"]).exit_code == 2
