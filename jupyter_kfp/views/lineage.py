"""Lineage as a graph to draw, as tables, and the answers to the auditor's questions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from jupyter_kfp.store.lineage.model import ArtifactNode, FileNode, Lineage, Link, TaskNode
from jupyter_kfp.views.model import Edge, EdgeKind, Graph, Group, GroupKind, Node, NodeKind
from jupyter_kfp.views.states import symbol
from jupyter_kfp.views.values import counted

if TYPE_CHECKING:
    from jupyter_kfp.store.lineage.approvals import Approval
    from jupyter_kfp.store.lineage.audit import Answers

# What every notebook step leaves beside what it was asked for: no part of the story, unless it is asked about.
_REPORTS = frozenset({"executed_notebook", "executed_html"})
_UNITS = ("B", "KB", "MB", "GB", "TB")


def lineage_graph(found: Lineage, *, reports: bool = False) -> Graph:
    """The lineage as a graph: a box for each run, in it tasks and artifacts; files stand between.

    ``reports``: with the executed notebooks. An edge of reuse leads from the artifact to the task that took it out
    of the cache, so that boxes follow each other in time.
    """
    nodes = [node for node in found.nodes if reports or not _is_report(found, node)]
    shown = {node.id for node in nodes}
    runs = dict.fromkeys(node.run_id for node in nodes if not isinstance(node, FileNode))
    edges: dict[tuple[str, str], Edge] = {}
    for edge in found.edges:
        ends = (edge.source, edge.target) if edge.link is not Link.REUSED else (edge.target, edge.source)
        if shown.issuperset(ends) and ends not in edges:
            label = "reused" if edge.link is Link.REUSED else edge.port
            kind = EdgeKind.ORDER if edge.link is Link.CONTENT else EdgeKind.DATA
            edges[ends] = Edge(*ends, labels=(label,) if label else (), kind=kind)
    return Graph(
        name=f"Lineage of {found.title}",
        nodes=tuple(_node(node) for node in nodes),
        edges=tuple(edges.values()),
        groups=tuple(
            Group(_box(run), run, GroupKind.PIPELINE, f"{found.runs[run].pipeline} · run {run}")
            for run in runs
        ),
    )


def _box(run_id: str) -> str:
    return f"run:{run_id}"


def _is_report(found: Lineage, node: TaskNode | ArtifactNode | FileNode) -> bool:
    """Whether it is an executed notebook that nothing was made of."""
    if not isinstance(node, ArtifactNode) or node.name not in _REPORTS:
        return False
    asked = node.id in found.subject and not any(item.startswith("task:") for item in found.subject)
    return not asked and not any(edge.source == node.id for edge in found.edges)


def _node(node: TaskNode | ArtifactNode | FileNode) -> Node:
    match node:
        case TaskNode():
            image = str(node.provenance.get("image") or "")
            return Node(node.id, node.path, parent=_box(node.run_id), state=node.state, image=image)
        case ArtifactNode():
            note = ", ".join(filter(None, (short_type(node.type), short(node.sha256))))
            return Node(node.id, node.name, NodeKind.ARTIFACT, parent=_box(node.run_id), note=note)
        case FileNode():
            return Node(node.id, node.name, NodeKind.ARTIFACT, note=f"{node.uri}, {short(node.sha256)}")


def lineage_table(found: Lineage, *, ascii_only: bool = False) -> RenderableType:
    """One line for each task, artifact and file, what was first comes first."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("WHAT", "RUN", "NAME", "CONTENT", "SIZE", "FROM"):
        table.add_column(column, no_wrap=column in {"WHAT", "RUN", "CONTENT", "SIZE"})
    for node in found.nodes:
        if _is_report(found, node):
            continue
        made_of = ", ".join(dict.fromkeys(_name(found, edge.source) for edge in _told(found, node)))
        match node:
            case TaskNode():
                what = f"{symbol(node.state, ascii_only=ascii_only)} step"
                row = (what, node.run_id, node.path, "", "")
            case ArtifactNode():
                named = (
                    node.name
                    if node.name == _port(found, node.id)
                    else f"{_port(found, node.id)} ({node.name})"
                )
                row = (short_type(node.type), node.run_id, named, short(node.sha256), size_text(node.size))
            case FileNode():
                row = ("file", "", node.uri, short(node.sha256), size_text(node.size))
        style = "bold" if node.id in found.subject and len(found.subject) == 1 else ""
        table.add_row(*(Text(cell, style) for cell in (*row, made_of)))
    return table


def _told(found: Lineage, node: TaskNode | ArtifactNode | FileNode) -> list[Any]:
    return [edge for edge in found.sources(node.id) if edge.source in found.by_id]


def _port(found: Lineage, item: str) -> str:
    """What the task that made an artifact calls it."""
    ports = [edge.port for edge in found.sources(item) if edge.port]
    node = found.by_id[item]
    return ports[0] if ports else getattr(node, "name", item)


def _name(found: Lineage, item: str) -> str:
    match found.by_id[item]:
        case TaskNode(path=path):
            return path
        case ArtifactNode(name=name):
            return _port(found, item) or name
        case FileNode(uri=uri):
            return uri


def short_type(kind: str) -> str:
    """``system.Model`` as a notebook says it."""
    return kind.removeprefix("system.")


