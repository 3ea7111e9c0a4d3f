"""The formats themselves: for each, which values it takes, how it writes and how it reads them.

A format that cannot give a value back as it was raises; the next one that matches is then tried.
"""

from __future__ import annotations

import json
import shutil
from base64 import b64decode, b64encode
from collections.abc import Callable
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

from . import pickling
from .files import digest
from .fingerprint import fingerprint, kinds

Metadata = dict[str, Any]


class Format:
    """A serializer of the runtime. ``types`` are names as :func:`kinds` gives them, or a predicate.

    A name that starts with ``*`` stands for subclasses too. ``save`` may return metadata, which
    ``load`` gets back.
    """

    def __init__(
        self,
        name: str,
        types: str | Callable[[Any], bool],
        save: Callable[[Any, Path], Any],
        load: Callable[[Path, Metadata], Any],
    ) -> None:
        self.name, self.types, self.save, self.load = name, types, save, load

    def matches(self, value: Any) -> bool:
        """Whether this format is meant for ``value``."""
        if callable(self.types):
            return self.types(value)
        kind = type(value)
        exact = f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}"
        return any(exact == t or (t[0] == "*" and t[1:] in kinds(value)) for t in self.types.split())


lib = import_module


def _json(value: Any, path: Path) -> None:
    text = json.dumps(value, allow_nan=False)
    if fingerprint(json.loads(text)) != fingerprint(value):
        raise TypeError("JSON would change it")
    path.write_text(text)


_FREQ = "jupyter_kfp.freq"  # Parquet has no place for the frequency of a date index; the attributes have


def _write_frame(frame: Any, target: Any) -> None:
    frequency = getattr(frame.index, "freqstr", None)
    if frequency:
        frame = frame.copy(deep=False)
        frame.attrs = {**frame.attrs, _FREQ: frequency}
    frame.to_parquet(target, engine="pyarrow")


def _read_frame(source: Any) -> Any:
    frame = lib("pandas").read_parquet(source, engine="pyarrow")
    frequency = frame.attrs.pop(_FREQ, None)
    if frequency:
        frame.index.freq = frequency
    return frame


def _save_frame(frame: Any, path: Path) -> None:
    """Write Parquet, after making sure that it gives ``frame`` back.

    Columns whose type says all are tried with 100 rows; with objects among them, every value counts.
    """
    dtypes = [*frame.dtypes, *(frame.index.get_level_values(i).dtype for i in range(frame.index.nlevels))]
    plain = all(
        str(t) in ("str", "category", "bool") or (t.kind in "iufmM" and str(t)[0].islower()) for t in dtypes
    )
    sample, file = frame.head(100) if plain else frame, BytesIO()
    _write_frame(sample, file)
    if fingerprint(_read_frame(BytesIO(file.getvalue()))) != fingerprint(sample):
        raise TypeError("Parquet would change it")
    _write_frame(frame, path)


def _load_frame(path: Path, metadata: Metadata) -> Any:
    with path.open("rb") as file:  # a path with "=" in it would be taken for partitions
        return _read_frame(file)


def _save_series(series: Any, path: Path) -> None:
    if series.name == "":  # it stands for no name
        raise TypeError("Parquet would change it")
    _save_frame(series.to_frame("" if series.name is None else series.name), path)


def _load_series(path: Path, metadata: Metadata) -> Any:
    series = _load_frame(path, metadata).iloc[:, 0]
    return series.rename(None) if series.name == "" else series


def _save_arrow(table: Any, path: Path) -> None:
    with path.open("wb") as file, lib("pyarrow").ipc.new_file(file, table.schema) as writer:
        writer.write(table)


def _save_array(array: Any, path: Path) -> Any:
    with path.open("wb") as file:
        lib("numpy").save(file, array, allow_pickle=False)
    return {} if array.flags.writeable else {"readonly": 1}


def _load_array(path: Path, metadata: Metadata) -> Any:
    array = lib("numpy").load(path)
    array.flags.writeable = not metadata.get("readonly")
    return array


def _save_arrays(arrays: Any, path: Path) -> None:
    with path.open("wb") as file:
        lib("numpy").savez(file, allow_pickle=False, **arrays)


def _load_arrays(path: Path, metadata: Metadata) -> Any:
    with lib("numpy").load(path) as arrays:
        return dict(arrays)


def _save_tensors(tensors: Any, path: Path) -> Any:
    if any(tensor.requires_grad for tensor in tensors.values()):  # which it forgets
        raise TypeError("safetensors would change it")
    lib("safetensors.torch").save_file(tensors, path)
    return {"order": json.dumps(list(tensors))}  # it sorts the names


def _load_tensors(path: Path, metadata: Metadata) -> Any:
    tensors = lib("safetensors.torch").load_file(path)
    return {name: tensors[name] for name in json.loads(metadata["order"])}


def _save_torch(value: Any, path: Path) -> None:
    lib("torch").save(value, path)


def _load_torch(path: Path, metadata: Metadata) -> Any:
    return lib("torch").load(path, weights_only=True)


def _trusted(path: Path) -> list[str]:
    """The types in a skops file, all of them from libraries whose own types are safe to make."""
    types: list[str] = lib("skops.io").get_untrusted_types(file=path)
    for name in types:
        if name.partition(".")[0] not in {"sklearn", "xgboost", "lightgbm", "collections"}:
            raise TypeError(f"skops does not trust {name}")
    return types


def _save_skops(model: Any, path: Path) -> None:
    lib("skops.io").dump(model, path)
    _trusted(path)


