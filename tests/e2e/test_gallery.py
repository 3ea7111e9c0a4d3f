"""The gallery: every notebook checks, is drawn, and gives the same results as Run All and as a pipeline.

With its defaults each notebook runs as users run it: Run All in a kernel, the pipeline by the engine. The
other branches run in the interpreter of ``tests/integration/equivalence``, a few seconds each, or
with ``EQUIVALENCE_FULL=1`` by kernel and engine, too.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it publishes no types
import nbformat
import pytest
import yaml
from click.testing import CliRunner
from nbclient import NotebookClient

import jupyter_kfp
from jupyter_kfp.cli import main
from jupyter_kfp.notebook.parameters import read_parameters
from jupyter_kfp.notebook.roles import assign_roles
from jupyter_kfp.notebook.source import read_notebook
from jupyter_kfp.runs import Run
from jupyter_kfp.views.svg import to_svg
from tests.e2e.kserve import DVC_FILE, INFERENCE_SERVICE
from tests.integration.equivalence.case import output_names
from tests.integration.equivalence.describe import describe
from tests.integration.equivalence.fast import FastPipeline
from tests.integration.equivalence.full import compare_full
from tests.integration.equivalence.harness import compiled, run_whole
from tests.integration.equivalence.outcome import Kind, Refused, judge
from tests.integration.equivalence.run_all import code_cells
from tests.integration.equivalence.zygote import Zygote

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LIBRARY = NOTEBOOKS / "team_library"
ALL = sorted(path for path in NOTEBOOKS.rglob("*.ipynb") if path.stem != "quickstart")
# Those of the README's table; the others of the library are parts of one of them.
SHOWN = [path for path in ALL if path.parent != LIBRARY or path.stem == "team_library"]


@dataclass(frozen=True)
class Case:
    """A notebook with parameters, what some of its outputs then are, and the steps that do not run.

    ``also`` looks at the run of the pipeline.
    """

    notebook: str
    params: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    also: Callable[[Run], None] | None = None

    @property
    def path(self) -> Path:
        return NOTEBOOKS / f"{self.notebook}.ipynb"

    @property
    def files(self) -> dict[str, str]:
        """What stands beside the notebook."""
        if self.path.parent == NOTEBOOKS:
            return {}
        beside = sorted(
            path for path in self.path.parent.iterdir() if path.is_file() and path.suffix != ".svg"
        )
        return {path.name: path.read_text("utf-8") for path in beside}

    def __str__(self) -> str:
        return ",".join([self.notebook, *(f"{name}={value}" for name, value in self.params.items())])


def check_manifest(run: Run) -> None:
    """The manifest is one that KServe takes, and has the version of the data that the run's record has."""
    manifest = run.outputs["manifest"]
    jsonschema.validate(manifest, INFERENCE_SERVICE)
    told = yaml.safe_load((NOTEBOOKS / "dvc_kserve" / "customers.csv.dvc").read_text("utf-8"))
    jsonschema.validate(told, DVC_FILE)
    provenance: Any = run.record.origin.provenance
    versions = {
        provenance["dvc"]["customers.csv"]["md5"],
        run.outputs["data_version"],
        manifest["metadata"]["annotations"]["dvc/customers.csv"],
        told["outs"][0]["md5"],
    }
    assert len(versions) == 1
    assert manifest["spec"]["predictor"]["model"]["storageUri"].endswith(versions.pop())
    seen = CliRunner().invoke(main, ["lineage", f"{run.id}:model", "--json"], catch_exceptions=False).stdout
    assert told["outs"][0]["md5"] in seen


