"""Whose artifacts are read, and what of those of others is not: pickles that run code are real here."""

from __future__ import annotations

import os
import pickle
import socket
from collections import Counter
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import FunctionTransformer

from jupyter_kfp.runtime import serializers
from jupyter_kfp.store import loading
from jupyter_kfp.store.artifacts import content
from jupyter_kfp.store.loading import ChangedError, ConsentError
from jupyter_kfp.store.records import ArtifactRecord, Origin, RunRecord, State


class Bomb:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.fixture
def mine(tmp_path: Path) -> RunRecord:
    moment = datetime.now(timezone.utc)
    options = {loading.USER: loading.this_user()}
    return RunRecord(
        "abc", "a run", "p", State.SUCCEEDED, str(tmp_path / "root"), {}, Origin(), options, moment, moment, moment,
        None, None, socket.gethostname(), 1, 1.0,
    )  # fmt: skip


def saved(run: RunRecord, value: Any, name: str = "x") -> tuple[ArtifactRecord, Path]:
    path = Path(run.root) / "task" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = serializers.save(value, path)
    return of_file(run, path, metadata), path


def of_file(run: RunRecord, path: Path, metadata: dict[str, Any]) -> ArtifactRecord:
    found = content(path)
    assert found is not None
    return ArtifactRecord(
        path.name,
        "system.Artifact",
        str(path),
        metadata,
        found.sha256,
        found.size,
        1,
        run.id,
        "task",
        path.name,
    )


def planted(run: RunRecord, tmp_path: Path) -> tuple[ArtifactRecord, Path, Path]:
    """A pickle that runs code, its file, and the mark it leaves."""
    mark, path = tmp_path / "mark", Path(run.root) / "task" / "x"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(Bomb(mark)) + pickle.dumps({}))
    return of_file(run, path, {"serializer": "cloudpickle", "python_type": "a.B"}), path, mark


STRANGERS: dict[str, dict[str, Any]] = {
    "another user": {"options": {loading.USER: "mallory"}},
    "another machine": {"host": "elsewhere"},
    "no machine": {"host": None},
    "a cluster": {"options": {"remote": {"profile": "team"}}},
    "imported from elsewhere": {"root": "/somewhere/else"},
    "on a shared store": {"root": "s3://bucket/runs", "options": {loading.USER: "mallory"}},
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_a_pickle_of_somebody_else_is_not_read(kind: str, mine: RunRecord, tmp_path: Path) -> None:
    artifact, path, mark = planted(mine, tmp_path)
    run = replace(mine, **STRANGERS[kind])
    with pytest.raises(
        ConsentError, match=r"x \(a\.B\) is a pickle.*allow_pickle=True.*JUPYTER_KFP_ALLOW_PICKLE=1"
    ):
        loading.load(artifact, run, path, {})
    assert not mark.exists()


def test_the_refusal_says_who_made_it(mine: RunRecord, tmp_path: Path) -> None:
    artifact, path, _mark = planted(mine, tmp_path)
    for change, words in (
        ({"options": {loading.USER: "mallory"}}, "run abc of the user 'mallory'"),
        (
            {"host": "elsewhere", "options": {loading.USER: "bob"}},
            "run abc of bob on the machine 'elsewhere'",
        ),
        ({"options": {"remote": {"profile": "team"}}}, "run abc on the cluster 'team'"),
    ):
        with pytest.raises(ConsentError, match=words):
            loading.load(artifact, replace(mine, **change), path, {})


def test_with_consent_it_is(mine: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = replace(mine, host="elsewhere")
    artifact, path, mark = planted(run, tmp_path)
    loading.load(artifact, run, path, {}, allow_pickle=True)
    assert mark.exists()
    mark.unlink()
    monkeypatch.setenv("JUPYTER_KFP_ALLOW_PICKLE", "1")
    loading.load(artifact, run, path, {})
    assert mark.exists()


def test_ones_own_pickles_need_none(mine: RunRecord) -> None:
    value = Counter("abc")
    artifact, path = saved(mine, value)
    assert artifact.metadata["serializer"] == "cloudpickle"
    assert loading.load(artifact, mine, path, {}) == value
    # Runs of before users were recorded.
    assert loading.load(artifact, replace(mine, options={}), path, {}) == value


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root gives files to others")
def test_a_file_that_another_user_owns_is_that_users(mine: RunRecord, tmp_path: Path) -> None:
    artifact, path, mark = planted(mine, tmp_path)
    os.chown(path, 12345, -1)
    with pytest.raises(ConsentError, match="the user with the number 12345, who owns the file"):
        loading.load(artifact, mine, path, {})
    assert not mark.exists()


def test_what_only_holds_data_is_read_from_anybody(mine: RunRecord) -> None:
    run = replace(mine, host="elsewhere", options={loading.USER: "mallory"})
    for value in ("text", b"bytes", {"a": [1, 2.5, None]}):
        artifact, path = saved(run, value)
        assert loading.load(artifact, run, path, {}) == value
    artifact, path = saved(run, np.arange(3))
    assert loading.load(artifact, run, path, {}).tolist() == [0, 1, 2]


@pytest.mark.parametrize("how", ["changed", "metadata"])
def test_a_file_that_was_tampered_with_is_not_read_by_anybody(
    how: str, mine: RunRecord, tmp_path: Path
) -> None:
    artifact, path = saved(mine, {1, 2})
    if how == "metadata":  # a mirrored run's record may have it there alone
        artifact = replace(artifact, sha256=None)
    mark = tmp_path / "mark"
    path.write_bytes(pickle.dumps(Bomb(mark)) + pickle.dumps({}))
    with pytest.raises(ChangedError, match=r"x is not what its run left: .*SHA-256.*Run the pipeline again"):
        loading.load(artifact, mine, path, {}, allow_pickle=True)
    assert not mark.exists()


def test_skops_asks_for_types_outside_its_own_list(mine: RunRecord) -> None:
    run = replace(mine, host="elsewhere")
    artifact, path = saved(run, LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]), "plain")
    assert artifact.metadata["serializer"] == "skops"
    assert loading.load(artifact, run, path, {}).predict([[2.0]])[0] == pytest.approx(2.0)

    import skops.io

    path = Path(run.root) / "task" / "strange"
    skops.io.dump(FunctionTransformer(os.path.join), path)
    artifact = of_file(run, path, {"serializer": "skops", "python_type": "sklearn.FunctionTransformer"})
    with pytest.raises(ConsentError, match=r"types that skops does not trust \(posixpath\.join\)"):
        loading.load(artifact, run, path, {})


def test_joblib_and_figures_hold_pickles_too(mine: RunRecord, tmp_path: Path) -> None:
    run = replace(mine, host="elsewhere")
    path = Path(run.root) / "model"
    path.parent.mkdir(parents=True)
    joblib.dump(Bomb(tmp_path / "mark"), path)
    for serializer in ("joblib", "matplotlib", "bundle", "of a plugin"):
        with pytest.raises(ConsentError):
            loading.load(of_file(run, path, {"serializer": serializer}), run, path, {})
    assert not (tmp_path / "mark").exists()


def test_a_path_of_somebody_else_is_not_written_to(
    mine: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = replace(mine, host="elsewhere")
    path = Path(run.root) / "given"
    path.parent.mkdir(parents=True)
    path.write_text("import evil")
    artifact = of_file(run, path, {"serializer": "path", "path": "sitecustomize.py"})
    with pytest.raises(ConsentError, match=r"a file that is written to 'sitecustomize\.py'.*Its file is"):
        loading.load(artifact, run, path, {})
    assert not Path("sitecustomize.py").exists()
