"""A notebook in, KFP DSL in Python out. What it does when it runs is tested in ``tests/integration/export``."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from jupyter_kfp.compiler.export import export_pipeline
from jupyter_kfp.errors import DiagnosticsError
from jupyter_kfp.options import PipelineOptions, StepOptions
from jupyter_kfp.pipeline import (
    ArtifactType,
    Code,
    Constant,
    External,
    FromParameter,
    FromStep,
    Input,
    Output,
    Parameter,
    ParameterType,
    Pipeline,
    PipelineOutput,
    Step,
    ValueType,
)
from tests.unit.notebook.writing import analysis_of

from .cases import STRING, one_step
from .test_options import PLACES

DATA = Path(__file__).parent / "data"

TRAINING = """
# %% parameters
path: str = "it's \\"here\\""
rates: list[float] = [0.1, 1.0]
grid: dict = {"depth": [1, 2.5], "on": True}
label: str = None

# %% imports
import math
import statistics as stats

# %% functions
# How far apart they are.
def spread(values):
    # Twice, on purpose.
    return 2 * stats.pstdev(values)

# %%
%%component load --memory 8G --secret s:k=TOKEN
points = [math.sqrt(n) for n in range(10)]
text = \"\"\"first
  second\"\"\"

# %%
%%component train --for rate in rates --collect losses=loss --parallelism 2
loss: float = rate * spread(points)

# %%
%%component choose --if path != "it's"
best: float = min(losses)

# %%
%%component skip --else
best: float = 0.0

# %%
%%component report
print(best, label, grid, text)
total = sum(losses)