def check_audit(run: Run) -> None:
    """The commands of the notebook's text answer for it."""
    assert len(run.outputs["losses"]) == 60
    (row,) = jupyter_kfp.runs.table(["auc", "gap", "losses"], where=["gap < 0.12"], sort=["-auc"])
    assert (row["auc"], row["losses"]) == (run.outputs["auc"], run.outputs["losses"][-1])
    for words in (["approve", f"{run.id}:model", "--by", "Ada Lovelace"], ["lineage", "--verify"]):
        result = CliRunner().invoke(main, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output
    told = CliRunner().invoke(main, ["lineage", f"{run.id}:model"], catch_exceptions=False).stdout
    assert run.id in told
    assert "Ada Lovelace" in told


DEFAULTS = [
    Case(
        "gate", outputs={"stage": "production", "traffic": 1.0, "balanced": True}, skipped={"canary", "hold"}
    ),
    Case("grid_search", outputs={"best_learning_rate": 0.01, "best_batch_size": 32}),
    Case("seeds", outputs={"best_seed": 3}, skipped={"alert"}),
    Case("drift_retraining", outputs={"outcome": "registered"}, skipped={"reject", "without-preprocess"}),
    Case(
        "segments",
        outputs={"segments": ["a-older", "a-younger", "b-older", "b-younger"], "trees_used": 10},
        skipped={"refine-3", "without-refine-1", "without-refine-2"},
    ),
    Case(
        "team_library/team_library",
        outputs={"deployed": True, "endpoint": "https://staging.example.org/wine"},
        skipped={"refuse"},
    ),
    Case("credit_risk", outputs={"verdict": "proposed for approval"}, skipped={"reject"}, also=check_audit),
    Case("fine_tuning", skipped={"keep"}),
    Case(
        "dvc_kserve/dvc_kserve",
        outputs={"outcome": "ready to deploy: churn with 10% of the traffic"},
        skipped={"without-describe"},
        also=check_manifest,
    ),
]
OTHERS = [
    Case("credit_risk", {"largest_gap": 0.001, "epochs": 5}, {"verdict": "rejected"}),
    Case("fine_tuning", {"gain_needed": 0.9}),
    Case("gate", {"training_images": 200}, {"stage": "staging", "balanced": False}),
    Case(
        "gate", {"training_images": 40, "dry_run": True, "channel": "beta"}, {"stage": "none", "traffic": 0.0}
    ),
    Case(
        "grid_search",
        {"learning_rates": [0.003], "batch_sizes": [64, 128], "epochs": 2},
        {"best_batch_size": 64},
    ),
    Case("seeds", {"seeds": [1, 2]}, {"best_seed": 2}),
    Case("drift_retraining", {"scanner_error": 0.0}, {"outcome": "kept: no drift", "entry": {}}),
    Case(
        "drift_retraining",
        {"auc_threshold": 0.999},
        {"outcome": "rejected: the new model is not good enough", "entry": {}},
    ),
    Case("segments", {"smallest_segment": 500, "target_error": 60.0}, {"segments": [], "trees_used": 5}),
    Case(
        "segments", {"smallest_segment": 130, "target_error": 10.0}, {"good_enough": False, "trees_used": 15}
    ),
    Case("team_library/train_and_eval", {"dataset": "iris"}),
    Case("team_library/deploy_to_staging", {}, {"deployed": True}),
    Case("team_library/deploy_to_staging", {"shift": 2.0}, {"deployed": False, "endpoint": ""}),
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> Path:
    """A home for the runs of a test, whose processes have the environment of all such tests."""
    for name in set(os.environ) - set(environment):
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    home = tmp_path / "home"
    monkeypatch.setenv("JUPYTER_KFP_HOME", str(home))
    return home


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    with Zygote(tmp_path_factory.mktemp("zygote"), heavy=True) as zygote:
        yield zygote


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def last_run() -> Run:
    """The only run of this test's home."""
    from jupyter_kfp.store.store import open_store

    store = open_store()
    try:
        (run,) = store.runs(limit=2)
    finally:
        store.close()
    return Run(run.id)


def states(run: Run) -> dict[str, str]:
    """The state of every task by the last part of its path: ``fit[2]``."""
    return {path.rpartition(".")[2]: step.state.value for path, step in run.steps.items()}


def whole_values(directory: Path) -> dict[str, str]:
    """The outputs of Run All, described, which :func:`compare_full` left."""
    values: dict[str, str] = json.loads((directory / "whole.json").read_text())["values"]
    return values


# ---------------------------------------------------------------- as files


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_is_a_clean_file_that_explains_itself(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code[0].source == "%load_ext jupyter_kfp"
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert [cell.id for cell in notebook.cells] == [f"cell-{n:02}" for n in range(len(notebook.cells))]
    assert notebook.cells[0].source.startswith("# ")
    assert output_names(notebook)
    assert notebook.metadata.kfp.description


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_what_its_text_names_is_there(path: Path) -> None:
    text = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (path.parent / target).exists(), target
    for target in re.findall(r"jupyter kfp run (\S+\.ipynb)", text):
        assert any((place / target).exists() for place in (NOTEBOOKS.parent, path.parent)), target
    parameters = {
        p.name for cell in assign_roles(read_notebook(path)).parameters for p in read_parameters(cell)[0]
    }
    assert set(re.findall(r"-p (\w+)=", text)) <= parameters


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_has_no_problems_and_compiles(path: Path) -> None:
    pipeline = jupyter_kfp.load(path)
    assert pipeline.check() == ()
    assert pipeline.compile() == pipeline.compile()


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.stem)
def test_its_picture_is_its_graph(path: Path) -> None:
    now = to_svg(jupyter_kfp.load(path).graph())
    kept = path.with_suffix(".svg")
    if os.environ.get("JUPYTER_KFP_UPDATE_GOLDENS"):
        kept.write_text(now, "utf-8")
    assert kept.read_text("utf-8") == now


def test_all_of_them_are_in_the_readme() -> None:
    text = (NOTEBOOKS.parent / "README.md").read_text("utf-8")
    for path in SHOWN:
        place = path.relative_to(NOTEBOOKS.parent).as_posix()
        assert f"({place})" in text
        assert f"({place.removesuffix('.ipynb')}.svg)" in text


# ---------------------------------------------------------------- run


@pytest.mark.timeout(900)
@pytest.mark.parametrize("case", DEFAULTS, ids=str)
def test_run_all_and_pipeline_agree(case: Case, tmp_path: Path, home: Path) -> None:
    verdict = compare_full(read(case.path), tmp_path, case.params, case.files)
    assert verdict.kind is Kind.EQUAL, verdict.detail
    values = whole_values(tmp_path)
    assert set(values) == set(output_names(read(case.path)))
    assert {name: values[name] for name in case.outputs} == {n: describe(v) for n, v in case.outputs.items()}
    run = last_run()
    assert run.state.value == "SUCCEEDED"
    ended = states(run)
    assert {name for name, state in ended.items() if state == "SKIPPED"} == case.skipped
    assert set(ended.values()) <= {"SUCCEEDED", "SKIPPED"}
    if case.also is not None:
        case.also(run)


@pytest.mark.parametrize("case", OTHERS, ids=str)
def test_other_branches_agree(case: Case, tmp_path: Path, home: Path, zygote: Zygote) -> None:
    notebook = read(case.path)
    for name, text in case.files.items():
        (tmp_path / name).write_text(text, "utf-8")
    nbformat.write(notebook, tmp_path / "notebook.ipynb")
    ir, warnings = compiled(tmp_path / "notebook.ipynb")
    assert not isinstance(ir, Refused)
    assert not warnings
    pipeline = FastPipeline(ir, zygote, tmp_path / "pipeline").run(case.params)
    whole = run_whole(notebook, zygote, tmp_path, case.params, pipeline, case.files)
    verdict = judge(whole, pipeline)
    assert verdict.kind is Kind.EQUAL, verdict.detail
    assert {n: whole["values"][n] for n in case.outputs} == {n: describe(v) for n, v in case.outputs.items()}


@pytest.mark.timeout(900)
@pytest.mark.skipif(
    not os.environ.get("EQUIVALENCE_FULL"), reason="EQUIVALENCE_FULL=1 runs these, in minutes"
)
@pytest.mark.parametrize("case", OTHERS, ids=str)
def test_other_branches_agree_in_engine_and_kernel(case: Case, tmp_path: Path, home: Path) -> None:
    verdict = compare_full(read(case.path), tmp_path, case.params, case.files)
    assert verdict.kind is Kind.EQUAL, verdict.detail
    values = whole_values(tmp_path)
    assert {name: values[name] for name in case.outputs} == {n: describe(v) for n, v in case.outputs.items()}


@pytest.mark.timeout(600)
def test_an_iteration_that_fails_keeps_the_list_from_being_made(tmp_path: Path, home: Path) -> None:
    params = {"seeds": [1, 2], "broken_seed": 1}
    verdict = compare_full(read(NOTEBOOKS / "seeds.ipynb"), tmp_path, params, {})
    assert verdict.kind is Kind.BOTH_FAIL, verdict.detail
    ended = states(last_run())
    assert ended["fit[0]"] == "FAILED"
    assert (ended["fit[1]"], ended["evaluate[1]"]) == ("SUCCEEDED", "SUCCEEDED")
    assert {ended[step] for step in ("pick-best", "deploy", "alert", "summary")} == {"SKIPPED"}


# ---------------------------------------------------------------- what notebooks say is refused


def changed(path: Path, before: str, after: str, place: Path) -> Path:
    """A copy of a notebook and of all beside it, with another text in one cell."""
    for other in path.parent.glob("*.ipynb"):
        (place / other.name).write_text(other.read_text("utf-8"), "utf-8")
    notebook = read(path)
    (cell,) = [cell for cell in notebook.cells if cell.cell_type == "code" and before in cell.source]
    cell.source = cell.source.replace(before, after)
    nbformat.write(notebook, place / path.name)
    return place / path.name


def test_an_input_that_a_library_notebook_does_not_have_is_named(tmp_path: Path) -> None:
    path = changed(LIBRARY / "team_library.ipynb", "dataset = name", "data = name", tmp_path)
    (found,) = jupyter_kfp.load(path).check()
    assert (found.code, found.step) == ("K234", "train_and_eval")
    assert "`data`" in found.message
    assert "`dataset`" in found.message


def test_an_input_that_a_library_notebook_needs_is_named(tmp_path: Path) -> None:
    changed(LIBRARY / "train_and_eval.ipynb", 'dataset: str = "wine"', "dataset: str", tmp_path)
    library = (tmp_path / "train_and_eval.ipynb").read_text("utf-8")
    path = changed(LIBRARY / "team_library.ipynb", "dataset = name\n", "", tmp_path)
    (tmp_path / "train_and_eval.ipynb").write_text(library, "utf-8")
    (found,) = jupyter_kfp.load(path).check()
    assert (found.code, found.step) == ("K233", "train_and_eval")
    assert "`dataset`" in found.message


def test_a_boolean_is_no_text(tmp_path: Path) -> None:
    path = changed(NOTEBOOKS / "gate.ipynb", "--if balanced", '--if balanced == "true"', tmp_path)
    (found,) = jupyter_kfp.load(path).check()
    assert (found.code, found.step) == ("K230", "publish_scores")


# ---------------------------------------------------------------- the exit handler


@dataclass
class Webhook:
    """A server that stands for Slack: where it listens, and what it was told."""

    url: str
    messages: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.messages.append(json.loads(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received = Webhook(f"http://127.0.0.1:{server.server_address[1]}/services/T0/B0")
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield received
        server.shutdown()
        thread.join()


SUCCEEDED = {"text": "Training of the wine model: SUCCEEDED", "state": "SUCCEEDED", "error": None}


@pytest.fixture
def exit_run(tmp_path: Path, home: Path, webhook: Webhook) -> Callable[..., Kind]:
    """The notebook of the exit handler, both ways."""

    def compare(**params: Any) -> Kind:
        notebook = read(NOTEBOOKS / "exit_handler.ipynb")
        return compare_full(notebook, tmp_path, {"webhook": webhook.url, **params}, {}).kind

    return compare


@pytest.mark.timeout(600)
def test_the_webhook_is_told_of_success(exit_run: Callable[..., Kind], webhook: Webhook) -> None:
    assert exit_run() is Kind.EQUAL
    assert webhook.messages == [SUCCEEDED, SUCCEEDED]  # the pipeline, and Run All


@pytest.mark.timeout(600)
def test_the_webhook_is_told_of_failure(exit_run: Callable[..., Kind], webhook: Webhook) -> None:
    assert exit_run(broken_sensors=3) is Kind.BOTH_FAIL
    (message,) = webhook.messages  # Run All has stopped before
    assert message["state"] == "FAILED"
    assert "validate" in message["error"]
    ended = states(last_run())
    assert (ended["validate"], ended["train"], ended["notify"]) == ("FAILED", "SKIPPED", "SUCCEEDED")


def test_the_live_notebook_tells_of_a_failure_too(tmp_path: Path, home: Path, webhook: Webhook) -> None:
    """Run All stops where `validate` fails; whoever then runs the exit step by hand has it tell so."""
    params = {"webhook": webhook.url, "broken_sensors": 3}
    sources = [source for _, source in code_cells(read(NOTEBOOKS / "exit_handler.ipynb"), params)]
    failing = next(n for n, source in enumerate(sources) if source.startswith("%%component validate"))
    (last,) = [source for source in sources if source.startswith("%%component notify")]
    cells = [nbformat.v4.new_code_cell(source) for source in [*sources[: failing + 1], last]]
    live = nbformat.v4.new_notebook(cells=cells)
    place = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(live, kernel_name="python3", resources=place, allow_errors=True).execute()
    (message,) = webhook.messages
    assert message["state"] == "FAILED"
    assert "23% of the measurements are missing" in message["error"]
