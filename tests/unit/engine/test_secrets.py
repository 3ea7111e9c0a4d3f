from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend

from jupyter_kfp.api import load
from jupyter_kfp.engine import ir, secrets
from jupyter_kfp.engine.plan import Container, Plan
from jupyter_kfp.errors import DiagnosticsError, UsageError
from tests.planted import credentials
from tests.unit.engine.building import pipeline, shell, task


def plan(*, optional: bool = False) -> Plan:
    entry = {
        "secretName": "db",
        "keyToEnv": [{"secretKey": "password", "envVar": "DB_PASSWORD"}],
        "optional": optional,
    }
    settings = {"configMapName": "c", "keyToEnv": [{"configMapKey": "k", "envVar": "SETTING"}]}
    config = {"exec-a": {"secretAsEnv": [entry], "configMapAsEnv": [settings]}}
    return ir.read(pipeline({"a": task(shell("x"))}, kubernetes=config))


def container(plan: Plan) -> Container:
    executor = plan.executors["exec-a"]
    assert isinstance(executor, Container)
    return executor


def test_a_dotenv_file() -> None:
    text = """
    # comment
    A=1
    export B = "two words"
    C='#not a comment'
    D=x # a comment
    E=a=b
    not an assignment
    F=
    """
    expected = {"A": "1", "B": "two words", "C": "#not a comment", "D": "x", "E": "a=b", "F": ""}
    assert secrets.parse(text) == expected


def test_the_environment_wins_over_the_file_and_the_variable_over_the_key() -> None:
    read = container(plan())
    values = secrets.Values({"password": "from the key"}, {"DB_PASSWORD": "from the file"})
    assert values.variables(read) == {"DB_PASSWORD": "from the file"}
    values = secrets.Values({"DB_PASSWORD": "from the environment"}, {"DB_PASSWORD": "from the file"})
    assert values.variables(read) == {"DB_PASSWORD": "from the environment"}


class Keys(KeyringBackend):
    """A keyring with one password, which is none that is found by itself."""

    priority = -1

    def get_password(self, service: str, username: str) -> str | None:
        return "kept-in-a-keyring" if (service, username) == ("jupyter-kfp/db", "password") else None

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError

    def delete_password(self, service: str, username: str) -> None:
        raise NotImplementedError


def test_the_keyring_has_what_is_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = keyring.get_keyring()
    keyring.set_keyring(Keys())
    try:
        values = secrets.Values({"SETTING": "blue"})
        assert values.variables(container(plan())) == {"DB_PASSWORD": "kept-in-a-keyring", "SETTING": "blue"}
        assert values.hidden(plan()) == ["kept-in-a-keyring"]
        assert secrets.Values({"DB_PASSWORD": "set"}).hidden(plan()) == ["set"]
        monkeypatch.delenv("DB_PASSWORD", raising=False)
        secrets.check(plan(), secrets.load(tmp_path))
    finally:
        keyring.set_keyring(before)


def test_only_secrets_are_hidden_not_settings() -> None:
    values = secrets.Values({"DB_PASSWORD": "hunter2", "SETTING": "blue"})
    assert values.variables(container(plan())) == {"DB_PASSWORD": "hunter2", "SETTING": "blue"}
    assert values.hidden(plan()) == ["hunter2"]


def test_a_secret_without_a_value_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DB_PASSWORD", raising=False)
    monkeypatch.delenv("password", raising=False)
    with pytest.raises(
        UsageError,
        match=r"'a' needs the key 'password' of the secret 'db' .*Set DB_PASSWORD .*\.env, or `keyring set jupyter-kfp/db password`",
    ):
        secrets.check(plan(), secrets.load(tmp_path))
    secrets.check(plan(optional=True), secrets.load(tmp_path))
    (tmp_path / ".env").write_text("DB_PASSWORD=hunter2")
    secrets.check(plan(), secrets.load(tmp_path))


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(UsageError, match=r"\.env cannot be read"):
        secrets.load(tmp_path)


def test_a_compiled_pipeline_with_secrets_in_the_clear(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    token = credentials()["github"]
    text = pipeline(
        {
            "a": task(
                {**shell("x"), "env": [{"name": "TOKEN", "value": token}, {"name": "MODE", "value": "fast"}]}
            )
        },
        parameters={"db_password": ("STRING", "hunter2")},
    )
    found = secrets.in_clear(ir.read(text))
    assert [finding.message.partition(" seems")[0] for finding in found] == [
        "the default of the parameter 'db_password'",
        "the variable TOKEN of 'a'",
    ]
    assert not any(token in str(finding) or "hunter2" in str(finding) for finding in found)
    (tmp_path / "p.yaml").write_text(text)
    loaded = load(tmp_path / "p.yaml")
    assert loaded.check() == found
    for use in (loaded.compile, loaded.run, loaded.submit):
        with pytest.raises(DiagnosticsError, match="K306"):
            use()
    monkeypatch.setenv("JUPYTER_KFP_ALLOW_SECRETS", "TOKEN=of the demo; db_password=local")
    assert load(tmp_path / "p.yaml").compile() == text
