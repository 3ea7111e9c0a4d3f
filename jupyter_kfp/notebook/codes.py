"""The diagnostics of the dataflow analysis, in one table: code, weight, and what to do.

K1xx (reading cells, roles and options) are documented where they are emitted, in ``roles`` and
``spellings``. K2xx are about names and code, K3xx about types and values, K4xx about pitfalls.
"""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_kfp.errors import Diagnostic, Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of finding. ``remedy`` may use the same fields as the message that is given with it."""

    severity: Severity
    remedy: str


_ERROR, _WARNING = Severity.ERROR, Severity.WARNING

RULES: dict[str, Rule] = {
    # names
    "K201": Rule(_ERROR, "Bind {name} in an earlier step, in the preamble, or as a parameter."),
    "K202": Rule(_ERROR, "Remove the tag `skip` from cell {other}, or bind {name} in a step."),
    "K203": Rule(_ERROR, "Move the cell that binds {name} before this one."),
    "K204": Rule(_ERROR, "Bind {name} again before it is read, or do not delete it."),
    "K205": Rule(_ERROR, "Put the cells of step {step} next to each other, or make the later ones a step of their own."),
    "K206": Rule(_ERROR, "Pass {name} as an argument, or define {what} after {name} got its last value."),
    "K207": Rule(_ERROR, "Define {name} at the top level of a cell, by code that does nothing else."),
    "K208": Rule(_ERROR, "Keep such state in a variable of its own and return it, or assign it in a preamble cell."),
    "K209": Rule(_ERROR, "Give one of the two another name, or define it once, before the first step that uses it."),
    "K210": Rule(_ERROR, "Change the dependencies or the `after:` tags so that no step waits for itself."),
    "K211": Rule(_ERROR, "Rename the variable."),
    "K212": Rule(_ERROR, "Bind the result to a name and use the name."),
    "K213": Rule(_ERROR, "Assign {name} in a step, or list another name."),
    "K214": Rule(_WARNING, "Import the names one by one, so that it is known what they are."),
    "K215": Rule(_WARNING, "Make the setting in a preamble cell (before the first step, or tagged `imports`): it then holds in every step."),
    "K216": Rule(_WARNING, "Create a generator (`rng = np.random.default_rng(seed)`) and pass it on, or seed in every step."),
    "K217": Rule(_WARNING, "Assign {name} in a step: its value is then made once and passed on."),
    "K218": Rule(_WARNING, "Pass the content in a variable (or a `pathlib.Path` to the file) instead."),
    "K219": Rule(_WARNING, "Put the cell of step {other} before it, so that Run All keeps the same order."),
    "K220": Rule(_WARNING, "Bind {name} on every path, or leave the read on the same path."),
    "K221": Rule(_ERROR, "Correct the cell; it is not valid Python."),
    "K222": Rule(_WARNING, "Assign the names in the cells themselves, where they can be seen."),
    # control flow
    "K223": Rule(_ERROR, "Bind {name} before the branch, or in every arm (with an `--else`)."),
    "K224": Rule(_ERROR, "Add `--collect {other}` to the loop's header and read the list."),
    "K225": Rule(_ERROR, "Bind {name} in a cell of the loop, on every path."),
    "K226": Rule(_ERROR, "Work on a copy (`{name} = copy.deepcopy({name})`), or bind something new and `--collect` it."),
    "K227": Rule(_ERROR, "Read parameters and `status` there; what must be told of a result, tell in a step of its own."),
    "K228": Rule(_ERROR, "Put the cells of a branch below each other: --if, then --elif, then --else."),
    "K229": Rule(_ERROR, "Give the cells of each place a step name of their own."),
    "K230": Rule(_ERROR, "Compare with True or False, or write the name alone: `--if flag`."),
    "K231": Rule(_WARNING, "Use `--collect` to take values out of a loop, or rename the variable in the loop."),
    "K232": Rule(_ERROR, "The path is relative to this notebook; correct what is wrong there first."),
    "K233": Rule(_ERROR, "Assign {name} in the cell."),
    "K234": Rule(_ERROR, "Assign only what the component takes."),
    "K235": Rule(_ERROR, "Give every cell a step name of its own."),
    "K236": Rule(_WARNING, "Change a copy (`copy.deepcopy`) of {name}, or collect copies."),
    "K237": Rule(_ERROR, "Make a copy in the branch (`{name} = copy.copy({other})`), or bind both names in it."),
    # types and values
    "K301": Rule(_ERROR, "Write a literal that JSON can hold (str, int, float, bool, None, list, dict), or move the line to a step."),
    "K302": Rule(_ERROR, "Change the annotation or the default."),
    "K303": Rule(_ERROR, "Create it in the step that uses it, and pass on what it was made from."),
    "K304": Rule(_ERROR, "Use one of str, int, float, bool, list, dict, Dataset, Model, Metrics, ClassificationMetrics, HTML, Markdown, Artifact."),
    "K305": Rule(_ERROR, "Assign {name} in the step, or remove it from `outputs`."),
    "K307": Rule(_WARNING, "Write all of them as floats (1.0) or annotate list[float]; or make them in a step."),
    "K306": Rule(_ERROR, "Read it from the environment and give the step `secret: NAME:KEY=VARIABLE`; if it is none, `#| allow_secret: REASON`."),
    "K309": Rule(_ERROR, "{problem}"),
    "K310": Rule(_ERROR, "Clear the outputs of the cell; if it is none, `#| allow_secret: REASON`."),
    "K311": Rule(_WARNING, "Make it a list, a dict, an array or a table, or allow it: `#| pickle: on`."),
    "K308": Rule(_WARNING, "Take {name} out of the metrics, or assign it in a step ({name} = {name})."),
    # pitfalls
    "K401": Rule(_WARNING, "Say what the step needs, for instance `#| memory: 16G` and `#| gpu: 1`."),
    "K402": Rule(_WARNING, "Begin a step at each phase (`step:load`, `step:train`, …): the code itself can stay as it is."),
    "K403": Rule(_WARNING, "Write {instead}."),
    "K404": Rule(_WARNING, "Say how many may run at once: `--parallelism 4` in the header of the loop."),
}  # fmt: skip


def diagnostic(
    code: str,
    message: str,
    *,
    cell: int | None = None,
    line: int | None = None,
    step: str | None = None,
    severity: Severity | None = None,
    **fields: object,
) -> Diagnostic:
    """The finding ``code`` with its remedy filled in; ``severity`` overrides the rule's weight."""
    rule = RULES[code]
    remedy = rule.remedy.format(step=step, **fields)
    return Diagnostic(code, severity or rule.severity, message, remedy, cell, line, step)
