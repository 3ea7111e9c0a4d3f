"""What KFP's SDK can say, said in one pipeline and executed: every step checks what it was given."""

# ruff: noqa: PTH123 (the bodies of components are as users write them)

import functools
from pathlib import Path
from typing import Any, Optional

from kfp import dsl
from kfp.dsl import (
    HTML,
    Artifact,
    ClassificationMetrics,
    Dataset,
    Input,
    Markdown,
    Metrics,
    Model,
    Output,
    SlicedClassificationMetrics,
)

from jupyter_kfp.store.store import Store
from tests.integration.engine.conftest import Runner
from tests.unit.engine.pipelines import compiled

component = dsl.component(install_kfp_package=False, base_image="python:3.11")


@component
def make_everything(  # type: ignore[no-untyped-def]
    plain: Output[Artifact],
    data: Output[Dataset],
    model: Output[Model],
    metrics: Output[Metrics],
    classes: Output[ClassificationMetrics],
    slices: Output[SlicedClassificationMetrics],
    page: Output[HTML],
    text: Output[Markdown],
):
    for artifact in (plain, data, model, page, text):
        with open(artifact.path, "w") as file:
            file.write(artifact.name)
    data.metadata.update({"rows": 3, "deep": {"list": [1, "two", None]}, "share": 0.5, "ok": True})
    model.metadata["framework"] = "none"
    metrics.log_metric("accuracy", 0.75)
    classes.log_confusion_matrix(["a", "b"], [[1, 2], [3, 4]])
    slices.metadata["slices"] = {"one": [1, 2]}  # kfp 2.17's own methods for it fail


@component
def check_everything(
    plain: Input[Artifact], data: Input[Dataset], model: Input[Model], metrics: Input[Metrics]
) -> str:
    for artifact, name in ((plain, "plain"), (data, "data"), (model, "model")):
        with open(artifact.path) as file:
            assert (file.read(), artifact.name) == (name, name), artifact
    assert data.metadata["rows"] == 3
    assert data.metadata["deep"] == {"list": [1, "two", None]}
    assert data.metadata["ok"] is True
    assert metrics.metadata == {"accuracy": 0.75}
    return type(model).__name__


@component
def check_kinds(
    whole: int,
    ratio: float,
    flag: bool,
    items: list,  # type: ignore[type-arg]
    struct: dict,  # type: ignore[type-arg]
    given: Optional[int] = None,  # noqa: UP045
    left_out: Optional[str] = None,  # noqa: UP045
    default: float = 2.0,
) -> list:  # type: ignore[type-arg]
    kinds = [type(value).__name__ for value in (whole, ratio, flag, default, *items)]
    assert kinds == ["int", "float", "bool", "float", "int", "float", "str", "bool"], kinds
    assert (type(struct["n"]), type(struct["l"][0]), type(struct["half"])) == (int, int, float)
    assert left_out is None
    return [whole, items[0], struct["n"], given]


@component
def as_they_were(values: list) -> str:  # type: ignore[type-arg]
    return repr(values)


@dsl.pipeline
def kinds(
    whole: int = 3,
    ratio: float = 2.0,
    flag: bool = True,
    items: list = [1, 1.5, "x", False],  # type: ignore[type-arg]  # noqa: B006
    struct: dict = {"n": 7, "l": [1], "half": 0.5},  # type: ignore[type-arg]  # noqa: B006
    given: Optional[int] = None,  # noqa: UP045
) -> str:
    found = check_kinds(whole=whole, ratio=ratio, flag=flag, items=items, struct=struct, given=given)
    return as_they_were(values=found.output).output  # type: ignore[no-any-return]


@dsl.container_component
def tell(word: str, out: dsl.OutputPath(str), extra: Optional[str] = None):  # type: ignore[no-untyped-def, valid-type]  # noqa: UP045
    return dsl.ContainerSpec(
        image="python:3.11",
        command=["sh", "-c", 'mkdir -p "$(dirname "$0")"; printf "%s\\n" "$@" > "$0"'],
        args=[
            out,
            dsl.ConcatPlaceholder(["word=", word, "!"]),
            dsl.IfPresentPlaceholder("extra", then=["--extra", extra], else_=["--none"]),
            dsl.PIPELINE_JOB_NAME_PLACEHOLDER,
            dsl.PIPELINE_JOB_ID_PLACEHOLDER,
            dsl.PIPELINE_JOB_RESOURCE_NAME_PLACEHOLDER,
            dsl.PIPELINE_TASK_NAME_PLACEHOLDER,
            dsl.PIPELINE_TASK_ID_PLACEHOLDER,
            dsl.PIPELINE_ROOT_PLACEHOLDER,
        ],
    )


@dsl.container_component
def put(out: Output[Dataset]):  # type: ignore[no-untyped-def]
    return dsl.ContainerSpec(
        image="python:3.11",
        command=["sh", "-c", 'mkdir -p "$(dirname "$0")"; printf "%s %s" "$VARIABLE" "$1" > "$0"'],
        args=[out.path, out.uri],
    )


@component
def read(found: Input[Dataset]) -> str:
    with open(found.path) as file:
        return f"{file.read()} {found.uri == found.path}"


@dsl.pipeline
def placeholders(word: str = "a b'\"$"):  # type: ignore[no-untyped-def]
    tell(word=word)
    tell(word="x", extra=word)
    read(found=put().set_env_variable("VARIABLE", "value of $X").outputs["out"])


