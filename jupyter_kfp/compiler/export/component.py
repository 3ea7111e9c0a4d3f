"""One step as a lightweight Python component: its decorator, its signature, its body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jupyter_kfp.compiler import names
from jupyter_kfp.compiler.export.body import Ports, Surroundings, body
from jupyter_kfp.compiler.export.file import File
from jupyter_kfp.compiler.export.helpers import NEEDS_CLOUDPICKLE, with_callees
from jupyter_kfp.compiler.export.layout import LIMIT, Group, Item, call, flat, laid_out, literal
from jupyter_kfp.compiler.export.naming import used_in
from jupyter_kfp.errors import Diagnostic, Severity
from jupyter_kfp.notebook.syntax import transform
from jupyter_kfp.pipeline import Constant, FromParameter, Input, Pipeline, Step, ValueType

_LARGEST = 120_000
"""Characters of source: KFP hands it over in one argument, of which Linux allows 128 KiB."""


@dataclass(frozen=True, slots=True)
class Component:
    """A component of the file: its function, and the ports of the step's variables."""

    function: str
    ports: Ports


def component(
    file: File, pipeline: Pipeline, step: Step, around: Surroundings, types: Mapping[str, ValueType]
) -> Component:
    """Write the component of ``step`` into ``file``; ``types`` are outputs that are declared otherwise."""
    function = file.names.new(step.name)
    ports = _ports(step)
    written = body(file, step, ports, around)
    signature = _signature(file, pipeline, step, ports, around, types)
    decorator = call(
        "@dsl.component",
        base_image=literal(step.options.image or names.DEFAULT_IMAGE),
        **_packages(step, written.helpers),
        **_additional(file, written.helpers),
    )
    returned = _returned(file, step, types)
    lines = [*laid_out(decorator), *function_header(function, signature, returned), *written.lines]
    text = "\n".join(lines)
    if len(text) > _LARGEST:
        file.findings.append(_too_long(step))
    file.sections.append(text)
    return Component(function, ports)


def function_header(function: str, signature: tuple[Item, ...], returned: Item | None) -> list[str]:
    """``def``, the arguments and what is returned; the arguments are the first to get lines of their own."""
    if returned is None:
        return laid_out(Group(f"def {function}(", signature, ")"), suffix=":")
    whole = f"def {function}({', '.join(map(flat, signature))}) -> {flat(returned)}:"
    if len(whole) <= LIMIT:
        return [whole]
    lines = [f"def {function}("]
    for argument in signature:
        lines += laid_out(argument, suffix=",", depth=1)
    if not signature:
        lines = []
    return [
        *lines,
        *laid_out(returned, prefix=f"{')' if signature else f'def {function}()'} -> ", suffix=":"),
    ]


def _too_long(step: Step) -> Diagnostic:
    return Diagnostic(
        "export-size",
        Severity.ERROR,
        f"Step {step.name!r} has more code than fits into the command of a container.",
        "Move some of it into a package that the step installs.",
        cell=step.body[0].cell if step.body else None,
        step=step.name,
    )


def _ports(step: Step) -> Ports:
    """The arguments of the component's function. Artifacts are not called like their values."""
    read = [transform(code.source) for code in (*step.preamble, *step.body)]
    taken = used_in(found.equivalent for found in read if found.tree is not None)
    taken |= {i.name for i in step.inputs} | {o.name for o in step.outputs}

    def port(name: str, ending: str) -> str:
        found = names.port(name) + ending
        while ending and found in taken:
            found += "_"
        taken.add(found)
        return found

    return Ports(
        {i.name: port(i.name, "" if i.type.is_parameter else "_in") for i in step.inputs},
        {o.name: port(o.name, "" if o.type.is_parameter else "_out") for o in step.outputs},
    )


def _packages(step: Step, used: frozenset[str]) -> dict[str, Item]:
    packages = list(step.options.packages)
    if used & NEEDS_CLOUDPICKLE and not any(package.startswith("cloudpickle") for package in packages):
        packages.append("cloudpickle")
    return {"packages_to_install": literal(packages)} if packages else {}


def _additional(file: File, used: frozenset[str]) -> dict[str, Item]:
    found = [called for name, called in file.helper_names.items() if name in with_callees(used)]
    return {"additional_funcs": Group("[", tuple(found), "]")} if found else {}


def _signature(
    file: File,
    pipeline: Pipeline,
    step: Step,
    ports: Ports,
    around: Surroundings,
    types: Mapping[str, ValueType],
) -> tuple[Item, ...]:
    """The arguments: inputs, artifacts to write, then what may be left out."""
    required: list[Item] = []
    optional: list[Item] = []
    for variable in step.inputs:
        name, kind = ports.inputs[variable.name], file.type(variable.type)
        if not variable.type.is_parameter:
            file.dsl.add("Input")
            required.append(f"{name}: Input[{kind}]")
        elif may_be_none(pipeline, variable):
            file.typing.add("Optional")
            optional.append(f"{name}: Optional[{kind}] = None")
        else:
            required.append(f"{name}: {kind}")
    for output in step.outputs:
        if not output.type.is_parameter:
            file.dsl.add("Output")
            kind = file.type(types.get(output.name, output.type))
            required.append(f"{ports.outputs[output.name]}: Output[{kind}]")
    if step.metrics:
        file.dsl.update(("Metrics", "Output"))
        required.append(f"{names.STEP_METRICS}: Output[Metrics]")
    if around.last:
        file.dsl.add("PipelineTaskFinalStatus")
        required.append(f"{names.STATUS}: PipelineTaskFinalStatus")
    return (*required, *optional)


def may_be_none(pipeline: Pipeline, variable: Input) -> bool:
    """Whether the input may be left out."""
    match variable.source:
        case FromParameter(name):
            return any(p.name == name and not p.required and p.default is None for p in pipeline.parameters)
        case Constant(value):
            return value is None
    return False


def _returned(file: File, step: Step, types: Mapping[str, ValueType]) -> Item | None:
    fields = [
        Group("(", (literal(names.port(o.name)), file.type(types.get(o.name, o.type))), ")")
        for o in step.outputs
        if o.type.is_parameter
    ]
    if not fields:
        return None
    file.typing.add("NamedTuple")
    return Group("NamedTuple(", (literal("Outputs"), Group("[", tuple(fields), "]")), ")")
