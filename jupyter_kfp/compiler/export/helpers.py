"""The functions that travel with the components of an exported pipeline, as text of the file.

They are written here as code, to be checked and tested like all code, and never called by this
package. KFP takes along nothing but the functions themselves, so each imports what it needs.
"""

# ruff: noqa: S301, S307, BLE001, T201, N807, PTH118
# This is the user's code: it unpickles and evaluates what the pipeline's own steps wrote, and prints
# to the step's log; comments for a linter would stand in the user's file.

from __future__ import annotations

import inspect
import re
from collections.abc import Collection
from typing import Any


def load_value(artifact: Any) -> Any:
    """The value that save_value wrote; the artifact itself where something else wrote it."""
    import base64
    import pickle
    import shutil
    from pathlib import Path

    path = Path(artifact.path)
    stored_as = artifact.metadata.get("stored_as")
    if stored_as is None:
        return artifact
    if stored_as == "text":
        return path.read_bytes().decode()
    if stored_as == "bytes":
        return path.read_bytes()
    if stored_as == "parquet":
        import pandas as pd  # type: ignore[import-untyped]

        with path.open("rb") as file:
            return pd.read_parquet(file)
    if stored_as == "numpy":
        import numpy as np

        return np.load(path, allow_pickle=False)
    if stored_as == "file":
        original = Path(artifact.metadata["original_path"])
        if not original.exists():
            original.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(path, original) if path.is_dir() else shutil.copyfile(path, original)
        return original
    if stored_as == "figure":
        return pickle.loads(base64.b64decode(path.read_text().rpartition("<!--")[2][:-3]))
    return pickle.loads(path.read_bytes())


def parquet_of(frame: Any) -> Any:
    """A DataFrame as Parquet; None where that would not give it back."""
    import io

    import pandas as pd

    buffer = io.BytesIO()
    try:
        frame.to_parquet(buffer)
        again = pd.read_parquet(io.BytesIO(buffer.getvalue()))
        pd.testing.assert_frame_equal(again, frame, check_exact=True)
    except Exception as error:
        print(f"A table is pickled, for Parquet does not give it back: {error}")
        return None
    objects = frame.select_dtypes("object")
    plain = all(type(cell) is str for column in objects for cell in objects[column])
    return buffer.getvalue() if plain and again.attrs == frame.attrs else None


def hand_on(source: Any, target: Any) -> None:
    """Copy what an artifact points to, and what it says about it."""
    import shutil
    from pathlib import Path

    if Path(source.path).is_dir():
        shutil.copytree(source.path, target.path, dirs_exist_ok=True)
    elif Path(source.path).exists():
        shutil.copyfile(source.path, target.path)
    else:
        Path(target.path).touch()
    target.metadata.update(source.metadata)


def save_value(value: Any, artifact: Any) -> None:
    """Write a value in the form that suits its type, as a pickle if no other gives it back."""
    import base64
    import io
    import math
    import os
    import shutil
    from pathlib import Path

    import cloudpickle

    path = Path(artifact.path)
    kind = f"{type(value).__module__.partition('.')[0]}.{type(value).__name__}"
    if isinstance(getattr(value, "metadata", None), dict) and hasattr(value, "schema_title"):
        hand_on(value, artifact)
        return
    stored_as = "pickle"
    if type(value) is str:
        path.write_bytes(value.encode())
        stored_as = "text"
    elif type(value) is bytes:
        path.write_bytes(value)
        stored_as = "bytes"
    elif kind == "numpy.ndarray" and not value.dtype.hasobject:
        import numpy as np

        with path.open("wb") as file:
            np.save(file, value, allow_pickle=False)
        stored_as = "numpy"
    elif kind == "pandas.DataFrame" and (parquet := parquet_of(value)) is not None:
        path.write_bytes(parquet)
        stored_as = "parquet"
    elif isinstance(value, Path):
        stored_as = "file" if value.exists() and value.resolve() != Path.cwd() else "pickle"
        if stored_as == "file":
            artifact.metadata["original_path"] = str(value)
            shutil.copytree(value, path) if value.is_dir() else shutil.copyfile(value, path)
    elif kind == "matplotlib.Figure":
        picture = io.BytesIO()
        value.savefig(picture, format="png")
        pickled = base64.b64encode(cloudpickle.dumps(value)).decode()
        image = base64.b64encode(picture.getvalue()).decode()
        path.write_text(f'<img src="data:image/png;base64,{image}"><!--{pickled}-->')
        stored_as = "figure"
    if stored_as in ("pickle", "figure") and os.environ.get("JUPYTER_KFP_NO_PICKLE") == "1":
        raise TypeError(f"Only a pickle would keep a {kind}, and JUPYTER_KFP_NO_PICKLE is set.")
    if stored_as == "pickle":
        path.write_bytes(cloudpickle.dumps(value))
    if artifact.schema_title == "system.Metrics" and isinstance(value, dict):
        numbers = {k: v for k, v in value.items() if isinstance(v, (int, float))}
        artifact.metadata.update({k: v for k, v in numbers.items() if math.isfinite(v)})
    artifact.metadata["stored_as"] = stored_as


