"""Profiles: where they come from, what they say, and that no secret is among them."""

from pathlib import Path
from typing import ClassVar

import pytest

from jupyter_kfp.errors import UsageError
from jupyter_kfp.remote import profiles, vault
from jupyter_kfp.remote.profile import AuthKind, make, normalized


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    return tmp_path


def test_what_is_saved_is_found_again() -> None:
    made = make(
        "prod", endpoint="https://kf.example/pipeline", namespace="me", ca_file=Path("/ca.pem"), verify=True
    )
    profiles.save(made)
    assert profiles.load() == {"prod": made}
    assert profiles.find("prod", {}) == made


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("https://kf.example/_/pipeline/?ns=me#/runs", "https://kf.example/pipeline"),
        ("https://kf.example/pipeline/#/pipelines", "https://kf.example/pipeline"),
        ("http://localhost:8080/apis/v2beta1/", "http://localhost:8080"),
        ("localhost:8080", "http://localhost:8080"),
    ],
)
def test_an_endpoint_may_come_from_the_browser(given: str, meant: str) -> None:
    assert normalized(given) == meant


@pytest.mark.parametrize(
    "fields",
    [
        {"endpoint": "https://user:pw@kf.example"},
        {"endpoint": "ftp://kf.example"},
        {},
        {"endpoint": "http://a", "auth": "dex"},
        {"endpoint": "http://a", "token": "abc"},
        {"kind": "vertex", "project": "p"},
        {"endpoint": "http://a", "unknown": 1},
    ],
)
def test_what_cannot_be_a_profile_is_said(fields: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="cannot be used"):
        make("p", **fields)


def test_a_secret_in_the_file_is_refused(config: Path) -> None:
    profiles.path().write_text('[profiles.p]\nendpoint = "http://a"\nauth = "token"\ntoken = "s3cret"\n')
    with pytest.raises(UsageError, match="must not stand in the file") as raised:
        profiles.load()
    assert "s3cret" not in str(raised.value)


def test_the_default_the_only_one_and_none() -> None:
    with pytest.raises(UsageError, match="No cluster is known"):
        profiles.find(None, {})
    profiles.save(make("a", endpoint="http://a"))
    assert profiles.find(None, {}).name == "a"
    profiles.save(make("b", endpoint="http://b"))
    with pytest.raises(UsageError, match="several"):
        profiles.find(None, {})
    profiles.use("b")
    assert profiles.find(None, {}).name == "b"
    profiles.remove("b")
    assert profiles.find(None, {}).name == "a"
    with pytest.raises(UsageError, match="There are: a"):
        profiles.find("b", {})


def test_the_environment_is_a_profile() -> None:
    environ = {
        "KF_PIPELINES_ENDPOINT": "https://kf/pipeline",
        "KF_PIPELINES_NAMESPACE": "me",
        "KF_PIPELINES_TOKEN": "t",
        "KF_PIPELINES_VERIFY": "false",
    }
    found = profiles.find(None, environ)
    assert (found.endpoint, found.namespace, found.verify) == ("https://kf/pipeline", "me", False)
    assert (found.auth, found.secret_env) == (AuthKind.TOKEN, "KF_PIPELINES_TOKEN")


def test_inside_a_cluster_its_own_pipelines_are_meant(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t")
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KF_PIPELINES_SA_TOKEN_PATH": str(token)}
    found = profiles.find(None, environ)
    assert found.endpoint == "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
    assert (found.auth, found.token_file) == (AuthKind.SERVICE_ACCOUNT, token)


def test_a_secret_goes_to_the_keyring_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring
    from keyring.backend import KeyringBackend

    class Memory(KeyringBackend):
        priority = 1  # type: ignore[assignment]
        kept: ClassVar[dict[tuple[str, str], str]] = {}

        def get_password(self, service: str, username: str) -> str | None:
            return self.kept.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            self.kept[service, username] = password

        def delete_password(self, service: str, username: str) -> None:
            del self.kept[service, username]

    before = keyring.get_keyring()
    keyring.set_keyring(Memory())
    try:
        profile = make("p", endpoint="http://a", auth="token")
        with pytest.raises(UsageError, match="not in the keyring"):
            vault.secret(profile)
        vault.keep(profile, "s3cret")
        profiles.save(profile)
        assert "s3cret" not in profiles.path().read_text()
        assert vault.secret(profile) == "s3cret"
        vault.forget(profile)
        assert Memory.kept == {}
    finally:
        keyring.set_keyring(before)


def test_a_file_that_is_not_toml_is_named() -> None:
    profiles.path().write_text("[profiles")
    with pytest.raises(UsageError, match="is not TOML"):
        profiles.find(None, {})
