"""What can only be judged when all is resolved: names nothing binds, cycles, code that keeps state."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter

from jupyter_kfp.errors import Severity
from jupyter_kfp.notebook.codes import diagnostic
from jupyter_kfp.notebook.environment import HISTORY, Missing
from jupyter_kfp.notebook.needs import RESERVED
from jupyter_kfp.notebook.roles import Reading
from jupyter_kfp.notebook.travel import Travel
from jupyter_kfp.notebook.units import Kind, Unit
from jupyter_kfp.pipeline import External, Step


class Verdicts(Travel):
    """The last checks, over the steps of a whole notebook."""

    def _check_missing(self) -> None:
        later = self.flow.bound_at
        skipped = _bound_in(self.flow.reading)
        for missing in self.flow.missing:
            read, step = missing.read, missing.step
            if read.guarded or (step is not None and read.name in step.record.touched and not read.certain):
                continue
            self._missing(missing, later, skipped)

    def _missing(self, missing: Missing, later: dict[str, int], skipped: dict[str, int]) -> None:
        read, step = missing.read, missing.step
        certain = read.certain and not read.deferred
        more = {"cell": read.cell, "line": read.line, "severity": None if certain else Severity.WARNING}
        deleted = (step.environment if step else self.flow.environment).get(read.name)
        who = f"step {step.name}" if step else "the preamble"
        if read.name in HISTORY or (read.name.startswith("_") and read.name[1:].lstrip("i").isdigit()):
            self._report(
                "K212",
                f"{who} reads `{read.name}`, which only exists in an interactive session.",
                step,
                read.name,
                **more,
            )
        elif read.name in skipped:
            self._report(
                "K202", f"{who} reads `{read.name}`, which only the skipped cell {skipped[read.name] + 1} binds.",
                step, read.name, other=skipped[read.name] + 1, **more,
            )  # fmt: skip
        elif read.name in self.flow.closed and self.flow.closed[read.name].cell < read.cell:
            loop = self.flow.closed[read.name]
            self._report(
                "K224", f"{who} reads `{read.name}`, which is only bound in the loop of cell {loop.cell + 1}; each iteration has its own.",
                step, read.name, other=f"{read.name}s={read.name}", **more,
            )  # fmt: skip
        elif step is not None and step is self.flow.exit and read.name in self.flow.hidden:
            self._report(
                "K227", f"the exit step {step.name} reads `{read.name}`, which a step makes that may never have run.",
                step, read.name, **more,
            )  # fmt: skip
        elif deleted is not None and deleted.kind is Kind.DELETED:
            self._report(
                "K204", f"{who} reads `{read.name}`, which cell {deleted.cell + 1} deletes.", step, read.name, **more
            )  # fmt: skip
        elif read.name in later and later[read.name] > read.cell:
            self._report(
                "K203", f"{who} reads `{read.name}`, which only the later cell {later[read.name] + 1} binds.", step, read.name, **more
            )  # fmt: skip
        elif self.flow.star is None:
            self._report(
                "K201", f"{who} reads `{read.name}`, which nothing before it binds.", step, read.name, **more
            )

    def _check_reserved(self) -> None:
        for step in self.flow.steps.values():
            ports = self.ports[step.name]
            for name in sorted((ports.outputs | set(ports.inputs)) & RESERVED):
                place = step.record.touched.get(name)
                self._report(
                    "K211", f"`{name}` is the name of a port that every step has already.", step, name,
                    cell=place.cell if place else step.first_cell, line=place.line if place else None,
                )  # fmt: skip

    def _check_keepers(self) -> None:
        """Code that remembers, in more than one step: each would remember for itself."""
        for definition, users in self._keepers.values():
            steps = dict.fromkeys([*([definition.step] if definition.step else []), *users])
            if len(steps) > 1:
                name = definition.name
                self._report(
                    "K208", f"`{name}` {definition.state}; the steps {', '.join(steps)} each get its source, without that.",
                    None, name, cell=definition.cell, line=definition.line,
                )  # fmt: skip

    def _check_unstable(self) -> None:
        carriers: dict[int, list[str]] = {}
        units: dict[int, Unit] = {}
        for name, ports in self.ports.items():
            for key, unit in ports.units.items():
                if unit.unstable:
                    carriers.setdefault(key, []).append(name)
                    units[key] = unit
        for key, steps in carriers.items():
            if len(steps) > 1:
                unit = units[key]
                name = min(unit.names)
                self._report(
                    "K217", f"`{name}` is made by {unit.unstable}(), so each of the steps {', '.join(steps)} gets another value.",
                    None, name, cell=unit.cell, line=unit.line,
                )  # fmt: skip

    def _check_cycles(self, steps: tuple[Step | External, ...]) -> None:
        cells = {step.name: step.first_cell for step in self.flow.steps.values()}
        try:
            TopologicalSorter({step.name: step.upstream for step in steps}).prepare()
        except CycleError as error:
            names = list(reversed(error.args[1]))
            self.diagnostics.append(
                diagnostic(
                    "K210",
                    f"the steps wait for each other: {' → '.join(names)}.",
                    cell=cells.get(names[0]),
                    step=names[0],
                )
            )
        for step in steps:
            for other in step.after:
                if cells.get(other, -1) > cells[step.name]:
                    self._report(
                        "K219", f"step {step.name} is declared after step {other}, which stands below it.",
                        self.flow.steps[step.name], other, cell=cells[step.name], other=other,
                    )  # fmt: skip


def _bound_in(reading: Reading) -> dict[str, int]:
    """Names that skipped cells bind, with the first such cell."""
    found: dict[str, int] = {}
    for cell in reading.skipped:
        for node in ast.walk(cell.python.tree) if cell.python.tree is not None else ():
            match node:
                case (
                    ast.Name(id=name, ctx=ast.Store()) | ast.FunctionDef(name=name) | ast.ClassDef(name=name)
                ):
                    found.setdefault(name, cell.cell)
                case ast.alias(name=name, asname=other):
                    found.setdefault(other or name.partition(".")[0], cell.cell)
                case _:
                    pass
    return found
