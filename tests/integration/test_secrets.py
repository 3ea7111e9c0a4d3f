"""Secrets from end to end: planted as literals they are refused everywhere, given to a run they are found nowhere."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from jupyter_kfp.api import load
from jupyter_kfp.errors import DiagnosticsError, UsageError
from jupyter_kfp.remote import profiles
from jupyter_kfp.remote.profile import make
from jupyter_kfp.runs import Run, StepRun
from jupyter_kfp.store.records import State
from tests.integration.remote.conftest import cluster, s3_environment, server
from tests.kfp_server import process
from tests.planted import credentials, spelt

__all__ = ["cluster", "s3_environment", "server"]

PLANTED = credentials()
VARIABLES = {f"PLANTED_{number}": value for number, value in enumerate(PLANTED.values())}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_KFP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    return tmp_path / "home"


def cell(source: str, *tags: str, **more: Any) -> dict[str, Any]:
    base = {"cell_type": "code", "metadata": {"tags": list(tags)}, "outputs": [], "execution_count": None}
    return {**base, "source": source, **more}


def notebook(directory: Path, *cells: dict[str, Any], **metadata: Any) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    document = {"cells": list(cells), "metadata": {"kfp": metadata}, "nbformat": 4, "nbformat_minor": 4}
    (directory / "nb.ipynb").write_text(json.dumps(document))
    return directory / "nb.ipynb"


def leaked(text: str | bytes) -> list[str]:
    """The kinds of which something stands in a text."""
    plain = text if isinstance(text, str) else text.decode("utf-8", "replace")
    return [kind for kind, value in PLANTED.items() if any(form in plain for form in spelt(value))]


def planted(directory: Path, where: str) -> tuple[Path, int]:
    """A notebook with every kind in such a place, and in how many places they are."""
    values = list(PLANTED.values())
    ok = cell("x = 1", "step:a")
    match where:
        case "sources":
            cells = [cell(f"x{n} = {json.dumps(v)}", f"step:s{n}") for n, v in enumerate(values)]
            return notebook(directory, *cells), len(values)
        case "parameters":
            text = "\n".join(f"p{n}: str = {json.dumps(v)}" for n, v in enumerate(values))
            return notebook(directory, cell(text, "parameters"), ok), len(values)
        case "environment":
            metadata = {"tags": ["step:a"], "kfp": {"env": {f"E{n}": v for n, v in enumerate(values)}}}
            return notebook(directory, cell("x = 1", metadata=metadata)), len(values)
        case _:
            outputs = [{"output_type": "stream", "name": "stdout", "text": f"a\n{v}\n"} for v in values]
            return notebook(directory, cell("x = 1", "step:a", outputs=outputs)), len(values)


@pytest.mark.parametrize("where", ["sources", "parameters", "environment", "outputs"])
def test_literals_are_refused_at_check_compile_and_submit(
    where: str, tmp_path: Path, cluster: process.Cluster
) -> None:
    profiles.save(make("test", endpoint=cluster.url))
    path, count = planted(tmp_path / "project", where)
    found = [d for d in load(path).check() if d.code in ("K306", "K310")]
    assert len(found) == count >= 50
    assert all(d.cell is not None for d in found)
    assert where not in ("sources", "parameters") or all(d.line is not None for d in found)
    assert leaked(str([str(d) for d in found])) == []
    loaded = load(path)
    for use in (loaded.compile, loaded.run, loaded.submit, loaded.export):
        with pytest.raises(DiagnosticsError) as refused:
            use()
        assert leaked(str(refused.value)) == []
    assert cluster.requests() == []


def test_values_given_to_a_run_are_refused_too(tmp_path: Path, cluster: process.Cluster) -> None:
    profiles.save(make("test", endpoint=cluster.url))
    loaded = load(
        notebook(tmp_path / "project", cell("text: str = ''", "parameters"), cell("x = text", "step:a"))
    )
    for value in list(PLANTED.values())[::10]:
        with pytest.raises(UsageError, match="parameter 'text' seems to be a secret") as refused:
            loaded.start({"text": value})
        assert leaked(str(refused.value)) == []
    with pytest.raises(UsageError, match="seems to be a secret"):
        loaded.submit({"text": PLANTED["github"]})
    assert cluster.requests() == []


LEAKY = """
import base64, json, logging, os, sys, urllib.parse
given = {name: value for name, value in os.environ.items() if name.startswith('PLANTED_')}
assert len(given) == COUNT, len(given)
for name, value in given.items():
    print(name, value)
    sys.stderr.write(value[:7])
    sys.stderr.flush()
    sys.stderr.write(value[7:] + '\\n')
    print(urllib.parse.quote(value, safe=''), json.dumps({name: value}), repr(value))
    print(base64.b64encode(value.encode()).decode(), base64.b64encode(f'user:{value}'.encode()).decode())
    logging.getLogger(name).error('with %s', value)
