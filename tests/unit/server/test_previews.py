from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from jupyter_kfp.runs import StoredArtifact
from jupyter_kfp.server.errors import RequestError
from jupyter_kfp.server.handlers import plain
from jupyter_kfp.server.previews import preview, raw
from jupyter_kfp.store.records import ArtifactRecord, State


def artifact(path: Path, type_: str = "system.Artifact", **metadata: Any) -> StoredArtifact:
    return StoredArtifact(ArtifactRecord("made", type_, str(path), metadata))


def test_a_table_shows_its_first_rows(tmp_path: Path) -> None:
    file = tmp_path / "made"
    pd.DataFrame({"n": range(250), "when": pd.Timestamp("2026-01-01")}).to_parquet(file)
    shown = preview(artifact(file, "system.Dataset"), "x")
    assert (shown.kind, shown.columns, shown.total_rows) == ("table", ["n", "when"], 250)
    assert (len(shown.rows), shown.rows[1]) == (100, [1, "2026-01-01 00:00:00"])


def test_what_is_shown_of_a_large_table_is_bounded(tmp_path: Path) -> None:
    file = tmp_path / "made"
    pd.DataFrame({f"c{number}": ["x" * 5000] for number in range(300)}).to_parquet(file)
    shown = preview(artifact(file, "system.Dataset"), "x")
    assert (len(shown.columns), shown.total_columns, len(shown.rows[0])) == (200, 300, 200)
    assert (len(shown.rows[0][0]), shown.rows[0][0][-1]) == (1000, "…")


def test_metrics_are_values_without_what_the_serializer_noted(tmp_path: Path) -> None:
    shown = preview(artifact(tmp_path / "none", "system.Metrics", auc=0.5, serializer="artifact"), "x")
    assert (shown.kind, shown.values) == ("metrics", {"auc": 0.5})


@pytest.mark.parametrize(
    ("content", "kind", "media"),
    [
        (b"<!DOCTYPE html><script>1</script>", "html", "text/html; charset=utf-8"),
        (b"\x89PNG\r\n\x1a\n123", "image", "image/png"),
        (b"<svg xmlns=''/>", "image", "image/svg+xml"),
        ("käse".encode(), "text", "text/plain; charset=utf-8"),
    ],
)
def test_a_file_is_served_in_a_sandbox(tmp_path: Path, content: bytes, kind: str, media: str) -> None:
    file = tmp_path / "made"
    file.write_bytes(content)
    assert (preview(artifact(file), "there").kind, preview(artifact(file), "there").content) == (
        kind,
        "there",
    )
    served = raw(artifact(file))
    assert (served.data, served.media_type) == (content, media)
    # Without `allow-same-origin` the page has no cookies, and cannot ask this server anything.
    assert served.policy.startswith("sandbox allow-scripts; default-src 'none'")
    assert "allow-same-origin" not in served.policy


def test_a_pickle_is_neither_loaded_nor_served(tmp_path: Path) -> None:
    file = tmp_path / "made"
    file.write_bytes(b"\x80\x05cos\nsystem\n\x00.")
    assert preview(artifact(file), "x").kind == "none"
    with pytest.raises(RequestError, match="nothing that a browser shows"):
        raw(artifact(file))
    with pytest.raises(RequestError, match="gone"):
        preview(artifact(tmp_path / "gone"), "x")


def test_numbers_that_json_lacks_are_texts() -> None:
    assert plain({"a": [float("nan"), float("-inf"), 1.5], "s": State.FAILED}) == {
        "a": ["nan", "-inf", 1.5],
        "s": "FAILED",
    }
