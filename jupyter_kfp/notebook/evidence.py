"""The type of a value, where the source makes it evident (design 2.4).

Literals, casts and arithmetic on them give KFP parameters; a small table of well-known constructors
gives artifact types. Anything else is unknown, and travels as a plain artifact.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from typing import Any

from jupyter_kfp.notebook.mutation import callee, dotted
from jupyter_kfp.pipeline import ArtifactType, ParameterType, ValueType

INTEGER, FLOAT = ValueType(ParameterType.INTEGER), ValueType(ParameterType.FLOAT)
BOOLEAN, STRING = ValueType(ParameterType.BOOLEAN), ValueType(ParameterType.STRING)
_SCALARS = (STRING, INTEGER, FLOAT, BOOLEAN)
CONTAINERS = frozenset({ParameterType.LIST, ParameterType.DICT})
# KFP carries numbers as doubles: integers beyond this lose digits, so they travel as artifacts.
LARGEST_INTEGER = 2**53

Lookup = Callable[[str], "ValueType | None"]

_CASTS: Mapping[str, ValueType] = {
    "int": INTEGER, "len": INTEGER, "ord": INTEGER, "id": INTEGER, "float": FLOAT, "bool": BOOLEAN, "isinstance": BOOLEAN,
    "issubclass": BOOLEAN, "callable": BOOLEAN, "hasattr": BOOLEAN, "str": STRING, "repr": STRING, "chr": STRING,
    "format": STRING, "hex": STRING, "bin": STRING,
}  # fmt: skip
# Methods whose result is about as long as the text itself: what `join` makes may be too long for a parameter.
_STRING_METHODS = frozenset(
    ["upper", "lower", "strip", "lstrip", "rstrip", "title", "capitalize", "casefold", "format"]
)
# Longer literals travel as files: all parameters of a step stand in one command line.
_LONGEST_TEXT = 10_000
_ANNOTATIONS: Mapping[str, ParameterType] = {
    **{t.value: t for t in ParameterType}, "List": ParameterType.LIST, "Dict": ParameterType.DICT,
}  # fmt: skip

_FRAME_ROOTS = frozenset({"pandas", "polars", "pyarrow", "dask", "cudf", "modin", "geopandas", "datasets"})
_FRAME_MAKERS = frozenset(
    [
        "DataFrame",
        "Series",
        "LazyFrame",
        "Table",
        "concat",
        "merge",
        "merge_asof",
        "json_normalize",
        "pivot_table",
        "crosstab",
        "get_dummies",
        "cut",
        "qcut",
        "melt",
        "from_dict",
        "from_records",
        "from_pandas",
        "from_dicts",
        "from_arrow",
        "load_dataset",
        "table",
        "wide_to_long",
    ]
)
_FRAME_METHODS = frozenset(
    [
        "drop",
        "dropna",
        "fillna",
        "merge",
        "join",
        "assign",
        "query",
        "sort_values",
        "sort_index",
        "reset_index",
        "set_index",
        "rename",
        "astype",
        "drop_duplicates",
        "groupby",
        "agg",
        "aggregate",
        "sample",
        "head",
        "tail",
        "filter",
        "select",
        "with_columns",
        "copy",
        "melt",
        "pivot",
        "pivot_table",
        "stack",
        "unstack",
        "transform",
        "interpolate",
        "rolling",
        "shift",
        "diff",
        "describe",
        "nlargest",
        "nsmallest",
        "to_frame",
        "loc",
        "iloc",
        "replace",
        "clip",
        "round",
        "explode",
        "to_pandas",
        "to_polars",
        "collect",
    ]
)
_MODEL_ROOTS = frozenset(
    [
        "sklearn",
        "xgboost",
        "lightgbm",
        "catboost",
        "torch",
        "keras",
        "tensorflow",
        "statsmodels",
        "transformers",
        "prophet",
        "flax",
        "imblearn",
    ]
)
_FIGURE_ROOTS = frozenset({"matplotlib", "seaborn", "plotly", "altair", "bokeh"})
_FIGURE_MAKERS = frozenset({"figure", "Figure", "subplots", "subplot_mosaic", "gcf", "Chart"})
_DATASET_FUNCTIONS = frozenset(
    {"train_test_split", "make_classification", "make_regression", "make_blobs", "make_moons"}
)


def annotation_type(node: ast.expr) -> ValueType | None:
    """The type an annotation names: a parameter, an artifact class of KFP, or None where it is neither.

    ``Optional[float]`` is neither: a KFP output parameter always has a value.
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            return annotation_type(ast.parse(node.value, mode="eval").body)
        except SyntaxError:
            return None
    if isinstance(node, ast.Subscript):
        outer = dotted(node.value).rpartition(".")[2]
        kind = _ANNOTATIONS.get(outer)
        if kind in (ParameterType.LIST, ParameterType.DICT):
            inner = (
                node.slice.elts[-1] if isinstance(node.slice, ast.Tuple) and node.slice.elts else node.slice
            )
            items = annotation_type(inner)
            scalar = items.kind if items in _SCALARS and items is not None else None
            return ValueType(kind, scalar if isinstance(scalar, ParameterType) else None)
        if outer in {"Input", "Output", "Annotated"}:
            first = (
                node.slice.elts[0] if isinstance(node.slice, ast.Tuple) and node.slice.elts else node.slice
            )
            return annotation_type(first)
        return None
    return named_type(dotted(node).rpartition(".")[2])


