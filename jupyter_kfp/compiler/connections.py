"""What is wrong with what flows where: inputs, outputs, order, conditions and groups.

Pure functions of the model, as `checks`, which they are part of.
"""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from jupyter_kfp.compiler import conditions, names
from jupyter_kfp.compiler.external import input_problem
from jupyter_kfp.compiler.findings import error
from jupyter_kfp.compiler.places import Path, Places, Task, constant_fits, fits, given
from jupyter_kfp.compiler.values import constant_problems
from jupyter_kfp.errors import Diagnostic
from jupyter_kfp.pipeline import (
    Branch,
    Constant,
    ExitHandler,
    External,
    FromItem,
    FromLoop,
    FromParameter,
    FromStep,
    Input,
    Loop,
    ParameterType,
    Pipeline,
    Source,
    Step,
    Test,
    ValueType,
    natural_type,
    producers,
)


def inputs(pipeline: Pipeline, found: Places) -> Iterator[Diagnostic]:
    """Inputs that would get nothing, or something else than they are."""
    earlier: set[str] = set()
    for task in found.tasks.values():
        for variable in task.inputs:
            yield from _input(pipeline, found, task, variable, earlier)
        if isinstance(task, External) and isinstance(task.component, Pipeline):
            parameters = task.component.parameters
            required = [p.name for p in parameters if p.required]
            problem = input_problem(
                task.name, [p.name for p in parameters], required, [i.name for i in task.inputs]
            )
            if problem:
                yield error("kfp-input", *problem, task)
        earlier.add(task.name)


def _input(
    pipeline: Pipeline, found: Places, task: Task, variable: Input, earlier: set[str]
) -> Iterator[Diagnostic]:
    source, wanted = variable.source, variable.type
    if isinstance(source, Constant):
        for message, remedy in constant_problems(source.value):
            yield error("kfp-input", f"Input {variable.name!r} of {task.name!r} {message}.", remedy, task)
        made: ValueType | None = natural_type(source.value)
        good = constant_fits(source.value, wanted)
    else:
        known = producers((variable,)) <= earlier
        made = given(pipeline, found, source, found.paths[task.name]) if known else None
        good = made is not None and fits(made, wanted)
    if not good:
        got = "nothing" if made is None else f"a {made}"
        yield error(
            "kfp-input",
            f"Step {task.name!r} reads {variable.name!r} as {wanted} and would get {got}.",
            _elsewhere(found, task, source) or "Annotate the variable the same way wherever it is assigned.",
            task,
        )
    if isinstance(task, External) and isinstance(source, FromItem) and found.loops[source.loop].json:
        yield error(
            "kfp-input",
            f"Input {variable.name!r} of {task.name!r} is an item of a loop over values of several types, "
            "which only steps of the notebook can read.",
            f"Assign it in a step before ({variable.name} = {found.loops[source.loop].item}).",
            task,
        )


def _elsewhere(found: Places, task: Task, source: Source) -> str:
    """The remedy where the value exists, but inside a group the reader is not in."""
    if not isinstance(source, FromStep) or source.step not in found.paths:
        return ""
    frame = _apart(found.paths[source.step], found.paths[task.name])
    match frame:
        case "loop":
            return "Collect it (--collect NAMES=NAME), or read it inside the loop."
        case "branch":
            return "Give it a value in every branch, or read it inside the branch."
    return ""


def _apart(producer: Path, consumer: Path) -> str:
    """The kind of the outermost group that ``producer`` stands in and ``consumer`` does not; else empty."""
    common = 0
    while common < min(len(producer), len(consumer)) and producer[common] == consumer[common]:
        common += 1
    return producer[common].kind if common < len(producer) else ""