def leave_unbound(artifact: Any) -> None:
    """Say that the cells did not assign the variable."""
    from pathlib import Path

    Path(artifact.path).touch()
    artifact.metadata["unbound"] = True


def plain(value: Any) -> Any:
    """A NumPy number as the Python number it is, which KFP wants; anything else as it is."""
    is_scalar = type(value).__module__ == "numpy" and getattr(value, "shape", None) == ()
    return value.item() if is_scalar and type(value).__name__ != "ndarray" else value


def log_numbers(metrics: Any, **numbers: Any) -> None:
    """Log the finite numbers; anything else is no metric to KFP."""
    import math

    for name, value in numbers.items():
        number = value.item() if hasattr(value, "item") else value
        if type(number) in (int, float) and math.isfinite(number):
            metrics.log_metric(name, number)
        else:
            print(f"metric {name} is skipped: it is no finite number")


def loop_item(value: Any) -> Any:
    """An item of a loop: the values of a dict are its attributes, too."""

    class Fields(dict):  # type: ignore[type-arg]
        def __getattr__(self, name: str) -> Any:
            if name in self:
                return self[name]
            raise AttributeError(f"the item has no field {name!r}, only {', '.join(self)}")

    return Fields(value) if type(value) is dict else value


def name_definitions(**definitions: Any) -> None:
    """Let pickles name these functions and classes, which every step that reads them has, too."""
    import sys
    import types

    module = sys.modules.setdefault("notebook_code", types.ModuleType("notebook_code"))
    for name, definition in definitions.items():
        setattr(module, name, definition)
        waiting = [definition]
        while waiting:
            inner = waiting.pop()
            inside = getattr(inner, "__qualname__", "").rpartition("<locals>.")[2]
            if inside.partition(".")[0] == name:
                inner.__module__, inner.__qualname__ = "notebook_code", inside
                waiting += [v for v in vars(inner).values() if isinstance(v, type)]


def notebook_module(name: str = "notebook_code") -> Any:
    """An empty module, in which cells mean what they mean in a notebook."""
    import builtins
    import sys
    import types

    module = sys.modules[name] = types.ModuleType(name)
    module.__dict__.update(__builtins__=builtins, display=print)
    return module


def run_cell(module: Any, name: str, source: str) -> None:
    """Execute a cell in the module; with await at its top level, too."""
    import ast
    import asyncio
    import codeop
    import inspect
    import linecache

    compiler = vars(run_cell).setdefault("compiler", codeop.Compile())
    compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    source = source.removeprefix("\n")
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    code = compiler(source, name, "exec")
    outcome = eval(code, module.__dict__)
    if inspect.iscoroutine(outcome):
        loop = vars(run_cell).setdefault("loop", asyncio.new_event_loop())
        loop.run_until_complete(outcome)


def artifact_class(kind: Any) -> Any:
    """KFP's class of artifacts, whose objects have a path of their own if they are given none."""
    import os
    import tempfile

    def __init__(self: Any, name: Any = None, uri: Any = None, metadata: Any = None) -> None:
        uri = uri or os.path.join(tempfile.mkdtemp(), name or kind.__name__)
        kind.__init__(self, name=name or "", uri=uri, metadata=metadata)

    return type(kind.__name__, (kind,), {"__init__": __init__})


FUNCTIONS = (
    load_value,
    parquet_of,
    hand_on,
    save_value,
    leave_unbound,
    plain,
    log_numbers,
    loop_item,
    name_definitions,
    notebook_module,
    run_cell,
    artifact_class,
)

NEEDS_CLOUDPICKLE = frozenset({"load_value", "save_value"})
"""What a step that uses these needs installed."""


def with_callees(names: Collection[str]) -> frozenset[str]:
    """The helper functions and those that they call."""
    return frozenset({*names, "parquet_of", "hand_on"} if "save_value" in names else names)


def text_of(names: Collection[str]) -> str:
    """The source of the functions called ``names``, two blank lines between them."""
    wanted = with_callees(names)
    found = [inspect.getsource(function).rstrip() for function in FUNCTIONS if function.__name__ in wanted]
    return re.sub(r"  # type: ignore\[[\w-]+\]$", "", "\n\n\n".join(found), flags=re.MULTILINE)
