"""What Argo calls the nodes of a workflow, and their pods. Pure.

KFP shows the display name of a node and the ids of its children, not its own. But an id is the workflow's name and
a hash of the node's place (argo-workflows, pkg/apis/workflow/v1alpha1, Workflow.NodeID), and places follow from the
pipeline (KFP, backend/src/v2/compiler/argocompiler/dag.go). So a node is known by its children: which iteration of
a loop it belongs to, and how often it was tried. Where another version names things otherwise nothing is recognised.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, product

from jupyter_kfp.remote.objects import Detail, Run

EXECUTOR = "executor"
ITERATION = "iteration-iterations"
_MOST_PLACES = 20_000


def node_id(workflow: str, place: str) -> str:
    """The id of the node at a dotted place: 32 bits of FNV-1a."""
    hashed = 0x811C9DC5
    for byte in place.encode():
        hashed = (hashed ^ byte) * 0x01000193 & 0xFFFFFFFF
    return f"{workflow}-{hashed}"


@dataclass(frozen=True, slots=True)
class Level:
    """One task on the way to another; what is in a loop is in one of its iterations."""

    key: str
    is_loop: bool


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow, as far as it shows. ``ids``: of nodes that are children; ``iterations``: the longest loop's."""

    name: str
    ids: frozenset[str]
    iterations: int

    def places(self, levels: Sequence[Level]) -> Mapping[tuple[int, ...], str]:
        """Where a task may be, by the iterations around it. Its own level counts as no loop."""
        loops = sum(level.is_loop for level in levels[:-1])
        if self.iterations**loops > _MOST_PLACES:
            return {}
        return {
            around: self._place(levels, around) for around in product(range(self.iterations), repeat=loops)
        }

    def _place(self, levels: Sequence[Level], around: Sequence[int]) -> str:
        numbers, place = iter(around), f"{self.name}.root"
        for level in levels[:-1]:
            place += f".{level.key}"
            if level.is_loop:
                number = next(numbers)
                place += f".{ITERATION}({number}:{number}).iteration-item"
        return f"{place}.{levels[-1].key}"

    def tries(self, place: str) -> list[str]:
        """The nodes that executed the task at a place, one per try; one where KFP does not try again."""
        executor = f"{place}.{EXECUTOR}"
        numbered = (node_id(self.name, f"{executor}({number})") for number in count())
        tried = []
        for node in numbered:
            if node not in self.ids:
                break
            tried.append(node)
        only = node_id(self.name, executor)
        return tried or ([only] if only in self.ids else [])

    def pods(self, node: str, *, retried: bool) -> list[str]:
        """What the pod of an executor's node may be called (KFP, backend/src/common/util/workflow.go).

        ``retried``: KFP may try it again. Pods with labels or annotations of their own have other names, too.
        """
        template = f"{'retry-' if retried else ''}system-container-impl"
        return [f"{self.name}-{template}-{node.rpartition('-')[2]}", node]


def workflow(run: Run) -> Workflow:
    """The workflow of a run; an empty name where it shows nothing."""
    ids = frozenset(child.pod_name for detail in run.details for child in detail.child_tasks)
    name = next(iter(sorted(ids)), "").rpartition("-")[0]
    numbers = (detail.display_name.partition("(")[2].partition(":")[0] for detail in _iterations(run))
    return Workflow(name, ids, max((int(number) + 1 for number in numbers if number.isdecimal()), default=0))


def _iterations(run: Run) -> Iterator[Detail]:
    return (detail for detail in run.details if detail.display_name.startswith(ITERATION))
