from __future__ import annotations

from pathlib import Path

import pytest

BUILT = Path(__file__).parents[3] / "jupyter_kfp" / "labextension"
LARGEST = 500_000
"""Bytes; JupyterLab loads them at its start."""


def test_the_bundle_is_small() -> None:
    if not (BUILT / "package.json").is_file():
        pytest.skip("the labextension is not built (cd labextension; jlpm; jlpm build:prod)")
    scripts = [file for file in (BUILT / "static").iterdir() if file.suffix == ".js"]
    assert scripts
    assert sum(file.stat().st_size for file in scripts) < LARGEST