def _save_joblib(model: Any, path: Path) -> None:
    pickling.allowed()
    lib("joblib").dump(model, path)
    if b"__main__" in path.read_bytes():  # the notebook's own code, which does not come along
        raise TypeError("joblib would change it")


def _save_figure(figure: Any, path: Path) -> None:
    png = BytesIO()
    figure.savefig(png, format="png")
    image, pickled = (b64encode(data).decode() for data in (png.getvalue(), pickling.dumps(figure)))
    path.write_text(f'<img src="data:image/png;base64,{image}"><!--{pickled}-->')


def _save_plotly(figure: Any, path: Path) -> None:
    page = figure.to_html(include_plotlyjs="cdn", div_id="figure")
    path.write_text(f'{page}<script type="application/json">{figure.to_json()}</script>', "utf-8")


def _load_plotly(path: Path, metadata: Metadata) -> Any:
    text = path.read_text("utf-8").rpartition('json">')[2]
    return lib("plotly.io").from_json(text.partition("</script>")[0])


def _save_path(value: Path, path: Path) -> Metadata:
    """Copy what ``value`` points to. Nothing, and the working directory itself, stay what they are: a path."""
    if not value.exists() or Path.cwd().is_relative_to(value.resolve()):
        path.touch()
        return {"path": str(value), "bare": 1}
    if value.is_dir():
        shutil.copytree(value, path)
    else:
        shutil.copyfile(value, path)
    return {"path": str(value)}


def _load_path(path: Path, metadata: Metadata) -> Path:
    """Put the content where the producer had it; an absolute path only if nothing is there."""
    value = Path(metadata["path"])
    present = value.exists()
    if metadata.get("bare") or (present and (value.is_absolute() or digest(value) == digest(path))):
        return value
    if value.is_symlink():
        value.unlink()  # a link to the user's own file, which must not change
    value.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, value, dirs_exist_ok=True)
    else:
        shutil.copyfile(path, value)
    return value


def _all(kind: str) -> Callable[[Any], bool]:
    return lambda v: (
        type(v) is dict and bool(v) and all(type(k) is str and kind in kinds(x) for k, x in v.items())
    )


FORMATS = [
    Format(
        "text", "builtins.str", lambda v, p: p.write_bytes(v.encode()), lambda p, m: p.read_bytes().decode()
    ),
    Format("bytes", "builtins.bytes", lambda v, p: p.write_bytes(v), lambda p, m: p.read_bytes()),
    Format("path", "pathlib.PosixPath pathlib.WindowsPath", _save_path, _load_path),
    Format("parquet", "pandas.DataFrame", _save_frame, _load_frame),
    Format("parquet-series", "pandas.Series", _save_series, _load_series),
    Format(
        "polars",
        "polars.DataFrame",
        lambda v, p: v.write_parquet(p),
        lambda p, m: lib("polars").read_parquet(p.read_bytes()),
    ),
    Format(
        "polars-series",
        "polars.Series",
        lambda v, p: v.to_frame().write_parquet(p),
        lambda p, m: lib("polars").read_parquet(p.read_bytes()).to_series(),
    ),
    Format(
        "polars-lazy",
        "polars.LazyFrame",
        lambda v, p: v.collect().write_parquet(p),
        lambda p, m: lib("polars").read_parquet(p.read_bytes()).lazy(),
    ),
    Format(
        "arrow",
        "pyarrow.Table",
        _save_arrow,
        lambda p, m: lib("pyarrow").ipc.open_file(p.read_bytes()).read_all(),
    ),
    Format(
        "arrow-batch",
        "pyarrow.RecordBatch",
        _save_arrow,
        lambda p, m: lib("pyarrow").ipc.open_file(p.read_bytes()).get_batch(0),
    ),
    Format("numpy", "numpy.ndarray", _save_array, _load_array),
    Format("numpy-scalar", "*numpy.generic", _save_array, lambda p, m: lib("numpy").load(p)[()]),
    Format("npz", _all("numpy.ndarray"), _save_arrays, _load_arrays),
    Format(
        "xgboost",
        "xgboost.Booster",
        lambda v, p: p.write_bytes(v.save_raw("ubj")),
        lambda p, m: lib("xgboost").Booster(model_file=bytearray(p.read_bytes())),
    ),
    Format(
        "lightgbm",
        "lightgbm.Booster",
        lambda v, p: p.write_text(v.model_to_string()),
        lambda p, m: lib("lightgbm").Booster(model_str=p.read_text()),
    ),
    Format(
        "skops",
        "*sklearn.BaseEstimator",
        _save_skops,
        lambda p, m: lib("skops.io").load(p, trusted=_trusted(p)),
    ),
    Format("joblib", "*sklearn.BaseEstimator", _save_joblib, lambda p, m: lib("joblib").load(p)),
    Format(
        "safetensors",
        _all("torch.Tensor"),
        _save_tensors,
        _load_tensors,
    ),
    Format("torch", "*torch.Tensor", _save_torch, _load_torch),
    Format("torch", _all("torch.Tensor"), _save_torch, _load_torch),
    Format(
        "matplotlib",
        "*matplotlib.Figure",
        _save_figure,
        lambda p, m: pickling.loads(b64decode(p.read_text().rpartition("<!--")[2][:-3])),
    ),
    Format("plotly", "plotly.Figure", _save_plotly, _load_plotly),
    Format(
        "json",
        lambda v: type(v) in (dict, list, int, float, bool, type(None)),
        _json,
        lambda p, m: json.loads(p.read_text()),
    ),
]
