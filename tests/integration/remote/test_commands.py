"""The commands as users have them, against a cluster."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from jupyter_kfp.cli import main
from jupyter_kfp.remote import profiles
from jupyter_kfp.remote.profile import Profile
from tests.integration.remote.irs import small_text
from tests.integration.remote.test_preflight import free_port
from tests.kfp_server.process import Cluster
from tests.unit.engine.building import pipeline, python, task


@pytest.fixture
def ir(tmp_path: Path) -> str:
    file = tmp_path / "small.yaml"
    parameters = {"n": ("NUMBER_INTEGER", 1)}
    file.write_text(pipeline({"a": task(python("pass"), inputs={"n": "$n"})}, parameters=parameters))
    return str(file)


def command(*arguments: str, ends: int = 0, **more: Any) -> Result:
    done = CliRunner().invoke(main, arguments, **more)
    assert done.exit_code == ends, done.output
    return done


def document(*arguments: str, ends: int = 0) -> Any:
    return json.loads(command(*arguments, "--json", ends=ends).stdout)


def test_a_profile_from_adding_to_removing(cluster: Cluster) -> None:
    command("profiles", "add", "here", "--endpoint", cluster.url, "--namespace", "me")
    (only,) = document("profiles", "list")
    assert (only["name"], only["namespace"], only["default"]) == ("here", "me", True)
    cluster.control(multi_user=True)
    assert document("profiles", "test")["multi_user"] is True
    command("profiles", "add", "here", "--endpoint", cluster.url, ends=2)
    command("profiles", "remove", "here")
    assert document("profiles", "list") == []


def test_an_unreachable_cluster_ends_with_status_3(ir: str) -> None:
    command("profiles", "add", "away", "--endpoint", f"http://127.0.0.1:{free_port()}")
    said = command("profiles", "test", ends=3).stderr
    assert "Nothing listens" in said


def test_a_process_that_submits_and_waits(
    cluster: Cluster, profile: Profile, ir: str, tmp_path: Path
) -> None:
    """In a process of its own: the exit status, one JSON document, and no kfp on the way."""
    profiles.save(profile)
    arguments = ["submit", ir, "-p", "n=3", "--wait", "--json", "--name", "by hand"]
    code = f"import sys, jupyter_kfp.cli as c\ntry: c.main({arguments!r})\nfinally: assert 'kfp' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ), check=False
    )
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["state"] == "SUCCEEDED"
    (shown,) = document("runs")
    assert (shown["run_id"], shown["name"], shown["parameters"]) == (made["run_id"], "by hand", {"n": 3})
    assert document("show", made["run_id"])["tasks"][0]["state"] == "SUCCEEDED"


def test_a_run_of_another_cluster_that_is_away_is_shown_as_it_was(
    cluster: Cluster, profile: Profile, ir: str
) -> None:
    profiles.save(profile)
    cluster.control(hold=True)
    made = document("submit", ir)
    cluster.control(faults=[{"kind": "login"}])
    said = command("show", made["run_id"])
    assert "last known" in said.stderr
    assert "PENDING" in said.stdout


def test_upload_pins_and_trigger_starts_the_pinned(cluster: Cluster, profile: Profile, ir: str) -> None:
    profiles.save(profile)
    cluster.control(hold=True)
    pin = command("upload", ir, "--pin").stdout.strip()
    assert command("upload", ir, "--pin").stdout.strip() == pin
    first = document("trigger", pin, "-p", "n=4", "--key", "k")
    assert document("trigger", pin, "-p", "n=4", "--key", "k")["run_id"] == first["run_id"]
    (body,) = [r["body"] for r in cluster.requests("POST", "/runs")]
    assert body["runtime_config"]["parameters"] == {"n": 4}


def test_a_schedule_from_creating_to_deleting(cluster: Cluster, profile: Profile, ir: str) -> None:
    profiles.save(profile)
    cluster.control(hold=True)
    made = document(
        "schedule", "create", ir, "--cron", "0 3 * * *", "--end", "2199-01-01", "--concurrency", "2", "-p", "n=9",
        "--name", "nightly",
    )  # fmt: skip
    assert made["cron"] == "0 0 3 * * *"
    assert len(made["next_runs"]) == 3
    assert all("T03:00:00" in moment for moment in made["next_runs"])
    (body,) = [r["body"] for r in cluster.requests("POST", "/recurringruns")]
    assert body["no_catchup"] is True
    assert body["max_concurrency"] == "2"
    assert body["runtime_config"]["parameters"] == {"n": 9}
    assert body["trigger"]["cron_schedule"]["end_time"].startswith("219")
    command("schedule", "pause", "nightly")
    (listed,) = document("schedule", "list")
    assert (listed["enabled"], listed["next_runs"]) == (False, [])
    command("schedule", "resume", made["schedule_id"])
    command("schedule", "delete", made["schedule_id"][:8])
    assert document("schedule", "list") == []
    command("schedule", "pause", "nightly", ends=2)


def test_what_is_wrong_with_a_cluster_is_said_of_schedules_too(cluster: Cluster, profile: Profile) -> None:
    profiles.save(profile)
    cluster.control(prefix="/pipeline")
    assert f"Kubeflow Pipelines is at {cluster.url}/pipeline" in command("schedule", "list", ends=3).stderr


def test_an_older_cluster_is_a_warning_beside_the_result(cluster: Cluster, profile: Profile, ir: str) -> None:
    profiles.save(profile)
    health = {
        "kind": "garbage",
        "path": "/apis/v1beta1/healthz",
        "status": 200,
        "body": '{"tag_name": "2.0.5"}',
    }
    cluster.control(faults=[health])
    done = command("upload", ir, "--json")
    assert json.loads(done.stdout)["pin"]
    assert "Warning: The server is Kubeflow Pipelines 2.0.5" in done.stderr


def test_a_schedule_starts_runs(cluster: Cluster, profile: Profile, ir: str) -> None:
    import time

    profiles.save(profile)
    cluster.control(hold=True)
    made = document("schedule", "create", ir, "--every", "1s", "--concurrency", "10")
    from jupyter_kfp.remote.client import connect, equals
    from jupyter_kfp.remote.objects import Run

    client = connect(profile)
    query = {"filter": equals("recurring_run_id", made["schedule_id"])}
    deadline = time.monotonic() + 20
    while not (found := list(client._list(Run, "/runs", "runs", query))):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert found[0].runtime_config is not None
    client.delete_recurring_run(made["schedule_id"])
    client.close()


def test_diff(tmp_path: Path, ir: str) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(small_text())
    found = document("diff", ir, str(other))
    assert {"parameter n"} <= {change["where"] for change in found}
    command("diff", ir, str(other), "--exit-code", ends=1)
    assert document("diff", ir, ir) == []


def test_diff_of_two_runs_wherever_they_ran(cluster: Cluster, profile: Profile, ir: str) -> None:
    profiles.save(profile)
    cluster.control(hold=True)
    first, again, other = (document("submit", ir, "-p", f"n={n}")["run_id"] for n in (1, 1, 2))
    (change,) = document("diff", first, other)
    assert (change["where"], change["what"], change["before"], change["after"]) == (
        "parameter n",
        "value",
        1,
        2,
    )
    assert document("diff", first, again) == []
    assert document("diff", first, ir) == []
    assert "no run" in command("diff", first, "nothing", ends=2).stderr


def test_diff_of_notebooks_shows_the_lines(tmp_path: Path) -> None:
    import nbformat

    def notebook(name: str, code: str) -> str:
        cell = nbformat.v4.new_code_cell(f"%%component train\n{code}")
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / name)
        return str(tmp_path / name)

    said = command("diff", notebook("nb.ipynb", "x = 1"), notebook("nc.ipynb", "x = 2")).stdout
    assert "task train: code changed" in said
    assert "-x = 1" in said
    assert "+x = 2" in said
