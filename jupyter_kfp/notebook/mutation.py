"""What Python and its common libraries change in place, seen in the source alone.

Only what is near certain is listed: a missed mutation is caught at run time by the runtime's guard,
a wrongly assumed one costs parallelism. Everything here is a function of one AST expression.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator

# Methods that change their object whatever is done with the result.
MUTATORS = frozenset(
    [
        "append",
        "extend",
        "insert",
        "remove",
        "pop",
        "clear",
        "sort",
        "reverse",
        "update",
        "setdefault",
        "popitem",
        "discard",
        "difference_update",
        "intersection_update",
        "symmetric_difference_update",
        "appendleft",
        "extendleft",
        "popleft",
        "rotate",
        "fill",
        "itemset",
        "put",
        "setflags",
        "setfield",
        "fit",
        "fit_transform",
        "fit_predict",
        "fit_resample",
        "partial_fit",
        "set_params",
        "load_state_dict",
        "zero_grad",
        "backward",
        "requires_grad_",
        "log_metric",
        "log_confusion_matrix",
        "log_confusion_matrix_row",
        "log_confusion_matrix_cell",
        "set_confusion_matrix_categories",
        "log_roc_curve",
        "log_roc_data_point",
        "send",
        "__setitem__",
        "__delitem__",
        "__setattr__",
        "__iadd__",
        "move_to_end",
        "subtract",
    ]
)
# Methods that change their object when nothing is done with the result; used as a value they are
# commonly pure (`Decimal.add`, `DataFrame.eval`).
MUTATORS_WHEN_DISCARDED = frozenset(
    [
        "add",
        "eval",
        "train",
        "step",
        "compile",
        "resize",
        "partition",
        "put_nowait",
        "write",
        "writelines",
        "cuda",
        "to",
        "cpu",
        "half",
        "float",
        "apply",
    ]
)
_DISCARDED_PREFIXES = (
    "set_",
    "add_",
    "update_",
    "append_",
    "insert_",
    "remove_",
    "delete_",
    "register_",
    "log_",
)

# Functions of a library that change one of their arguments: dotted name's end -> positions.
_ARGUMENT_MUTATORS = {
    "shuffle": (0,),
    "heappush": (0,),
    "heappop": (0,),
    "heapify": (0,),
    "heapreplace": (0,),
    "heappushpop": (0,),
    "insort": (0,),
    "insort_left": (0,),
    "insort_right": (0,),
    "setattr": (0,),
    "delattr": (0,),
    "next": (0,),
    "copyto": (0,),
    "fill_diagonal": (0,),
    "putmask": (0,),
    "place": (0,),
    "put_along_axis": (0,),
    "shuffle_": (0,),
    "nan_to_num_": (0,),
}
# Methods whose result shares memory or elements with the object they are called on.
VIEWS = frozenset(
    [
        "get",
        "setdefault",
        "values",
        "items",
        "keys",
        "reshape",
        "ravel",
        "view",
        "transpose",
        "squeeze",
        "swapaxes",
        "diagonal",
        "__getitem__",
        "named_parameters",
        "parameters",
        "children",
        "modules",
        "state_dict",
        "get_params",
        "iterrows",
        "itertuples",
        "pop",
    ]
)
# A value of these constructors advances whenever anything uses it, so any use is a mutation.
STATEFUL_CONSTRUCTORS = frozenset(
    [
        "default_rng",
        "RandomState",
        "Generator",
        "Random",
        "SystemRandom",
        "PCG64",
        "iter",
        "count",
        "cycle",
        "PRNGKey",
        "manual_seed",
        "Lock",
    ]
) - {"Lock"}
_BUILTIN_CONTAINERS = frozenset(
    {"list", "tuple", "dict", "set", "frozenset", "zip", "enumerate", "reversed", "iter", "map", "filter"}
)
_PICKS = frozenset({"max", "min", "next", "choice"})  # what they give is an element of what they get
_TABLES = frozenset({"DataFrame", "Series", "LazyFrame", "Table", "Index", "ndarray"})
_COPIES = frozenset({"sorted", "copy", "deepcopy", "clone"})

ResultRoots = Callable[[ast.Call], "frozenset[str] | None"]


def dotted(node: ast.expr) -> str:
    """``a.b.c`` for a chain of attributes on a name, "" for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(parts)])


