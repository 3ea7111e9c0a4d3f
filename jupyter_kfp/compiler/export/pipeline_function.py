"""The pipeline itself: a function under ``@dsl.pipeline`` that makes tasks, groups and connections."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from jupyter_kfp.compiler import conditions, names
from jupyter_kfp.compiler.export import foreign, options
from jupyter_kfp.compiler.export.body import Surroundings
from jupyter_kfp.compiler.export.component import Component, component, function_header, may_be_none
from jupyter_kfp.compiler.export.file import File
from jupyter_kfp.compiler.export.layout import INDENT, Group, Item, call, laid_out, literal, quoted
from jupyter_kfp.compiler.export.limits import group_limits, lost_outputs
from jupyter_kfp.compiler.export.naming import Names, identifier
from jupyter_kfp.compiler.places import Places, common_type, places
from jupyter_kfp.errors import Diagnostic, Severity
from jupyter_kfp.pipeline import (
    Arm,
    Branch,
    Constant,
    ExitHandler,
    External,
    FromBranch,
    FromItem,
    FromLoop,
    FromParameter,
    FromStep,
    Input,
    Loop,
    Node,
    Output,
    Parameter,
    ParameterType,
    Pipeline,
    Source,
    Step,
    Test,
    ValueType,
)

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


def pipeline_function(file: File, pipeline: Pipeline) -> str:
    """Write the pipeline, with its components before it, into ``file``. What its function is called."""
    writer = _Writer(file, pipeline, places(pipeline), Names())
    return writer.write()


@dataclass
class _Writer:
    file: File
    pipeline: Pipeline
    found: Places
    names: Names
    lines: list[str] = field(default_factory=list)
    tasks: dict[str, str] = field(default_factory=dict)
    components: dict[str, Component] = field(default_factory=dict)
    items: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, tuple[str, ...]] = field(default_factory=dict)
    depth: int = 1

    def write(self) -> str:
        function = self.file.names.new(self.pipeline.name, "pipeline")
        self.names = Names({p.name for p in self.pipeline.parameters})
        self.file.findings += group_limits(self.pipeline, self.found)
        self.body(self.pipeline.body)
        for name, after in self.waiting.items():
            self.add(call(f"{self.tasks[name]}.after", *(self.tasks[a] for a in after)))
        lost = lost_outputs(self.pipeline)
        self.file.findings += lost
        returned = "" if lost else self.outputs(function)
        decorator = call("@dsl.pipeline", **self.decorations())
        header = function_header(function, self.signature(), returned or None)
        lines = [*laid_out(decorator), *header, *self.lines]
        self.file.sections.append("\n".join(lines))
        return function

    def decorations(self) -> dict[str, Item]:
        settings = self.pipeline.options
        description = self.pipeline.description or settings.description
        title = settings.name if settings.name != self.pipeline.name else None
        given = {
            "name": self.pipeline.name,
            "display_name": title,
            "description": description,
            "pipeline_root": settings.pipeline_root,
        }
        return {name: literal(value) for name, value in given.items() if value}

    def signature(self) -> tuple[Item, ...]:
        """The parameters; those without a default come first, as Python wants them."""
        ordered = sorted(self.pipeline.parameters, key=lambda p: not p.required)
        return tuple(self.parameter(parameter) for parameter in ordered)

    def looped(self, made: ValueType, source: Source) -> ValueType:
        """The type of a list, with that of its items where a loop says it: KFP takes others for texts."""
        types = [loop.type.kind for loop in self.found.loops.values() if loop.items == source]
        if types and made.kind is ParameterType.LIST and isinstance(types[0], ParameterType):
            return ValueType(ParameterType.LIST, types[0])
        return made

    def parameter(self, parameter: Parameter) -> Item:
        kind = self.file.type(self.looped(parameter.type, FromParameter(parameter.name)))
        if parameter.required:
            return f"{parameter.name}: {kind}"
        if parameter.default is None:
            self.file.typing.add("Optional")
            return f"{parameter.name}: Optional[{kind}] = None"
        if _has_none(parameter.default):
            self.file.findings.append(_none_inside(parameter))
        default = parameter.default
        if parameter.type.kind is ParameterType.FLOAT and isinstance(default, int):
            default = float(default)
        value = literal(default)
        if isinstance(value, Group):
            return Group(f"{parameter.name}: {kind} = {value.opening}", value.items, value.closing)
        return f"{parameter.name}: {kind} = {value}"

    def outputs(self, function: str) -> str:
        """Return the pipeline's outputs; the name of the class that declares them, empty without outputs."""
        if not self.pipeline.outputs:
            return ""
        self.file.typing.add("NamedTuple")
        words = [word[:1].upper() + word[1:] for word in function.split("_")]
        name = self.file.names.new(f"{''.join(words)}Outputs")
        fields = [f"{INDENT}{o.name}: {self.file.type(o.type)}" for o in self.pipeline.outputs]
        self.file.sections.append("\n".join([f"class {name}(NamedTuple):", *fields]))
        values: dict[str, Item] = {o.name: self.source(o.source) for o in self.pipeline.outputs}
        self.add(call(name, **values), prefix="return ")
        return name

    def add(self, item: Item, prefix: str = "", suffix: str = "") -> None:
        self.lines += laid_out(item, prefix=prefix, suffix=suffix, depth=self.depth)

    def body(self, body: tuple[Node, ...]) -> None:
        for node in body:
            match node:
                case Step():
                    self.step(node)
                case External():
                    self.external(node)
                case Branch():
                    self.branch(node.arms)
                case Loop():
                    self.loop(node)
                case ExitHandler():
                    self.step(node.exit, last=True)
                    self.group(call("dsl.ExitHandler", self.tasks[node.exit.name]), node.body)

    def group(self, opening: Item, body: tuple[Node, ...], suffix: str = "") -> None:
        self.add(opening, prefix="with ", suffix=f"{suffix}:")
        self.depth += 1
        self.body(body)
        self.depth -= 1

    def step(self, step: Step, *, last: bool = False) -> None:
        made = component(self.file, self.pipeline, step, self.around(step, last=last), self.types(step))
        self.components[step.name] = made
        arguments = {made.ports.inputs[i.name]: self.argument(i) for i in step.inputs}
        self.task(step, call(made.function, **{k: v for k, v in arguments.items() if v is not None}))
        task = self.tasks[step.name]
        if not step.options.display_name and _key(made.function) != names.task_name(step.name):
            self.add(call(f"{task}.set_display_name", literal(step.name)))
        for configured in options.calls(step.options, task):
            self.add(configured)

    def external(self, node: External) -> None:
        arguments = {i.name: self.argument(i) for i in node.inputs}
        given = {name: value for name, value in arguments.items() if value is not None}
        if isinstance(node.component, Pipeline):
            inner = foreign.with_options(node.component, node.options)
            self.task(node, call(pipeline_function(self.file, inner), **given))
            container = False
        else:
            function, container = foreign.loaded(self.file, node)
            self.task(node, call(function, **given))
        task = self.tasks[node.name]
        if not node.options.display_name:
            self.add(call(f"{task}.set_display_name", literal(node.name)))
        for configured in options.calls(node.options, task, container=container):
            self.add(configured)
        if container:
            for configured in options.image_call(node.options, task):
                self.add(configured)

    def task(self, node: Step | External, made: Item) -> None:
        task = self.names.new(f"{identifier(node.name)}_task")
        self.tasks[node.name] = task
        self.add(made, prefix=f"{task} = ")
        if all(name in self.tasks for name in node.after):
            if node.after:
                self.add(call(f"{task}.after", *(self.tasks[name] for name in node.after)))
        else:
            self.waiting[node.name] = node.after

    def around(self, step: Step, *, last: bool) -> Surroundings:
        """What the pipeline says about the values that reach the step."""
        behind = {i.name: [self.output(s) for s in _steps(i.source)] for i in step.inputs}
        return Surroundings(
            json=frozenset(
                i.name
                for i in step.inputs
                if isinstance(i.source, FromItem) and self.found.loops[i.source.loop].json
            ),
            unbound=frozenset(
                n for n, made in behind.items() if any(o is not None and o.optional for o in made)
            ),
            optional=frozenset(i.name for i in step.inputs if may_be_none(self.pipeline, i)),
            code=frozenset(c for made in behind.values() for o in made if o is not None for c in o.code),
            last=last,
        )

    def output(self, source: FromStep) -> Output | None:
        outputs = self.found.tasks[source.step].outputs
        return next((output for output in outputs if output.name == source.name), None)

    def types(self, step: Step) -> Mapping[str, ValueType]:
        """Outputs that loops go over, and those that a ``dsl.OneOf`` joins: KFP joins artifacts of one type only."""
        found = {o.name: self.looped(o.type, FromStep(step.name, o.name)) for o in step.outputs}
        for joined in _joins(self.pipeline, self.found):
            types = [o.type for alternative in joined.alternatives if (o := self.output(alternative))]
            common = common_type(types)
            if common is not None and len(set(types)) > 1:
                found.update({a.name: common for a in joined.alternatives if a.step == step.name})
        return found

    def argument(self, variable: Input) -> Item | None:
        """What the task gets for an input; None for one that is left out."""
        if isinstance(variable.source, Constant):
            value = variable.source.value
            if value is None:
                return None
            if variable.type.kind is ParameterType.FLOAT and isinstance(value, int):
                value = float(value)
            return literal(value)
        return self.source(variable.source)

    def source(self, source: Source) -> Item:
        match source:
            case Constant(value):
                return literal(value)
            case FromParameter(name):
                return name
            case FromItem(loop):
                return self.items[loop]
            case FromStep(step, name):
                made = self.components.get(step)
                port = made.ports.outputs[name] if made else name
                return f"{self.tasks[step]}.outputs[{quoted(port)}]"
            case FromBranch(alternatives=alternatives):
                return call("dsl.OneOf", *map(self.source, alternatives))
            case FromLoop(element=element):
                return call("dsl.Collected", self.source(element))

    def branch(self, arms: tuple[Arm, ...]) -> None:
        """If, elifs and an else.

        KFP leaves the group it makes of them only behind an else (kfp/dsl/tasks_group.py): without one,
        whatever follows would be in it.
        """
        open_ended = len(arms) > 1 and arms[-1].test is not None
        for number, arm in enumerate(arms[:-1] if open_ended else arms):
            self.arm(number, arm)
        if open_ended:
            self.add(
                "dsl.Else()",
                prefix="with ",
                suffix=":  # not an Elif, behind which KFP would not end the branch",
            )
            self.depth += 1
            self.arm(0, arms[-1])
            self.depth -= 1

    def arm(self, number: int, arm: Arm) -> None:
        if arm.test is None:
            self.group("dsl.Else()", arm.body)
        else:
            self.group(call("dsl.Elif" if number else "dsl.If", self.test(arm.test, arm.text)), arm.body)

    def test(self, test: Test, text: str) -> str:
        left, operator, right = test.left, test.operator, test.right
        if isinstance(left, Constant):
            left, operator, right = right, _MIRRORED[operator], left
        if isinstance(left, Constant):
            self.file.findings.append(_constant_test(text))
        return f"{self.operand(left)} {operator} {self.operand(right)}"

    def operand(self, source: Source) -> str:
        if isinstance(source, Constant) and isinstance(source.value, str):
            return quoted(conditions.literal(source.value))
        found = self.source(source)
        assert isinstance(found, str)
        return found

    def loop(self, loop: Loop) -> None:
        item = self.items[loop.name] = self.names.new(loop.item)
        if isinstance(loop.items, Constant) and loop.type.kind is ParameterType.FLOAT:
            assert isinstance(loop.items.value, list)
            items = literal([float(v) for v in loop.items.value if isinstance(v, int | float)])
        else:
            items = self.source(loop.items)
        limit: dict[str, Item] = (
            {} if loop.parallelism is None else {"parallelism": literal(loop.parallelism)}
        )
        self.group(call("dsl.ParallelFor", items=items, **limit), loop.body, f" as {item}")


