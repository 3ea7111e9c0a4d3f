"""Which cell plays which part in the pipeline: the roles of a notebook's code cells.

===========================================  ==============================================================
tag                                          role of the cell
===========================================  ==============================================================
``parameters``, ``pipeline-parameters``,     pipeline parameters
``injected-parameters`` (papermill's)
``step:NAME``, ``block:NAME``,               (part of) the step NAME
``%%component NAME``
``after:NAME``, ``prev:NAME``                the step waits for the step NAME
``imports``, ``functions``                   preamble, wherever the cell stands
``outputs``, ``pipeline-metrics``            names of the pipeline's outputs
``%%pipeline``                               the pipeline in KFP's own DSL, over the notebook's steps
``skip``                                     none; wins over every other tag
(none)                                       part of the step before; before the first step: preamble
===========================================  ==============================================================

In a notebook made for Kale (``kubeflow_notebook`` metadata) an untagged cell belongs to the role before
it, also where that is no step, as Kale has it. What a cell installs (``%pip install``) is installed in
the step and in all later ones, as in the notebook's kernel; what the preamble installs, in every step.

====  ==========================================================================================
K110  no steps
K111  a step's name that KFP or this package cannot have
K112  two names KFP cannot tell apart (``train_model``, ``train-model``)
K113  a cell with two roles or two steps
K114  ``after`` names no step
K115  a step that waits for itself
K116  a step without code
K117  an ``outputs`` cell that holds more than names
K118  ``%%component`` that is not the first line of its cell
K119  a second ``%%pipeline`` cell
K122  (warning) part of an install line that does not reach the steps
K123  a requirements file that cannot be read
K125  an ``outputs`` cell that is not Python
K126  a pipeline name of which KFP can keep nothing
K127  (warning) ``after`` on a cell that is no step
K128  cells of a step with control flow whose headers differ, or without a header
K129  a second exit step
====  ==========================================================================================
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field

from jupyter_kfp.notebook import kale
from jupyter_kfp.notebook.control import CellControl, joined, same_frames
from jupyter_kfp.notebook.header import Header, read_header
from jupyter_kfp.notebook.installs import packages_of
from jupyter_kfp.notebook.marks import Marks, Role, read_marks
from jupyter_kfp.notebook.naming import description, kfp_name, pipeline_name, step_name_problem
from jupyter_kfp.notebook.reading import NamedOutput, Reading, StepCell, StepReading
from jupyter_kfp.notebook.source import Cell, Notebook
from jupyter_kfp.notebook.spellings import Findings, StepLayers, notebook_metadata
from jupyter_kfp.notebook.syntax import LineMagic, Transformed, transform
from jupyter_kfp.options import PipelineOptions, StepOptions

__all__ = ["NamedOutput", "Reading", "StepCell", "StepReading", "assign_roles"]


@dataclass
class _Building:
    """A step while its cells are collected."""

    layers: StepLayers
    cells: list[StepCell] = field(default_factory=list)
    after: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    control: CellControl = field(default_factory=CellControl)


def assign_roles(notebook: Notebook) -> Reading:
    """Give every code cell its role and read what is written on it. Never raises: see ``diagnostics``."""
    return _Assignment(notebook).reading()


class _Assignment:
    """One walk over the notebook's cells."""

    def __init__(self, notebook: Notebook) -> None:
        self.notebook = notebook
        self.findings = Findings()
        self.kale = kale.is_kale(notebook.metadata)
        self.preamble: list[StepCell] = []
        self.parameters: list[StepCell] = []
        self.skipped: list[StepCell] = []
        self.outputs: dict[str, NamedOutput] = {}
        self.steps: dict[str, _Building] = {}
        self.dsl: StepCell | None = None
        self.allow_secret: dict[int, str] = {}
        # Installed packages with the cell from which on they count.
        self.installed: list[tuple[int, tuple[str, ...]]] = []

    def reading(self) -> Reading:
        """Walk, then judge what only the whole notebook shows."""
        far, defaults = kale.read_metadata(self.notebook.metadata, self.findings)
        options, own_defaults = notebook_metadata(self.notebook.metadata, self.findings)
        options = PipelineOptions(**{**far, **options.model_dump(exclude_unset=True)})
        last: tuple[Role, str] = (Role.PREAMBLE, "")
        for cell in self.notebook.cells:
            if cell.kind == "code":
                last = self._cell(cell, last)
        self._check_steps()
        common = (defaults.layer.options(), own_defaults.options())
        return Reading(
            self.notebook,
            tuple(cell for cell in self.preamble if cell.source.strip()),
            tuple(self.parameters),
            tuple(self._step(name, building, common) for name, building in self.steps.items()),
            tuple(self.skipped),
            tuple(self.outputs.values()),
            options,
            self._name(options),
            options.description or description(self.notebook),
            tuple(self.findings.items),
            self.dsl,
            self.allow_secret,
        )

    def _name(self, options: PipelineOptions) -> str:
        given = options.name or self.notebook.name
        name = pipeline_name(given)
        if not name and options.name:
            self.findings.error("K126", f"{given!r} cannot be a pipeline's name.", "Use letters and digits.")
        return name or "pipeline"

    def _cell(self, cell: Cell, last: tuple[Role, str]) -> tuple[Role, str]:
        """Put one cell where it belongs; what an untagged cell after it belongs to."""
        header = read_header(cell.source)
        if "skip" in cell.tags:
            self.skipped.append(self._step_cell(cell, header))
            return last
        part = read_marks(cell, header, self.findings, of_kale=self.kale)
        if reason := next((layer.allow_secret for layer in part.layers if layer.allow_secret), ""):
            self.allow_secret[cell.index] = reason
        role, name = self._role(part, last)
        read = self._step_cell(cell, header)
        self._check_header(read)
        if role is Role.STEP:
            self._add_to_step(name, part, read)
        else:
            self._unused(part)
            self._place(role, cell, read)
        # Everything installed outside of steps is there for all of them, as the code beside it is.
        packages = packages_of(read.python.installs, self.notebook.directory, cell.index, self.findings)
        self.installed += [(cell.index if role is Role.STEP else -1, packages)] if packages else []
        return (role, name) if role is Role.STEP or (self.kale and role is not Role.DSL) else last

    def _place(self, role: Role, cell: Cell, read: StepCell) -> None:
        match role:
            case Role.PARAMETERS:
                self.parameters.append(read)
            case Role.OUTPUTS:
                self._named_outputs(cell, read.python)
            case Role.DSL:
                self._explicit(read)
            case _:
                self.preamble.append(read)

    def _explicit(self, read: StepCell) -> None:
        if self.dsl is not None:
            self.findings.error(
                "K119",
                f"This is a second %%pipeline; the first is cell {self.dsl.cell + 1}.",
                "Leave one, or tag one `skip`.",
                read.cell,
            )
        self.dsl = self.dsl or read

    def _step_cell(self, cell: Cell, header: Header) -> StepCell:
        python = transform(header.code)
        return StepCell(cell.index, python.executed, python)

    def _role(self, part: Marks, last: tuple[Role, str]) -> tuple[Role, str]:
        if not part.roles:
            return last
        if len(part.roles) > 1:
            names = [f"{role.value}:{name}" if role is Role.STEP else role.value for role, name in part.roles]
            self.findings.error(
                "K113",
                f"The cell has several roles: {', '.join(names)}.",
                "Leave one, or split the cell.",
                part.cell.index,
                next((line for line in part.roles.values() if line), None),
            )
        return next(iter(part.roles))

    def _check_header(self, read: StepCell) -> None:
        for construct in read.python.constructs:
            if isinstance(construct, LineMagic) and construct.name in {"%component", "%pipeline"}:
                self.findings.error(
                    "K118",
                    f"%{construct.name} is not in the first line of its cell.",
                    "Move it to the top of the cell.",
                    read.cell,
                    construct.line,
                )

    def _unused(self, part: Marks) -> None:
        """Say it where options or an order stand on a cell that is no step."""
        for layer in part.layers:
            for option, setting in layer.settings.items():
                self.findings.warning(
                    "K106",
                    f"Option `{option}` does not count: the cell is no step.",
                    "Move it to a step, or for all steps to the notebook's `kfp` metadata.",
                    part.cell.index,
                    setting.line,
                )
            for name, line in layer.after.items():
                message = f"`after` {name} does not count: the cell is no step."
                self.findings.warning("K127", message, "Move it to a step.", part.cell.index, line)

    # ------------------------------------------------------------------ outputs

    def _named_outputs(self, cell: Cell, python: Transformed) -> None:
        if python.error is not None:
            message = f"The cell is not Python: {python.error.message}."
            self.findings.error("K125", message, "Correct it.", cell.index, python.error.line)
        for statement in python.tree.body if python.tree is not None else []:
            names = _listed(statement)
            if names is None:
                self.findings.error(
                    "K117",
                    "A cell of outputs only lists names.",
                    "Write a name per line, or `print(name)` for a metric; move code to a step.",
                    cell.index,
                    statement.lineno,
                )
                continue
            for name, metric in names:
                known = self.outputs.get(name)
                self.outputs[name] = NamedOutput(
                    name, cell.index, statement.lineno, metric or (known is not None and known.metric)
                )

    # ------------------------------------------------------------------ steps

    def _add_to_step(self, name: str, part: Marks, read: StepCell) -> None:
        place = (part.cell.index, part.roles.get((Role.STEP, name)))
        if name not in self.steps:
            self._check_name(name, *place)
            self.steps[name] = _Building(StepLayers(name, self.findings), control=part.control)
            self._check_exit(name, part)
        step = self.steps[name]
        self._check_control(name, step, part, read)
        step.cells.append(read)
        step.layers.add(part.layers, part.cell.index)
        for layer in part.layers:
            for other, line in layer.after.items():
                step.after.setdefault(other, (part.cell.index, line))

    def _check_control(self, name: str, step: _Building, part: Marks, read: StepCell) -> None:
        """Every cell of a step says the same of when it runs: each runs by its own header in the notebook."""
        if not read.source.strip() or same_frames(step.control, part.control):
            step.control = joined(step.control, part.control)
            return
        self.findings.error(
            "K128",
            f"The cell belongs to step {name!r}, but its header does not say the same of when it runs as cell "
            f"{step.cells[0].cell + 1 if step.cells else read.cell + 1}.",
            "Repeat that header, with a name of its own for a new step, or begin the cell with `%%component NAME`.",
            part.cell.index,
            part.header.line,
            step=name,
        )

    def _check_exit(self, name: str, part: Marks) -> None:
        if part.control.on_exit:
            first = next(
                (other for other, b in self.steps.items() if b.control.on_exit and other != name), None
            )
            if first is not None:
                self.findings.error(
                    "K129",
                    f"{name!r} is a second exit step; the first is {first!r}.",
                    "KFP has one: give both cells one name.",
                    part.cell.index,
                    part.header.line,
                    step=name,
                )

    def _check_name(self, name: str, cell: int, line: int | None) -> None:
        problem = step_name_problem(name)
        if problem:
            remedy = "Write for instance `step:train_model` or `%%component train_model`."
            self.findings.error("K111", problem, remedy, cell, line)
            return
        for other, building in self.steps.items():
            if kfp_name(other) == kfp_name(name):
                self.findings.error(
                    "K112",
                    f"The steps {name!r} and {other!r} (cell {building.cells[0].cell + 1}) have the same name in KFP.",
                    f"Rename one, or write {other!r} if it is the same step.",
                    cell,
                    line,
                    step=name,
                )

    def _check_steps(self) -> None:
        if not self.steps:
            self.findings.error(
                "K110",
                "The notebook has no steps.",
                "Tag a cell `step:NAME`, or begin it with `%%component NAME`.",
            )
        for name, building in self.steps.items():
            external = building.control.notebook or building.control.component
            if not external and not any(cell.source.strip() for cell in building.cells):
                remedy = "Write code into its cell, or remove the tag."
                self.findings.error(
                    "K116", f"Step {name!r} has no code.", remedy, building.cells[0].cell, step=name
                )
            for other, (cell, line) in building.after.items():
                self._check_after(name, other, cell, line)

    def _check_after(self, name: str, other: str, cell: int, line: int | None) -> None:
        if other == name:
            self.findings.error(
                "K115", f"Step {name!r} waits for itself.", "Remove that `after`.", cell, line, step=name
            )
        elif other not in self.steps:
            same = [step for step in self.steps if kfp_name(step) == kfp_name(other)]
            close = same or difflib.get_close_matches(other, self.steps, 1)
            remedy = f"Did you mean `{close[0]}`?" if close else f"The steps are {', '.join(self.steps)}."
            message = f"Step {name!r} waits for {other!r}, which is no step."
            self.findings.error("K114", message, remedy, cell, line, step=name)

    def _step(self, name: str, building: _Building, common: Iterable[StepOptions]) -> StepReading:
        cells = tuple(building.cells)
        reach = cells[-1].cell
        packages = dict.fromkeys(p for start, found in self.installed if start <= reach for p in found)
        installed = [StepOptions(packages=tuple(packages))] if packages else []
        options = building.layers.merged(*common, *installed, cell=cells[0].cell)
        after = tuple(other for other in building.after if other in self.steps and other != name)
        return StepReading(name, cells, after, options, building.control)


def _listed(statement: ast.stmt) -> list[tuple[str, bool]] | None:
    """The names a line of an outputs cell lists, with whether they are metrics; None for other code."""
    match statement:
        case ast.Expr(value=ast.Name(id=name)):
            return [(name, False)]
        case ast.Expr(value=ast.Tuple(elts=elements) | ast.List(elts=elements)):
            metric = False
        case ast.Expr(value=ast.Call(func=ast.Name(id="print"), args=[_, *_] as elements, keywords=[])):
            metric = True
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return []
        case _:
            return None
    names = [(element.id, metric) for element in elements if isinstance(element, ast.Name)]
    return names if len(names) == len(elements) else None
