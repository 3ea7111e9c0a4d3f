"""What stands in another file: a notebook, or somebody's component, with its inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from jupyter_kfp.documents import yaml_documents
from jupyter_kfp.errors import NotebookError
from jupyter_kfp.notebook.units import Definition
from jupyter_kfp.pipeline import ArtifactType, Constant, ParameterType, Pipeline, ValueType

if TYPE_CHECKING:
    from jupyter_kfp.notebook.control import CellControl

_TIMEOUT = 30.0  # seconds

# KFP's names of parameter types: in the IR (pipeline_spec.proto, ParameterTypeEnum) and in components of v1.
_PARAMETERS = {
    "STRING": ParameterType.STRING,
    "NUMBER_INTEGER": ParameterType.INTEGER,
    "NUMBER_DOUBLE": ParameterType.FLOAT,
    "BOOLEAN": ParameterType.BOOLEAN,
    "LIST": ParameterType.LIST,
    "STRUCT": ParameterType.DICT,
    "String": ParameterType.STRING,
    "Integer": ParameterType.INTEGER,
    "Float": ParameterType.FLOAT,
    "Boolean": ParameterType.BOOLEAN,
    "Bool": ParameterType.BOOLEAN,
    "JsonArray": ParameterType.LIST,
    "List": ParameterType.LIST,
    "JsonObject": ParameterType.DICT,
    "Dict": ParameterType.DICT,
}


@dataclass(frozen=True, slots=True)
class Port:
    """An input of a component; ``required`` ones have no default, that of ``nullable`` ones is None."""

    type: ValueType
    required: bool
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Interface:
    """A component from elsewhere: what runs, its inputs and its outputs by name."""

    component: str | Pipeline
    inputs: Mapping[str, Port]
    outputs: Mapping[str, ValueType]


@dataclass(frozen=True, slots=True)
class ExternalComponent:
    """A component as a step uses it: ``given`` are the inputs it gets, with where each comes from."""

    component: str | Pipeline
    given: Mapping[str, tuple[ValueType, Constant | Definition]]
    outputs: Mapping[str, ValueType]


OpenNotebook = Callable[[Path], Pipeline]
"""Reads another notebook. Raises NotebookError where it cannot be read or has errors."""


def interface(control: CellControl, directory: Path | None, open_notebook: OpenNotebook) -> Interface:
    """What a header names; paths are relative to ``directory``. Raises NotebookError with what is wrong."""
    if control.notebook:
        return _of_pipeline(open_notebook(_path(control.notebook, directory)))
    return _of_yaml(_text(control.component, directory), control.component)


def _path(name: str, directory: Path | None) -> Path:
    path = Path(name).expanduser()
    return path if path.is_absolute() or directory is None else directory / path


def _of_pipeline(pipeline: Pipeline) -> Interface:
    return Interface(
        pipeline,
        {
            p.name: Port(p.type, p.required, nullable=not p.required and p.default is None)
            for p in pipeline.parameters
        },
        {output.name: output.type for output in pipeline.outputs},
    )


def _text(name: str, directory: Path | None) -> str:
    scheme = urlsplit(name).scheme
    try:
        if scheme in {"http", "https"}:
            with urlopen(name, timeout=_TIMEOUT) as answer:  # noqa: S310 - of these two schemes
                return bytes(answer.read()).decode("utf-8")
        return _path(name, directory).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotebookError(
            f"{name} does not exist.", "Check the path; it is relative to the notebook."
        ) from None
    except (URLError, TimeoutError) as error:
        reason = getattr(error, "reason", error)
        raise NotebookError(
            f"{name} cannot be fetched ({reason}).", "Check the address, or save the file."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise NotebookError(f"{name} cannot be read ({error}).", "Check the file.") from None


def _of_yaml(text: str, name: str) -> Interface:
    import yaml

    remedy = "Name the YAML file of a KFP component or pipeline."
    try:
        documents = [d for d in yaml_documents(text) if isinstance(d, dict)]
    except yaml.YAMLError as error:
        raise NotebookError(f"{name} is not YAML: {error}.", remedy) from None
    document: dict[str, Any] = next((d for d in documents if "root" in d or "implementation" in d), {})
    if "root" in document:
        root = document["root"]
        return Interface(
            text, _inputs(root.get("inputDefinitions", {})), _outputs(root.get("outputDefinitions", {}))
        )
    if "implementation" in document:
        return _of_v1(text, document)
    raise NotebookError(f"{name} is neither a KFP component nor a pipeline.", remedy)


def _inputs(definitions: Mapping[str, Any]) -> dict[str, Port]:
    found: dict[str, Port] = {}
    for name, spec in definitions.get("parameters", {}).items():
        kind = _PARAMETERS.get(spec.get("parameterType", ""))
        if kind is not None:  # not the final status, which KFP gives itself
            default = "defaultValue" in spec
            optional = bool(spec.get("isOptional"))
            found[name] = Port(ValueType(kind), not (optional or default), optional and not default)
    for name, spec in definitions.get("artifacts", {}).items():
        found[name] = Port(_artifact(spec), not spec.get("isOptional"))
    return found


def _outputs(definitions: Mapping[str, Any]) -> dict[str, ValueType]:
    found: dict[str, ValueType] = {}
    for name, spec in definitions.get("parameters", {}).items():
        kind = _PARAMETERS.get(spec.get("parameterType", ""))
        if kind is not None:
            found[name] = ValueType(kind)
    for name, spec in definitions.get("artifacts", {}).items():
        found[name] = _artifact(spec)
    return found


def _artifact(spec: Mapping[str, Any]) -> ValueType:
    title = spec.get("artifactType", {}).get("schemaTitle", "")
    return ValueType(_artifact_kind(title), many=bool(spec.get("isArtifactList")))


def _artifact_kind(title: str) -> ArtifactType:
    try:
        return ArtifactType(title.removeprefix("system."))
    except ValueError:
        return ArtifactType.ARTIFACT


def _of_v1(text: str, document: Mapping[str, Any]) -> Interface:
    """A component of KFP v1. KFP's SDK makes its names lower case, with underscores."""

    def name(spec: Mapping[str, Any]) -> str:
        return "".join(c if c.isalnum() else "_" for c in str(spec["name"]).lower())

    def known(spec: Mapping[str, Any]) -> ValueType:
        kind = spec.get("type", "String")
        if isinstance(kind, str) and kind in _PARAMETERS:
            return ValueType(_PARAMETERS[kind])
        return ValueType(_artifact_kind(kind if isinstance(kind, str) else ""))

    inputs = {
        name(spec): Port(
            known(spec),
            not (spec.get("optional") or "default" in spec),
            bool(spec.get("optional")) and "default" not in spec,
        )
        for spec in document.get("inputs") or ()
    }
    return Interface(text, inputs, {name(spec): known(spec) for spec in document.get("outputs") or ()})
