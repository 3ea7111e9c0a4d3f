"""Starting a server for tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

_REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Cluster:
    """A running server. ``url`` ends without a slash."""

    url: str
    home: Path
    verify: bool = True

    @property
    def pipeline_root(self) -> str:
        """Where it keeps artifacts unless a run says otherwise."""
        return f"file://{self.home / 'pipeline-root'}"

    def control(self, **settings: Any) -> None:
        """Set ``faults``, ``auth``, ``prefix``, ``hold`` and ``multi_user``; others are as they should be again."""
        requests.put(f"{self.url}/_control", json=settings, timeout=10, verify=self.verify).raise_for_status()

    def requests(self, method: str | None = None, path: str = "") -> list[dict[str, Any]]:
        """What reached the server since the last `control`."""
        found = requests.get(f"{self.url}/_control", timeout=10, verify=self.verify).json()["requests"]
        return [r for r in found if path in r["path"] and method in (None, r["method"])]

    def violations(self) -> list[str]:
        """Answers that were not as the Swagger file has them."""
        found: list[str] = requests.get(f"{self.url}/_control", timeout=10, verify=self.verify).json()[
            "violations"
        ]
        return found


@contextmanager
def start(
    home: Path, *arguments: str, scheme: str = "http", environ: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    """A server in a process of its own, with these variables besides the ones here."""
    command = [sys.executable, "-m", "tests.kfp_server", "--home", str(home), *arguments]
    variables = {**os.environ, **(environ or {})}
    with subprocess.Popen(
        command, cwd=_REPOSITORY, env=variables, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            assert port, "the test server did not start"
            yield Cluster(f"{scheme}://127.0.0.1:{port}", home, verify=scheme == "http")
        finally:
            process.terminate()
