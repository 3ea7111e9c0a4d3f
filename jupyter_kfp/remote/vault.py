"""The secrets of profiles: in the system's keyring, or in an environment variable the profile names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from jupyter_kfp.errors import UsageError

if TYPE_CHECKING:
    from jupyter_kfp.remote.profile import Profile

_SERVICE = "jupyter-kfp"


def secret(profile: Profile) -> str:
    """The token, cookie or password of a profile. Raises UsageError if it is nowhere."""
    if profile.secret_env:
        found = os.environ.get(profile.secret_env)
        if not found:
            raise UsageError(
                f"The environment variable {profile.secret_env}, which holds the secret of the profile "
                f"{profile.name!r}, is not set.",
                "Set it.",
            )
        return found
    found = _call("get_password", profile)
    if found is None:
        raise UsageError(
            f"The secret of the profile {profile.name!r} is not in the keyring.",
            f"Add the profile again: jupyter kfp profiles add {profile.name} --force ...",
        )
    return str(found)


def keep(profile: Profile, value: str) -> None:
    """Put a profile's secret into the keyring."""
    _call("set_password", profile, value)


def forget(profile: Profile) -> None:
    """Take a profile's secret out of the keyring, if it is there."""
    if profile.auth.needs_secret and not profile.secret_env and _call("get_password", profile) is not None:
        _call("delete_password", profile)


def _call(function: str, profile: Profile, *arguments: str) -> Any:
    remedy = "Keep the secret in an environment variable instead and name it: --secret-env VARIABLE."
    try:
        import keyring
        import keyring.errors
    except ImportError:
        raise UsageError("There is no keyring here (the package `keyring` is missing).", remedy) from None
    try:
        return getattr(keyring, function)(_SERVICE, profile.name, *arguments)
    except keyring.errors.KeyringError as error:
        raise UsageError(f"The keyring cannot be used ({error}).", remedy) from error