def named_type(name: str) -> ValueType | None:
    """The type called ``name`` (``float``, ``Dataset``, ``system.Model``, ``list[float]``), or None."""
    if "[" in name:
        try:
            return annotation_type(ast.parse(name, mode="eval").body)
        except SyntaxError:
            return None
    if name in _ANNOTATIONS:
        return ValueType(_ANNOTATIONS[name])
    try:
        return ValueType(ArtifactType(name.removeprefix("system.")))
    except ValueError:
        return None


def literal_type(value: Any) -> ValueType | None:
    """The parameter type of a literal's value, or None where a parameter cannot hold it exactly."""
    match value:
        case bool():
            return BOOLEAN
        case int():
            return INTEGER if abs(value) <= LARGEST_INTEGER else None
        case float():
            return FLOAT if math.isfinite(value) else None
        case str():
            plain = len(value) <= _LONGEST_TEXT and not any("\ud800" <= c <= "\udfff" for c in value)
            return STRING if plain else None
        case list() | dict() if len(value) > _LONGEST_TEXT:
            return None
        case list():
            return _container(ParameterType.LIST, value)
        case dict() if all(isinstance(key, str) for key in value):
            return _container(ParameterType.DICT, list(value.values()))
        case _:
            return None


def _container(kind: ParameterType, items: list[Any]) -> ValueType | None:
    if items and all(type(item) is float and math.isfinite(item) for item in items):
        return ValueType(kind, ParameterType.FLOAT)
    return ValueType(kind) if all(_exact(item) for item in items) else None


def _exact(value: Any) -> bool:
    """Whether KFP gives ``value`` back as it was inside a list or dict: whole floats become integers."""
    match value:
        case None | bool():
            return True
        case float():
            return math.isfinite(value) and not value.is_integer()
        case list():
            return all(map(_exact, value))
        case dict():
            return all(isinstance(key, str) and _exact(item) for key, item in value.items())
        case _:
            return literal_type(value) is not None


def evident_type(
    node: ast.expr, known: Lookup, shadowed: frozenset[str], imports: Mapping[str, str]
) -> ValueType | None:
    """The type that ``node`` evidently has, or None.

    ``known`` gives the evident type of a name here; ``shadowed`` are builtins the notebook rebinds;
    ``imports`` maps names to the dotted modules or objects they import.
    """
    try:
        return literal_type(ast.literal_eval(node))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        pass
    return _Evidence(known, shadowed, imports).of(node)


