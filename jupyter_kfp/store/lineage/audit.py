"""The auditor's five questions of an artifact: which version, trained by which run, on which data, by which code, approved by whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from jupyter_kfp.store.lineage.approvals import Approval
from jupyter_kfp.store.lineage.model import (
    ArtifactNode,
    Edge,
    FileNode,
    Lineage,
    Link,
    RunFacts,
    TaskNode,
)
from jupyter_kfp.store.records import IMPORTED

_MODEL, _DATASET = "system.Model", "system.Dataset"
# What every notebook step leaves beside what it was asked for.
_REPORTS = frozenset({"executed_notebook", "executed_html"})


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers for one artifact; what is None or empty is not known.

    ``version``: how many different contents the same output of the same pipeline had before and with this one.
    ``run`` and ``task``: those that made it, be it long before the run that was asked about. ``data``: the files,
    imported artifacts and datasets it was made of, the original ones first.
    """

    artifact: ArtifactNode
    version: int | None
    run: RunFacts | None
    task: TaskNode | None
    data: tuple[ArtifactNode | FileNode, ...] = ()
    approvals: tuple[Approval, ...] = ()

    @property
    def environment(self) -> str | None:
        """The hash of what was installed where it was made."""
        recorded = self.task.provenance.get("environment") if self.task else None
        return str(recorded) if recorded else None

    def as_dict(self) -> dict[str, Any]:
        """As a document: ``artifact`` and ``data`` are ids of nodes of the lineage."""
        return {
            "artifact": self.artifact.id,
            "version": self.version,
            "run": self.run.id if self.run else None,
            "task": self.task.id if self.task else None,
            "data": [node.id for node in self.data],
            "approvals": [asdict(approval) for approval in self.approvals],
        }


def audited(found: Lineage) -> list[ArtifactNode]:
    """The artifacts of the subject that the questions are about: its models, else whatever it is, reports apart."""
    named = [node for item in found.subject if isinstance(node := found.by_id.get(item), ArtifactNode)]
    models = [node for node in named if node.type == _MODEL]
    if models:
        return models
    tasks = [item for item in found.subject if item.startswith("task:")]
    return [] if tasks else [node for node in named if node.name not in _REPORTS]


def answers(
    found: Lineage,
    artifact: ArtifactNode,
    approvals: Iterable[Approval],
    versions: Mapping[str, int] | None = None,
) -> Answers:
    """The answers for an artifact whose upstream is in ``found``; ``versions`` by the artifacts' ids."""
    up = _upstream(found, artifact.id) - {artifact.id}
    task = next((node for node in _makers(found, artifact.id) if isinstance(node, TaskNode)), None)
    imported = {edge.target for edge in found.edges if _imports(found, edge)}
    return Answers(
        artifact=artifact,
        version=(versions or {}).get(artifact.id),
        run=found.runs.get(task.run_id if task else artifact.run_id),
        task=task,
        data=tuple(
            node
            for node in found.nodes
            if node.id in up
            and (
                # A file that is an artifact of a run is told of as that.
                (isinstance(node, FileNode) and not found.sources(node.id))
                or (isinstance(node, ArtifactNode) and (node.type == _DATASET or node.id in imported))
            )
        ),
        approvals=tuple(each for each in approvals if each.sha256 == artifact.sha256),
    )


def _imports(found: Lineage, edge: Edge) -> bool:
    """Whether an edge leads from an importer to its artifact."""
    task = found.by_id.get(edge.source)
    return isinstance(task, TaskNode) and edge.link is Link.MADE and bool(task.provenance.get(IMPORTED))


def _makers(found: Lineage, item: str) -> Sequence[TaskNode | ArtifactNode | FileNode]:
    """Who made it; where that is gone, who has it from the cache."""
    edges = [edge for edge in found.sources(item) if edge.source in found.by_id]
    firsthand = [edge for edge in edges if edge.link is not Link.REUSED] or edges
    return [found.by_id[edge.source] for edge in firsthand]


def _upstream(found: Lineage, start: str) -> set[str]:
    sources: dict[str, list[str]] = {}
    for edge in found.edges:
        if edge.link is not Link.REUSED:
            sources.setdefault(edge.target, []).append(edge.source)
    seen, waiting = {start}, [start]
    while waiting:
        for source in sources.get(waiting.pop(), ()):
            if source not in seen:
                seen.add(source)
                waiting.append(source)
    return seen
