"""What works in the notebook and disappoints as a pipeline: warned of before a run.

====  ==================================================================================================
K401  a step that trains or loads a deep-learning model and names neither memory, cpu nor gpu
K402  a monolithic step: nearly all of the notebook's code, and several phases of the work, in one
K403  a comparison that is never true: a bool with a text (``flag == "true"``), a text with a bool
K404  an unbounded loop: over more than ten items, or over what only the run knows, without parallelism
====  ==================================================================================================

All are warnings, and made to be right rather than complete: gradient boosting and scikit-learn are no
heavy steps, a long step of one phase is no monolith, a name that a step binds anew is not compared.
Other pitfalls are errors elsewhere (values that cannot travel: K303; secrets: K306) or none here:
imports travel to every step that needs them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from jupyter_kfp.errors import Diagnostic
from jupyter_kfp.notebook.codes import diagnostic
from jupyter_kfp.notebook.control import LoopFrame
from jupyter_kfp.notebook.mutation import callee, dotted
from jupyter_kfp.notebook.reading import Reading, StepReading
from jupyter_kfp.notebook.syntax import transform
from jupyter_kfp.pipeline import (
    ArtifactType,
    Constant,
    FromStep,
    Loop,
    Node,
    ParameterType,
    Pipeline,
    Step,
    walk,
)

_DEEP_LEARNING = frozenset(
    {
        "torch", "torchvision", "tensorflow", "keras", "transformers", "lightning", "pytorch_lightning", "diffusers",
        "peft", "trl", "accelerate", "sentence_transformers", "fastai", "flax", "timm", "vllm", "unsloth",
    }
)  # fmt: skip
_HEAVY_CALLS = frozenset(
    {
        "fit", "fit_one_cycle", "fine_tune", "train", "backward", "from_pretrained", "load_model", "generate",
        "SentenceTransformer",
    }
)  # fmt: skip
# What is fitted or loaded beside a model, and is small.
_LIGHT_OWNERS = re.compile(r"(?i)tokenizer|scaler|encoder|vectori[sz]er|imputer|config|processor|pca|split")
_RESOURCES = ("cpu", "memory", "cpu_request", "memory_request", "gpu")

_MANY_STATEMENTS = 60
_SEVERAL_STATEMENTS = 20
_SEVERAL_HEADINGS = 3
_SEVERAL_PHASES = 3
_NEARLY_ALL = 0.8
_PHASES: Mapping[str, re.Pattern[str]] = {
    "load": re.compile(r"(read|scan|load|fetch|download)(_\w+)?|urlopen|from_pretrained"),
    "prepare": re.compile(
        r"train_test_split|fillna|dropna|drop_duplicates|get_dummies|astype|fit_transform|transform|normalize|tokenize|resample|merge"
    ),
    "train": re.compile(r"fit|fit_one_cycle|partial_fit|train|backward|fine_tune"),
    "evaluate": re.compile(r"evaluate|score|predict|predict_proba|\w+_(score|error|report|matrix|curve)"),
    "save": re.compile(r"save\w*|dump|to_(csv|parquet|pickle|json|sql)|write_\w+|push_to_hub|log_model"),
}

_FEW_ITEMS = 10


def check_pitfalls(reading: Reading, pipeline: Pipeline) -> Iterator[Diagnostic]:
    """The warnings of this module; ``pipeline`` is what ``reading`` became."""
    written = {step.name: step for step in reading.steps}
    yield from _heavy(pipeline, written)
    for step in pipeline.steps:
        if step.name in written:
            yield from _comparisons(step, written[step.name])
    yield from _monolith(reading)
    yield from _unbounded(pipeline, written)


def _nodes(step: StepReading) -> Iterator[tuple[int, ast.AST]]:
    """Every node of a step's code with the cell it stands in, in the order of the source as far as that matters."""
    for cell in step.cells:
        if cell.python.tree is not None:
            for node in ast.walk(cell.python.tree):
                yield cell.cell, node


# ------------------------------------------------------------- missing resources


def _heavy(pipeline: Pipeline, written: Mapping[str, StepReading]) -> Iterator[Diagnostic]:
    code = {step.name: _code(step, written[step.name]) for step in pipeline.steps if step.name in written}
    libraries = {name: _deep_learning(node for _, node in nodes) for name, nodes in code.items()}
    for step in pipeline.steps:
        if step.name not in code or any(getattr(step.options, option) is not None for option in _RESOURCES):
            continue
        # What a step fits may have been made by another one.
        given = {
            port.name: libraries.get(port.source.step, "")
            for port in step.inputs
            if isinstance(port.source, FromStep) and port.type.kind is ArtifactType.MODEL
        }
        for cell, node in code[step.name]:
            library = _heavy_library(node, libraries[step.name], given) if isinstance(node, ast.Call) else ""
            if isinstance(node, ast.Call) and library:
                own = cell is not None
                yield diagnostic(
                    "K401",
                    f"step {step.name} calls {callee(node)} with {library} and names no resources: it gets what the cluster gives by default, often too little memory and no GPU.",
                    # Code of the preamble stands elsewhere: the step's first cell is the place then.
                    cell=cell if own else written[step.name].cells[0].cell,
                    line=node.lineno if own else None,
                    step=step.name,
                )
                break


def _code(step: Step, written: StepReading) -> list[tuple[int | None, ast.AST]]:
    """The nodes of a step's own code with their cells, then of the code that travels to it (None)."""
    travelled = (transform(code.source).tree for code in step.preamble)
    return [
        *_nodes(written),
        *((None, node) for tree in travelled if tree is not None for node in ast.walk(tree)),
    ]


