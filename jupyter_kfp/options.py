"""The one schema of options, whatever way they are written.

Magic flags (``--memory 8G``), ``#| memory: 8G`` lines, tags (``limit:…``), ``cell.metadata.kfp`` and
``notebook.metadata.kfp`` all fill these models; the compiler reads nothing else. Compound options
have a compact text form, used by flags and tags, and the equal mapping form, used by YAML and JSON:

=============  ================================================  =====================================
option         compact                                           mapping
=============  ================================================  =====================================
secret         ``creds:password=DB_PASSWORD``, ``creds=/etc/c``  ``{name, key, env}``, ``{name, mount_path}``
configmap      the same                                          the same
volume         ``pvc[/sub/path]=/data[:ro]``                     ``{pvc, mount_path, sub_path, read_only}``
empty_dir      ``/scratch[:10Gi[:Memory]]``                      ``{mount_path, size, medium}``
tolerations    ``key[=value][:effect]``                          Kubernetes' own fields, in snake case
env, labels,   ``NAME=value``                                    ``{NAME: value}``
annotations,
node_selector
outputs        ``name[:type]``                                   ``{name: type}`` or a list of names
=============  ================================================  =====================================

Quantities are Kubernetes quantities (``500m``, ``8Gi``, ``8G``); durations are seconds or a number
with ``s``, ``m``, ``h`` or ``d`` (``90``, ``90s``, ``1h30m``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

_QUANTITY = re.compile(r"^\d+(\.\d+)?([eE]\d+|m|k|[KMGTPE]i?)?$")
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 315_576_000_000  # protobuf's Duration, which carries it: 10,000 years
_IDENTIFIER = re.compile(r"^[^\W\d]\w*$")
_ENV_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_.-]*$")


def parse_duration(value: Any) -> int:
    """Seconds of a duration: ``90``, ``"90s"``, ``"1h30m"``. Raises ValueError on anything else."""
    text = str(value).strip()
    parts = _DURATION_PART.findall(text)
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        seconds = float(text)
    elif parts and "".join(number + unit for number, unit in parts) == text:
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    else:
        raise ValueError(f"{text!r} is not a duration; write for instance 90s, 15m or 24h")
    if not 0 < seconds <= _LONGEST or seconds != int(seconds):
        raise ValueError(f"a duration is a whole number of seconds from 1 to {_LONGEST}, not {text}")
    return int(seconds)


def _quantity(value: Any) -> str:
    text = str(value).strip()
    if not _QUANTITY.match(text):
        raise ValueError(f"{text!r} is not a Kubernetes quantity; write for instance 500m, 2, 8G or 16Gi")
    return text


def _caching(value: Any) -> bool | int:
    if isinstance(value, bool):
        return value
    if str(value).strip().lower() in {"on", "true", "yes"}:
        return True
    if str(value).strip().lower() in {"off", "false", "no", "none"}:
        return False
    return parse_duration(value)


def _pairs(value: Any) -> Any:
    """``NAME=value`` texts (one, or a list) as a mapping; mappings pass through with text values."""
    if isinstance(value, Mapping):
        return {str(k): _scalar_text(v) for k, v in value.items()}
    pairs: dict[str, str] = {}
    for item in _items(value):
        if isinstance(item, Mapping):
            pairs.update({str(k): _scalar_text(v) for k, v in item.items()})
            continue
        name, separator, text = str(item).partition("=")
        if not separator:
            raise ValueError(f"{item!r} has no value; write NAME=value")
        pairs[name.strip()] = text
    return pairs


def _scalar_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping | list | tuple) or value is None:
        raise ValueError(f"{value!r} is not a text; quote it")
    return str(value)


def _env(value: Any) -> Any:
    pairs = _pairs(value)
    for name in pairs:
        if not _ENV_NAME.match(name):
            raise ValueError(f"{name!r} is not a valid name of an environment variable")
    return pairs


def _many(value: Any) -> Any:
    """One item or a list of them, as a tuple. A text is split at commas only by the option itself."""
    if isinstance(value, str | Mapping | BaseModel):
        return (value,)
    return tuple(value) if isinstance(value, Iterable) else value


def _texts(value: Any) -> tuple[str, ...]:
    """One text, separated by commas and blanks, or a list whose items stay whole (``a @ URL``)."""
    if isinstance(value, str):
        return tuple(_split(value))
    items = _items(value)
    for item in items:
        if isinstance(item, bool) or not isinstance(item, str | int | float):
            raise ValueError(f"{item!r} is not a text; quote it")  # noqa: TRY004 - pydantic wants ValueError
    return tuple(str(item).strip() for item in items)


def _items(value: Any) -> list[Any]:
    """One text or several, as a list."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping | bytes) or not isinstance(value, Iterable):
        raise ValueError(f"{value!r} is neither a text nor a list of texts")  # noqa: TRY004 - as above
    return list(value)


def _split(text: str) -> list[str]:
    """Split at blanks and at commas, keeping ``pkg[a,b]>=1,<2`` whole: a comma counts before a name."""
    return [p for p in re.split(r"\s+|,(?=\s*[A-Za-z_./])(?![^\[]*\])", text.strip()) if p]


