"""Kale's way of saying it: its tags, and the ``kubeflow_notebook`` metadata its side panel writes.

Facts are from Kale 2.3 (``kale/processors``, ``kale/pipeline.py``) and, for ``block:``, ``docker_image``
and snapshots, from Kale 0.5; until 0.3 the key was misspelt ``kubeflow_noteobok``. What has no counterpart
here is a warning, never dropped in silence. What the panel writes into every notebook is none as long as
the setting that it belongs to is off (Katib's, the access mode of new volumes).

====  ==============================================================================
K120  (warning) a setting of Kale's that does not count here, or an unknown one
====  ==============================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from jupyter_kfp.notebook.spellings import Findings, Spelling

KEY = "kubeflow_notebook"
KEYS = (KEY, "kubeflow_noteobok")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SWITCHES = {"enabled": True, "disabled": False}
# Settings that say where Kale itself works, or how what another one asks for; nothing here depends on them.
_NEUTRAL = _words(
    "notebook_path experiment run_name kfp_host output_path abs_working_dir marshal_path marshal_volume"
    " generate_html_report katib_metadata"
)
# Settings that change a run, and what to do instead.
_UNSUPPORTED = {
    "katib_run": "Tune with a loop over the parameter instead.",
    "snapshot_volumes": "Volumes are mounted as they are; take the snapshot outside.",
    "autosnapshot": "Volumes are mounted as they are; take the snapshot outside.",
    "storage_class_name": "Create the claim first and mount it as a `pvc`.",
    "volume_access_mode": "Create the claim first and mount it as a `pvc`.",
    "security_context": "Set it where the cluster is administered.",
}
# Settings of new volumes, which the panel writes whether there is one or not.
_OF_NEW_VOLUMES = ("storage_class_name", "volume_access_mode")
_PIPELINE = {"pipeline_name": "name", "pipeline_description": "description", "experiment_name": "experiment"}
_LIMITS = ("cpu", "memory")


def is_kale(metadata: Mapping[str, Any]) -> bool:
    """Whether the notebook was made for Kale."""
    return any(isinstance(metadata.get(key), Mapping) for key in KEYS)


def read_tag(tag: str, spelling: Spelling) -> bool:
    """Fill ``spelling`` from one of Kale's option tags; whether ``tag`` is one."""
    kind, _, text = tag.partition(":")
    if kind not in _TAGS or not text:
        return False
    _TAGS[kind](text, tag, spelling)
    return True


def _bad(tag: str, form: str, spelling: Spelling) -> None:
    spelling.findings.error("K102", f"The tag `{tag}` is incomplete.", f"Write `{form}`.", spelling.cell)


def _limit(text: str, tag: str, spelling: Spelling) -> None:
    resource, _, value = text.rpartition(":")
    if not resource or not value:
        _bad(tag, "limit:RESOURCE:VALUE", spelling)
    else:
        _put_limit(resource, value, spelling)


def _put_limit(resource: str, value: object, spelling: Spelling) -> None:
    if resource in _LIMITS:
        spelling.put(resource, value)
    elif "/" in resource:
        spelling.put("gpu", value)
        # The default needs no naming, so that a nearer `accelerator` or `gpu: 0` may stand alone.
        if resource != "nvidia.com/gpu":
            spelling.put("accelerator", resource)
    else:
        spelling.findings.error(
            "K102",
            f"There is no limit of {resource!r}.",
            "Limits are cpu, memory and VENDOR/DEVICE.",
            spelling.cell,
        )


def _secret(text: str, tag: str, spelling: Spelling) -> None:
    parts = text.split(":")
    if "=" in text:
        spelling.put("secret", text)
    elif len(parts) == 3 and all(parts):
        spelling.put("secret", {"name": parts[0], "key": parts[1], "env": parts[2]})
    else:
        _bad(tag, "secret:NAME:KEY:VARIABLE", spelling)


def _cache(text: str, _tag: str, spelling: Spelling) -> None:
    spelling.put("cache", _SWITCHES.get(text, text))


def _report(text: str, tag: str, spelling: Spelling) -> None:
    if _SWITCHES.get(text) is not True:
        spelling.findings.warning(
            "K120",
            f"The tag `{tag}` does not count: every step keeps its HTML report.",
            "Remove it.",
            spelling.cell,
        )


def _pairs(option: str) -> Callable[[str, str, Spelling], None]:
    def read(text: str, tag: str, spelling: Spelling) -> None:
        name, separator, value = text.partition(":")
        if separator and name:
            spelling.put(option, {name: value})
        elif "=" in text:
            spelling.put(option, text)
        else:
            _bad(tag, f"{tag.partition(':')[0]}:NAME:VALUE", spelling)

    return read


_TAGS: Mapping[str, Callable[[str, str, Spelling], None]] = {
    "image": lambda text, _tag, spelling: spelling.put("image", text),
    "limit": _limit,
    "secret": _secret,
    "cache": _cache,
    "report": _report,
    "annotation": _pairs("annotations"),
    "label": _pairs("labels"),
}
TAG_KINDS = tuple(_TAGS)


