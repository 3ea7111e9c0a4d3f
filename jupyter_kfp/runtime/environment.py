"""Make sure that what the step needs is installed, and touch nothing that already serves."""

from __future__ import annotations

import importlib
import os
import shutil
import site
import subprocess
import sys
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

NEEDS = ("papermill", "ipykernel", "nbconvert", "cloudpickle")


def _install(arguments: list[str]) -> None:
    uv = ["pip", "install", "-q", "--python", sys.executable]
    tools = [[sys.executable, "-m", "pip", "install", "-q"]]
    if find_spec("uv"):
        tools.insert(0, [sys.executable, "-m", "uv", *uv])
    elif found := shutil.which("uv"):
        tools.insert(0, [found, *uv])
    for tool in tools:
        if not subprocess.run([*tool, *arguments], check=False).returncode:
            if site.ENABLE_USER_SITE:  # where pip installs if it may not write elsewhere
                site.addsitedir(site.getusersitepackages())
            importlib.invalidate_caches()
            return
    raise RuntimeError(f"cannot install {' '.join(arguments)}")


def ensure(packages: list[str], home: Path) -> None:
    """Install ``packages`` (pip requirements) and then what the runtime itself still misses.

    The runtime's own needs never change a version that is installed. Nothing happens where
    ``JUPYTER_KFP_ENVIRONMENT=ready`` says that all is there. Raises RuntimeError.
    """
    if os.environ.get("JUPYTER_KFP_ENVIRONMENT") == "ready":
        return
    if packages:
        _install(packages)
    missing = [name for name in NEEDS if not find_spec(name)]
    if missing:
        pins = home / "pins.txt"
        pins.write_text("\n".join(f"{d.metadata['Name']}=={d.version}" for d in distributions()))
        _install([*missing, "-c", str(pins)])
