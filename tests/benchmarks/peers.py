"""Other packages, each in an environment of its own, made on the first run and kept in the checkout's .cache."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from uv import find_uv_bin

_LIBRARIES = ("pandas", "scikit-learn", "pyarrow")
_PACKAGES: Mapping[str, Sequence[str]] = {
    "papermill": ("papermill==2.7.*", "ipykernel", *_LIBRARIES),
    "kfp": ("kfp==2.17.*",),
    "elyra": ("elyra==4.1.*", "papermill", "ipykernel", *_LIBRARIES),
    "kale": ("kubeflow-kale==2.3.*",),
}


@dataclass(frozen=True)
class Peer:
    """An environment: where its programs are, or why it is not there."""

    name: str
    scripts: Path
    missing: str = ""

    def program(self, name: str) -> str:
        """The path of a program. Skips the calling benchmark where there is none."""
        if self.missing:
            pytest.skip(f"{self.name}: {self.missing}")
        return str(self.scripts / name)

    @property
    def environment(self) -> dict[str, str]:
        """What a user who has activated it would have."""
        return {
            "PATH": f"{self.scripts}{os.pathsep}{os.environ['PATH']}",
            "VIRTUAL_ENV": str(self.scripts.parent),
        }


def peer(name: str, cache: Path) -> Peer:
    """The environment of a peer; it is made if it is not there."""
    packages = _PACKAGES[name]
    key = hashlib.sha256(repr((packages, sys.version_info[:2])).encode()).hexdigest()[:8]
    place = cache / f"{name}-{key}"
    scripts = place / "bin"
    if (place / "ready").exists():
        return Peer(name, scripts)
    uv = find_uv_bin()
    made = [uv, "venv", "--quiet", "--clear", "--no-project", "-p", sys.executable, str(place)]
    for command in (made, [uv, "pip", "install", "--quiet", "-p", str(scripts / "python"), *packages]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return Peer(name, scripts, f"cannot be installed ({' '.join(done.stderr.split())[-200:]})")
    # Python compiles modules when it first imports them; that is no part of a cold start.
    subprocess.run([scripts / "python", "-m", "compileall", "-q", place / "lib"], check=False)
    (place / "ready").touch()
    return Peer(name, scripts)