def order(found: Places) -> Iterator[Diagnostic]:
    """Orders KFP cannot keep: unknown steps, circles, and the inside of a branch seen from outside."""
    for task in found.tasks.values():
        for name in task.after:
            if name not in found.tasks:
                yield error(
                    "unknown-step", f"Step {task.name!r} comes after {name!r}, which is no step.", "", task
                )
            elif name in found.exits or task.name in found.exits:
                last = name if name in found.exits else task.name
                yield error(
                    "kfp-after",
                    f"Step {task.name!r} comes after {name!r}, and {last!r} runs last in any case.",
                    f"Take out after:{name}.",
                    task,
                )
            else:
                yield from _after(found, task, name)
    known = found.tasks
    try:
        graph = {t.name: [n for n in t.upstream if n in known] for t in known.values()}
        TopologicalSorter(graph).prepare()
    except CycleError as cycle:
        circle = " → ".join(cycle.args[1])
        yield error("cycle", f"The steps wait for each other: {circle}.", "Take out one of the after tags.")


def _after(found: Places, task: Task, name: str) -> Iterator[Diagnostic]:
    """KFP skips whatever comes after something inside a lone ``If`` that was skipped, so its compiler refuses it."""
    producer, consumer = found.paths[name], found.paths[task.name]
    if _apart(producer, consumer) != "branch":
        return
    frame = next(f for f in producer if f not in consumer)
    if frame.name in {f.name for f in consumer}:
        yield error(
            "kfp-after",
            f"Step {task.name!r} comes after {name!r}, which stands in another branch of {frame.name!r}: "
            "only one of them runs.",
            f"Take out after:{name}.",
            task,
        )
    elif len(found.branches[frame.name].arms) == 1:
        yield error(
            "kfp-after",
            f"Step {task.name!r} comes after {name!r}, which runs under a condition that it does not have; "
            "KFP would skip both.",
            f"Put {task.name!r} under the same condition, add an --else, or take out after:{name}.",
            task,
        )


def groups(pipeline: Pipeline, found: Places) -> Iterator[Diagnostic]:
    """Branches, loops and exit handlers KFP cannot express."""
    for branch in found.branches.values():
        yield from _branch(pipeline, found, branch)
    for loop in found.loops.values():
        yield from _loop(pipeline, found, loop)
    handlers = [node for node in pipeline.body if isinstance(node, ExitHandler)]
    if handlers and len(pipeline.body) > 1:
        yield error("kfp-exit", "KFP's exit handler is around all other steps.", "Keep one --on-exit cell.")
    for handler in handlers:
        yield from _exit(handler.exit)
        if not handler.body:
            yield error("no-steps", "The pipeline has only a step that runs on exit.", "Add a step.")
    if found.branches or found.loops or handlers:
        for name, key in names.task_keys(found.tasks).items():
            if names.GROUP_KEY.fullmatch(key):
                yield error(
                    "kfp-name",
                    f"KFP itself calls groups of steps {key!r}.",
                    f"Rename the step {name!r}.",
                    found.tasks[name],
                )


def _branch(pipeline: Pipeline, found: Places, branch: Branch) -> Iterator[Diagnostic]:
    for number, arm in enumerate(branch.arms):
        text = arm.text or branch.name
        if not arm.body:
            yield error("kfp-branch", f"The branch {text!r} has no steps.", "Add a step, or take it out.")
        if arm.test is None:
            if number == 0 or number < len(branch.arms) - 1:
                yield error("kfp-branch", f"The else of {branch.name!r} is not its last branch.", "Move it.")
        else:
            yield from _test(pipeline, found, arm.test, text, found.paths[branch.name])


def _test(pipeline: Pipeline, found: Places, test: Test, text: str, at: Path) -> Iterator[Diagnostic]:
    left, right = (given(pipeline, found, operand, at) for operand in (test.left, test.right))
    problem = None
    if left is None or right is None:
        problem = "one side has no value there"
    elif any(_optional(pipeline, operand) for operand in (test.left, test.right)):
        problem = "a parameter in it may be None, which KFP cannot compare"
    else:
        problem = conditions.problem(test, left, right)
    for operand in (test.left, test.right):
        if isinstance(operand, FromItem) and operand.loop in found.loops and found.loops[operand.loop].json:
            problem = "the items of the loop are of several types"
    if problem:
        yield error(
            "kfp-condition",
            f"KFP cannot decide {text!r}: {problem}.",
            "Compute it as a bool in a step, and test that.",
        )


