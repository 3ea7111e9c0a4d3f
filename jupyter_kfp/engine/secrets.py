"""Secrets and ConfigMaps on one machine: environment variables, or a ``.env`` file beside the notebook.

Secrets may also be in the system's keyring: the key KEY of the secret NAME as the password of the user ``KEY`` for the
service ``jupyter-kfp/NAME`` (``keyring set jupyter-kfp/NAME KEY``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from jupyter_kfp import credentials
from jupyter_kfp.credentials import allowed as allowing
from jupyter_kfp.engine.plan import Container, Plan, SecretVariable
from jupyter_kfp.errors import Diagnostic, Severity, UsageError

_SERVICE = "jupyter-kfp"


@dataclass(frozen=True, slots=True)
class Values:
    """Where secrets come from. The environment wins over the file."""

    environment: Mapping[str, str] = field(default_factory=dict)
    file: Mapping[str, str] = field(default_factory=dict)
    place: Path | None = None

    def get(self, wanted: SecretVariable) -> str | None:
        """The value for a variable: by the variable's name, else by the key's."""
        for name in (wanted.variable, wanted.key):
            for values in (self.environment, self.file):
                if name in values:
                    return values[name]
        return None

    def secret(self, wanted: SecretVariable) -> str | None:
        """The value of a secret: also of the keyring, where it is nowhere else."""
        found = self.get(wanted)
        return _of_keyring(wanted) if found is None else found

    def variables(self, container: Container) -> dict[str, str]:
        """The variables a container's secrets and ConfigMaps become; those without a value are left out."""
        found = [(wanted.variable, self.secret(wanted)) for wanted in container.secrets]
        found += self.config(container).items()
        return {name: value for name, value in found if value is not None}

    def config(self, container: Container) -> dict[str, str]:
        """The variables that a container's ConfigMaps become, which are no secrets."""
        found = ((wanted.variable, self.get(wanted)) for wanted in container.config)
        return {name: value for name, value in found if value is not None}

    def hidden(self, plan: Plan) -> list[str]:
        """The values that no log may show."""
        containers = (executor for executor in plan.executors.values() if isinstance(executor, Container))
        found = (self.secret(wanted) for container in containers for wanted in container.secrets)
        return [value for value in found if value]


def load(directory: Path | None) -> Values:
    """What this process's environment and ``directory/.env`` hold. Raises UsageError for an unreadable file."""
    if directory is None:
        return Values(os.environ)
    place = directory / ".env"
    try:
        text = place.read_text(encoding="utf-8") if place.is_file() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The file {place} cannot be read ({error}).") from error
    return Values(os.environ, parse(text), place)


def _of_keyring(wanted: SecretVariable) -> str | None:
    if not wanted.source or find_spec("keyring") is None:
        return None
    import keyring
    import keyring.errors

    try:
        return keyring.get_password(f"{_SERVICE}/{wanted.source}", wanted.key)
    except keyring.errors.KeyringError:  # there is none on this machine, or it stays locked
        return None


def parse(text: str) -> dict[str, str]:
    """The assignments of a ``.env`` file: ``NAME=value``, quotes and ``export`` allowed, ``#`` comments."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        name, separator, value = line.strip().removeprefix("export ").partition("=")
        name, value = name.strip(), value.strip()
        if not separator or name.startswith("#") or not name:
            continue
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        else:
            value = value.partition(" #")[0].rstrip()
        values[name] = value
    return values


def in_clear(plan: Plan) -> tuple[Diagnostic, ...]:
    """Findings about what seems to be a secret in a compiled pipeline: in the defaults of parameters, and in variables.

    What the notebook's own check lets through is not known here; names in ``JUPYTER_KFP_ALLOW_SECRETS`` are.
    """
    reasons = allowing.of_environment()
    places = [
        (f"the default of the parameter {name!r}", name, spec.default)
        for name, spec in plan.root.input_parameters.items()
    ]
    for label, executor in plan.executors.items():
        if isinstance(executor, Container):
            step = label.removeprefix("exec-")
            places += [(f"the variable {n} of {step!r}", n, v) for n, v in executor.env.items()]
    found = ((what, name, credentials.find_value(name, value)) for what, name, value in places)
    return tuple(
        Diagnostic(
            credentials.CODE,
            Severity.ERROR,
            f"{what} seems to hold a secret ({one.kind}), readable for all.",
            f"Give it by a secret; if it is none, set {allowing.VARIABLE}='{name}=the reason why'.",
        )
        for what, name, one in found
        if one is not None and not allowing.allows(reasons, one, name)
    )


def check(plan: Plan, values: Values, parameters: Mapping[str, object] | None = None) -> None:
    """Raise UsageError naming the first secret without a value that is not optional.

    Nor is one needed whose name is to be given by one of the pipeline's ``parameters``, and is not.
    """
    not_given = plan.root.input_parameters.keys() - (parameters or {}).keys()
    for label, executor in plan.executors.items():
        if not isinstance(executor, Container):
            continue
        for wanted in executor.secrets:
            if wanted.parameter not in not_given and not wanted.optional and values.secret(wanted) is None:
                secret = f"the secret {wanted.source!r}" if wanted.source else "a secret"
                kept = f", or `keyring set {_SERVICE}/{wanted.source} {wanted.key}`" if wanted.source else ""
                where = f" or in {values.place}" if values.place else ""
                raise UsageError(
                    f"{label.removeprefix('exec-')!r} needs the key {wanted.key!r} of {secret} "
                    f"as {wanted.variable}, which has no value on this machine.",
                    f"Set {wanted.variable} in the environment{where}{kept}.",
                )
