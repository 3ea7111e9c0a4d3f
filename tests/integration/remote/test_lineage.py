"""The lineage of runs on a cluster, and of what runs here make of it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from jupyter_kfp.cli import main
from jupyter_kfp.remote.submit import submit
from jupyter_kfp.runs import Run
from jupyter_kfp.store.lineage.model import ArtifactNode, TaskNode, Way
from jupyter_kfp.store.records import Origin, State
from jupyter_kfp.store.store import Store
from tests.integration.remote.test_follow import CHAIN
from tests.kfp_server.process import Cluster
from tests.unit.store.lineages import Runs

pytestmark = pytest.mark.usefixtures("known")


def test_the_lineage_of_a_run_on_a_cluster(cluster: Cluster, store: Store, tmp_path: Path) -> None:
    origin = Origin("/nb/train.ipynb", "d" * 64, {"commit": "c0ffee", "dirty": False, "user": "ann"})
    run = Run(submit(CHAIN, origin=origin).run_id).wait()
    assert run.state is State.SUCCEEDED
    found = run.lineage()
    names = [node.path if isinstance(node, TaskNode) else node.name for node in found.nodes]
    assert names == ["make", "data", "use", "model"]

    # A run of this machine that reads what the cluster has made.
    data = run["make"].artifacts["data"]
    Runs(store, tmp_path / "artifacts").add(
        "local", takes={"data": [data.record.id]}, makes={"report": "good"}
    )
    later = {node.run_id for node in data.lineage("down").nodes if isinstance(node, TaskNode | ArtifactNode)}
    assert later == {run.id, "local"}
    assert run.id in store.lineage("local", Way.UP).runs

    shown = CliRunner().invoke(main, ["lineage", run.id])
    assert shown.exit_code == 0, shown.output
    for words in (
        "model (Model)",
        "git commit c0ffee, clean",
        "image python:3.11",
        f"run {run.id} of small, step use",
        run.url,
    ):
        assert str(words) in shown.output
    document = json.loads(CliRunner().invoke(main, ["lineage", run.id, "--json"]).stdout)
    (answers,) = document["answers"]
    assert (answers["run"], document["runs"][run.id]["url"]) == (run.id, run.url)
    data_nodes = {node["name"] for node in document["nodes"] if node["id"] in answers["data"]}
    assert data_nodes == {"data"}
