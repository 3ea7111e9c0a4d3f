"""A Jupyter server in a process of its own, with nobody's configuration."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

_REPOSITORY = Path(__file__).parents[3]


@contextmanager
def serving(
    home: Path,
    *options: str,
    application: str = "jupyter_server",
    root: Path | None = None,
    port: int = 0,
    token: str | None = None,
) -> Iterator[tuple[str, str]]:
    """Its URL, without a slash at the end, and its token. A ``port`` and a ``token`` are for one that comes again."""
    root = root or home / "root"
    token = token or secrets.token_hex(16)
    places = {"config": "JUPYTER_CONFIG_DIR", "data": "JUPYTER_DATA_DIR", "runtime": "JUPYTER_RUNTIME_DIR"}
    for name in (*places, "root"):
        (home / name).mkdir(parents=True, exist_ok=True)
    extensions = json.dumps({"ServerApp": {"jpserver_extensions": {"jupyter_kfp.server": True}}})
    (home / "config" / "jupyter_server_config.json").write_text(extensions, encoding="utf-8")
    environment = {
        **os.environ,
        **{variable: str(home / name) for name, variable in places.items()},
        "JUPYTER_KFP_HOME": str(home / "kfp"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "PYTHONPATH": str(_REPOSITORY),
    }
    command = [
        sys.executable,
        "-m",
        application,
        "--no-browser",
        "--allow-root",
        f"--port={port}",
        "--ip=127.0.0.1",
    ]
    settings = [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={root}", *options]
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen([*command, *settings], cwd=root, env=environment, stdout=log, stderr=log)
        try:
            yield _url(process, home), token
        finally:
            process.terminate()
            process.wait(30)


def _url(process: subprocess.Popen[bytes], home: Path) -> str:
    """The address that the server wrote to its runtime directory, once it answers there."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        for file in (home / "runtime").glob("jpserver-*.json"):
            try:
                url = str(json.loads(file.read_text(encoding="utf-8"))["url"]).rstrip("/")
                requests.get(f"{url}/api", timeout=5)
            except (ValueError, requests.ConnectionError):
                break
            return url
        time.sleep(0.1)
    raise AssertionError((home / "server.log").read_text(encoding="utf-8"))
