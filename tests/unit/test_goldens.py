"""One notebook with every kind of control flow, and all that is made of it without running it.

``JUPYTER_KFP_UPDATE_GOLDENS=1`` writes the results anew, to be reviewed like code.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

import pytest

import jupyter_kfp
from jupyter_kfp.api import LoadedPipeline
from jupyter_kfp.compiler.export import export_pipeline
from jupyter_kfp.views.text import to_text

PLACE = Path(__file__).parents[1] / "data" / "goldens"
# Packed code and packed runtime: what is in them is tested elsewhere, and changes with every edit there.
_PACKED = re.compile(r"[A-Za-z0-9!#%&()*+\-;<=>?@^_`|~,./]{200,}")


@cache
def loaded() -> LoadedPipeline:
    return jupyter_kfp.load(PLACE / "control.py")


def ir() -> str:
    text = re.sub(r"sdkVersion: .*", "sdkVersion: KFP", loaded().compile())
    return _PACKED.sub("PACKED", text)


def dsl() -> str:
    return export_pipeline(loaded().pipeline, loaded().sources).text


def graph() -> str:
    return to_text(loaded().graph())


@pytest.mark.parametrize(
    ("name", "make"), [("control.yaml", ir), ("control_dsl.py.txt", dsl), ("control.graph.txt", graph)]
)
def test_golden(name: str, make: object) -> None:
    assert callable(make)
    text = make()
    golden = PLACE / name
    if os.environ.get("JUPYTER_KFP_UPDATE_GOLDENS"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_nothing_is_wrong_with_it() -> None:
    assert loaded().check() == ()
