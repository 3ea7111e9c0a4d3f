"""The body of a component: inputs become variables, cells are executed, variables become outputs."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from jupyter_kfp.compiler import names
from jupyter_kfp.compiler.export.cells import Python, to_python
from jupyter_kfp.compiler.export.file import File
from jupyter_kfp.compiler.export.layout import Group, Item, call, indented, laid_out, literal, quoted
from jupyter_kfp.compiler.export.scoping import bound_names, is_replaced, reason
from jupyter_kfp.compiler.export.travelling import import_lines, with_comments
from jupyter_kfp.notebook.syntax import transform
from jupyter_kfp.pipeline import Code, Input, Output, ParameterType, Step

_SCALARS = frozenset(
    {ParameterType.STRING, ParameterType.INTEGER, ParameterType.FLOAT, ParameterType.BOOLEAN}
)


@dataclass(frozen=True, slots=True)
class Ports:
    """The arguments of a component's function, by the variables of the step."""

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the rest of the pipeline says about a step.

    ``json`` are inputs that come as JSON texts, ``unbound`` those that may have no value, ``optional``
    those that may be None, and ``code`` the definitions that values of the inputs refer to by name.
    ``last``: it runs on exit.
    """

    json: frozenset[str] = frozenset()
    unbound: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    code: frozenset[str] = frozenset()
    last: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """The lines below a component's signature, and the helper functions they call."""

    lines: list[str]
    helpers: frozenset[str]


def body(file: File, step: Step, ports: Ports, around: Surroundings) -> Body:
    """The body of the component of ``step``. What has no counterpart goes to the file's findings."""
    writer = _Writer(file, step, ports, around)
    if not step.body and not step.preamble and _hands_on(step):
        writer.hand_on()
    else:
        writer.write()
    return Body(writer.lines or ["    pass"], frozenset(writer.used))


def _hands_on(step: Step) -> bool:
    """Whether every output is an input that only passes through."""
    kinds = {i.name: (i.type.is_parameter, i.type.many) for i in step.inputs}
    return not step.picks and all(kinds.get(o.name) == (o.type.is_parameter, False) for o in step.outputs)


