"""What the parts of one exported file share: names, helper functions, imports, findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from jupyter_kfp.compiler.export import helpers
from jupyter_kfp.compiler.export.naming import Names, used_in
from jupyter_kfp.errors import Diagnostic
from jupyter_kfp.notebook.syntax import transform
from jupyter_kfp.pipeline import ArtifactType, External, ParameterType, Pipeline, ValueType, walk


@dataclass
class File:
    """The file being written. ``helpers`` are the helper functions it needs, by their own names.

    ``names`` are those of its module; ``cells`` the notebook's cells, for the comments in them.
    """

    names: Names
    helper_names: Mapping[str, str]
    cells: Mapping[int, str] = field(default_factory=dict)
    helpers: set[str] = field(default_factory=set)
    typing: set[str] = field(default_factory=set)
    dsl: set[str] = field(default_factory=set)
    kfp: set[str] = field(default_factory=set)
    sections: list[str] = field(default_factory=list)
    findings: list[Diagnostic] = field(default_factory=list)

    def helper(self, name: str) -> str:
        """What the helper function is called in this file, which has it from now on."""
        self.helpers.add(name)
        return self.helper_names[name]

    def type(self, value_type: ValueType) -> str:
        """A type as an annotation of a component's or pipeline's port."""
        if isinstance(value_type.kind, ArtifactType):
            self.dsl.add(value_type.kind.value)
            if not value_type.many:
                return value_type.kind.value
            self.typing.add("List")
            return f"List[{value_type.kind.value}]"
        match value_type.kind, value_type.items:
            case ParameterType.LIST, ParameterType() as items:
                self.typing.add("List")
                return f"List[{items.value}]"
            case ParameterType.DICT, ParameterType() as items:
                self.typing.add("Dict")
                return f"Dict[str, {items.value}]"
        return value_type.kind.value


def empty_file(pipeline: Pipeline, cells: Mapping[int, str]) -> File:
    """A file for ``pipeline``, whose helper functions have no name that a cell uses."""
    inside = list(_pipelines(pipeline))
    sources = [code.source for p in inside for step in p.steps for code in (*step.preamble, *step.body)]
    used = used_in(_python(sources))
    used |= {i.name for p in inside for step in p.steps for i in step.inputs}
    private = Names(used)
    helper_names = {f.__name__: private.new(f.__name__) for f in helpers.FUNCTIONS}
    parameters = {parameter.name for p in inside for parameter in p.parameters}
    return File(Names({*helper_names.values(), *parameters}), helper_names, cells)


def _python(sources: Iterable[str]) -> Iterable[str]:
    for source in sources:
        read = transform(source)
        if read.tree is not None:  # what cannot be read is said where its step is written
            yield read.equivalent


def _pipelines(pipeline: Pipeline) -> Iterable[Pipeline]:
    yield pipeline
    for node in walk(pipeline.body):
        if isinstance(node, External) and isinstance(node.component, Pipeline):
            yield from _pipelines(node.component)
