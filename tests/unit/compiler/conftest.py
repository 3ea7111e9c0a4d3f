"""Fixtures of the compiler's tests."""

from __future__ import annotations

import json
import sys
from types import ModuleType

import pytest

from jupyter_kfp.pipeline import Pipeline

from .cases import BOOT, training_pipeline


@pytest.fixture
def plain_payload(monkeypatch: pytest.MonkeyPatch) -> None:
    """A payload that is the step as legible JSON, so tests see what travels and not how it is packed."""
    module = ModuleType("jupyter_kfp.runtime.payload")
    module.BOOT = BOOT  # type: ignore[attr-defined]
    module.pack = lambda step: [json.dumps(step, indent=1)]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.fixture(scope="session")
def training() -> Pipeline:
    """Most of what a notebook can say in one pipeline."""
    return training_pipeline()
