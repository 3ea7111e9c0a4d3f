"""Our IR as somebody else's component. KFP's DSL reads annotations at run time, hence no future import."""

from pathlib import Path

import pytest
import yaml

from jupyter_kfp.compiler import compile_pipeline
from jupyter_kfp.pipeline import Parameter, Pipeline

from .cases import FLOAT, compiled, one_parameter

pytestmark = pytest.mark.usefixtures("plain_payload")


@pytest.mark.parametrize("source", ["file", "text"])
def test_compiles_inside_another_pipeline(training: Pipeline, tmp_path: Path, source: str) -> None:
    from kfp import compiler, components, dsl

    ir = compiled(training)
    if source == "file":
        file = tmp_path / "training.yaml"
        file.write_text(ir.text, encoding="utf-8")
        inner = components.load_component_from_file(str(file))
    else:
        inner = components.load_component_from_text(ir.text)

    @dsl.pipeline(name="outer")
    def outer(where: str) -> float:
        return inner(path=where, lr=0.5).outputs["accuracy"]

    compiler.Compiler().compile(outer, str(tmp_path / "outer.yaml"))
    spec, platform = yaml.safe_load_all((tmp_path / "outer.yaml").read_text(encoding="utf-8"))
    assert spec["deploymentSpec"] == ir.spec["deploymentSpec"]
    assert spec["components"]["comp-training"]["dag"] == ir.spec["root"]["dag"]
    assert spec["components"]["comp-training"]["inputDefinitions"] == ir.spec["root"]["inputDefinitions"]
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]
    assert executors == ir.platform["platforms"]["kubernetes"]["deploymentSpec"]


def test_two_of_them_side_by_side(training: Pipeline, tmp_path: Path) -> None:
    from kfp import compiler, components, dsl

    inner = components.load_component_from_text(compile_pipeline(training))

    @dsl.pipeline(name="outer")
    def outer() -> None:
        inner(path="a")
        inner(path="b")

    compiler.Compiler().compile(outer, str(tmp_path / "outer.yaml"))
    spec, _ = yaml.safe_load_all((tmp_path / "outer.yaml").read_text(encoding="utf-8"))
    assert len(spec["deploymentSpec"]["executors"]) == 2 * len(training.steps)


def test_a_pipeline_of_one_step_loads() -> None:
    from kfp import components

    pipeline = one_parameter(Parameter("p", FLOAT, 1.5))
    assert components.load_component_from_text(compile_pipeline(pipeline)).name == "values"