os.system('echo "from a shell: $PLANTED_20"')
display(given)
"""


def test_secrets_given_to_a_run_are_in_nothing_it_leaves(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, cluster: process.Cluster
) -> None:
    """Printed, logged, raised and returned, in a loop and by the last step: files, store and requests are searched."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    leaky = LEAKY.replace("COUNT", str(len(VARIABLES)))
    path = notebook(
        tmp_path / "project",
        cell(f"%%component prints\n{leaky}\nmade: int = len(given)"),
        cell(
            "%%component returns_text --after prints\nimport os\ntext: str = 'it is ' + os.environ['PLANTED_20']"
        ),
        cell(
            "%%component returns_value --after prints\nimport os\nvalue = {'k': [os.environ['PLANTED_20'], {1, 2}]}"
        ),
        cell(f"%%component loops --for n in [0, 1]\n{leaky}\nraise ValueError(str(n) + str(given))"),
        cell(f"%%component last --on-exit\n{leaky}"),
        cell("made\ntext\nvalue", "outputs"),
        secret=[{"name": "all", "key": name.lower(), "env": name} for name in VARIABLES],
    )
    loaded = load(path)
    run = loaded.run()
    assert run.state is State.FAILED

    def ended(name: str, state: State) -> list[StepRun]:
        found = [step for path, step in run.steps.items() if path.partition("[")[0].endswith(name)]
        assert {step.state for step in found} == {state}, [step.log for step in found]
        return found

    (prints,), (last,) = ended("prints", State.SUCCEEDED), ended("last", State.SUCCEEDED)
    for name, output in (("returns-text", "text"), ("returns-value", "value")):
        (returns,) = ended(name, State.FAILED)
        assert (returns.error or "").startswith(f"The output '{output}' holds the value of a secret")
    failed = ended("loops", State.FAILED)
    assert len(failed) == 2
    assert all("ValueError" in (step.error or "") for step in failed)
    assert all(step.log.count("****") > 8 * len(VARIABLES) for step in (prints, last, *failed))
    assert "from a shell: ****" in prints.log
    assert prints.notebook is not None
    assert "****" in prints.notebook.read_text()

    files = [file for file in home.rglob("*") if file.is_file() and not file.is_symlink()]
    assert {"log.txt", "executor_output.json", "executed_notebook", "executed_html"} <= {
        f.name for f in files
    }
    assert any(file.name.startswith("store.sqlite") for file in files)
    found = {str(file.relative_to(home)): kinds for file in files if (kinds := leaked(file.read_bytes()))}
    assert found == {}
    assert leaked(json.dumps(run.as_dict())) == []
    assert leaked(loaded.compile()) == []

    profiles.save(make("test", endpoint=cluster.url))
    cluster.control(hold=True)
    Run(loaded.submit().run_id).cancel()
    sent = cluster.requests()
    assert any("PLANTED_20" in json.dumps(each) for each in sent), "the names travel"
    assert leaked(json.dumps(sent)) == []
    assert leaked(os.fsencode(str(sent))) == []
