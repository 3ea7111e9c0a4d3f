"""What holds for every test: nothing of the user's is read or written, and examples are the same in CI."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests import postgresql

# Where Jupyter, IPython and this package keep what belongs to the user.
_PLACES = {
    "IPYTHONDIR": "ipython",
    "JUPYTER_CONFIG_DIR": "config",
    "JUPYTER_DATA_DIR": "data",
    "JUPYTER_KFP_HOME": "kfp",
    "JUPYTER_RUNTIME_DIR": "runtime",
}
_SETTINGS = (
    "JUPYTER_KFP_ARTIFACT_ROOT",
    "JUPYTER_KFP_METRICS_FILE",
    "JUPYTER_KFP_NOTIFY_EMAIL",
    "JUPYTER_KFP_NOTIFY_WEBHOOK",
    "JUPYTER_KFP_NO_PICKLE",
    "JUPYTER_KFP_PUSHGATEWAY",
    "JUPYTER_KFP_STORE_URL",
    "KF_PIPELINES_DEFAULT_IMAGE",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
)
_HOME = pytest.StashKey[Path]()

# A random example that fails says nothing about the change under test: they are looked for on purpose.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.register_profile("new", deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_configure(config: pytest.Config) -> None:
    """Give the session, and every process it starts, a home of its own."""
    home = Path(tempfile.mkdtemp(prefix="jupyter-kfp-tests-"))
    config.stash[_HOME] = home
    for variable, name in _PLACES.items():
        (home / name).mkdir()
        os.environ[variable] = str(home / name)
    for variable in _SETTINGS:
        os.environ.pop(variable, None)
    # A step is to be executed because a test runs it, whatever an earlier one has left.
    os.environ["JUPYTER_KFP_CACHE"] = "0"
    # What the session's steps were forked from goes soon after it.
    os.environ["JUPYTER_KFP_WARM_SECONDS"] = "60"
    # No test may depend on whether a container engine happens to run here.
    os.environ["JUPYTER_KFP_RUNNER"] = "process"


def pytest_unconfigure(config: pytest.Config) -> None:
    """Take that home away again."""
    shutil.rmtree(config.stash[_HOME], ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[postgresql.Server]:
    """A server of the session's own; started when a test first needs it."""
    with postgresql.serving() as server:
        yield server
