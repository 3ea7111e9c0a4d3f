"""The pages in docs say what is so: everything they show is carried out."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.kfp_server import process
from tests.kfp_server.swagger import SWAGGER

from .pages import ROOT, SETUP, Block, blocks, commands, matches, shell, write_notebooks

DOCS = ROOT / "docs"
PAGES = sorted(page.stem for page in DOCS.glob("*.md"))
# The endpoint that the page about clusters names.
EXAMPLE = "https://kubeflow.example.com/pipeline"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [name for name in PAGES if name != "kubeflow"])
def test_a_page_is_so(name: str, tmp_path: Path) -> None:
    carry_out(DOCS / f"{name}.md", tmp_path)


@pytest.mark.timeout(600)
def test_the_page_about_clusters_is_so(tmp_path: Path) -> None:
    if not SWAGGER.is_file():
        pytest.skip(f"KFP's Swagger file is not here ({SWAGGER.name})")
    (tmp_path / "page").mkdir()
    with process.start(tmp_path / "cluster") as cluster:
        carry_out(
            DOCS / "kubeflow.md",
            tmp_path / "page",
            {EXAMPLE: cluster.url, "s3://ml/pipelines": cluster.pipeline_root},
        )


def test_only_installing_is_left_out() -> None:
    for name in PAGES:
        for block in blocks(DOCS / f"{name}.md"):
            if block.note == SETUP:
                assert all(line.startswith(("pip install", "jupyter lab")) for line in commands(block)), name


def carry_out(page: Path, place: Path, instead: dict[str, str] | None = None) -> None:
    """Do what a page shows. ``instead``: what stands for examples that exist nowhere."""
    write_notebooks(page, place)
    settings = {"JUPYTER_CONFIG_DIR": str(place / ".config"), "JUPYTER_KFP_CACHE": "1", "USER": "ann"}
    printed = ""
    for block in blocks(page):
        text = block.text
        for example, real in (instead or {}).items():
            text = text.replace(example, real)
        if block.note == SETUP or block.is_cell:
            continue
        if block.note.startswith("file: "):
            file = place / block.note.removeprefix("file: ")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            continue
        if block.language == "text":
            assert matches(printed, text), f"{page.name} tells\n{text}\nbut there is\n{printed}"
            continue
        printed = shell(command_of(block, text, place), place, status_of(block), **settings)


# Prints the id of the newest run.
NEWEST = """newest() {
    jupyter kfp runs -n 1 --json | python -c 'import json, sys; print(json.load(sys.stdin)[0]["run_id"])'
}
"""


def command_of(block: Block, text: str, place: Path) -> str:
    """The command that carries a block out; RUN is the newest run there is at that moment."""
    match block.language:
        case "bash":
            return NEWEST + re.sub(r"\bRUN\b", '"$(newest)"', text)
        case "python" | "ipython":
            if re.search(r"\bRUN\b", text):
                text = re.sub(r"\bRUN\b", shell(f"{NEWEST} newest", place).strip(), text)
            script = place / (".block.py" if block.language == "python" else ".block.ipy")
            script.write_text(text, encoding="utf-8")
            interpreter = "" if block.language == "python" else "-m IPython --no-banner --colors=NoColor"
            return f"{sys.executable} {interpreter} {script.name}"
        case other:
            raise AssertionError(f"nobody can carry out {other!r}: {text}")


def status_of(block: Block) -> int:
    """The status that a block's command ends with."""
    found = re.fullmatch(r"exit (\d+)", block.note)
    return int(found[1]) if found else 0
