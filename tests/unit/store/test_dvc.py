"""Versions of data that DVC has recorded. The files are those that DVC 3.67 wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_kfp.engine.input_files import named_files
from jupyter_kfp.store.dvc import tracked, version

FILES = {
    "data.csv": "a,b\n1,2\n",
    "data.csv.dvc": "outs:\n- md5: e5ebd4c02cefbe7955977c67ada242b7\n  size: 8\n  hash: md5\n  path: data.csv\n",
    "dir/one.txt": "x\n",
    "dir/sub/two.txt": "y\n",
    "dir.dvc": (
        "outs:\n- md5: 9641d181ff316adc9f6b309e2341e26b.dir\n  size: 4\n  nfiles: 2\n  hash: md5\n  path: dir\n"
    ),
    "out/made.csv": "a,b\n1,2\n",
    "dvc.yaml": "stages:\n  make:\n    cmd: cp data.csv out/made.csv\n    outs:\n    - out/made.csv\n",
    "dvc.lock": (
        "schema: '2.0'\nstages:\n  make:\n    cmd: cp data.csv out/made.csv\n    outs:\n    - path: out/made.csv\n"
        "      hash: md5\n      md5: e5ebd4c02cefbe7955977c67ada242b7\n      size: 8\n"
    ),
    "imported.csv": "1\n",
    "imported.csv.dvc": (
        "md5: 54ba\nfrozen: true\ndeps:\n- path: get.csv\n  repo:\n    url: ../registry\n    rev_lock: f31f5c4\n"
        "outs:\n- md5: b026\n  size: 2\n  path: imported.csv\n"
    ),
    "broken.csv.dvc": "outs: [",
    "odd.dvc": "- a list",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / ".dvc").mkdir()
    return tmp_path


def test_a_file(project: Path) -> None:
    assert version(project / "data.csv") == {
        "path": "data.csv",
        "file": "data.csv.dvc",
        "md5": "e5ebd4c02cefbe7955977c67ada242b7",
        "size": 8,
        "modified": False,
    }
    assert "modified" not in (version(project / "data.csv", compare=False) or {})
    (file,) = named_files({}, ["pd.read_csv('data.csv')"], project)
    assert file.version == version(project / "data.csv")
    (project / "data.csv").write_text("a,b\n1,3\n")
    found = version(project / "data.csv")
    assert found is not None
    assert (found["md5"], found["modified"]) == ("e5ebd4c02cefbe7955977c67ada242b7", True)


def test_a_directory_and_what_is_in_it(project: Path) -> None:
    found = version(project / "dir")
    assert found is not None
    assert (found["nfiles"], found["modified"]) == (2, False)
    assert version(project / "dir" / "sub" / "two.txt") == found
    (project / "dir" / "three.txt").touch()
    found = version(project / "dir")
    assert found is not None
    assert found["modified"] is True


def test_an_output_of_a_stage(project: Path) -> None:
    found = version(project / "out" / "made.csv")
    assert found is not None
    assert (found["file"], found["md5"]) == ("dvc.lock", "e5ebd4c02cefbe7955977c67ada242b7")
    # The stage runs in a directory of its own, from which its paths are.
    (project / "dvc.yaml").write_text("stages:\n  make:\n    wdir: out/..\n")
    assert version(project / "out" / "made.csv") == found


def test_imported_data(project: Path) -> None:
    # By DVC 2, whose hashes are not of the bytes alone: nobody can tell whether it was changed.
    assert version(project / "imported.csv") == {
        "path": "imported.csv",
        "file": "imported.csv.dvc",
        "md5": "b026",
        "size": 2,
        "repo": "../registry",
        "rev": "f31f5c4",
    }


def test_what_is_not_tracked(project: Path) -> None:
    assert version(project / "dvc.yaml") is None
    assert version(project / "broken.csv") is None
    assert version(Path("/")) is None


def test_all_beside_a_notebook(project: Path) -> None:
    assert {path: found["md5"][:4] for path, found in tracked(project).items()} == {
        "data.csv": "e5eb",
        "dir": "9641",
        "imported.csv": "b026",
        "out/made.csv": "e5eb",
    }
    assert tracked(project / "nowhere") == {}