def _taking(*types: str) -> WithJsonSchema:
    """The JSON types that are read, which are more than the one they become."""
    return WithJsonSchema({"type": list(types)}, mode="validation")


Quantity = Annotated[str, BeforeValidator(_quantity), _taking("string", "number")]
Duration = Annotated[int, BeforeValidator(parse_duration), _taking("string", "integer")]
Caching = Annotated[bool | int, BeforeValidator(_caching), _taking("string", "boolean", "integer")]
Switch = Annotated[bool, _taking("string", "boolean")]
Pairs = Annotated[dict[str, str], BeforeValidator(_pairs)]
Environment = Annotated[dict[str, str], BeforeValidator(_env)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Reference(_Model):
    """A Secret or ConfigMap: one key as an environment variable, or all of it as files."""

    name: str
    key: str | None = None
    env: str | None = None
    mount_path: str | None = None
    optional: bool = False

    @model_validator(mode="before")
    @classmethod
    def _compact(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        source, separator, target = value.partition("=")
        name, _, key = source.partition(":")
        if not separator or not target or not name:
            raise ValueError(f"{value!r}: write NAME:KEY=VARIABLE, or NAME=/path to mount it as files")
        if target.startswith("/"):
            return {"name": source, "mount_path": target}
        return {"name": name, "key": key or target, "env": target}

    @model_validator(mode="after")
    def _one_target(self) -> _Reference:
        if (self.env is None) == (self.mount_path is None):
            raise ValueError(f"{self.name!r} needs either env (with key) or mount_path")
        if self.env is not None and self.key is None:
            raise ValueError(f"{self.name!r} needs the key whose value {self.env} gets")
        return self


class Secret(_Reference):
    """A Kubernetes Secret given to the step."""


class ConfigMap(_Reference):
    """A Kubernetes ConfigMap given to the step."""


class Volume(_Model):
    """A PersistentVolumeClaim mounted into the step."""

    pvc: str
    mount_path: str
    sub_path: str = ""
    read_only: bool = False

    @model_validator(mode="before")
    @classmethod
    def _compact(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        source, separator, target = value.partition("=")
        path, _, mode = target.partition(":")
        if not separator or not path.startswith("/") or mode not in {"", "ro", "rw"}:
            raise ValueError(f"{value!r}: write CLAIM[/SUB/PATH]=/MOUNT/PATH[:ro]")
        pvc, _, sub_path = source.partition("/")
        return {"pvc": pvc, "sub_path": sub_path, "mount_path": path, "read_only": mode == "ro"}


class EmptyDir(_Model):
    """A scratch directory that lives as long as the step's pod."""

    mount_path: str
    size: Quantity | None = None
    medium: str = ""

    @model_validator(mode="before")
    @classmethod
    def _compact(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        path, _, rest = value.partition(":")
        size, _, medium = rest.partition(":")
        if not path.startswith("/"):
            raise ValueError(f"{value!r}: write /MOUNT/PATH[:SIZE[:Memory]]")
        return {"mount_path": path, "size": size or None, "medium": medium}


class Toleration(_Model):
    """A Kubernetes toleration, for instance of spot nodes."""

    key: str | None = None
    operator: str = "Equal"
    value: str | None = None
    effect: str | None = None
    toleration_seconds: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _compact(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            renamed = {"tolerationSeconds": "toleration_seconds"}
            return {renamed.get(k, k): v for k, v in value.items()}
        if not isinstance(value, str):
            return value
        pair, _, effect = value.partition(":")
        key, separator, text = pair.partition("=")
        return {
            "key": key,
            "operator": "Equal" if separator else "Exists",
            "value": text if separator else None,
            "effect": effect or None,
        }


def _outputs(value: Any) -> Any:
    """Names with optional types, as a mapping from name to type ("" where none is given)."""
    if isinstance(value, Mapping):
        pairs = {str(k): "" if v is None else str(v) for k, v in value.items()}
    else:
        pairs = {}
        for item in _texts(value):
            name, _, kind = item.partition(":")
            pairs[name] = kind
    for name in pairs:
        if not _IDENTIFIER.match(name):
            raise ValueError(f"{name!r} is not a Python name")
    return pairs


Secrets: TypeAlias = Annotated[tuple[Secret, ...], BeforeValidator(_many)]
ConfigMaps: TypeAlias = Annotated[tuple[ConfigMap, ...], BeforeValidator(_many)]
Volumes: TypeAlias = Annotated[tuple[Volume, ...], BeforeValidator(_many)]
EmptyDirs: TypeAlias = Annotated[tuple[EmptyDir, ...], BeforeValidator(_many)]
Tolerations: TypeAlias = Annotated[tuple[Toleration, ...], BeforeValidator(_many)]
OutputTypes: TypeAlias = Annotated[dict[str, str], BeforeValidator(_outputs)]


class StepOptions(_Model):
    """What can be said of one step. Every field reaches the IR."""

    image: str | None = Field(
        None, description="Container image the step runs in.", examples=["python:3.12-slim"]
    )
    packages: Texts = Field(
        (), description="Distributions to install, as pip requirements.", examples=["xgboost==3.*"]
    )
    cpu: Quantity | None = Field(
        None, description="CPU limit; also the request unless cpu_request is given.", examples=["500m"]
    )
    memory: Quantity | None = Field(
        None, description="Memory limit; also the request unless memory_request is given.", examples=["8G"]
    )
    cpu_request: Quantity | None = Field(None, description="CPU request.", examples=["250m"])
    memory_request: Quantity | None = Field(None, description="Memory request.", examples=["4G"])
    gpu: int | None = Field(None, ge=0, description="Number of accelerators.")
    accelerator: str | None = Field(
        None,
        description="Resource name or type of the accelerator; nvidia.com/gpu by default.",
        examples=["nvidia.com/gpu"],
    )
    retries: int | None = Field(None, ge=0, description="How often a failed step is tried again.")
    backoff: Duration | None = Field(None, description="Wait before the first retry.", examples=["10s"])
    backoff_factor: float | None = Field(None, ge=1, description="What each further wait is multiplied by.")
    backoff_max: Duration | None = Field(None, description="Longest wait between two tries.", examples=["5m"])
    timeout: Duration | None = Field(
        None, description="The step is ended when it runs longer.", examples=["2h"]
    )
    cache: Caching | None = Field(
        None, description="on, off, or how long a result may be reused (24h).", examples=["24h"]
    )
    cache_key: str | None = Field(
        None, description="Text that replaces the computed cache key.", examples=["v1"]
    )
    pickle: Switch | None = Field(
        None, description="off: the step fails rather than keep a value as a pickle.", examples=["on"]
    )
    env: Environment = Field({}, description="Environment variables.", examples=["MODE=fast"])
    secret: Secrets = Field(
        (), description="Secrets, as environment variables or files.", examples=["creds:password=DB_PASSWORD"]
    )
    configmap: ConfigMaps = Field(
        (), description="ConfigMaps, as environment variables or files.", examples=["settings=/etc/settings"]
    )
    volume: Volumes = Field((), description="PersistentVolumeClaims to mount.", examples=["data=/data:ro"])
    empty_dir: EmptyDirs = Field((), description="Scratch directories.", examples=["/scratch:10Gi"])
    shm: Quantity | None = Field(None, description="Size of /dev/shm.", examples=["2Gi"])
    node_selector: Pairs = Field({}, description="Labels a node must have.", examples=["zone=a"])
    tolerations: Tolerations = Field(
        (), description="Taints the step tolerates.", examples=["spot=true:NoSchedule"]
    )
    affinity: dict[str, Any] | None = Field(None, description="Node affinity, as Kubernetes writes it.")
    labels: Pairs = Field({}, description="Labels of the pod.", examples=["team=risk"])
    annotations: Pairs = Field({}, description="Annotations of the pod.", examples=["owner=me"])
    image_pull_secret: Texts = Field((), description="Secrets for pulling the image.", examples=["registry"])
    service_account: str | None = Field(
        None, description="Kubernetes service account of the run.", examples=["pipeline-runner"]
    )
    display_name: str | None = Field(
        None, description="Name shown instead of the step's.", examples=["Fit the forest"]
    )
    outputs: OutputTypes = Field(
        {}, description="Names the step exports, with their types.", examples=["model:Model"]
    )

    @model_validator(mode="after")
    def _consistent(self) -> StepOptions:
        if self.accelerator is not None and self.gpu is None:
            raise ValueError("accelerator needs gpu, the number of them")
        for name in ("backoff", "backoff_factor", "backoff_max"):
            if getattr(self, name) is not None and not self.retries:
                raise ValueError(f"{name} needs retries")
        return self


class PipelineOptions(_Model):
    """What can be said of a whole notebook (``notebook.metadata.kfp``), besides step defaults."""

    name: str | None = Field(
        None, description="Name of the pipeline; the file's name by default.", examples=["churn"]
    )
    description: str = Field("", description="What the pipeline does.")
    experiment: str | None = Field(None, description="Experiment its runs belong to.", examples=["churn"])
    pipeline_root: str | None = Field(
        None, description="Where artifacts are kept, as a URI.", examples=["s3://bucket/runs"]
    )
    service_account: str | None = Field(
        None, description="Kubernetes service account of the run.", examples=["pipeline-runner"]
    )


# Options that are joined, not replaced, when several places give them.
JOINED = frozenset(
    name
    for name, field in StepOptions.model_fields.items()
    if field.default in ((), {}) and name != "affinity"
)


def merge(*layers: StepOptions) -> StepOptions:
    """One set of options from several, the last (nearest) winning; lists and mappings are joined.

    Raises pydantic.ValidationError when the layers contradict each other's needs.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        for name in sorted(layer.model_fields_set):
            value = getattr(layer, name)
            if name in JOINED and name in merged:
                earlier = merged[name]
                value = (
                    {**earlier, **value}
                    if isinstance(value, dict)
                    else tuple(dict.fromkeys((*earlier, *value)))
                )
            merged[name] = value
    return StepOptions(**merged)