def _heavy_library(call: ast.Call, library: str, given: Mapping[str, str]) -> str:
    """The library with which ``call`` trains or loads a model, or ""."""
    owner = dotted(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    if callee(call) not in _HEAVY_CALLS or _LIGHT_OWNERS.search(owner):
        return ""
    return library or given.get(owner.partition(".")[0], "")


def _deep_learning(nodes: Iterable[ast.AST]) -> str:
    """The deep-learning library that code uses, or "": one that is imported and whose names are read."""
    imported: dict[str, str] = {}
    read: list[str] = []
    for node in nodes:
        match node:
            case ast.Import(names=names):
                imported.update(
                    {(n.asname or n.name).partition(".")[0]: n.name.partition(".")[0] for n in names}
                )
            case ast.ImportFrom(module=str(module), names=names):
                imported.update({n.asname or n.name: module.partition(".")[0] for n in names})
            case ast.Name(id=name, ctx=ast.Load()):
                read.append(name)
    return next((imported[name] for name in read if imported.get(name) in _DEEP_LEARNING), "")


# ------------------------------------------------------------------- monoliths


@dataclass(frozen=True)
class _Size:
    """How much a step does."""

    statements: int
    phases: tuple[str, ...]
    headings: int


def _monolith(reading: Reading) -> Iterator[Diagnostic]:
    sizes = {step.name: _size(step, reading) for step in reading.steps}
    total = sum(size.statements for size in sizes.values())
    for step in reading.steps:
        size = sizes[step.name]
        if len(size.phases) < _SEVERAL_PHASES or size.statements < _NEARLY_ALL * total:
            continue
        long = size.statements > _MANY_STATEMENTS
        divided = size.headings >= _SEVERAL_HEADINGS and size.statements > _SEVERAL_STATEMENTS
        if long or divided:
            yield diagnostic(
                "K402",
                f"step {step.name} is nearly the whole notebook ({size.statements} statements: {', '.join(size.phases)}); one failure repeats all of it, and nothing in it is cached or runs beside anything else.",
                cell=step.cells[0].cell,
                step=step.name,
            )


def _size(step: StepReading, reading: Reading) -> _Size:
    nodes = [node for _, node in _nodes(step)]
    statements = sum(isinstance(node, ast.stmt) for node in nodes)
    called = {callee(node) for node in nodes if isinstance(node, ast.Call)}
    phases = tuple(name for name, form in _PHASES.items() if any(form.fullmatch(call) for call in called))
    within = range(step.cells[0].cell, step.cells[-1].cell + 1)
    headings = sum(
        cell.kind == "markdown" and cell.index in within and cell.source.lstrip().startswith("#")
        for cell in reading.notebook.cells
    )
    return _Size(statements, phases, headings)


# ------------------------------------------------------------ bool against text


def _comparisons(step: Step, written: StepReading) -> Iterator[Diagnostic]:
    known = {port.name: port.type.kind for port in step.inputs}
    nodes = list(_nodes(written))
    bound = {n.id for _, n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store | ast.Del)}
    for cell, node in nodes:
        if (
            isinstance(node, ast.Compare)
            and len(node.ops) == 1
            and isinstance(node.ops[0], ast.Eq | ast.NotEq)
        ):
            for name, other in ((node.left, node.comparators[0]), (node.comparators[0], node.left)):
                if not (isinstance(name, ast.Name) and isinstance(other, ast.Constant)) or name.id in bound:
                    continue
                kind, value = known.get(name.id), other.value
                never = (kind is ParameterType.BOOLEAN and isinstance(value, str)) or (
                    kind is ParameterType.STRING and isinstance(value, bool)
                )
                if never and kind is not None:
                    yield diagnostic(
                        "K403",
                        f"{name.id} is a {kind.value}, which never equals {value!r}.",
                        cell=cell,
                        line=node.lineno,
                        step=step.name,
                        instead=f"`if {name.id}`"
                        if kind is ParameterType.BOOLEAN
                        else f'`{name.id} == "true"`',
                    )


# -------------------------------------------------------------- unbounded loops


def _unbounded(pipeline: Pipeline, written: Mapping[str, StepReading]) -> Iterator[Diagnostic]:
    for node in walk(pipeline.body):
        if not isinstance(node, Loop) or node.parallelism is not None:
            continue
        count = (
            len(node.items.value)
            if isinstance(node.items, Constant) and isinstance(node.items.value, list)
            else None
        )
        if count is not None and count <= _FEW_ITEMS:
            continue
        first = next((step for step in _inside(node.body) if step.name in written), None)
        cell, line = _place(first, node.item, written)
        what = f"{count} items" if count is not None else f"{node.text or 'what only the run knows'}"
        yield diagnostic(
            "K404",
            f"the loop over {what} has no limit: all its iterations start at once, each in a pod of its own.",
            cell=cell,
            line=line,
            step=first.name if first else None,
        )


def _inside(body: tuple[Node, ...]) -> Iterator[Step]:
    return (node for node in walk(body) if isinstance(node, Step))


def _place(step: Step | None, item: str, written: Mapping[str, StepReading]) -> tuple[int | None, int | None]:
    """The cell and line of the header that says the loop over ``item``."""
    if step is None:
        return None, None
    reading = written[step.name]
    frames = (
        frame for frame in reading.control.frames if isinstance(frame, LoopFrame) and frame.item == item
    )
    return reading.cells[0].cell, next((frame.line for frame in frames), None)