@component
def make_one(name: str, out: Output[Dataset]):  # type: ignore[no-untyped-def]
    out.metadata["name"] = name
    with open(out.path, "w") as file:
        file.write(name)


@component
def read_list(found: Input[list[Dataset]], outer: str) -> str:
    # KFP's executor gives None for an empty list.
    return outer + ",".join(f"{open(each.path).read()}{each.metadata['name']}" for each in found or ())


@component
def upper(found: Input[Dataset], outer: str) -> str:
    return f"{outer}{open(found.path).read().upper()}"


@component
def names(count: int) -> list:  # type: ignore[type-arg]
    return [f"n{number}" for number in range(count)]


@component
def word() -> str:
    return "outer:"


@dsl.pipeline
def shout(files: Input[list[Dataset]], outer: str) -> list[str]:
    with dsl.ParallelFor(files) as file:
        shouted = upper(found=file, outer=outer)
    return dsl.Collected(shouted.output)  # type: ignore[return-value]


@dsl.pipeline
def lists(count: int = 3) -> str:
    outer = word()
    with dsl.ParallelFor(names(count=count).output) as name:
        made = make_one(name=name)
    read_list(found=dsl.Collected(made.outputs["out"]), outer=outer.output)
    shouted = shout(files=dsl.Collected(made.outputs["out"]), outer=outer.output)
    return as_they_were(values=shouted.output).output  # type: ignore[no-any-return]


@component
def leave(place: str, text: str) -> str:
    import pathlib

    path = pathlib.Path(place, "shared.txt")
    path.write_text(text)
    return str(path)


@component
def fetch(path: str) -> str:
    with open(path) as file:
        return file.read()


@dsl.pipeline(
    pipeline_config=dsl.PipelineConfig(
        workspace=dsl.WorkspaceConfig(size="1Gi", kubernetes=dsl.KubernetesWorkspaceConfig(pvcSpecPatch={}))
    )
)
def workspace() -> str:
    return fetch(path=leave(place=dsl.WORKSPACE_PATH_PLACEHOLDER, text="kept").output).output  # type: ignore[no-any-return]


@functools.cache
def text_of(pipeline: Any) -> str:
    return compiled(pipeline)


@dsl.pipeline
def everything() -> str:
    made = make_everything().outputs
    return check_everything(**{port: made[port] for port in ("plain", "data", "model", "metrics")}).output  # type: ignore[no-any-return]


def test_artifacts_of_all_types_with_their_metadata(run: Runner, store: Store) -> None:
    record, told = run(text_of(everything))
    assert (told["error"], told["outputs"]) == (None, {"Output": "Model"})
    made = store.task(record.id, "make-everything").output_artifacts
    assert {port: artifacts[0].type for port, artifacts in made.items()} == {
        "plain": "system.Artifact",
        "data": "system.Dataset",
        "model": "system.Model",
        "metrics": "system.Metrics",
        "classes": "system.ClassificationMetrics",
        "slices": "system.SlicedClassificationMetrics",
        "page": "system.HTML",
        "text": "system.Markdown",
    }
    metadata = {port: dict(artifacts[0].metadata) for port, artifacts in made.items()}
    assert metadata["data"] == {"rows": 3, "deep": {"list": [1, "two", None]}, "share": 0.5, "ok": True}
    assert metadata["classes"]["confusionMatrix"]["annotationSpecs"] == [
        {"displayName": "a"},
        {"displayName": "b"},
    ]
    assert metadata["slices"] == {"slices": {"one": [1, 2]}}


def test_values_keep_their_kinds_and_optional_ones_may_be_left_out(run: Runner) -> None:
    _, told = run(text_of(kinds))
    assert (told["error"], told["outputs"]) == (None, {"Output": "[3, 1, 7, None]"})
    _, told = run(text_of(kinds), {"given": 5, "whole": 4})
    assert (told["error"], told["outputs"]) == (None, {"Output": "[4, 1, 7, 5]"})


def test_placeholders_env_paths_and_uris(run: Runner) -> None:
    record, told = run(text_of(placeholders), name="a name")
    assert told["error"] is None
    outputs = {task["path"]: task["outputs"] for task in told["tasks"]}
    job = ["a name", record.id, f"placeholders-{record.id}"]
    for task, first in (("tell", ["word=a b'\"$!", "--none"]), ("tell-2", ["word=x!", "--extra", "a b'\"$"])):
        lines = outputs[task]["out"].splitlines()
        assert lines[: len(first) + 4] == [*first, *job, task]
        assert lines[-2].startswith(f"{record.id}/{task}/")
        assert lines[-1] == record.root
    path = outputs["put"]["out"]["uri"]
    assert outputs["read"]["Output"] == f"value of $X {path} True"
    assert Path(path).is_file()


def test_lists_of_artifacts_and_loops_over_them(run: Runner) -> None:
    """In a loop, `kfp.local` gives the item in place of what comes from outside (`outer`)."""
    _, told = run(text_of(lists))
    assert (told["error"], told["outputs"]) == (None, {"Output": "['outer:N0', 'outer:N1', 'outer:N2']"})
    joined = next(task for task in told["tasks"] if task["path"] == "read-list")
    assert joined["outputs"] == {"Output": "outer:n0n0,n1n1,n2n2"}
    _, told = run(text_of(lists), {"count": 0})
    assert (told["error"], told["outputs"]) == (None, {"Output": "[]"})


def test_the_workspace_is_shared_by_the_steps_of_a_run(run: Runner) -> None:
    _, told = run(text_of(workspace))
    assert (told["error"], told["outputs"]) == (None, {"Output": "kept"})
