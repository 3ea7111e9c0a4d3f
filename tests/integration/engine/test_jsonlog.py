"""The logs of tasks for programs: every line with its time, level, run, task and attempt."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from click.testing import CliRunner

from jupyter_kfp.cli import main
from jupyter_kfp.engine import jsonlog
from jupyter_kfp.engine.jsonlog import path_of
from jupyter_kfp.runs import Run
from jupyter_kfp.store.store import Store
from tests.integration.engine.inline import Engine, engines_inline
from tests.unit.engine.building import pipeline, shell, task

ON = {"cachingOptions": {"enableCache": True}}


@pytest.fixture
def engine(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    with engines_inline(monkeypatch):
        yield Engine(store)


def test_every_line_says_where_and_when_it_is_from(engine: Engine) -> None:
    text = (
        'echo "epoch 1"; echo "2026-01-31 12:00:00 WARNING root: low memory" >&2; echo "[ERROR] no: päng";'
        ' printf "no end"; [ -e ../../2 ] || exit 3'
    )
    run = engine.run(
        pipeline({"train": task(shell(text), retryPolicy={"maxRetryCount": 1}), "quiet": task(shell("true"))})
    )
    lines = Run(run.id)["train"].log_records
    assert [(line["attempt"], line["level"], line["source"], line["message"]) for line in lines] == [
        (1, "INFO", "step", "epoch 1"),
        (1, "WARNING", "step", "2026-01-31 12:00:00 WARNING root: low memory"),
        (1, "ERROR", "step", "[ERROR] no: päng"),
        (1, "INFO", "step", "no end"),
        (1, "ERROR", "engine", engine.store.task(run.id, "train").attempts[0].failure.message),  # type: ignore[union-attr]  # it failed
        (2, "INFO", "step", "epoch 1"),
        (2, "WARNING", "step", "2026-01-31 12:00:00 WARNING root: low memory"),
        (2, "ERROR", "step", "[ERROR] no: päng"),
        (2, "INFO", "step", "no end"),
        (2, "INFO", "engine", "Attempt 2 ended: SUCCEEDED."),
    ]
    assert {(line["run_id"], line["task"]) for line in lines} == {(run.id, "train")}
    assert [(line["state"], line["exit_code"]) for line in lines if line["source"] == "engine"] == [
        ("FAILED", 3),
        ("SUCCEEDED", 0),
    ]
    times = [datetime.fromisoformat(line["time"]) for line in lines]
    assert times == sorted(times)
    assert datetime.now(timezone.utc) - times[0] < timedelta(minutes=5)

    told = CliRunner().invoke(main, ["logs", run.id, "--json"])
    assert json.loads(told.stdout) == [*Run(run.id)["quiet"].log_records, *lines] or json.loads(
        told.stdout
    ) == [*lines, *Run(run.id)["quiet"].log_records]
    assert json.loads(CliRunner().invoke(main, ["logs", run.id, "train", "--json"]).stdout) == lines


def test_secrets_are_not_in_it(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "hunter2-hunter2")
    run = engine.run(
        pipeline(
            {"a": task(shell("echo token $TOKEN; exit 1"))},
            kubernetes={"exec-a": {"secretAsEnv": [{"secretName": "s", "keyToEnv": [{"secretKey": "k", "envVar": "TOKEN"}]}]}},
        )
    )  # fmt: skip
    log = path_of(Path(str(engine.store.task(run.id, "a").log)))
    assert "hunter2" not in log.read_text()
    assert Run(run.id)["a"].log_records[0]["message"] == "token ****"


def test_a_log_that_is_not_complete_is_completed_from_the_plain_one(engine: Engine) -> None:
    run = engine.run(pipeline({"a": task(shell("echo one; echo two; echo three"), **ON)}))
    log = path_of(Path(str(engine.store.task(run.id, "a").log)))
    whole = Run(run.id)["a"].log_records
    first = log.read_text().splitlines()[0]
    log.write_text(f'{first}\n{{"time": "half a li')
    lines = Run(run.id)["a"].log_records
    assert [(line["message"], line["time"] is None) for line in lines] == [
        ("one", False),
        ("two", True),
        ("three", True),
    ]
    log.unlink()
    assert [line["message"] for line in Run(run.id)["a"].log_records] == ["one", "two", "three"]
    log.write_text("".join(json.dumps(line) + "\n" for line in whole))
    cached = engine.run(pipeline({"a": task(shell("echo one; echo two; echo three"), **ON)}))
    assert Run(cached.id)["a"].log_records == whole, "of a cached task, where it was executed"


def test_a_run_does_not_wait_for_a_long_log(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonlog, "_LOOK_SECONDS", 600)  # not before the end
    monkeypatch.setattr(jsonlog, "_LAST_SECONDS", 0.0)
    monkeypatch.setattr(jsonlog, "_AT_ONCE", 1000)
    run = engine.run(pipeline({"a": task(shell("seq 20000; printf end"))}))
    copied = path_of(Path(str(engine.store.task(run.id, "a").log))).read_text().splitlines()
    assert len(copied) < 15000, "the run has gone on"
    lines = Run(run.id)["a"].log_records
    assert [line["message"] for line in lines[:-1]] == [*map(str, range(1, 20001)), "end"]
    assert lines[-1]["source"] == "engine"
