import base64
import http.server
import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from jupyter_kfp.engine.containers import build, failures
from jupyter_kfp.engine.containers.client import connect, facts, places
from jupyter_kfp.engine.containers.credentials import config_file, credentials
from jupyter_kfp.engine.containers.failures import ContainerError
from jupyter_kfp.engine.containers.images import split
from jupyter_kfp.engine.containers.spec import ContainerSpec, Facts, Limits
from jupyter_kfp.engine.containers.sweep import identity, is_dead
from jupyter_kfp.errors import UsageError

SPEC = ContainerSpec("n", "repo/image:1", ("train",), ("x",), user="1000:100")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("unauthorized: authentication required", "docker login quay.io"),
        ("denied: requested access to the resource is denied", "docker login quay.io"),
        ("toomanyrequests: You have reached your pull rate limit", "gives out no more images for now"),
        ("manifest unknown", "There is no image quay.io/team/image:1"),
        ("dial tcp 10.0.0.1:443: connect: connection refused", "quay.io cannot be reached"),
        ("x509: certificate signed by unknown authority", "quay.io cannot be reached"),
        ("write /var/lib: no space left on device", "The disk of the container engine is full"),
        ("something else", "cannot be fetched (something else)"),
    ],
)
def test_why_an_image_cannot_be_fetched(said: str, words: str) -> None:
    assert words in str(failures.pull_failed("quay.io/team/image:1", said))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        # Podman with runc, with crun, and Docker.
        (
            'exec: "train": executable file not found in $PATH: OCI runtime attempted to invoke',
            "no program 'train'",
        ),
        ("crun: executable file `train` not found in $PATH: No such file or directory", "no program 'train'"),
        ('exec: "/train": stat /train: no such file or directory: unknown', "no program 'train'"),
        ('exec: "train": permission denied: unknown', "may not be executed by the user 1000:100"),
        (
            'invalid mount config for type "bind": bind source path does not exist: /a',
            "does not see this machine's",
        ),
        ("range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs available", "asks for 8 cores"),
        ("Minimum memory limit allowed is 6MB", "memory limit is too low"),
        ('could not select device driver "" with capabilities: [[gpu]]', "has no GPU to give"),
        ("no command specified", "no command of its own"),
        ("no space left on device", "The disk of the container engine is full"),
        ("odd", "cannot be started: odd"),
    ],
)
def test_why_a_container_cannot_start(said: str, words: str) -> None:
    spec = ContainerSpec("n", "i:1", ("train",), (), user="1000:100", limits=Limits(cpus=Decimal(8)))
    assert words in str(failures.start_failed(spec, said))


@pytest.mark.parametrize(
    ("limit", "sure", "words"),
    [
        (64 << 20, True, "It needed more memory than its limit of 64 MiB"),
        (64 << 20, False, "most likely because it needed more memory than its limit of 64 MiB"),
        (None, True, "because memory ran out"),
        (None, False, "somebody killed the container, or the machine ran out of memory"),
    ],
)
def test_a_killed_container_in_words(limit: int | None, sure: bool, words: str) -> None:
    assert words in failures.killed(limit, sure=sure)


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("alpine", "docker.io"),
        ("team/image:1", "docker.io"),
        ("quay.io/team/image", "quay.io"),
        ("localhost/image", "localhost"),
        ("host:5000/image@sha256:ab", "host:5000"),
    ],
)
def test_the_registry_of_an_image(image: str, registry: str) -> None:
    assert failures.registry_of(image) == registry


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("alpine", ("alpine", "latest")),
        ("host:5000/a/b", ("host:5000/a/b", "latest")),
        ("host:5000/a/b:1", ("host:5000/a/b", "1")),
        ("a@sha256:cd", ("a", "sha256:cd")),
    ],
)
def test_an_image_without_a_tag_is_the_latest(image: str, parts: tuple[str, str]) -> None:
    assert split(image) == parts


# Credentials --------------------------------------------------------------------------------------------------


def write(place: Path, config: object) -> Path:
    file = place / "config.json"
    file.write_text(config if isinstance(config, str) else json.dumps(config))
    return file


def test_what_docker_login_wrote_is_shown_to_that_registry_only(tmp_path: Path) -> None:
    secret = base64.b64encode(b"ann:pass:word").decode()
    file = write(tmp_path, {"auths": {"quay.io": {"auth": secret}, "other.io": {"identitytoken": "t"}}})
    found = credentials("quay.io/team/image:1", file)
    assert found is not None
    assert (found["username"], found["password"]) == ("ann", "pass:word")
    assert credentials("other.io/x", file) == {"IdentityToken": "t"}
    assert credentials("third.io/x", file) is None


def test_docker_hub_is_known_by_its_old_name(tmp_path: Path) -> None:
    secret = base64.b64encode(b"ann:secret").decode()
    file = write(tmp_path, {"auths": {"https://index.docker.io/v1/": {"auth": secret}}})
    found = credentials("team/image", file)
    assert found is not None
    assert found["username"] == "ann"


def test_credential_helpers_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = tmp_path / "docker-credential-fake"
    helper.write_text(
        '#!/bin/sh\nread server\n[ "$1" = get ] && printf \'{"Username": "%s", "Secret": "s"}\' "at-$server"\n'
    )
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    file = write(tmp_path, {"credHelpers": {"quay.io": "fake"}})
    found = credentials("quay.io/a", file)
    assert found is not None
    assert (found["Username"], found["Password"]) == ("at-quay.io", "s")
    assert credentials("other.io/a", file) is None