class _Evidence:
    def __init__(self, known: Lookup, shadowed: frozenset[str], imports: Mapping[str, str]) -> None:
        self._known = known
        self._shadowed = shadowed
        self._imports = imports

    def of(self, node: ast.expr) -> ValueType | None:  # noqa: C901 - one case per kind of expression
        match node:
            case ast.Constant(value=value):
                return literal_type(value)
            case ast.JoinedStr():
                return STRING
            case ast.Name(id=name):
                known = self._known(name)
                # A second name for a list makes two names of one object: see Flow.alias.
                return known if known in _SCALARS or (known and not known.is_parameter) else None
            case ast.UnaryOp(op=ast.Not()):
                return BOOLEAN
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
                inner = self.of(operand)
                return inner if inner in (INTEGER, FLOAT) else None
            case ast.Compare():
                return self._comparison(node)
            case ast.BoolOp(values=values):
                return self._same(values)
            case ast.IfExp(body=body, orelse=orelse):
                return self._same([body, orelse])
            case ast.NamedExpr(value=value):
                return self.of(value)
            case ast.BinOp():
                return self._arithmetic(node)
            case ast.Call():
                return self._call(node)
            case ast.Attribute() | ast.Subscript():
                return self._frame_part(node)
            case _:
                return None

    def _same(self, nodes: list[ast.expr]) -> ValueType | None:
        types = {self.of(node) for node in nodes}
        return types.pop() if len(types) == 1 else None

    def _comparison(self, node: ast.Compare) -> ValueType | None:
        if len(node.ops) == 1 and isinstance(node.ops[0], ast.Is | ast.IsNot | ast.In | ast.NotIn):
            return BOOLEAN
        operands = [node.left, *node.comparators]
        return BOOLEAN if all(self.of(operand) in _SCALARS for operand in operands) else None

    def _arithmetic(self, node: ast.BinOp) -> ValueType | None:
        left, right = self.of(node.left), self.of(node.right)
        match node.op:
            case ast.Mod() if left == STRING:
                return STRING
            case ast.Add() if left == right == STRING:
                return STRING
            case ast.Div() if {left, right} <= {INTEGER, FLOAT}:
                return FLOAT
            case ast.Add() | ast.Sub() | ast.Mult() | ast.FloorDiv() | ast.Mod() if {left, right} <= {
                INTEGER,
                FLOAT,
            }:
                return INTEGER if left == right == INTEGER else FLOAT
            case ast.Add() | ast.Sub() | ast.Mult() | ast.Div() if _is_frame(left):
                return left
            case _:
                return None

    def _call(self, node: ast.Call) -> ValueType | None:
        name = callee(node)
        if isinstance(node.func, ast.Name) and name not in self._shadowed:
            if name in _CASTS and name not in self._imports:
                return _CASTS[name]
            if name == "round" and node.args:
                inner = self.of(node.args[0])
                if inner in (INTEGER, FLOAT) and not node.keywords:
                    return INTEGER if len(node.args) == 1 else inner
            if name == "abs" and len(node.args) == 1:
                inner = self.of(node.args[0])
                return inner if inner in (INTEGER, FLOAT) else None
        if (
            isinstance(node.func, ast.Attribute)
            and name in _STRING_METHODS
            and self.of(node.func.value) == STRING
        ):
            return STRING
        return self._constructed(node, name)

    def _constructed(self, node: ast.Call, name: str) -> ValueType | None:
        path = self._imported(node.func)
        root = path.partition(".")[0]
        if root in _FRAME_ROOTS and (name in _FRAME_MAKERS or name.startswith(("read_", "scan_"))):
            return ValueType(ArtifactType.DATASET)
        if root in _FIGURE_ROOTS and (
            name in _FIGURE_MAKERS or path.startswith(("plotly.express", "plotly.graph_objects"))
        ):
            return ValueType(ArtifactType.HTML)
        if root in _MODEL_ROOTS:
            if name in _DATASET_FUNCTIONS:
                return ValueType(ArtifactType.DATASET)
            if name[:1].isupper() or name in {"make_pipeline", "train", "from_pretrained", "load_model"}:
                return ValueType(ArtifactType.MODEL)
        if isinstance(node.func, ast.Attribute):
            if name in {"fit", "set_params", "eval", "to", "train"}:
                inner = self.of(node.func.value)
                return inner if inner == ValueType(ArtifactType.MODEL) else None
            return self._frame_part(node.func)
        artifact = named_type(name) if name[:1].isupper() else None
        return (
            artifact
            if artifact is not None and not artifact.is_parameter and name not in self._shadowed
            else None
        )

    def _imported(self, node: ast.expr) -> str:
        """The dotted path of what ``node`` names, through the notebook's imports; "" if it is no import."""
        name = dotted(node)
        head, _, rest = name.partition(".")
        target = self._imports.get(head)
        if target is None:
            return ""
        return f"{target}.{rest}" if rest else target

    def _frame_part(self, node: ast.expr) -> ValueType | None:
        """Part of a frame, or what a frame's method makes of it, is a data set too."""
        match node:
            case (
                ast.Subscript(value=ast.Attribute(value=value, attr="loc" | "iloc"))
                | ast.Subscript(value=value)
            ):
                inner = self.of(value)
                return inner if _is_frame(inner) else None
            case ast.Attribute(value=value, attr=method) if method in _FRAME_METHODS:
                inner = self.of(value)
                return inner if _is_frame(inner) else None
            case _:
                return None


def _is_frame(known: ValueType | None) -> bool:
    return known is not None and known.kind is ArtifactType.DATASET
