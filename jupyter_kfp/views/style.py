"""Colours, type and icons of the SVG; a style sheet that follows the reader's light or dark scheme."""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_kfp.views import geometry
from jupyter_kfp.views.model import GroupKind
from jupyter_kfp.views.states import LOOKS

TITLE_FONT, SMALL_FONT = 15.0, 11.0
# (variable, light, dark)
PALETTE = (
    ("ground", "#ffffff", "#0d1117"),
    ("ink", "#1f2328", "#e6edf3"),
    ("soft", "#59636e", "#9198a1"),
    ("line", "#8c959f", "#7d8590"),
    ("node", "#ffffff", "#161b22"),
    ("edge-of-node", "#8c959f", "#6e7681"),
    ("loop", "#8250df", "#a371f7"),
    ("condition", "#bc4c00", "#db6d28"),
    ("branches", "#bc4c00", "#db6d28"),
    ("exit_handler", "#bf3989", "#db61a2"),
    ("pipeline", "#0969da", "#4493f8"),
)
_ICONS = {
    "PENDING": "",
    "RUNNING": "M-2 -3.4L3.6 0L-2 3.4Z",
    "SUCCEEDED": "M-3.4 .2L-1 2.7L3.5 -2.4",
    "CACHED": "M3 -1.4A3.4 3.4 0 1 0 3 1.6M3.3 -4V-1.2H.6",
    "SKIPPED": "M-3.2 0H3.2",
    "FAILED": "M-2.6 -2.6L2.6 2.6M2.6 -2.6L-2.6 2.6",
    "CANCELED": "M-2.4 -2.4H2.4V2.4H-2.4Z",
}
_SOLID = {"RUNNING", "CANCELED"}


def number(value: float) -> str:
    """A coordinate, short and the same on every machine."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def icon(state: str, x: float, y: float) -> str:
    """A state's round icon, its middle at (x, y)."""
    solid = " solid" if state in _SOLID else ""
    return (
        f'<g class="icon {state}" transform="translate({number(x)} {number(y)})"><circle r="6.5"/>'
        f'<path class="glyph{solid}" d="{_ICONS[state] or "M0 0"}"/></g>'
    )


def stylesheet(states: Sequence[str]) -> str:
    """The style sheet of a picture in which ``states`` occur; every rule is confined to ``.jkfp``."""

    def variables(dark: bool) -> str:
        pairs = [f"--{name}:{night if dark else day}" for name, day, night in PALETTE]
        for state in states:
            line, fill = LOOKS[state].dark if dark else LOOKS[state].light
            pairs += [f"--{state}:{line}", f"--{state}-fill:{fill}"]
        return ".jkfp{" + ";".join(pairs) + "}"

    kinds = "".join(
        f".jkfp .box.{kind.value}{{stroke:var(--{kind.value});fill:var(--{kind.value})}}"
        f".jkfp .tint.{kind.value}{{fill:var(--{kind.value})}}"
        f".jkfp .headline.{kind.value}{{fill:var(--{kind.value})}}"
        for kind in GroupKind
    )
    coloured = "".join(
        f".jkfp .node.{state} rect{{stroke:var(--{state});fill:var(--{state}-fill)}}"
        f".jkfp .icon.{state} circle{{stroke:var(--{state});fill:var(--{state})}}"
        for state in states
    )
    return (
        f"{variables(False)}@media(prefers-color-scheme:dark){{{variables(True)}}}"
        ".jkfp text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;fill:var(--ink)}"
        f".jkfp .node text{{font-size:{number(geometry.NODE_FONT)}px;text-anchor:middle}}"
        f".jkfp .name{{font-size:{number(TITLE_FONT)}px;font-weight:600}}"
        f".jkfp .small{{font-size:{number(SMALL_FONT)}px;fill:var(--soft)}}"
        f".jkfp .value{{font-size:{number(geometry.LABEL_FONT)}px;fill:var(--soft)}}"
        f".jkfp .headline{{font-size:{number(geometry.GROUP_FONT)}px;font-weight:500}}"
        ".jkfp .ground,.jkfp .cover{fill:var(--ground)}"
        ".jkfp .node rect{fill:var(--node);stroke:var(--edge-of-node);stroke-width:1.2}"
        ".jkfp .tint{fill-opacity:.12}"
        ".jkfp .box{fill-opacity:.06;stroke-opacity:.55;stroke-width:1.2}"
        ".jkfp .box.condition,.jkfp .box.branches{stroke-dasharray:5 3}"
        ".jkfp .wire{fill:none;stroke:var(--line);stroke-width:1.4}"
        ".jkfp .wire.order{stroke-dasharray:2 4}"
        ".jkfp .tip{fill:var(--line)}"
        ".jkfp .noted{fill:var(--condition)}"
        ".jkfp .import{fill:none;stroke:var(--soft);stroke-width:1.4}"
        ".jkfp .node.SKIPPED text,.jkfp .node.PENDING text{fill:var(--soft)}"
        ".jkfp .node.SKIPPED rect{stroke-dasharray:4 3}"
        ".jkfp .glyph{fill:none;stroke:var(--ground);stroke-width:1.6;stroke-linecap:round;stroke-linejoin:round}"
        ".jkfp .glyph.solid{fill:var(--ground);stroke:none}"
        f"{kinds}{coloured}.jkfp .icon.PENDING circle{{fill:none;stroke-width:1.6}}"
    )