@pytest.mark.filterwarnings("ignore:docker-credential-no-such-helper")  # the SDK's own words
def test_a_helper_that_is_missing_is_said(tmp_path: Path) -> None:
    file = write(tmp_path, {"credHelpers": {"quay.io": "no-such-helper"}})
    with pytest.raises(ContainerError, match=r"credentials for quay\.io .*no-such-helper"):
        credentials("quay.io/a", file)


@pytest.mark.parametrize("text", ["{", "[1]", '{"auths": {"quay.io": {"auth": "???"}}}'])
def test_a_configuration_that_cannot_be_read_is_said(tmp_path: Path, text: str) -> None:
    with pytest.raises(ContainerError, match=r"Docker's configuration .* cannot be read"):
        credentials("quay.io/a", write(tmp_path, text))


def test_no_configuration_is_no_credentials(tmp_path: Path) -> None:
    assert credentials("quay.io/a", tmp_path / "none.json") is None
    assert credentials("quay.io/a", write(tmp_path, {})) is None
    assert config_file({"DOCKER_CONFIG": "/etc/mine"}) == Path("/etc/mine/config.json")


# The engine ---------------------------------------------------------------------------------------------------


def test_a_place_that_the_user_names_is_the_only_one() -> None:
    assert places({"DOCKER_HOST": "tcp://a:1", "CONTAINER_HOST": "unix:///b"}, 1000) == ["tcp://a:1"]
    assert places({"CONTAINER_HOST": "unix:///b"}, 1000) == ["unix:///b"]


def test_docker_and_podman_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    found = places({"XDG_RUNTIME_DIR": "/run/user/5"}, 5)
    assert found[0] == "unix:///var/run/docker.sock"
    assert "unix:///run/user/5/podman/podman.sock" in found
    assert "unix:///run/podman/podman.sock" not in found
    assert "unix:///run/podman/podman.sock" in places({}, 0)


@pytest.mark.parametrize(
    ("programs", "remedy"),
    [
        (["podman"], "podman system service"),
        (["docker"], "Start Docker"),
        ([], "Install Docker or Podman"),
    ],
)
def test_what_to_do_where_no_engine_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, programs: list[str], remedy: str
) -> None:
    for program in programs:
        (tmp_path / program).touch(mode=0o755)
    monkeypatch.setattr(
        "jupyter_kfp.engine.containers.client.places", lambda *_: [f"unix://{tmp_path}/x.sock"]
    )
    with pytest.raises(ContainerError, match=r"Looked at unix://.*x\.sock \(not there\)") as caught:
        connect({"PATH": str(tmp_path)})
    assert remedy in (caught.value.remedy or "")


@pytest.fixture
def not_docker() -> Iterator[str]:
    """The URL of a server that is no container engine."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>welcome</html>")

        def log_message(self, *_words: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"tcp://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_what_is_no_engine_is_said(not_docker: str) -> None:
    with pytest.raises(ContainerError, match=r"No container engine answers. Looked at tcp://127") as caught:
        connect({"DOCKER_HOST": not_docker})
    assert "unset DOCKER_HOST" in (caught.value.remedy or "")


def test_an_engine_that_nobody_serves_is_said() -> None:
    with pytest.raises(ContainerError, match=r"tcp://127\.0\.0\.1:9 \(nothing answers there\)"):
        connect({"DOCKER_HOST": "tcp://127.0.0.1:9"})


def test_what_engines_say_of_themselves() -> None:
    podman = {"Components": [{"Name": "Podman Engine"}]}
    assert facts({"SecurityOptions": ["name=seccomp,profile=default", "name=rootless"]}, podman) == Facts(
        podman=True, rootless=True
    )
    docker = {"Components": [{"Name": "Engine"}]}
    assert facts({"SecurityOptions": ["name=userns", "name=selinux"]}, docker) == Facts(
        remapped=True, selinux=True
    )
    assert facts({"SecurityOptions": None}, {}) == Facts()


# Orphans, images ----------------------------------------------------------------------------------------------


def test_an_engine_is_dead_if_its_process_is_gone_or_another() -> None:
    import os
    import socket

    own = identity(os.getpid())
    assert not is_dead(own)
    assert is_dead(f"{socket.gethostname()} {os.getpid()} 12.5"), "another process had this number"
    assert is_dead(f"{socket.gethostname()} 999999999 1.0")
    assert not is_dead("elsewhere 999999999 1.0"), "nothing is known of other machines"
    assert not is_dead("")


def test_the_runtime_image_has_what_notebooks_need_in_these_versions() -> None:
    from importlib.metadata import version

    text = build.containerfile("base:1", ["torch>=2"], version="1.2", arguments=("PIP_INDEX_URL",))
    assert text.startswith("FROM base:1\n")
    assert f"papermill=={version('papermill')}" in text
    assert "'torch>=2'" in text, "quoted for the shell"
    assert "ARG PIP_INDEX_URL\n" in text
    assert build.default_tag() == f"localhost/jupyter-kfp:{version('jupyter-kfp')}"


def test_the_users_package_index_is_used_and_its_password_is_not_told() -> None:
    given = {"PIP_INDEX_URL": "https://mirror/simple", "PATH": "/bin"}
    assert build.index_arguments(given) == {
        "PIP_INDEX_URL": "https://mirror/simple",
        "UV_INDEX_URL": "https://mirror/simple",
    }
    with pytest.raises(UsageError, match="PIP_INDEX_URL holds credentials"):
        build.index_arguments({"PIP_INDEX_URL": "https://ann:secret@mirror/simple"})