def short(sha256: str | None) -> str:
    """A hash as people compare it; empty where it is not known."""
    return (sha256 or "")[:12]


def size_text(size: int | None) -> str:
    """Bytes as a person says them: ``12 B``, ``3.4 MB``."""
    if size is None:
        return ""
    value, unit = float(size), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{size} B" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


# The auditor's questions ------------------------------------------------------------------------------


def answers_view(answers: Answers, environment: Mapping[str, Any] | None = None) -> RenderableType:
    """The five answers on one screen. ``environment``: what was installed where the artifact was made."""
    artifact = answers.artifact
    version = f"version {answers.version}" if answers.version else "of no known version"
    rows = [
        (
            "Which version",
            [
                f"{artifact.name} ({short_type(artifact.type)}), {version}, {size_text(artifact.size) or 'size unknown'}",
                f"SHA-256 {artifact.sha256 or 'unknown'}",
                f"artifact {artifact.artifact_id}: {artifact.uri}",
            ],
        ),
        ("Which run", _run_lines(answers)),
        ("Which data", _data_lines(answers.data)),
        ("Which code", _code_lines(answers, environment)),
        ("Approved", _approval_lines(answers.approvals)),
    ]
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for head, lines in rows:
        for index, line in enumerate(lines):
            table.add_row(head if index == 0 else "", Text(line))
    return Lines(table)


def _run_lines(answers: Answers) -> list[str]:
    run, task = answers.run, answers.task
    if run is None:
        return ["unknown: its run is not in this store any more"]
    who = "@".join(
        str(part) for part in (run.provenance.get("user"), run.host or run.provenance.get("host")) if part
    )
    step = f", step {task.path}" if task else ""
    lines = [
        f"run {run.id} of {run.pipeline}{step}, {run.state}, {_moment(run.created_at)}"
        + (f", {who}" if who else "")
    ]
    if run.url:
        lines.append(run.url)
    if run.parameters:
        lines.append(", ".join(f"{name} = {value!r}" for name, value in run.parameters.items()))
    return lines


def _data_lines(data: Sequence[ArtifactNode | FileNode]) -> list[str]:
    lines = []
    for node in data:
        facts = [size_text(node.size)]
        if isinstance(node, ArtifactNode):
            rows = node.metadata.get("rows")
            facts += [f"{rows} rows"] if rows is not None else []
            version: Any = node.metadata.get("dvc")
        else:
            version = node.version
        if isinstance(version, Mapping):
            facts += [f"{key} {value}" for key, value in version.items() if isinstance(value, str | int)]
        where = (
            f"run {node.run_id}, artifact {node.artifact_id}" if isinstance(node, ArtifactNode) else node.uri
        )
        told = ", ".join(filter(None, facts))
        lines.append(f"{node.name}: SHA-256 {short(node.sha256) or 'unknown'}, {told} ({where})")
    return lines or ["none that was recorded: it read no file and no artifact"]


def _code_lines(answers: Answers, environment: Mapping[str, Any] | None) -> list[str]:
    run, task = answers.run, answers.task
    origin: Mapping[str, Any] = run.provenance if run else {}
    made: Mapping[str, Any] = task.provenance if task else {}
    lines = []
    if origin.get("commit"):
        branch = f" on {origin['branch']}" if origin.get("branch") else ""
        changes = (
            f", with changes (SHA-256 {short(origin.get('diff'))})"
            if origin.get("diff")
            else ", with changes"
        )
        lines.append(f"git commit {origin['commit']}{branch}{changes if origin.get('dirty') else ', clean'}")
    else:
        lines.append("no git commit: it was not in a repository")
    if run and (run.notebook or run.notebook_sha256):
        name = origin.get("notebook") or run.notebook
        lines.append(f"notebook {name}, SHA-256 {short(run.notebook_sha256 or origin.get('sha256'))}")
    cells = made.get("cells")
    if isinstance(cells, Sequence):
        said = ", ".join(f"{int(cell['cell']) + 1} ({short(cell['sha256'])})" for cell in cells)
        lines.append(f"{'cell' if len(cells) == 1 else 'cells'} {said}")
    elif made.get("code"):
        lines.append(f"component, SHA-256 {short(str(made['code']))}")
    if made.get("image"):
        digest = made.get("image_digest") or made.get("image_id") or "digest unknown"
        lines.append(f"image {made['image']}, {digest}")
    lines += _environment_line(origin, made, environment)
    return lines


def _environment_line(
    origin: Mapping[str, Any], made: Mapping[str, Any], environment: Mapping[str, Any] | None
) -> list[str]:
    facts = []
    if environment:
        facts.append(f"Python {environment.get('python')}")
        facts.append(
            f"{counted(len(environment.get('distributions') or {}), 'distribution')} ({short(made.get('environment'))})"
        )
    if origin.get("version"):
        facts.append(f"jupyter_kfp {origin['version']}")
    return [", ".join(facts)] if facts else []


def _approval_lines(approvals: Iterable[Approval]) -> list[str]:
    lines = [
        f"by {each.approved_by} on {each.time}"
        + (f": {each.note}" if each.note else "")
        + f" (approval {each.number}, {short(each.hash)})"
        for each in approvals
    ]
    return lines or ["by nobody"]


def _moment(time: datetime) -> str:
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S")
