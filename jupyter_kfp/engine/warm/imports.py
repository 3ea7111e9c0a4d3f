"""Which libraries the steps of a run import, as far as they may be loaded before a fork."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from jupyter_kfp.engine.plan import Constant, Plan
from jupyter_kfp.runtime.payload import STEP_NOTEBOOK, unpack_step

# Libraries that start no threads when they are imported, or find their way after a fork. Others (torch,
# tensorflow, jax, polars, ray) are loaded by each step itself.
_SAFE = {
    "numpy": ("numpy",),
    "pandas": ("pandas", "pyarrow.parquet"),
    "scipy": ("scipy",),
    "sklearn": ("sklearn.base", "sklearn.utils", "sklearn.model_selection", "skops.io", "joblib"),
    "pyarrow": ("pyarrow.parquet",),
    "matplotlib": ("matplotlib",),
    "seaborn": ("seaborn",),
    "joblib": ("joblib",),
    "statsmodels": ("statsmodels.api",),
}
_IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import|import[ \t]+([\w., \t]+))", re.MULTILINE)


def imports_of(plan: Plan) -> tuple[str, ...]:
    """What the notebook steps of ``plan`` import and may be loaded for all of them, sorted."""
    constants = {
        source.value
        for component in plan.components.values()
        for task in (component.dag.tasks.values() if component.dag is not None else ())
        for name, source in task.parameters.items()
        if name == STEP_NOTEBOOK and isinstance(source, Constant) and isinstance(source.value, str)
    } | {
        source.value
        for task in plan.dag.tasks.values()
        for name, source in task.parameters.items()
        if name == STEP_NOTEBOOK and isinstance(source, Constant) and isinstance(source.value, str)
    }
    return tuple(sorted({module for text in constants for module in _modules(_sources([text]))}))


def needs_imports(arguments: Sequence[str]) -> bool:
    """Whether a step, given by the arguments of its program, imports something that may be loaded before.

    A step that reads artifacts may do so without saying it: a DataFrame brings pandas.
    """
    try:
        given = json.loads(arguments[0])["inputs"]
        packed = list(arguments[3:]) or [given["parameterValues"][STEP_NOTEBOOK]]
    except (ValueError, KeyError, TypeError, IndexError):
        return False
    return bool(given.get("artifacts")) or bool(_modules(_sources(packed)))


def _sources(chunks: Sequence[str]) -> list[str]:
    try:
        step = unpack_step("".join(chunks))
    except ValueError:
        return []
    return [str(cell["source"]) for cell in step.get("cells", ())]


def _modules(sources: Iterable[str]) -> set[str]:
    """The modules to load for the imports in ``sources``."""
    found: set[str] = set()
    for source in sources:
        for match in _IMPORT.finditer(source):
            for name in (match[1] or match[2]).split(","):
                words = name.split()
                root = words[0].partition(".")[0] if words else ""
                if root in _SAFE:
                    found |= {*_SAFE[root], words[0]}
    return found
