"""KFP's messages → the YAML text of the IR, the same bytes everywhere."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from jupyter_kfp.compiler.graph import Specs
from jupyter_kfp.pipeline import Pipeline

# Reading and writing with libyaml is ten times faster; the text is the same.
_Base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

# A text that no YAML parser takes for anything else. PyYAML would also leave 1e3 or 0o17 bare, which
# are numbers to the YAML 1.2 parsers of KFP's backend.
_BARE = re.compile(r"[A-Za-z][A-Za-z0-9_./@-]*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})

# Source code: printable ASCII in several lines, the first one not indented, no line ending in a blank.
_BLOCK = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?\n)(?:(?:[ -~]*[!-~])?\n)*(?:[ -~]*[!-~])?")

_HEADER_LIMIT = 80
_ONE_LINE = 80


def to_text(specs: Specs, pipeline: Pipeline) -> str:
    """The IR as KFP's compiler lays it out.

    A comment that describes the pipeline, then one YAML document, or two where there are
    platform-specific options.
    """
    from google.protobuf import json_format

    documents = [json_format.MessageToDict(specs.pipeline)]
    if specs.platform.platforms:
        documents.append(json_format.MessageToDict(specs.platform))
    body = yaml.dump_all(documents, Dumper=_Dumper, sort_keys=True, width=1_000_000_000)
    return _header(pipeline, _outputs(specs, pipeline)) + str(body)


class _Dumper(_Base):  # type: ignore[misc]  # chosen when the module loads
    """Writes texts so that every YAML parser reads the same text."""

    def ignore_aliases(self, data: Any) -> bool:
        """Never write anchors: equal parts of the IR have nothing to do with each other."""
        return True


def _represent_text(dumper: Any, text: str) -> Any:
    if _BARE.fullmatch(text) and text.lower() not in _WORDS:
        style = None
    elif _BLOCK.fullmatch(text):
        style = "|"
    else:
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _represent_mapping(dumper: Any, mapping: dict[str, Any]) -> Any:
    """Small mappings stand on one line, which takes a tenth off every step."""
    small = _room(mapping, _ONE_LINE) >= 0
    return dumper.represent_mapping("tag:yaml.org,2002:map", mapping, flow_style=small)


def _room(value: Any, limit: int) -> int:
    """What ``limit`` characters leave after ``value``, roughly; negative as soon as they do not suffice."""
    match value:
        case dict():
            for key, item in value.items():
                limit = _room(item, limit - len(key) - 4)
                if limit < 0:
                    break
        case list():
            for item in value:
                limit = _room(item, limit - 2)
                if limit < 0:
                    break
        case _:
            limit -= len(str(value))
    return limit


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(dict, _represent_mapping)


def _outputs(specs: Specs, pipeline: Pipeline) -> dict[str, str]:
    """The pipeline's outputs by type; what a ``%%pipeline`` cell hands out, only the IR knows."""
    if pipeline.dsl is None:
        return {output.name: str(output.type) for output in pipeline.outputs}
    return {
        name: ""
        for kind in ("parameters", "artifacts")
        for name in getattr(specs.pipeline.root.output_definitions, kind)
    }


def _header(pipeline: Pipeline, outputs: dict[str, str]) -> str:
    """The comment KFP's compiler begins with, in printable ASCII whatever the texts hold."""
    lines = ["PIPELINE DEFINITION", f"Name: {pipeline.name}"]
    description = (pipeline.description or pipeline.options.description).splitlines()
    lines += [("Description: " if n == 0 else " " * 13) + line for n, line in enumerate(description)]
    if pipeline.parameters:
        lines.append("Inputs:")
    for parameter in sorted(pipeline.parameters, key=lambda p: p.name):
        default = "" if parameter.required else f" [Default: {_short(json.dumps(parameter.default))}]"
        lines.append(f"   {parameter.name}: {parameter.type}{default}")
    if outputs:
        lines.append("Outputs:")
    lines += [f"   {name}: {outputs[name]}".rstrip(": ") for name in sorted(outputs)]
    return "".join(f"# {_printable(line)}".rstrip() + "\n" for line in lines)


def _short(text: str) -> str:
    return text if len(text) <= _HEADER_LIMIT else text[: _HEADER_LIMIT - 3] + "..."


def _printable(line: str) -> str:
    return "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode() for c in line)
