"""Small pipelines to compile, built from the model; no notebook is read here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import yaml

from jupyter_kfp.compiler import compile_pipeline
from jupyter_kfp.options import PipelineOptions, StepOptions
from jupyter_kfp.pipeline import (
    ArtifactType,
    Code,
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

FLOAT = ValueType(ParameterType.FLOAT)
STRING = ValueType(ParameterType.STRING)
DATASET = ValueType(ArtifactType.DATASET)
MODEL = ValueType(ArtifactType.MODEL)


@dataclass(frozen=True)
class Compiled:
    """Compiled IR and its documents."""

    text: str
    spec: dict[str, Any]
    platform: dict[str, Any]

    def task(self, name: str) -> dict[str, Any]:
        return self.spec["root"]["dag"]["tasks"][name]

    def component(self, name: str) -> dict[str, Any]:
        return self.spec["components"][self.task(name)["componentRef"]["name"]]

    def container(self, name: str) -> dict[str, Any]:
        label = self.component(name)["executorLabel"]
        return self.spec["deploymentSpec"]["executors"][label]["container"]

    def kubernetes(self, name: str) -> dict[str, Any]:
        label = self.component(name)["executorLabel"]
        return self.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"][label]

    def env(self, name: str) -> dict[str, str]:
        return {pair["name"]: pair.get("value", "") for pair in self.container(name).get("env", [])}


def compiled(pipeline: Pipeline, **more: Any) -> Compiled:
    text = compile_pipeline(pipeline, **more)
    spec, *platform = yaml.safe_load_all(text)
    assert len(platform) < 2
    return Compiled(text, spec, platform[0] if platform else {})


def one_step(**options: Any) -> Pipeline:
    """A pipeline of one step, ``train``, with these options."""
    outputs = tuple(Output(name, FLOAT) for name in options.get("outputs", {}))
    step = Step("train", (Code("accuracy = 0.5", 1),), outputs=outputs, options=StepOptions(**options))
    return Pipeline("one", (step,))


def one_parameter(parameter: Parameter) -> Pipeline:
    """A pipeline whose only step reads this parameter."""
    step = Step(
        "use",
        (Code(f"print({parameter.name})", 1),),
        inputs=(Input(parameter.name, parameter.type, FromParameter(parameter.name)),),
    )
    return Pipeline("values", (step,), (parameter,))


def long_chain(count: int, comment: str = "") -> Pipeline:
    """``count`` steps in a chain, each mutating the frame of the one before."""
    steps = []
    for number in range(count):
        df = () if number == 0 else (Input("df", DATASET, FromStep(f"step_{number - 1}", "df")),)
        steps.append(
            Step(
                f"step_{number}",
                (
                    Code(
                        f"df['c{number}'] = df['a'] * lr + {number}{comment}\nscore = float(len(df))",
                        number + 1,
                    ),
                ),
                preamble=(Code("import pandas as pd", 0),),
                inputs=(Input("lr", FLOAT, FromParameter("lr")), *df),
                outputs=(Output("df", DATASET), Output("score", FLOAT)),
                metrics=("score",),
            )
        )
    return Pipeline("long-chain", tuple(steps), (Parameter("lr", FLOAT, 0.1),))


BOOT = "# jupyter_kfp step\nrun()\n"


def step_json(ir: Compiled, task: str) -> dict[str, Any]:
    """What travels in a step compiled with ``plain_payload``."""
    return json.loads(ir.container(task)["args"][2])


def training_pipeline() -> Pipeline:
    """Sequence, parallel branches, ``after``, a mutated frame, typed parameters and outputs, options."""
    lr = Input("lr", FLOAT, FromParameter("lr"))
    load = Step(
        "load_data",
        (Code("df = read(path)", 2),),
        preamble=(Code("import pandas as pd", 0),),
        inputs=(Input("path", STRING, FromParameter("path")),),
        outputs=(Output("df", DATASET), Output("rows", ValueType(ParameterType.INTEGER))),
        options=StepOptions(packages=("pandas>=2", "pyarrow"), cache="24h"),
    )
    clean = Step(
        "clean",
        (Code("df.dropna(inplace=True)", 3), Code("df['x'] *= 2", 4)),
        inputs=(Input("df", DATASET, FromStep("load_data", "df")),),
        outputs=(Output("df", DATASET, optional=True),),
    )
    train = Step(
        "train",
        (Code("model = fit(df, lr, opt)", 5),),
        preamble=(Code("class Net: ...", 1),),
        early=("lr",),
        inputs=(
            Input("df", DATASET, FromStep("clean", "df")),
            lr,
            Input("opt", STRING, FromParameter("opt")),
        ),
        outputs=(Output("model", MODEL, code=("Net",)), Output("accuracy", FLOAT)),
        guard={"df": "clean"},
        metrics=("accuracy",),
        options=StepOptions(cpu="2", memory="4Gi", retries=2, secret="creds:password=DB_PASSWORD"),
    )
    plot = Step("plot", (Code("show(df)", 6),), inputs=(Input("df", DATASET, FromStep("load_data", "df")),))
    report = Step("report", (Code("print('done')", 7),), after=("plot", "train"))
    return Pipeline(
        "training",
        (load, clean, train, plot, report),
        (
            Parameter("path", STRING, required=True),
            Parameter("lr", FLOAT, 0.1),
            Parameter("opt", STRING, None),
            Parameter("grid", ValueType(ParameterType.DICT), {"depth": [1, 2.5], "on": True}),
        ),
        (
            PipelineOutput("model", MODEL, FromStep("train", "model")),
            PipelineOutput("accuracy", FLOAT, FromStep("train", "accuracy")),
        ),
        description="Train a model.\nTwice.",
        options=PipelineOptions(experiment="demo", pipeline_root="s3://bucket/root"),
    )