def read_metadata(metadata: Mapping[str, Any], findings: Findings) -> tuple[dict[str, str], Spelling]:
    """The pipeline's own settings (name, description, experiment) and the defaults of every step."""
    spelling = Spelling(findings, None)
    own: dict[str, str] = {}
    name = next((key for key in KEYS if metadata.get(key) is not None), KEY)
    given = metadata.get(name)
    if given is None:
        return own, spelling
    if not isinstance(given, Mapping):
        _ignore(findings, name, "is no mapping")
        return own, spelling
    for key, value in given.items():
        if key in _OF_NEW_VOLUMES and not _has_new_volumes(given):
            continue
        if key in _PIPELINE and isinstance(value, str):
            own.update({_PIPELINE[key]: value} if value else {})
        elif key == "enable_caching" and isinstance(value, bool):
            spelling.put("cache", value)
        elif key not in _NEUTRAL and value not in (None, "", [], {}, False):
            _setting(key, value, spelling)
    return own, spelling


def _has_new_volumes(given: Mapping[str, Any]) -> bool:
    volumes = given.get("volumes")
    mappings = [v for v in volumes if isinstance(v, Mapping)] if isinstance(volumes, list) else []
    return any(volume.get("type") != "pvc" for volume in mappings)


def _setting(key: str, value: object, spelling: Spelling) -> None:
    if key in {"base_image", "docker_image"}:
        spelling.put("image", value)
    elif key == "timeout":
        spelling.put("timeout", value)
    elif key == "volumes":
        _volumes(value, spelling)
    elif key == "steps_defaults":
        _steps_defaults(value, spelling)
    elif key in _UNSUPPORTED:
        _ignore(spelling.findings, f"{KEY}.{key}", "does not count here", _UNSUPPORTED[key])
    else:
        _ignore(spelling.findings, f"{KEY}.{key}", "is unknown and does not count")


def _ignore(findings: Findings, what: str, why: str, remedy: str = "") -> None:
    findings.warning(
        "K120", f"The metadata {what} {why}.", remedy or "Remove it, or say it in `kfp` metadata."
    )


def _volumes(value: object, spelling: Spelling) -> None:
    for index, volume in enumerate(value if isinstance(value, list) else [value]):
        what = f"{KEY}.volumes[{index}]"
        if not isinstance(volume, Mapping):
            _ignore(spelling.findings, what, "is no mapping")
            continue
        name, path, kind = volume.get("name"), volume.get("mount_point"), volume.get("type")
        if kind != "pvc" or not isinstance(name, str) or not isinstance(path, str):
            _ignore(
                spelling.findings,
                what,
                f"(type {kind!r}) does not count: only existing claims are mounted",
                "Create the claim first and mount it with `volume: CLAIM=/PATH`.",
            )
            continue
        spelling.put("volume", {"pvc": name, "mount_path": path})
        if volume.get("expose_as_env_var") is True:
            spelling.put("env", {f"KALE_VOLUME_{re.sub('[^A-Z0-9]', '_', name.upper())}": path})
        if volume.get("snapshot") is True:
            _ignore(
                spelling.findings, f"{what}.snapshot", "does not count here", _UNSUPPORTED["snapshot_volumes"]
            )


def _steps_defaults(value: object, spelling: Spelling) -> None:
    """Tags that hold for every step, or (Kale's SDK) a mapping."""
    what = f"{KEY}.steps_defaults"
    if isinstance(value, list):
        for tag in value:
            if not isinstance(tag, str) or not read_tag(tag, spelling):
                _ignore(spelling.findings, f"{what}: {tag!r}", "is unknown and does not count")
    elif isinstance(value, Mapping):
        for key, setting in value.items():
            _step_default(str(key), setting, what, spelling)
    else:
        _ignore(spelling.findings, what, "is neither a list of tags nor a mapping")


def _step_default(key: str, value: Any, what: str, spelling: Spelling) -> None:
    plain = {
        "labels": "labels",
        "annotations": "annotations",
        "base_image": "image",
        "enable_caching": "cache",
        "retry_count": "retries",
        "retry_interval": "backoff",
        "retry_factor": "backoff_factor",
        "retry_max_interval": "backoff_max",
        "timeout": "timeout",
    }
    if value in (None, "", {}) or (value == 0 and key == "retry_count"):
        return
    if key in plain:
        spelling.put(plain[key], value)
    elif key == "limits" and isinstance(value, Mapping):
        for resource, amount in value.items():
            _put_limit(str(resource), amount, spelling)
    elif key == "secrets" and isinstance(value, Mapping):
        for variable, source in value.items():
            if isinstance(source, Mapping):
                secret = {
                    "name": source.get("secret_name"),
                    "key": source.get("secret_key"),
                    "env": str(variable),
                }
                spelling.put("secret", secret)
    elif key != "generate_html_report":
        _ignore(spelling.findings, f"{what}.{key}", "is unknown and does not count")
