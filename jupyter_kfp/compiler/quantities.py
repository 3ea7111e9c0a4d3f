"""Kubernetes quantities in the narrower form KFP's IR takes."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

_PARTS = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?:[eE](?P<exponent>\d+)|(?P<suffix>m|k|[KMGTPE]i?))?")
_POWERS = {"k": 1, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}

# kfp/dsl/pipeline_task.py accepts these forms as they are. "K" is left out: KFP takes it, but
# Kubernetes, which reads the same text afterwards, knows only "k".
_CPU = re.compile(r"\d+(\.\d+)?|\d+m")
_MEMORY = re.compile(r"\d+(Ki|[MGTPE]i?)?")


def cpu(quantity: str) -> str:
    """Cores as KFP takes them: ``2``, ``0.5`` or ``500m``; other forms as a plain number."""
    return quantity if _CPU.fullmatch(quantity) else _plain(_amount(quantity))


def memory(quantity: str) -> str:
    """Bytes as KFP takes them: ``8G``, ``16Gi``; other forms (``1.5Gi``, ``8k``) as whole bytes, rounded up."""
    if _MEMORY.fullmatch(quantity):
        return quantity
    return _plain(_amount(quantity).to_integral_value(ROUND_CEILING))


def _amount(quantity: str) -> Decimal:
    parts = _PARTS.fullmatch(quantity)
    if parts is None:
        raise ValueError(f"{quantity!r} is not a Kubernetes quantity")
    number, suffix = Decimal(parts["number"]), parts["suffix"]
    if parts["exponent"]:
        return number.scaleb(int(parts["exponent"]))
    match suffix:
        case None:
            return number
        case "m":
            return number / 1000
        case _:
            base = 1024 if suffix.endswith("i") else 1000
            return number * Decimal(base) ** _POWERS[suffix[0]]


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
