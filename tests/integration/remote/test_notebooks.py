"""Notebooks on a cluster whose pipeline root is an S3-compatible store; whatever compiles is accepted."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings

from jupyter_kfp.api import load
from jupyter_kfp.live.loading import load as load_step
from jupyter_kfp.remote import profiles, versions
from jupyter_kfp.remote.profile import make
from jupyter_kfp.runs import Run
from jupyter_kfp.store.loading import ConsentError
from jupyter_kfp.store.records import State
from tests.integration.equivalence.case import CORPUS, parse_case, parse_cells
from tests.integration.equivalence.harness import compiled, write_files
from tests.integration.equivalence.test_law import STRATEGIES
from tests.kfp_server import process

_CELLS = (
    ("parameters", "scale: float = 2.0"),
    ("step:make", "values = [scale, 2 * scale]\ntotal: float = sum(values)"),
    ("", "%%component square --for n in [0, 1] --collect squares=square\nsquare = {n: values[n] ** 2}"),
    ("step:report", "text = f'{values} {total} {squares}'\nprint('reporting')"),
    ("outputs", "total\ntext"),
)
_TEXT = "[3.0, 6.0] 9.0 [{0: 9.0}, {1: 36.0}]"


@pytest.fixture(scope="module")
def s3(s3_environment: dict[str, str]) -> Iterator[None]:
    """A server that speaks S3, known to every client of it here and on the cluster."""
    from moto.server import ThreadedMotoServer

    port = int(s3_environment["AWS_ENDPOINT_URL"].rpartition(":")[2])
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in s3_environment.items():
            patch.setenv(variable, value)
        import s3fs

        s3fs.S3FileSystem().mkdir("pipelines")
        yield
    server.stop()


def notebook(path: Path) -> Path:
    cells = [nbformat.v4.new_code_cell(s, metadata={"tags": [tag]} if tag else {}) for tag, s in _CELLS]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


@pytest.mark.usefixtures("s3")
def test_a_notebook_leaves_the_same_there_as_here(cluster: process.Cluster, tmp_path: Path) -> None:
    profiles.save(make("s3", endpoint=cluster.url, pipeline_root="minio://pipelines/v2"))
    submission = load(notebook(tmp_path / "nb.ipynb")).submit({"scale": 3.0})
    check(Run(submission.run_id).wait(), "s3://pipelines/v2/nb/")


@pytest.mark.usefixtures("s3")
def test_the_local_engine_keeps_artifacts_there_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_KFP_ARTIFACT_ROOT", "s3://pipelines/here")
    check(load(notebook(tmp_path / "nb.ipynb")).run(scale=3.0), "s3://pipelines/here/")


def check(run: Run, root: str) -> None:
    """The results of the notebook, whoever ran it, are under ``root`` and can be fetched from there."""
    assert run.state is State.SUCCEEDED, run.error
    assert run.outputs["total"] == 9.0
    assert run.outputs["text"] == _TEXT
    made = run["make"]
    assert made.artifacts["values"].uri.startswith(root)
    assert made.artifacts["values"].load() == [3.0, 6.0]
    assert made.artifacts["values"].metadata["python_type"]
    assert made.record.input_parameters["scale"] == 3.0
    squares = [step for path, step in run.steps.items() if path.endswith(("square[0]", "square[1]"))]
    # Times are to the second there: of two that ended in the same one it is not known which is which.
    found = [step.artifacts["square"].load(allow_pickle=True) for step in squares]
    assert sorted(map(str, found)) == ["{0: 9.0}", "{1: 36.0}"]
    for step in (made, *squares):
        executed = step.notebook
        assert executed is not None
        assert executed.is_file()
    assert "total" in made.notebook.read_text()
    assert "reporting" in run["report"].log
    space: dict[str, Any] = {}
    if run.url is not None:
        with pytest.raises(ConsentError, match="--allow-pickle"):
            load_step(run, "report", space, lambda _code: None)
    told = load_step(
        run, "report", space, lambda code: pytest.fail(f"there is no code: {code}"), allow_pickle=True
    )
    assert (space["values"], space["total"]) == ([3.0, 6.0], 9.0)
    assert sorted(map(str, space["squares"])) == ["{0: 9.0}", "{1: 36.0}"]
    assert "total = 9.0" in told
    load_step(run, "report", space, lambda _code: None, outputs=True)
    assert space["text"] == run.outputs["text"]


@pytest.mark.parametrize("path", sorted(CORPUS.glob("control_*.ipy"))[::16], ids=lambda path: path.stem)
def test_whatever_compiles_is_accepted(path: Path, cluster: process.Cluster, tmp_path: Path) -> None:
    profiles.save(make("here", endpoint=cluster.url))
    case = parse_case(path.stem, path.read_text())
    accepted = None if case.expect[0] == "diagnostic" else True
    assert uploaded(case.notebook, case.files, tmp_path) is accepted


@pytest.mark.parametrize("kind", STRATEGIES)
def test_whatever_is_made_up_and_compiles_is_accepted(kind: str, cluster: process.Cluster) -> None:
    profiles.save(make("here", endpoint=cluster.url))
    seen = []

    @settings(max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(STRATEGIES[kind]())
    def law(text: str) -> None:
        with tempfile.TemporaryDirectory() as directory:
            seen.append(uploaded(parse_cells(text), {}, Path(directory)))
        assert seen[-1] is not False

    law()
    assert seen.count(True) > 2


def uploaded(notebook: nbformat.NotebookNode, files: Mapping[str, str], directory: Path) -> bool | None:
    """Whether the server takes a notebook's pipeline; None where it is not meant to compile."""
    nbformat.write(notebook, directory / "nb.ipynb")
    write_files(files, directory)
    found, _warnings = compiled(directory / "nb.ipynb")
    if not isinstance(found, str):
        return None
    return bool(versions.upload(found, name="accepted").version_id)
