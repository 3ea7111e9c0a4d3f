"""One test server for all tests here; each test finds it without faults and leaves no wrong answer."""

import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_kfp.remote import mirroring, profiles
from jupyter_kfp.remote.client import Client
from jupyter_kfp.remote.http import Connection, Patience
from jupyter_kfp.remote.profile import Profile, make
from jupyter_kfp.store.store import Store, open_store
from tests.kfp_server import process
from tests.kfp_server.swagger import SWAGGER

FAST = Patience(attempts=5, first=0.01, longest=0.05)


@pytest.fixture(scope="session")
def s3_environment() -> dict[str, str]:
    """What leads clients of S3 to a server of the tests, and what they say there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@pytest.fixture(scope="session")
def server(
    tmp_path_factory: pytest.TempPathFactory, s3_environment: dict[str, str]
) -> Iterator[process.Cluster]:
    if not SWAGGER.is_file():
        pytest.skip(f"KFP's Swagger file is not here ({SWAGGER.name})")
    with process.start(tmp_path_factory.mktemp("cluster"), environ=s3_environment) as cluster:
        yield cluster


@pytest.fixture
def cluster(server: process.Cluster) -> Iterator[process.Cluster]:
    server.control()
    yield server
    violations = server.violations()
    server.control()
    assert violations == []


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without runs, to copy: making one takes longer than most tests."""
    file = tmp_path_factory.mktemp("store") / "store.sqlite"
    open_store(f"sqlite:///{file}").close()
    return file


@pytest.fixture(autouse=True)
def home(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, and profiles, of the test's own."""
    (tmp_path / "home").mkdir()
    shutil.copy(empty_store, tmp_path / "home" / "store.sqlite")
    monkeypatch.setenv("JUPYTER_KFP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    return tmp_path / "home"


@pytest.fixture
def store() -> Iterator[Store]:
    opened = open_store()
    yield opened
    opened.close()


@pytest.fixture
def known(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cluster is the default, and asked again after short pauses."""
    profiles.save(profile)
    monkeypatch.setattr(mirroring, "connect", lambda profile: Client(Connection(profile, patience=FAST)))


@pytest.fixture
def profile(cluster: process.Cluster) -> Profile:
    return make("test", endpoint=cluster.url, pipeline_root=cluster.pipeline_root)


@pytest.fixture
def connect(cluster: process.Cluster) -> Iterator[Callable[..., Client]]:
    opened: list[Client] = []

    def open_one(**fields: Any) -> Client:
        given = {"endpoint": cluster.url, "timeout": 5.0, **fields}
        opened.append(Client(Connection(make("test", **given), patience=FAST)))
        return opened[-1]

    yield open_one
    for client in opened:
        client.close()
