"""The profiles there are: in a file, in the environment, and the cluster this runs in.

The file is TOML, in Jupyter's configuration directory.

::

    default = "prod"

    [profiles.prod]
    endpoint = "https://kubeflow.example.com/pipeline"
    auth = "dex"
    username = "ann@example.com"
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_kfp.errors import UsageError
from jupyter_kfp.remote.profile import TOKEN_FILE, AuthKind, Profile, make

ENVIRONMENT, IN_CLUSTER = "environment", "in-cluster"
_FILE = "jupyter_kfp_profiles.toml"
_ADD = "Add one with `jupyter kfp profiles add NAME --endpoint URL`, or set KF_PIPELINES_ENDPOINT."
# Variable → field. The first six are those that KFP's own SDK reads.
_VARIABLES = {
    "KF_PIPELINES_ENDPOINT": "endpoint",
    "KF_PIPELINES_UI_ENDPOINT": "ui_endpoint",
    "KF_PIPELINES_DEFAULT_EXPERIMENT_NAME": "experiment",
    "KF_PIPELINES_OVERRIDE_EXPERIMENT_NAME": "experiment",
    "KF_PIPELINES_IAP_OAUTH2_CLIENT_ID": "audience",
    "KF_PIPELINES_SA_TOKEN_PATH": "token_file",
    "KF_PIPELINES_NAMESPACE": "namespace",
    "KF_PIPELINES_EXPERIMENT": "experiment",
    "KF_PIPELINES_PIPELINE_ROOT": "pipeline_root",
    "KF_PIPELINES_SERVICE_ACCOUNT": "service_account",
    "KF_PIPELINES_DEFAULT_IMAGE": "default_image",
    "KF_PIPELINES_CA_FILE": "ca_file",
    "KF_PIPELINES_VERIFY": "verify",
    "KF_PIPELINES_TIMEOUT": "timeout",
    "KF_PIPELINES_AUTH": "auth",
    "KF_PIPELINES_USERNAME": "username",
}
# The variable with a secret tells the authentication it is for.
_SECRETS = {
    "KF_PIPELINES_TOKEN": AuthKind.TOKEN,
    "KF_PIPELINES_COOKIE": AuthKind.COOKIE,
    "KF_PIPELINES_PASSWORD": AuthKind.DEX,
}


def path() -> Path:
    """The file of profiles; it need not exist."""
    from jupyter_core.paths import jupyter_config_dir

    return Path(jupyter_config_dir()) / _FILE


def load() -> dict[str, Profile]:
    """The profiles of the file by name. Raises UsageError where it cannot be read."""
    return {name: make(name, **fields) for name, fields in _tables(_read()).items()}


def default_name() -> str | None:
    """The name of the profile that is used where none is named."""
    name = _read().get("default")
    return None if name is None else str(name)


def save(profile: Profile, *, replace: bool = False) -> None:
    """Write a profile to the file. Raises UsageError if there is one of that name and not ``replace``."""
    if profile.name in (ENVIRONMENT, IN_CLUSTER):
        raise UsageError(f"{profile.name!r} is not a name to choose.", "Give the profile another.")
    document = _read()
    tables = document.setdefault("profiles", {})
    if profile.name in tables and not replace:
        raise UsageError(f"There is a profile {profile.name!r} already.", "Replace it with --force.")
    tables[profile.name] = profile.model_dump(mode="json", exclude={"name"}, exclude_unset=True)
    _write(document)


def remove(name: str) -> None:
    """Take a profile out of the file. Raises UsageError if there is none of that name."""
    document = _read()
    if name not in _tables(document):
        raise _unknown(name, _tables(document))
    del document["profiles"][name]
    if document.get("default") == name:
        del document["default"]
    _write(document)


def use(name: str) -> None:
    """Make a profile the one that is used where none is named."""
    document = _read()
    if name not in _tables(document):
        raise _unknown(name, _tables(document))
    document["default"] = name
    _write(document)


def find(name: str | None = None, environ: Mapping[str, str] | None = None) -> Profile:
    """The profile to use.

    The named one, else that of ``KF_PIPELINES_PROFILE``, else the environment's (``KF_PIPELINES_ENDPOINT``), else
    the file's default or only one, else the cluster this runs in. Raises UsageError if there is none.
    """
    environ = os.environ if environ is None else environ
    name = name or environ.get("KF_PIPELINES_PROFILE")
    if name == ENVIRONMENT or (name is None and environ.get("KF_PIPELINES_ENDPOINT")):
        return from_environment(environ)
    known = load()
    if name is None:
        name = default_name() or (next(iter(known)) if len(known) == 1 else None)
    if name in known:
        return known[name]
    if name == IN_CLUSTER or (name is None and not known and "KUBERNETES_SERVICE_HOST" in environ):
        return in_cluster(environ)
    if name is not None:
        raise _unknown(name, known)
    if known:
        raise UsageError(
            f"There are several profiles ({', '.join(known)}) and none is the default.",
            "Name one with --profile, or choose with `jupyter kfp profiles use NAME`.",
        )
    raise UsageError("No cluster is known.", _ADD)


def from_environment(environ: Mapping[str, str]) -> Profile:
    """The profile that ``KF_PIPELINES_*`` describe. Raises UsageError if they do not."""
    fields: dict[str, Any] = {
        field: environ[variable] for variable, field in _VARIABLES.items() if environ.get(variable)
    }
    for variable, auth in _SECRETS.items():
        if environ.get(variable):
            fields.setdefault("auth", auth)
            if fields["auth"] == auth:
                fields["secret_env"] = variable
    if "audience" in fields:
        fields.setdefault("auth", AuthKind.GOOGLE)
    if "token_file" in fields:
        fields.setdefault("auth", AuthKind.SERVICE_ACCOUNT)
    return make(ENVIRONMENT, **fields)


def in_cluster(environ: Mapping[str, str]) -> Profile:
    """The Kubeflow Pipelines of the cluster this process runs in, asked as the pod's service account."""
    token = Path(environ.get("KF_PIPELINES_SA_TOKEN_PATH", TOKEN_FILE))
    auth = AuthKind.SERVICE_ACCOUNT if token.is_file() else AuthKind.NONE
    namespace = environ.get("KF_PIPELINES_NAMESPACE") or environ.get("NB_NAMESPACE")
    return make(
        IN_CLUSTER,
        endpoint="http://ml-pipeline.kubeflow.svc.cluster.local:8888",
        auth=auth,
        token_file=token if auth is AuthKind.SERVICE_ACCOUNT else None,
        namespace=namespace,
    )


def _tables(document: Mapping[str, Any]) -> Mapping[str, Any]:
    tables = document.get("profiles", {})
    return tables if isinstance(tables, Mapping) else {}


def _unknown(name: str, known: Mapping[str, Any]) -> UsageError:
    there = f"There are: {', '.join(known)}." if known else _ADD
    return UsageError(f"There is no profile {name!r}.", there)


def _read() -> dict[str, Any]:
    """The file as plain values; empty if there is none."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    file = path()
    try:
        return dict(tomlkit.parse(file.read_text(encoding="utf-8")).unwrap())
    except FileNotFoundError:
        return {}
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not TOML: {error}.", "Correct it, or delete it.") from error
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror}).", "Check its permissions.") from error


def _write(document: Mapping[str, Any]) -> None:
    """Replace the file in one step, so that a crash leaves the old one or the new one."""
    import tomlkit

    file = path()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False, encoding="utf-8") as draft:
            draft.write(tomlkit.dumps(document))
        Path(draft.name).replace(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be written ({error.strerror}).", "Check its permissions.") from error
