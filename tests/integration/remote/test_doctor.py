"""What `jupyter kfp doctor` says of the clusters of profiles."""

from pathlib import Path

import pytest

from jupyter_kfp.doctor import clusters
from jupyter_kfp.doctor.finding import Status
from tests.kfp_server import process


def test_every_cluster_is_asked(
    cluster: process.Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    (tmp_path / "jupyter_kfp_profiles.toml").write_text(
        f'[profiles.there]\nendpoint = "{cluster.url}"\n[profiles.away]\nendpoint = "http://127.0.0.1:9"\n'
    )
    found = {each.check: each for each in clusters.profiles()}
    assert found["profile there"].status is Status.OK
    assert cluster.url in found["profile there"].message
    assert found["profile away"].status is Status.ERROR
    assert found["profile away"].remedy
