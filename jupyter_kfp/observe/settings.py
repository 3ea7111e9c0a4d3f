"""Who is to be told of runs: environment variables, or the file ``jupyter_kfp_observe.toml``.

============================  ==========================  ==========================================================
variable                      in the file
============================  ==========================  ==========================================================
JUPYTER_KFP_NOTIFY_ON         [notifications] on          states to tell of; FAILED by default
JUPYTER_KFP_NOTIFY_WEBHOOK    [notifications] webhook     URL that a JSON document is posted to
JUPYTER_KFP_WEBHOOK_TOKEN                                 a bearer token for it
JUPYTER_KFP_NOTIFY_EMAIL      [notifications] email       addresses
JUPYTER_KFP_SMTP_URL          [notifications] smtp        smtp://host:587 (STARTTLS where offered), smtps://host:465
JUPYTER_KFP_SMTP_PASSWORD                                 password of the URL's user
JUPYTER_KFP_SMTP_FROM         [notifications] from        the sender
JUPYTER_KFP_METRICS_FILE      [metrics] file              a ``.prom`` file, for node_exporter's textfile collector
JUPYTER_KFP_PUSHGATEWAY       [metrics] pushgateway       URL of a Prometheus Pushgateway
OTEL_*                                                    OpenTelemetry's own
============================  ==========================  ==========================================================

The environment comes before the file, which is in Jupyter's configuration directory. Secrets are variables only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jupyter_kfp.errors import UsageError
from jupyter_kfp.store.records import State

_FILE: Final = "jupyter_kfp_observe.toml"
_VARIABLES: Final = {
    "JUPYTER_KFP_NOTIFY_ON": ("notifications", "on"),
    "JUPYTER_KFP_NOTIFY_WEBHOOK": ("notifications", "webhook"),
    "JUPYTER_KFP_NOTIFY_EMAIL": ("notifications", "email"),
    "JUPYTER_KFP_SMTP_URL": ("notifications", "smtp"),
    "JUPYTER_KFP_SMTP_FROM": ("notifications", "from"),
    "JUPYTER_KFP_METRICS_FILE": ("metrics", "file"),
    "JUPYTER_KFP_PUSHGATEWAY": ("metrics", "pushgateway"),
}
_TRACES: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


@dataclass(frozen=True, slots=True)
class Mail:
    """Where mail goes, and through which server."""

    to: tuple[str, ...]
    server: str
    sender: str
    password: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What is configured; nothing by default. ``on``: the states of runs that notifications are about."""

    on: frozenset[State] = frozenset({State.FAILED})
    webhook: str | None = None
    token: str | None = None
    mail: Mail | None = None
    file: Path | None = None
    pushgateway: str | None = None
    traces: bool = False


def is_configured(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether anybody is to be told of runs. Imports next to nothing, as every engine asks."""
    return _traces(environ) or any(environ.get(name) for name in _VARIABLES) or _path().exists()


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings. Raises UsageError, naming the variable or the file, where they cannot be used."""
    given = _given(environ)
    mail = None
    if given.get("JUPYTER_KFP_NOTIFY_EMAIL"):
        server = given.get("JUPYTER_KFP_SMTP_URL")
        if not server:
            raise UsageError(
                "Mail is to be sent (JUPYTER_KFP_NOTIFY_EMAIL), but no server is known.",
                "Set JUPYTER_KFP_SMTP_URL, for instance to smtp://user@host:587.",
            )
        to = tuple(_words(given["JUPYTER_KFP_NOTIFY_EMAIL"]))
        sender = given.get("JUPYTER_KFP_SMTP_FROM") or to[0]
        mail = Mail(to, str(server), str(sender), environ.get("JUPYTER_KFP_SMTP_PASSWORD"))
    file = given.get("JUPYTER_KFP_METRICS_FILE")
    if file and not str(file).endswith(".prom"):
        raise UsageError(
            f"The file of metrics {str(file)!r} is not read by node_exporter.", "Let it end in .prom."
        )
    return Settings(
        on=_states(given.get("JUPYTER_KFP_NOTIFY_ON") or State.FAILED.value),
        webhook=given.get("JUPYTER_KFP_NOTIFY_WEBHOOK"),
        token=environ.get("JUPYTER_KFP_WEBHOOK_TOKEN"),
        mail=mail,
        file=Path(file).expanduser() if file else None,
        pushgateway=given.get("JUPYTER_KFP_PUSHGATEWAY"),
        traces=_traces(environ),
    )


def _given(environ: Mapping[str, str]) -> dict[str, Any]:
    """The settings by the names of their variables."""
    document = _document()
    known = {place: name for name, place in _VARIABLES.items()}
    for table, entries in document.items():
        for key in entries if isinstance(entries, Mapping) else [""]:
            if (table, key) not in known:
                raise UsageError(
                    f"{_path()}: there is no setting {table}{f'.{key}' if key else ''}.",
                    "There are " + ", ".join(".".join(place) for place in known) + ".",
                )
    return {
        name: environ.get(name) or document.get(table, {}).get(key)
        for name, (table, key) in _VARIABLES.items()
    }


def _document() -> dict[str, Any]:
    path = _path()
    if not path.exists():
        return {}
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        return dict(tomlkit.parse(path.read_text(encoding="utf-8")).unwrap())
    except (OSError, ValueError, TOMLKitError) as error:
        raise UsageError(f"{path} cannot be read: {error}.", "Correct it.") from error


def _path() -> Path:
    from jupyter_core.paths import jupyter_config_dir

    return Path(jupyter_config_dir()) / _FILE


def _words(value: str | list[str]) -> list[str]:
    """A list, as TOML writes it or as a variable does, with commas."""
    parts = value.split(",") if isinstance(value, str) else value
    return [str(part).strip() for part in parts if str(part).strip()]


def _states(value: str | list[str]) -> frozenset[State]:
    final = [state for state in State if state.is_final]
    try:
        found = frozenset(State(word.upper()) for word in _words(value))
    except ValueError as error:
        raise UsageError(
            f"JUPYTER_KFP_NOTIFY_ON: {error}.", f"There are {', '.join(state.value for state in final)}."
        ) from error
    return found


def _traces(environ: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's own variables say where spans go."""
    off = (
        environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
        or environ.get("OTEL_TRACES_EXPORTER") == "none"
    )
    return not off and any(environ.get(name) for name in _TRACES)