def callee(call: ast.Call) -> str:
    """The last part of what is called: ``fit`` of ``model.fit(X)``, ``f`` of ``f(x)``."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def roots(node: ast.expr, result: ResultRoots | None = None) -> frozenset[str]:
    """Names whose objects ``node`` may be, be a part of, or hold.

    ``result`` tells it of calls to functions of the notebook (which arguments the result may be);
    where it answers None the general rules apply.
    """
    found: set[str] = set()
    _collect(node, found, result)
    return frozenset(found)


def _collect(node: ast.expr, found: set[str], result: ResultRoots | None) -> None:  # noqa: C901 - one case per kind
    match node:
        case ast.Name(id=name):
            found.add(name)
        case (
            ast.Attribute(value=value)
            | ast.Subscript(value=value)
            | ast.Starred(value=value)
            | ast.Await(value=value)
        ):
            _collect(value, found, result)
        case ast.NamedExpr(target=ast.Name(id=name), value=value):
            found.add(name)
            _collect(value, found, result)
        case ast.IfExp(body=body, orelse=orelse):
            _collect(body, found, result)
            _collect(orelse, found, result)
        case (
            ast.BoolOp(values=values) | ast.List(elts=values) | ast.Tuple(elts=values) | ast.Set(elts=values)
        ):
            for value in values:
                _collect(value, found, result)
        case ast.Dict(values=values):
            for value in values:
                _collect(value, found, result)
        case (
            ast.ListComp(elt=element)
            | ast.SetComp(elt=element)
            | ast.GeneratorExp(elt=element)
            | ast.DictComp(value=element)
        ):
            # New objects, unless what is iterated over (or a part of it) is itself an element.
            inner: set[str] = set()
            _collect(element, inner, result)
            for comprehension in reversed(node.generators):
                targets = {n.id for n in ast.walk(comprehension.target) if isinstance(n, ast.Name)}
                if inner & targets:
                    inner -= targets
                    _collect(comprehension.iter, inner, result)
            found |= inner
        case ast.BinOp(left=left, op=ast.Add() | ast.Mult() | ast.BitOr(), right=right):
            # `rows + [x]` holds what both hold; where neither side is seen to be a container, it is a number.
            if any(
                isinstance(side, ast.List | ast.Tuple | ast.Dict | ast.ListComp) for side in (left, right)
            ):
                _collect(left, found, result)
                _collect(right, found, result)
        case ast.Call():
            _collect_call(node, found, result)
        case _:
            pass


def _collect_call(call: ast.Call, found: set[str], result: ResultRoots | None) -> None:
    known = result(call) if result else None
    if known is not None:
        found |= known
        return
    name = callee(call)
    if isinstance(call.func, ast.Attribute) and name in VIEWS:
        _collect(call.func.value, found, result)
    if name in _COPIES:
        # `sorted(rows)` and `copy(d)` are new containers of the same elements; `deepcopy` is not.
        if name in {"deepcopy", "clone"} or isinstance(call.func, ast.Attribute):
            return
    elif not (name in _BUILTIN_CONTAINERS or name in _PICKS or name[:1].isupper() or name == "partial"):
        # Builders such as make_pipeline keep what they are given.
        if name.startswith("make_"):
            pass
        elif isinstance(call.func, ast.Attribute) and name.startswith("fit"):
            _collect(call.func.value, found, result)
            return
        else:
            return
    for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
        if name in _TABLES:
            _collect_cells(argument, found, result)
        else:
            _collect(argument, found, result)


def _collect_cells(data: ast.expr, found: set[str], result: ResultRoots | None) -> None:
    """A table copies its columns; only objects that are cells (``{"tags": [tags, []]}``) stay what they are."""
    match data:
        case ast.Dict(values=columns) | ast.List(elts=columns) | ast.Tuple(elts=columns):
            for column in columns:
                if isinstance(column, ast.List | ast.Tuple | ast.Dict):
                    _collect(column, found, result)
        case _:
            pass


def call_mutations(
    call: ast.Call,
    *,
    discarded: bool,
    own_methods: frozenset[str],
    result: ResultRoots | None = None,
) -> Iterator[str]:
    """Names whose objects ``call`` changes in place.

    ``discarded`` says that nothing is done with the result; ``own_methods`` are methods of the
    notebook's classes that change their object.
    """
    name = callee(call)
    if isinstance(call.func, ast.Attribute):
        method = (
            name in MUTATORS
            or name in own_methods
            or _inplace(call.keywords)
            or (discarded and (name in MUTATORS_WHEN_DISCARDED or name.startswith(_DISCARDED_PREFIXES)))
        )
        if method:
            yield from roots(call.func.value, result)
            # `list.append(xs, 1)`: the method of a builtin type, the object as its first argument.
            if (
                isinstance(call.func.value, ast.Name)
                and call.func.value.id in _BUILTIN_CONTAINERS
                and call.args
            ):
                yield from roots(call.args[0], result)
    for position in _ARGUMENT_MUTATORS.get(name, ()):
        if position < len(call.args):
            yield from roots(call.args[position], result)
    for keyword in call.keywords:
        if keyword.arg == "out":
            yield from roots(keyword.value, result)


def _inplace(keywords: Iterable[ast.keyword]) -> bool:
    return any(
        k.arg == "inplace" and not (isinstance(k.value, ast.Constant) and k.value.value is False)
        for k in keywords
    )


def target_mutations(target: ast.expr, result: ResultRoots | None = None) -> Iterator[str]:
    """Names whose objects an assignment to (or deletion of) ``target`` changes in place."""
    match target:
        case ast.Attribute(value=value) | ast.Subscript(value=value):
            yield from roots(value, result)
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            for element in elements:
                yield from target_mutations(element, result)
        case ast.Starred(value=value):
            yield from target_mutations(value, result)
        case _:
            pass


def is_stateful(value: ast.expr) -> bool:
    """Whether ``value`` constructs something that every use advances (a random generator, an iterator)."""
    return isinstance(value, ast.GeneratorExp) or (
        isinstance(value, ast.Call) and callee(value) in STATEFUL_CONSTRUCTORS
    )
