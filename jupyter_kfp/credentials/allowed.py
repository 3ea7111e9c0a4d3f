"""What may stand in the clear although it looks like a credential, each with the reason why."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from jupyter_kfp.credentials import Credential
from jupyter_kfp.errors import UsageError

VARIABLE = "JUPYTER_KFP_ALLOW_SECRETS"
BASELINE = ".secrets.baseline"


def of_environment() -> dict[str, str]:
    """Reasons by the name of a parameter or variable, as ``JUPYTER_KFP_ALLOW_SECRETS`` has them: ``NAME=REASON; ...``.

    Raises UsageError for a name without a reason.
    """
    reasons: dict[str, str] = {}
    for item in os.environ.get(VARIABLE, "").split(";"):
        name, _, reason = (part.strip() for part in item.partition("="))
        if name and not reason:
            raise UsageError(
                f"{VARIABLE} gives no reason for {name!r}.", "Write NAME=REASON, separated by `;`."
            )
        if name:
            reasons[name] = reason
    return reasons


def of_baseline(directory: Path, name: str) -> frozenset[str]:
    """The hashes that detect-secrets' baseline ``.secrets.baseline`` in ``directory`` has for the notebook ``name``.

    Without those that its audit found to be real. Raises UsageError if there is a file that is no baseline.
    """
    file = directory / BASELINE
    try:
        results = json.loads(file.read_text(encoding="utf-8"))["results"]
        entries = [entry for path, all_ in results.items() if Path(path).stem == name for entry in all_]
        return frozenset(entry["hashed_secret"] for entry in entries if not entry.get("is_secret"))
    except FileNotFoundError:
        return frozenset()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{file} is no baseline of detect-secrets ({type(error).__name__}).",
            f"Make it anew: detect-secrets scan > {BASELINE}",
        ) from error


def allows(reasons: Mapping[str, str] | frozenset[str], found: Credential, name: str = "") -> bool:
    """Whether a credential may stay, by the name it goes by or by its hash."""
    return name in reasons or any(digest in reasons for digest in found.hashes)