@dataclass
class _Writer:
    file: File
    step: Step
    ports: Ports
    around: Surroundings
    lines: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    module: bool = False

    def helper(self, name: str) -> str:
        self.used.add(name)
        return self.file.helper(name)

    def add(self, item: Item, prefix: str = "", depth: int = 1) -> None:
        self.lines += laid_out(item, prefix=prefix, depth=depth)

    def blank(self) -> None:
        if self.lines and self.lines[-1]:
            self.lines.append("")

    def variable(self, name: str) -> str:
        """The variable as an expression."""
        return f"notebook.{name}" if self.module else name

    def hand_on(self) -> None:
        for output in self.step.outputs:
            if not output.type.is_parameter:
                source, target = self.ports.inputs[output.name], self.ports.outputs[output.name]
                self.add(call(self.helper("hand_on"), source, target))
        returned = [self.ports.inputs[o.name] for o in self.step.outputs if o.type.is_parameter]
        if returned:
            self.add(Group("(", tuple(returned), ")"), prefix="return ")

    def write(self) -> None:
        preamble = [self.python(with_comments(code, self.file.cells)) for code in self.step.preamble]
        cells = [self.python(code) for code in self.step.body]
        if any(found.errors for found in (*preamble, *cells)):
            return
        early = set(self.step.early)
        early |= {self.step.picks[name] for name in early if name in self.step.picks}
        late = {i.name for i in self.step.inputs} - early
        before, after = [p.source for p in preamble], [c.source for c in cells]
        why = reason(before, after, late) or self.conditional([*before, *after])
        modules = sorted({module for found in (*preamble, *cells) for module in found.modules})
        self.begin(why, [*before, *after], modules)
        self.inputs(lambda name: name in early)
        self.code(list(zip(self.step.preamble, before, strict=True)), travelling=True)
        self.name_definitions(bound_names(before))
        self.inputs(lambda name: name not in early)
        self.code(list(zip(self.step.body, after, strict=True)), travelling=False)
        self.name_definitions(bound_names(after) - bound_names(before))
        self.outputs()
        while self.lines and not self.lines[-1]:
            self.lines.pop()

    def python(self, code: Code) -> Python:
        bound = {i.name for i in self.step.inputs} | set(_bound(self.step))
        found = to_python(code, self.step.name, bound)
        self.file.findings += found.errors
        return found

    def conditional(self, sources: list[str]) -> str | None:
        """Definitions that values refer to, and that may not be there when they are to be named."""
        certain: set[str] = set()
        for source in sources:
            for node in ast.parse(source).body:
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    certain.add(node.name)
                elif isinstance(node, ast.Assign | ast.AnnAssign | ast.Import | ast.ImportFrom):
                    certain |= bound_names([ast.unparse(node)])
        missing = sorted((self.shared() & bound_names(sources)) - certain)
        return f"values refer to `{missing[0]}`, which is defined on some paths only" if missing else None

    def shared(self) -> set[str]:
        """The definitions that values entering or leaving this step refer to by name."""
        return set(self.around.code) | {name for output in self.step.outputs for name in output.code}

    def begin(self, why: str | None, sources: list[str], modules: list[str]) -> None:
        """The first lines: the modules replaced lines need, the module that cells are executed in."""
        if self.around.json:
            self.lines.append("    import json")
        if why is None:
            self.lines += [f"    import {module}" for module in modules if module != "json"]
        reads = {n.id for s in sources for n in ast.walk(ast.parse(s)) if isinstance(n, ast.Name)}
        shown = "display" in reads and "display" not in set(_bound(self.step))
        own = any("artifact_class(" in source for source in sources)
        self.blank()
        if why is not None:
            self.module = True
            main = (
                [quoted("__main__")] if {"__name__"} & reads or any("__main__" in s for s in sources) else []
            )
            self.lines.append(f"    # Executed as a module of its own: {why}.")
            self.add(call(self.helper("notebook_module"), *main), prefix="notebook = ")
            self.lines += [f"    import {module}" for module in modules]
            self.lines += [f"    notebook.{module} = {module}" for module in modules]
        elif shown:
            self.lines.append("    display = print  # there is no notebook to show it in")
        if own:
            helper = self.helper("artifact_class")
            if self.module:
                self.lines.append(f"    notebook.artifact_class = {helper}")
            elif helper != "artifact_class":
                self.lines.append(f"    artifact_class = {helper}")

    def inputs(self, wanted: Callable[[str], bool]) -> None:
        """Bind the inputs with the wanted names, artifacts first."""
        held = set(self.step.picks.values())
        for variable in sorted(self.step.inputs, key=lambda i: i.type.is_parameter):
            if wanted(variable.name) and variable.name not in held:
                self.bind(variable)
        if self.around.last and self.module and wanted(names.STATUS):
            self.lines.append(f"    notebook.{names.STATUS} = {names.STATUS}")
        self.blank()

    def bind(self, variable: Input) -> None:
        argument = self.ports.inputs[variable.name]
        value, target = self.value(variable, argument), self.variable(variable.name)
        if value == target:
            return
        depth = 1
        if variable.name in self.around.unbound:
            self.lines.append(f'    if not {argument}.metadata.get("unbound"):')
            depth = 2
        self.add(value, prefix=f"{target} = ", depth=depth)

    def value(self, variable: Input, argument: str) -> Item:
        """The input as an expression; KFP hands whole numbers over as int, whatever they were."""
        if variable.name in self.step.picks:
            values = self.ports.inputs[self.step.picks[variable.name]]
            return call(self.helper("loop_item"), f"{self.helper('load_value')}({values})[{argument}]")
        if variable.name in self.around.json:
            return call(self.helper("loop_item"), f"json.loads({argument})")
        if variable.type.many:
            return f"[{self.helper('load_value')}(artifact) for artifact in {argument} or []]"
        if not variable.type.is_parameter:
            return call(self.helper("load_value"), argument)
        return self.floats(variable, argument)

    def floats(self, variable: Input, argument: str) -> str:
        match variable.type.kind, variable.type.items:
            case ParameterType.FLOAT, _:
                text = f"float({argument})"
            case ParameterType.LIST, ParameterType.FLOAT:
                text = f"[float(number) for number in {argument}]"
            case ParameterType.DICT, ParameterType.FLOAT:
                text = f"{{key: float(number) for key, number in {argument}.items()}}"
            case _:
                return argument
        return f"None if {argument} is None else {text}" if variable.name in self.around.optional else text

    def code(self, pieces: list[tuple[Code, str]], *, travelling: bool) -> None:
        """The cells, as they are or as texts that are executed in the module."""
        if self.module:
            for code, source in pieces:
                self.executed(code, source)
            return
        if travelling:
            while pieces and (lines := import_lines(pieces[0][1])) is not None:
                self.lines += lines if len(lines) > 1 or lines[0] not in self.lines else []
                pieces = pieces[1:]
            self.blank()
        if not pieces:
            return
        self.lines.append("    # fmt: off")
        for code, source in pieces:
            if not travelling:
                self.lines.append(f"    # Cell {code.cell + 1}")
            self.lines += indented(source.strip("\n"), 1)
            self.blank()
        self.lines.pop()
        self.lines.append("    # fmt: on")
        self.blank()

    def executed(self, code: Code, source: str) -> None:
        self.lines += [
            f"    {self.helper('run_cell')}(",
            "        notebook,",
            f"        {quoted(f'cell {code.cell + 1}')},",
            *_text(source.strip("\n")),
            "    )",
        ]

    def name_definitions(self, bound: frozenset[str]) -> None:
        found = sorted(self.shared() & bound)
        if found:
            named: dict[str, Item] = {name: self.variable(name) for name in found}
            self.add(call(self.helper("name_definitions"), **named))
            self.blank()

    def outputs(self) -> None:
        for output in self.step.outputs:
            if not output.type.is_parameter:
                self.save(output)
        if self.step.metrics:
            numbers: dict[str, Item] = {name: self.variable(name) for name in self.step.metrics}
            self.add(call(self.helper("log_numbers"), names.STEP_METRICS, **numbers))
        returned = [self.returned(o) for o in self.step.outputs if o.type.is_parameter]
        if returned:
            self.add(Group("(", tuple(returned), ")"), prefix="return ")

    def save(self, output: Output) -> None:
        port, variable = self.ports.outputs[output.name], self.variable(output.name)
        saved = call(self.helper("save_value"), variable, port)
        if not output.optional:
            self.add(saved)
            return
        name = literal(output.name)
        there = call("hasattr", "notebook", name) if self.module else f"{name} in locals()"
        self.add(there if isinstance(there, str) else Group(there.opening, there.items, "):"), prefix="if ")
        if isinstance(there, str):
            self.lines[-1] += ":"
        self.add(saved, depth=2)
        self.lines.append("    else:")
        self.add(call(self.helper("leave_unbound"), port), depth=2)

    def returned(self, output: Output) -> Item:
        variable = self.variable(output.name)
        return call(self.helper("plain"), variable) if output.type.kind in _SCALARS else variable


def _bound(step: Step) -> frozenset[str]:
    """The names the step's code binds, magics included."""
    read = [transform(code.source) for code in (*step.preamble, *step.body)]
    return bound_names(found.equivalent for found in read if found.tree is not None)


def _text(source: str) -> list[str]:
    """Source code as a text: as it is between quotes, or line by line where something would change it."""
    lines = source.split("\n")
    if not is_replaced(source) and not any(line and not line.strip() for line in lines):
        for quotes in ('"""', "'''"):
            if quotes not in source and not source.endswith(quotes[0]) and not _ends_in_backslash(source):
                raw = "r" if "\\" in source else ""
                return [f"        {raw}{quotes}", *lines, f"{quotes},"]
    escaped = [quoted(f"{line}\n").replace("$", "\\x24") for line in lines]
    return [f"        {line}" for line in escaped[:-1]] + [f"        {escaped[-1]},"]


def _ends_in_backslash(source: str) -> bool:
    return source.endswith("\\")
