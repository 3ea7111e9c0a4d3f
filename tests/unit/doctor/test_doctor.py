"""What `jupyter kfp doctor` says of an installation that works, and of each part that does not."""

import json
import os
import shutil
import sqlite3
import stat
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from jupyter_kfp.cli import main
from jupyter_kfp.doctor import clusters, everything, installation, keeping, running
from jupyter_kfp.doctor.finding import Finding, Status
from jupyter_kfp.store.records import NewRun
from jupyter_kfp.store.store import open_store
from tests.unit.store.test_database import Database, alembic_config


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("JUPYTER_KFP_HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for name in ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH", "DOCKER_HOST", "CONTAINER_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "JUPYTER_KFP_HOME"


def one(found: Iterator[Finding]) -> Finding:
    (finding,) = found
    return finding


def test_an_installation_that_works_is_said_to_work() -> None:
    ended = CliRunner().invoke(main, ["doctor", "--json", "--offline"])
    told = json.loads(ended.stdout)
    found = {each["check"]: each for each in told["checks"]}
    assert (ended.exit_code, told["ok"]) == (0, True), told
    assert metadata.version("jupyter-kfp") in found["packages"]["message"]
    for check in ("packages", "command", "kernels", "store", "disk", "artifacts"):
        assert (found[check]["status"], found[check]["remedy"]) == ("ok", "")
    expected = "ok" if sys.platform == "linux" else "off"
    assert found["warm kernels"]["status"] == expected, found["warm kernels"]
    assert found["observers"]["status"] == "off"


def test_people_read_the_same_and_what_to_do(home: Path) -> None:
    home.mkdir()
    (home / "store.sqlite").write_bytes(b"this is no database " * 200)
    ended = CliRunner().invoke(main, ["doctor", "--offline"], env={"JUPYTER_KFP_WARM": "0"})
    assert ended.exit_code == 1
    assert "✓ packages" in ended.stdout
    broken = next(line for line in ended.stdout.splitlines() if line.startswith("✗"))
    assert "is damaged" in broken
    assert "Move that file away" in ended.stdout.partition(broken)[2].splitlines()[1]


def test_packages_that_are_missing_or_too_old_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["click>=8.1", "rich>=9999", "no-such-package>=1", "docker>=9999; extra == 'containers'"]
    monkeypatch.setattr(metadata, "requires", lambda _name: wanted)
    found = one(installation.packages())
    assert found.status is Status.ERROR
    assert "no-such-package is not installed" in found.message
    assert f"rich is {metadata.version('rich')}, not >=9999" in found.message
    assert "docker" not in found.message
    assert sys.executable in found.remedy


def test_a_command_of_another_environment_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert one(installation.command()).message == "`jupyter kfp` is not found."
    other = tmp_path / "jupyter-kfp"
    other.write_text("#!/bin/sh\n")
    other.chmod(other.stat().st_mode | stat.S_IXUSR)
    assert str(other) in one(installation.command()).message


def test_extensions_of_jupyter(tmp_path: Path) -> None:
    config, data = tmp_path / "JUPYTER_CONFIG_DIR", tmp_path / "JUPYTER_DATA_DIR"

    def enable(*, enabled: bool) -> None:
        config.mkdir(exist_ok=True)
        document = {"ServerApp": {"jpserver_extensions": {"jupyter_kfp.server": enabled}}}
        (config / "jupyter_server_config.json").write_text(json.dumps(document))

    enable(enabled=True)
    assert one(installation.server_extension()).status is Status.OK
    enable(enabled=False)
    found = one(installation.server_extension())
    assert (found.status, found.remedy) == (
        Status.WARNING, "Run: jupyter server extension enable jupyter_kfp.server"
    )  # fmt: skip

    package = data / "labextensions" / "jupyter-kfp" / "package.json"
    package.parent.mkdir(parents=True)
    told: dict[str, Any] = {
        "name": "jupyter-kfp",
        "version": "0.0.0",
        "jupyterlab": {"_build": {"load": "x"}},
    }
    package.write_text(json.dumps(told))
    assert "It is version 0.0.0" in one(installation.labextension()).message
    package.write_text(json.dumps(told | {"version": metadata.version("jupyter-kfp")}))
    assert one(installation.labextension()).status is Status.OK
    page = config / "labconfig" / "page_config.json"
    page.parent.mkdir()
    page.write_text(json.dumps({"disabledExtensions": {"jupyter-kfp": True}}))
    assert "jupyter labextension enable" in one(installation.labextension()).remedy


def test_kernels_whose_program_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = tmp_path / "JUPYTER_DATA_DIR" / "kernels"
    for name, language in (("old", "python"), ("other", "R")):
        (kernels / name).mkdir(parents=True)
        spec = {"argv": [f"/gone/{name}", "x"], "display_name": name, "language": language}
        (kernels / name / "kernel.json").write_text(json.dumps(spec))
    found = list(installation.kernels())
    assert [(each.status, each.message.split()[-5]) for each in found] == [
        (Status.ERROR, "/gone/old,"),
        (Status.WARNING, "/gone/other,"),
    ]
    assert "ipykernel install" in found[0].remedy
    assert "kernelspec remove other" in found[1].remedy


def test_a_warm_server_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_KFP_WARM", "0")
    assert one(running.warm_server()).status is Status.OFF
    monkeypatch.setenv("JUPYTER_KFP_WARM", "1")
    monkeypatch.setattr(running.pool.WarmPool, "start", lambda *_arguments: None)
    assert one(running.warm_server()).status is (Status.WARNING if sys.platform == "linux" else Status.OFF)


def test_a_container_engine_is_missed_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    assert one(running.container_engine()).status is Status.OFF
    monkeypatch.setenv("JUPYTER_KFP_RUNNER", "container")
    found = one(running.container_engine())
    assert found.status is Status.ERROR
    assert "DOCKER_HOST" in found.remedy


def test_a_store_of_an_earlier_version_stays_what_it_is(home: Path) -> None:
    opened = Database(f"sqlite:///{home}/store.sqlite")
    from alembic import command

    command.downgrade(alembic_config(opened.engine), "0002")
    opened.close()
    for _time in range(2):
        found = one(keeping.store())
        assert (found.status, found.remedy) == (Status.WARNING, "Run: jupyter kfp store upgrade")
        assert "version 0002" in found.message


def test_a_store_that_is_not_whole(home: Path) -> None:
    store = open_store()
    store.create_run(NewRun(id="r", name="n", pipeline="p", ir="", root="/"), [])
    store.close()
    with sqlite3.connect(home / "store.sqlite") as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute("UPDATE run_events SET run_id = 'gone'")
    found = one(keeping.store())
    assert (found.status, "row 1 of run_events refers to a row of runs" in found.message) == (
        Status.ERROR,
        True,
    )
    assert "store restore" in found.remedy


def test_a_server_that_does_not_answer_is_the_stores_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_KFP_STORE_URL", "postgresql+psycopg://me:hunter2@127.0.0.1:9/runs")
    found = one(keeping.store())
    assert found.status is Status.ERROR
    assert "JUPYTER_KFP_STORE_URL" in found.remedy
    assert "hunter2" not in str(found)


def test_a_disk_with_little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    for free, status in ((2 << 30, Status.OK), (1 << 29, Status.WARNING), (1 << 20, Status.ERROR)):
        monkeypatch.setattr(
            shutil, "disk_usage", lambda _path, free=free: shutil._ntuple_diskusage(0, 0, free)
        )  # type: ignore[attr-defined]  # what the function gives back
        assert one(keeping.disk()).status is status
    assert "jupyter kfp gc" in one(keeping.disk()).remedy


def test_a_root_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_KFP_ARTIFACT_ROOT", "/proc/nowhere")
    assert one(keeping.artifact_root()).status is Status.ERROR
    monkeypatch.setenv("JUPYTER_KFP_ARTIFACT_ROOT", "memory://bucket")
    assert one(keeping.artifact_root()).status is Status.OK


def test_settings_of_observers_are_read_and_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_KFP_NOTIFY_WEBHOOK", "https://hooks.example.org/s3cr3t")
    assert one(keeping.observers()).message == "webhook https://hooks.example.org"
    monkeypatch.setenv("JUPYTER_KFP_NOTIFY_EMAIL", "a@b")
    assert one(keeping.observers()).status is Status.ERROR


def test_no_cluster_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("KF_PIPELINES_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert one(clusters.profiles()).status is Status.OFF


def test_a_check_that_stumbles_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumbling() -> Iterator[Finding]:
        raise RuntimeError("oh")
        yield

    monkeypatch.setattr(everything, "CHECKS", (stumbling, keeping.disk))
    found = list(everything.findings(offline=True))
    assert [each.status for each in found] == [Status.ERROR, Status.OK]
    assert "RuntimeError('oh')" in found[0].message