def _key(function: str) -> str:
    """The key KFP gives a task, before it is made unique (kfp/dsl/component_factory.py)."""
    return names.task_name(re.sub(" +", " ", function.replace("_", " ")).strip())


def _steps(source: Source) -> tuple[FromStep, ...]:
    match source:
        case FromStep():
            return (source,)
        case FromBranch(alternatives=alternatives):
            return alternatives
        case FromLoop(element=element):
            return (element,)
    return ()


def _joins(pipeline: Pipeline, found: Places) -> list[FromBranch]:
    sources = [i.source for task in found.tasks.values() for i in task.inputs]
    sources += [output.source for output in pipeline.outputs]
    return [source for source in sources if isinstance(source, FromBranch)]


def _has_none(value: object) -> bool:
    match value:
        case list():
            return any(item is None or _has_none(item) for item in value)
        case dict():
            return any(item is None or _has_none(item) for item in value.values())
    return False


def _none_inside(parameter: Parameter) -> Diagnostic:
    return Diagnostic(
        "export-default",
        Severity.ERROR,
        f"The default of parameter {parameter.name!r} contains None, which KFP's SDK refuses.",
        "Leave the key out, or put the value together in a step.",
        cell=parameter.cell,
        line=parameter.line,
    )


def _constant_test(text: str) -> Diagnostic:
    return Diagnostic(
        "export-condition",
        Severity.ERROR,
        f"The condition {text!r} compares two constants, which KFP's SDK decides while compiling.",
        "Write the branch that is meant.",
    )