def _optional(pipeline: Pipeline, operand: Source) -> bool:
    return isinstance(operand, FromParameter) and any(
        p.name == operand.name and not p.required and p.default is None for p in pipeline.parameters
    )


def _loop(pipeline: Pipeline, found: Places, loop: Loop) -> Iterator[Diagnostic]:
    text = loop.text or loop.name
    if not loop.body:
        yield error("kfp-loop", f"The loop over {text!r} has no steps.", "Add a step, or take it out.")
    if loop.json and loop.type != ValueType(ParameterType.STRING):
        yield error(
            "kfp-loop", f"The items of the loop over {text!r} travel as texts, not as {loop.type}.", ""
        )
    if not isinstance(loop.items, Constant):
        made = given(pipeline, found, loop.items, found.paths[loop.name])
        if made is None or made.kind is not ParameterType.LIST or _optional(pipeline, loop.items):
            got = "nothing" if made is None else "None" if made.kind is ParameterType.LIST else f"a {made}"
            yield error(
                "kfp-loop", f"The loop goes over {text!r}, which may be {got}.", "Annotate it as a list."
            )
        return
    values = loop.items.value
    if not isinstance(values, list):
        yield error("kfp-loop", f"The loop goes over {text!r}, which is no list.", "Write a list.")
        return
    for message, remedy in constant_problems(values):
        yield error("kfp-loop", f"The loop over {text!r} {message}.", remedy)
    if any(value is None or not constant_fits(value, loop.type) for value in values):
        yield error("kfp-loop", f"The loop over {text!r} has items that are no {loop.type}.", "")


def _exit(step: Step) -> Iterator[Diagnostic]:
    for variable in step.inputs:
        if variable.name == names.STATUS or not isinstance(variable.source, FromParameter | Constant):
            yield error(
                "kfp-exit",
                f"The step {step.name!r} runs on exit and reads {variable.name!r}; KFP gives it parameters and status only.",
                "Read parameters only, or load the value from where a step stored it.",
                step,
            )


def outputs(pipeline: Pipeline, found: Places) -> Iterator[Diagnostic]:
    """Pipeline outputs that no step makes, or not with their type."""
    handler = next((node for node in pipeline.body if isinstance(node, ExitHandler)), None)
    at: Path = ()
    if handler is not None and handler.body:
        at = found.paths[_first(handler)][:1]
    for output in pipeline.outputs:
        made = given(pipeline, found, output.source, at)
        if not names.KFP_NAME.fullmatch(output.name):
            yield error("kfp-output", *names.problem("output", output.name))
        if isinstance(output.source, FromParameter | Constant | FromItem):
            what = "parameter no step changes" if isinstance(output.source, FromParameter) else "constant"
            value = output.source.name if isinstance(output.source, FromParameter) else "..."
            yield error(
                "kfp-output",
                f"The pipeline's output {output.name!r} is a {what}, and KFP only hands out what a step made.",
                f"Take it out of the outputs, or assign it in a step ({output.name} = {value}).",
            )
        elif made is None or not fits(made, output.type):
            got = "nothing" if made is None else f"a {made}"
            collected = (
                "Collect it (--collect NAMES=NAME)." if isinstance(output.source, FromStep | FromLoop) else ""
            )
            inside = (
                isinstance(output.source, FromStep) and found.paths.get(output.source.step, ())[len(at) :]
            )
            yield error(
                "kfp-output",
                f"The pipeline's output {output.name!r} is declared as {output.type} and would be {got}.",
                collected if inside else "",
            )


def _first(handler: ExitHandler) -> str:
    node = handler.body[0]
    assert not isinstance(node, ExitHandler)
    return node.name
