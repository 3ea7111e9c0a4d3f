"""The table of figures, printed at the end of the benchmarks."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.integration.containers.conftest import podman

from .ours import ours
from .peers import Peer, peer

__all__ = ["ours", "podman"]


@dataclass
class Figures:
    """The rows measured so far: what, this package, the peers, the ratio or the target."""

    rows: list[tuple[str, str, str, str]] = field(default_factory=list)

    def add(self, what: str, ours: str, peers: str = "", verdict: str = "") -> None:
        self.rows.append((what, ours, peers, verdict))

    def lines(self) -> list[str]:
        """The table in Markdown."""
        head = ("", "jupyter_kfp", "peer", "")
        widths = [max(len(row[i]) for row in [head, *self.rows]) for i in range(4)]
        rows = [head, tuple("-" * width for width in widths), *self.rows]
        return [
            "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
            for row in rows
        ]


_FIGURES = pytest.StashKey[Figures]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--rounds N``."""
    parser.addoption("--rounds", type=int, default=5, help="How often each contender is measured.")


def pytest_configure(config: pytest.Config) -> None:
    """Begin an empty table."""
    config.stash[_FIGURES] = Figures()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Say in the table what could not be measured, and why."""
    if report.skipped and _config is not None:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _config.stash[_FIGURES].add(
            report.nodeid.rpartition("::")[2], "not measured", reason.removeprefix("Skipped: ")
        )


_config: pytest.Config | None = None


def pytest_sessionstart(session: pytest.Session) -> None:
    """Keep the configuration for the reports, which do not have it."""
    global _config  # noqa: PLW0603 - pytest gives reports no way to it
    _config = session.config


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table, with the machine it holds for."""
    figures = config.stash[_FIGURES]
    if not figures.rows:
        return
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    busy, _, _ = os.getloadavg()
    terminalreporter.section("figures")
    for line in figures.lines():
        terminalreporter.write_line(line)
    terminalreporter.write_line(
        f"Medians of {config.getoption('rounds')} (of fewer where a run takes long), in turns; "
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {memory:.0f} GiB; load average now {busy:.1f}."
    )


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> Figures:
    return pytestconfig.stash[_FIGURES]


@pytest.fixture(scope="session")
def rounds(pytestconfig: pytest.Config) -> int:
    given: int = pytestconfig.getoption("rounds")
    return given


@pytest.fixture(scope="session")
def peers(pytestconfig: pytest.Config) -> Callable[[str], Peer]:
    """Gives a peer by its name."""
    return lambda name: peer(name, Path(pytestconfig.rootpath, ".cache", "benchmarks"))


@pytest.fixture
def kale(peers: Callable[[str], Peer]) -> Callable[[str], str]:
    """Gives the path of a program of Kale's environment."""
    return peers("kale").program
