"""What Vertex AI cannot do is said before anything is sent, and what it is sent is one document."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from jupyter_kfp.errors import UsageError
from jupyter_kfp.remote import package, vertex
from jupyter_kfp.remote.profile import make
from jupyter_kfp.remote.submit import Options
from tests.unit.compiler.cases import compiled, one_step

PROFILE = make("v", kind="vertex", project="p", location="europe-west4", pipeline_root="gs://b/r")


def test_options_of_kubernetes_are_named() -> None:
    given = package.read(compiled(one_step(node_selector={"a": "b"})).text)
    with pytest.raises(UsageError, match="train: nodeSelector"):
        vertex.submit(PROFILE, given, {}, Options())


def test_without_its_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.cloud.aiplatform", None)
    with pytest.raises(UsageError, match="not installed"):
        vertex.submit(PROFILE, package.read(compiled(one_step()).text), {}, Options())


def test_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a stand-in for google-cloud-aiplatform, which is an extra; the arguments are those of its PipelineJob."""
    given: dict[str, Any] = {}

    class PipelineJob:
        job_id, display_name = "one-123", "one"

        def __init__(self, *, template_path: str, **arguments: Any) -> None:
            given.update(arguments)
            given["documents"] = list(yaml.safe_load_all(Path(template_path).read_text()))

        def submit(self, **arguments: Any) -> None:
            given.update(arguments)

    module = ModuleType("google.cloud.aiplatform")
    module.PipelineJob = PipelineJob  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "google.cloud.aiplatform", module)
    made = vertex.submit(
        PROFILE, package.read(compiled(one_step(service_account="runner")).text), {}, Options()
    )
    assert len(given["documents"]) == 1
    assert given["pipeline_root"] == "gs://b/r"
    assert given["service_account"] == "runner"
    assert "one-123" in made.url
    assert not made.followed