# %%
%%component clean --on-exit
print(status.state, path)
"""


def exported(text: str) -> str:
    """The notebook that ``text`` writes down, exported."""
    analysis = analysis_of(text)
    assert analysis.ok, analysis.diagnostics
    cells = {cell.index: cell.source for cell in analysis.reading.notebook.cells}
    return export_pipeline(analysis.pipeline, cells).text


def ruff(text: str, *arguments: str) -> str:
    """What ruff says of the text, with its default rules and lines of 100 characters."""
    command = [sys.executable, "-m", "ruff", *arguments, "--isolated", "--stdin-filename", "p.py", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def compiled(text: str, directory: Path) -> list[dict[str, Any]]:
    """The documents that the exported file, run as a program, compiles. It cannot import this package."""
    file = directory / "exported.py"
    file.write_text(text)
    blocked = "import sys, runpy; sys.modules['jupyter_kfp'] = None; runpy.run_path(sys.argv[1], run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", blocked, file.name], cwd=directory, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (made,) = directory.glob("*.yaml")
    return list(yaml.safe_load_all(made.read_text()))


def test_golden() -> None:
    """The whole file, legible. ``JUPYTER_KFP_UPDATE_GOLDENS=1`` writes it anew, to be reviewed."""
    golden = DATA / "exported.py.txt"
    text = exported(TRAINING)
    if os.environ.get("JUPYTER_KFP_UPDATE_GOLDENS"):
        golden.write_text(text)
    assert text == golden.read_text()


def test_formatters_and_linters_accept_it() -> None:
    text = exported(TRAINING)
    assert ruff(text, "format", "--line-length", "100", "--diff") == ""
    assert ruff(text, "check") == ""
    # The notebook's code is let through as it is; what is written here needs no such leave.
    assert ruff(text, "check", "--ignore-noqa", "--select", "E4,E7,E9,F", "--ignore", "E712,F401,F841") == ""


def test_kfp_alone_compiles_it(tmp_path: Path) -> None:
    (spec,) = [d for d in compiled(exported(TRAINING), tmp_path) if "root" in d]
    defaults = {n: p.get("defaultValue") for n, p in spec["root"]["inputDefinitions"]["parameters"].items()}
    assert defaults == {
        "path": 'it\'s "here"',
        "rates": [0.1, 1.0],
        "grid": {"depth": [1.0, 2.5], "on": True},
        "label": None,
    }
    assert set(spec["components"]) >= {"comp-clean", "comp-load", "comp-train", "comp-choose", "comp-report"}


def test_the_same_notebook_gives_the_same_text() -> None:
    assert exported(TRAINING) == exported(TRAINING)


# option -> (options to give, what the exported file must hold)
CALLS: dict[str, str] = {
    "image": 'base_image="me/my:1"',
    "packages": 'packages_to_install=["a>=1", "b"',
    "cpu": 'train_task.set_cpu_limit("500m")',
    "cpu_request": 'train_task.set_cpu_request("0.5")',
    "memory": 'train_task.set_memory_limit("8G")',
    "memory_request": 'train_task.set_memory_request("1610612736")',
    "gpu": "train_task.set_accelerator_limit(2)",
    "accelerator": 'train_task.set_accelerator_type("amd.com/gpu")',
    "retries": "train_task.set_retry(num_retries=3)",
    "backoff": 'train_task.set_retry(num_retries=1, backoff_duration="90s")',
    "backoff_factor": "train_task.set_retry(num_retries=1, backoff_factor=1.5)",
    "backoff_max": 'train_task.set_retry(num_retries=1, backoff_max_duration="7200s")',
    "timeout": "kubernetes.set_timeout(train_task, seconds=900)",
    "cache": "train_task.set_caching_options(True)",
    "cache_key": "train_task.set_caching_options(True, cache_key=\"v1 'x'\")",
    "pickle": 'train_task.set_env_variable(name="JUPYTER_KFP_NO_PICKLE", value="1")',
    "env": 'train_task.set_env_variable(name="A", value="1")',
    "secret": """kubernetes.use_secret_as_env(
        train_task,
        secret_name="s",
        secret_key_to_env={"k": "E"},
        optional=True,
    )""",
    "configmap": 'kubernetes.use_config_map_as_volume(train_task, config_map_name="c", mount_path="/etc/c")',
    "volume": 'kubernetes.mount_pvc(train_task, pvc_name="data", mount_path="/data", sub_path="sub/path")',
    "empty_dir": 'kubernetes.empty_dir_mount(train_task, volume_name="empty-dir-2", mount_path="/tmp/x")',
    "shm": 'mount_path="/dev/shm"',
    "node_selector": 'kubernetes.add_node_selector(train_task, label_key="disk", label_value="ssd")',
    "tolerations": 'kubernetes.add_toleration(train_task, operator="Exists", toleration_seconds=60)',
    "affinity": "kubernetes.add_node_affinity_json(",
    "labels": 'kubernetes.add_pod_label(train_task, label_key="a", label_value="b")',
    "annotations": 'kubernetes.add_pod_annotation(train_task, annotation_key="a", annotation_value="b c")',
    "image_pull_secret": 'kubernetes.set_image_pull_secrets(train_task, secret_names=["regcred"])',
    "service_account": 'service_account="trainer"',
    "display_name": 'train_task.set_display_name("Fit it")',
    "outputs": 'NamedTuple("Outputs", [("accuracy", float)])',
}


@pytest.mark.parametrize("option", StepOptions.model_fields)
def test_every_option_is_in_the_file(option: str) -> None:
    assert option in CALLS, f"the option {option} is lost when a pipeline is exported"
    found = export_pipeline(one_step(**PLACES[option][0]))
    assert CALLS[option] in found.text
    assert ruff(found.text, "format", "--line-length", "100", "--diff") == ""


def test_kfp_takes_every_call(tmp_path: Path) -> None:
    given: dict[str, Any] = {}
    for option, (options, _, _) in PLACES.items():
        given |= options if option not in ("cache", "gpu") else {}
    given["volume"] = "claim/sub=/data"  # the name of the claim and of the secret may not be one
    documents = compiled(export_pipeline(one_step(**given)).text, tmp_path)
    config = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-train"]
    assert config["secretAsEnv"][0]["secretName"] == "s"
    assert config["activeDeadlineSeconds"] == "900"


def test_a_limit_on_the_age_of_results_is_warned_about() -> None:
    found = export_pipeline(one_step(cache="24h"))
    assert [w.code for w in found.warnings] == ["export-cache"]


@pytest.mark.parametrize("option", PipelineOptions.model_fields)
def test_every_pipeline_option_is_in_the_file(option: str) -> None:
    given = "s3://x/it's" if option == "pipeline_root" else 'It is "mine"'
    assert repr(given)[1:-1].replace("\\'", "'") in export_pipeline(
        replace(one_step(), options=PipelineOptions(**{option: given}))
    ).text.replace('\\"', '"')


def test_foreign_components_and_other_notebooks(tmp_path: Path) -> None:
    inner = Pipeline(
        "inner",
        (
            Step(
                "double",
                (Code("twice = word * 2", 0),),
                inputs=(Input("word", STRING, FromParameter("word")),),
                outputs=(Output("twice", STRING),),
            ),
        ),
        (Parameter("word", STRING, "x"),),
        (PipelineOutput("twice", STRING, FromStep("double", "twice")),),
    )
    pipeline = Pipeline(
        "outer",
        (
            External(
                "nested",
                inner,
                (Input("word", STRING, Constant("'{{'")),),
                (Output("twice", STRING),),
                options=StepOptions(cache=False),
            ),
            External("theirs", COMPONENT, options=StepOptions(image="other:2", cpu="1")),
            Step(
                "double",
                (Code("print(twice)", 0),),
                inputs=(Input("twice", STRING, FromStep("nested", "twice")),),
                after=("theirs",),
            ),
        ),
    )
    text = export_pipeline(pipeline).text
    assert "nested_task = inner(word=\"'{{'\")" in text
    assert (
        "double_task.set_caching_options(False)" in text
    )  # KFP does not tell the steps of a nested pipeline
    assert 'theirs_task.set_container_image("other:2")' in text
    assert ruff(text, "format", "--line-length", "100", "--diff") == ""
    spec = compiled(text, tmp_path)[0]
    assert set(spec["root"]["dag"]["tasks"]) == {"inner", "double-2", "hello"}
    assert spec["root"]["dag"]["tasks"]["double-2"]["taskInfo"]["name"] == "double"
    assert spec["root"]["dag"]["tasks"]["double-2"]["dependentTasks"] == ["hello", "inner"]


COMPONENT = textwrap.dedent(
    """\
    name: hello
    implementation:
      container:
        image: "alpine"
        command: [echo, 'it''s "here"']
    """
)


@pytest.mark.parametrize(
    "value",
    ["plain", "it's", 'say "no"', "both ' and \"", "{{ }} $HOME $$ %s", "a\nb\t\\", "größe \u2028 \x00", ""],
)
def test_literals_give_their_values_back(value: str) -> None:
    from jupyter_kfp.compiler.export.layout import block, flat, literal

    assert eval(flat(literal([value, {value: (1.0, None, True)}]))) == [value, {value: (1.0, None, True)}]
    assert eval(block(f"{value}\n{value}\n")) == f"{value}\n{value}\n"
    assert ruff(f"x = {flat(literal(value))}\n", "format", "--diff") == ""


def test_outputs_behind_an_exit_handler_are_warned_about() -> None:
    analysis = analysis_of(TRAINING + "\n# %% outputs\ntotal\n")
    found = export_pipeline(analysis.pipeline)
    assert [w.code for w in found.warnings] == ["export-outputs"]
    assert "total" in found.warnings[0].message


def test_a_default_that_kfp_refuses_is_an_error() -> None:
    parameter = Parameter("p", ValueType(ParameterType.LIST), [None], cell=2, line=1)
    with pytest.raises(DiagnosticsError, match=r"cell 3, line 1: .*'p' contains None"):
        export_pipeline(replace(one_step(), parameters=(parameter,)))


def test_helpers_have_names_that_no_cell_uses() -> None:
    text = exported("# %% step:a\nsave_value = {1}\n# %% step:b\nprint(save_value)\n")
    assert "def save_value_2(value: Any, artifact: Any)" in text
    assert "save_value_2(save_value, save_value_out)" in text


def test_artifacts_of_several_types_that_one_step_reads_are_just_artifacts(tmp_path: Path) -> None:
    text = exported(
        """
        # %% imports
        from jupyter_kfp import Dataset, Model
        # %% parameters
        good = True
        # %%
        %%component a --if good
        x: Dataset = [1]
        # %%
        %%component b --else
        x: Model = [2]
        # %%
        %%component c
        print(x)
        """
    )
    assert text.count("x_out: Output[Artifact]") == 2
    compiled(text, tmp_path)


def test_an_artifact_list_is_one() -> None:
    value = ValueType(ArtifactType.MODEL, many=True)
    assert str(value) == "list[Model]"
    text = exported(
        """
        # %% imports
        from jupyter_kfp import Model
        # %%
        %%component fit --for n in [1, 2] --collect models=model
        model: Model = {n}
        # %%
        %%component use
        print(models)
        """
    )
    assert "models_in: Input[List[Model]]" in text
    assert "for artifact in models_in or []]" in text  # KFP's executor makes None of a list without elements
    assert "dsl.Collected(fit_task.outputs" in text


@pytest.mark.parametrize(
    ("notebook", "message"),
    [
        (
            "# %% parameters\np = 1\n# %%\n%%component a --for n in [1, 2]\nprint(n, p)",
            "confuses their names",
        ),
        (
            "# %% parameters\nq: list[int] = [1]\n# %%\n%%component a --for m in q --for n in q\nprint(m, n)",
            "confuses their items",
        ),
        (
            "# %% parameters\ngood = True\n# %% imports\nfrom jupyter_kfp import Model\n"
            "# %%\n%%component a --for n in [1, 2] --collect ms=m\nm: Model = {n}\n"
            "# %%\n%%component b --if good\nprint(ms)",
            "cannot hand it in",
        ),
    ],
)
def test_what_kfp_gets_wrong_is_an_error(notebook: str, message: str) -> None:
    """Observed with kfp 2.17: the IR lacks an input, or its compiler fails with a TypeError."""
    with pytest.raises(DiagnosticsError, match=message):
        exported(notebook)


def test_a_list_that_a_loop_goes_over_says_what_its_items_are() -> None:
    """KFP takes the items of a bare ``list`` for texts."""
    text = exported("# %% parameters\nseeds = [1, 2]\n# %%\n%%component a --for s in seeds\nprint(s)")
    assert "seeds: List[int] = [1, 2]" in text
    assert "def a(s: int)" in text


def test_a_branch_without_an_else_ends_where_it_ends(tmp_path: Path) -> None:
    """kfp 2.17 puts whatever follows an ``Elif`` into the branch, and refuses outputs from there."""
    text = exported(
        "# %% step:make\nn: int = 3\n# %%\n%%component a --if n > 5\nprint(1)\n"
        "# %%\n%%component b --elif n > 2\nprint(2)\n# %% step:last\ntotal: int = n\n# %% outputs\ntotal"
    )
    assert "dsl.Elif" not in text
    file = tmp_path / "pipeline.py"
    file.write_text(text, encoding="utf-8")
    subprocess.run([sys.executable, file.name], cwd=tmp_path, check=True, capture_output=True)
    (made,) = tmp_path.glob("*.yaml")
    tasks = yaml.safe_load(made.read_text(encoding="utf-8"))["root"]["dag"]["tasks"]
    assert set(tasks) == {"make", "condition-branches-1", "last"}


def test_a_pipeline_cell_is_not_exported_as_something_else() -> None:
    with pytest.raises(DiagnosticsError, match="KFP's DSL already"):
        exported("# %% step:a\nx = 1\n# %%\n%%pipeline\na()")
