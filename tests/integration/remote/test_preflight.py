"""What is wrong with a cluster, told apart over real connections."""

import contextlib
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_kfp.errors import UsageError
from jupyter_kfp.remote import preflight
from jupyter_kfp.remote.errors import Trouble, UnreachableError
from jupyter_kfp.remote.profile import make
from tests.kfp_server.process import Cluster

ALL = {"path": "/"}


def trouble(url: str, **fields: Any) -> UnreachableError:
    with pytest.raises(UnreachableError) as raised:
        preflight.check(make("p", endpoint=url, **{"timeout": 5.0, **fields}))
    assert raised.value.exit_code == 3
    assert raised.value.remedy
    return raised.value


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_cluster_that_is_well(cluster: Cluster) -> None:
    report = preflight.check(make("p", endpoint=cluster.url))
    assert (report.endpoint, report.multi_user, report.warning) == (cluster.url, False, "")


def test_a_cluster_for_several_users_wants_a_namespace(cluster: Cluster) -> None:
    cluster.control(multi_user=True)
    with pytest.raises(UsageError, match="for several users") as raised:
        preflight.check(make("p", endpoint=cluster.url))
    assert "--namespace" in raised.value.remedy
    assert preflight.check(make("p", endpoint=cluster.url, namespace="me")).multi_user


def test_nothing_listens() -> None:
    assert trouble(f"http://127.0.0.1:{free_port()}").trouble is Trouble.REFUSED


def test_no_such_machine() -> None:
    assert trouble("http://no-such-machine.invalid").trouble is Trouble.DNS


def test_a_silent_server_is_given_up_in_time() -> None:
    """`kfp.Client` waits for ever for one that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        found = trouble(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.3)
        assert found.trouble is Trouble.TIMEOUT
        assert "0.3 seconds" in found.message
        assert time.monotonic() - started < 3


def test_a_login_page_is_no_empty_list(cluster: Cluster) -> None:
    cluster.control(faults=[{"kind": "login"}])
    found = trouble(cluster.url)
    assert found.trouble is Trouble.LOGIN_PAGE
    assert "--auth" in found.remedy


def test_a_redirect_to_a_login_is_a_login_page(cluster: Cluster) -> None:
    cluster.control(auth={"mode": "dex"})
    assert trouble(cluster.url).trouble is Trouble.LOGIN_PAGE


def test_unknown_and_forbidden_are_told_apart(cluster: Cluster) -> None:
    cluster.control(auth={"mode": "token", "tokens": ["t"]})
    assert trouble(cluster.url).trouble is Trouble.UNAUTHENTICATED
    cluster.control(auth={"forbidden": True})
    found = trouble(cluster.url)
    assert found.trouble is Trouble.FORBIDDEN
    assert "not authorized" in found.message


def test_a_health_without_login_does_not_hide_that_lists_need_one(cluster: Cluster) -> None:
    cluster.control(faults=[{"kind": "status", "status": 401, "path": "/experiments"}])
    assert trouble(cluster.url).trouble is Trouble.UNAUTHENTICATED


def test_the_dashboard_is_a_wrong_path_and_the_right_one_is_offered(cluster: Cluster) -> None:
    cluster.control(prefix="/pipeline")
    found = trouble(cluster.url)
    assert found.trouble is Trouble.WRONG_PATH
    assert f"{cluster.url}/pipeline" in found.remedy
    assert preflight.check(make("p", endpoint=f"{cluster.url}/pipeline"))


def test_a_server_that_is_not_well_and_one_that_hangs_up(cluster: Cluster) -> None:
    cluster.control(faults=[{"kind": "status", "status": 503}])
    assert trouble(cluster.url).trouble is Trouble.UNAVAILABLE
    cluster.control(faults=[{"kind": "drop"}])
    assert trouble(cluster.url).trouble is Trouble.DROPPED


def test_something_else_that_speaks_json(cluster: Cluster) -> None:
    cluster.control(faults=[{"kind": "garbage", "body": "[1]", "status": 200}])
    assert trouble(cluster.url).trouble is Trouble.GARBLED


def test_kubeflow_pipelines_1_is_a_wrong_version(cluster: Cluster) -> None:
    health = json.dumps({"tag_name": "1.8.5", "multi_user": False})
    cluster.control(
        faults=[
            {"kind": "garbage", "path": "/apis/v1beta1/healthz", "body": health, "status": 200},
            {"kind": "status", "path": "/apis/v2beta1/healthz", "status": 404, "body": '{"code":5,"message":"Not Found"}'},
        ]
    )  # fmt: skip
    found = trouble(cluster.url)
    assert found.trouble is Trouble.VERSION
    assert "Upgrade" in found.remedy


def test_an_older_server_is_a_warning(cluster: Cluster) -> None:
    health = json.dumps({"tag_name": "2.0.5"})
    cluster.control(
        faults=[{"kind": "garbage", "path": "/apis/v1beta1/healthz", "body": health, "status": 200}]
    )
    report = preflight.check(make("p", endpoint=cluster.url))
    assert report.version == "2.0.5"
    assert "older than the SDK" in report.warning


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    names = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    subprocess.run(
        [*command, *names, "-keyout", f"{file}.key", "-out", f"{file}.crt"], check=True, capture_output=True
    )
    file.write_text(Path(f"{file}.key").read_text() + Path(f"{file}.crt").read_text())
    return file


@pytest.fixture
def tls(certificate: Path, cluster: Cluster) -> Iterator[str]:
    """The cluster behind a certificate that nobody knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0))
    backend = int(cluster.url.rpartition(":")[2])

    def pump(source: Any, target: Any) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        while True:
            try:
                raw, _address = listener.accept()
            except OSError:
                return
            try:
                client = context.wrap_socket(raw, server_side=True)
            except (ssl.SSLError, OSError):
                continue
            upstream = socket.create_connection(("127.0.0.1", backend))
            for pair in ((client, upstream), (upstream, client)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


@pytest.mark.filterwarnings("ignore:Unverified HTTPS")
def test_a_certificate_nobody_knows_and_the_file_that_helps(tls: str, certificate: Path) -> None:
    found = trouble(tls)
    assert found.trouble is Trouble.TLS
    assert "--ca-file" in found.remedy
    assert preflight.check(make("p", endpoint=tls, ca_file=Path(f"{certificate}.crt")))
    assert preflight.check(make("p", endpoint=tls, verify=False))


def test_tls_to_a_server_without(cluster: Cluster) -> None:
    found = trouble(cluster.url.replace("http://", "https://"))
    assert found.trouble is Trouble.TLS
    assert "http://" in found.remedy
