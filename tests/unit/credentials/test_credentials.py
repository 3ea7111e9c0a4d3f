"""What looks like a credential, and what does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_kfp.credentials import allowed, find, find_value
from jupyter_kfp.errors import UsageError
from tests.planted import credentials

PLANTED = credentials()


def test_there_are_fifty_kinds() -> None:
    assert len(PLANTED) >= 50


@pytest.mark.parametrize("kind", PLANTED)
def test_every_kind_is_found_by_its_form_alone(kind: str) -> None:
    value = PLANTED[kind]
    assert list(find(f"x = f({json.dumps(value)})"))
    assert list(find(value)), "printed, without quotes"
    assert find_value("x", value)
    assert find_value("x", {"a": [1, {"b": value}]})


@pytest.mark.parametrize(
    "line",
    [
        "password = 'hunter2'",
        "db_password: str = 'hunter2'",
        'api_key: Optional[str] = "hunter2"',
        "connect(password='hunter2')",
        "os.environ['API_KEY'] = 'hunter2'",
        "%env DB_PASSWORD=hunter2",
        "!export CLIENT_SECRET=hunter2",
        "headers = {'Authorization': 'Bearer abcdef0123456789'}",
    ],
)
def test_a_name_may_say_that_a_value_is_one(line: str) -> None:
    (found,) = find(f"x = 1\n{line}\ny = 2")
    assert found.line == 2


@pytest.mark.parametrize(
    "line",
    [
        "password = os.environ['DB_PASSWORD']",
        "password = '${DB_PASSWORD}'",
        "password = '<your password>'",
        "print('password: ********')",
        "url = f'postgresql://{user}:{password}@db/x'",
        "password_file = '/run/secrets/db'",
        "secret_name = 'db-credentials'",
        "%env DB_PASSWORD=$OTHER",
        "commit = '0a1b2c3d4e5f60718293a4b5c6d7e8f901234567'",
        "digest = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'",
        "uuid = '123e4567-e89b-12d3-a456-426614174000'",
        "path = 's3://bucket/2024/01/01/part-00000-of-00010.parquet'",
        "x = ' APACHESPARK APARTMENTS '",
        "frame.groupby('key').agg(total=('amount', 'sum'))",
        "token = 'hf_' + 'x' * 3",
        "api_key = 'abc'  # pragma: allowlist secret",
    ],
)
def test_what_is_none(line: str) -> None:
    assert list(find(line)) == []


def test_a_library_in_a_page_is_not_searched_for_minutes() -> None:
    assert list(find("password='x';" * 100_000)) == []


def test_what_is_found_is_not_in_the_finding() -> None:
    for value in PLANTED.values():
        (found, *_more) = find(value)
        assert all(line not in repr(found) for line in value.split("\n"))


def test_reasons_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert allowed.of_environment() == {}
    monkeypatch.setenv(allowed.VARIABLE, "token=of the public demo; a=b ")
    assert allowed.of_environment() == {"token": "of the public demo", "a": "b"}
    monkeypatch.setenv(allowed.VARIABLE, "token")
    with pytest.raises(UsageError, match=r"no reason for 'token'\. Write NAME=REASON"):
        allowed.of_environment()


def test_a_baseline_of_detect_secrets_itself(tmp_path: Path) -> None:
    """Made by its own command from notebooks, and read here."""
    line = f"x = {json.dumps(PLANTED['github'])}"
    cell = {"cell_type": "code", "source": [line], "metadata": {}, "outputs": [], "execution_count": None}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "train.ipynb").write_text(json.dumps(notebook, indent=1))
    (tmp_path / "script.py").write_text("# %%\npassword = 'hunter2-and-more'\n")
    scan = [sys.executable, "-m", "detect_secrets", "scan", "--no-verify", "train.ipynb", "script.py"]
    made = subprocess.run(scan, cwd=tmp_path, capture_output=True, check=True, timeout=120).stdout
    (tmp_path / ".secrets.baseline").write_bytes(made)

    def is_known(name: str, source: str) -> bool:
        (found,) = find(source)
        return allowed.allows(allowed.of_baseline(tmp_path, name), found)

    assert is_known("train", line)
    assert is_known("script", "password = 'hunter2-and-more'")
    assert not is_known("train", f"x = {credentials(1)['github']}"), "another token of the same kind"
    assert not is_known("script", "password = 'hunter2-and-less'")
    assert not is_known("other", line)
    entries = json.loads(made)
    for entry in entries["results"]["train.ipynb"]:
        entry["is_secret"] = True  # as `detect-secrets audit` notes it
    (tmp_path / ".secrets.baseline").write_text(json.dumps(entries))
    assert not is_known("train", line)


def test_a_baseline_that_is_none(tmp_path: Path) -> None:
    assert allowed.of_baseline(tmp_path, "train") == frozenset()
    (tmp_path / ".secrets.baseline").write_text("[]")
    with pytest.raises(UsageError, match=r"no baseline of detect-secrets .*detect-secrets scan"):
        allowed.of_baseline(tmp_path, "train")
