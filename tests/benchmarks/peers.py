"""Kale in an environment of its own, made on the first run and kept in the checkout's .cache."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from uv import find_uv_bin

KALE = "kubeflow-kale==2.3.*"


def kale_environment(cache: Path) -> Path:
    """The directory with ``kale``, ``kfp`` and ``python`` of Kale's environment."""
    environment = cache / "kale-2.3"
    scripts = environment / "bin"
    if not (environment / "ready").exists():
        uv = find_uv_bin()
        subprocess.run(
            [uv, "venv", "--quiet", "--clear", "--no-project", "-p", sys.executable, environment], check=True
        )
        subprocess.run([uv, "pip", "install", "--quiet", "-p", scripts / "python", KALE], check=True)
        # Python compiles modules when it first imports them; that is no part of a cold start.
        subprocess.run([scripts / "python", "-m", "compileall", "-q", environment / "lib"], check=False)
        (environment / "ready").touch()
    return scripts
