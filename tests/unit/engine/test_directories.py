from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_kfp.engine.directories import attempt_directory, link_entries, safe


@given(name=st.text(min_size=1))
def test_a_name_is_one_harmless_component(name: str) -> None:
    try:
        component = safe(name)
    except UnicodeEncodeError:
        return  # lone surrogates cannot come out of a YAML file
    assert "/" not in component
    assert component not in ("", ".", "..")
    assert Path("base", component).parent == Path("base")


def test_every_attempt_has_its_own_place(tmp_path: Path) -> None:
    first = attempt_directory(tmp_path, "train", 1)
    first.create(None)
    assert first.work.is_dir()
    assert first.log != attempt_directory(tmp_path, "train", 2).log
    with pytest.raises(FileExistsError):
        first.create(None)


def test_a_step_sees_the_files_of_the_notebook_but_not_the_notebook(tmp_path: Path) -> None:
    source, work = tmp_path / "source", tmp_path / "work"
    work.mkdir()
    (source / "data").mkdir(parents=True)
    for name in (
        "data/x.csv",
        "helpers.py",
        "train.ipynb",
        "train.html",
        "report.html",
        ".env",
        "train.yaml",
    ):
        (source / name).touch()
    (source / "__pycache__").mkdir()
    (source / ".ipynb_checkpoints").mkdir()
    link_entries(source, work)
    assert sorted(entry.name for entry in work.iterdir()) == [
        "data",
        "helpers.py",
        "report.html",
        "train.yaml",
    ]
    assert (work / "data" / "x.csv").exists()


def test_a_directory_that_is_gone_gives_nothing(tmp_path: Path) -> None:
    link_entries(tmp_path / "gone", tmp_path)
    assert list(tmp_path.iterdir()) == []
