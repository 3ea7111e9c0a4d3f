import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from jupyter_kfp.store.artifacts import ArtifactRoot, ArtifactRootError, content, local_copy, local_path


def test_a_file_has_the_digest_of_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"abc" * 1_000_000)
    found = content(file)
    assert found is not None
    assert (found.sha256, found.size) == (hashlib.sha256(b"abc" * 1_000_000).hexdigest(), 3_000_000)


def test_the_digest_of_a_directory_depends_on_names_and_bytes(tmp_path: Path) -> None:
    def tree(name: str, files: dict[str, bytes]) -> Path:
        for file, data in files.items():
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_bytes(data)
        return tmp_path / name

    one = content(tree("one", {"a": b"1", "sub/b": b"22"}))
    assert one is not None
    assert one.size == 3
    assert one == content(tree("same", {"sub/b": b"22", "a": b"1"}))
    assert one != content(tree("moved", {"a": b"1", "b": b"22"}))
    assert one != content(tree("changed", {"a": b"1", "sub/b": b"23"}))


def test_nothing_has_no_content(tmp_path: Path) -> None:
    assert content(tmp_path / "missing") is None


def test_local_uris() -> None:
    assert local_path("/a/b c") == Path("/a/b c")
    assert local_path("file:///a/b%20c") == Path("/a/b c")
    assert local_path("s3://bucket/key") is None


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_steps_write_in_place_below_a_local_root(tmp_path: Path, scheme: str) -> None:
    root = ArtifactRoot(f"{scheme}{tmp_path}/root/", tmp_path / "staging")
    root.check()
    path = root.working_path("train", "1", "model")
    path.parent.mkdir(parents=True)
    path.write_text("m")
    assert root.publish("train", "1", "model") == str(tmp_path / "root/train/1/model")
    assert not (tmp_path / "staging").exists()
    assert list((tmp_path / "root").iterdir()) == [tmp_path / "root/train"], "the probe is gone"


def test_artifacts_are_copied_to_a_root_elsewhere_and_back(tmp_path: Path) -> None:
    root = ArtifactRoot("memory://bucket/run", tmp_path / "staging")
    root.check()
    file = root.working_path("train", "1", "model")
    tree = root.working_path("train", "1", "tree")
    (tree / "sub").mkdir(parents=True)
    file.write_text("m")
    (tree / "sub" / "x").write_text("x")
    assert root.publish("train", "1", "model") == "memory://bucket/run/train/1/model"
    uri = root.publish("train", "1", "tree")
    copy = local_copy("memory://bucket/run/train/1/model", tmp_path / "back")
    assert copy.read_text() == "m"
    assert (local_copy(uri, tmp_path / "back") / "sub" / "x").read_text() == "x"


def test_what_was_never_written_is_not_copied(tmp_path: Path) -> None:
    root = ArtifactRoot("memory://empty", tmp_path / "staging")
    assert root.publish("train", "1", "model") == "memory://empty/train/1/model"


@pytest.mark.parametrize("url", ["nosuch://x/y", "minio://mlpipeline/v2"])
def test_an_unknown_kind_of_url_is_named(tmp_path: Path, url: str) -> None:
    with pytest.raises(ArtifactRootError, match=rf"{url}.*or choose another root"):
        ArtifactRoot(url, tmp_path).check()


def test_a_root_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactRootError, match=r"cannot be used .*Make it writable"):
        ArtifactRoot(f"{tmp_path}/file/root", tmp_path).check()


def test_a_full_root_is_named(tmp_path: Path) -> None:
    mount = tmp_path / "tiny"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mount)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk to fill, and not in every container")
    try:
        root = ArtifactRoot(str(mount), tmp_path)
        root.check()
        with pytest.raises(OSError, match="No space"):
            (mount / "big").write_bytes(b"x" * 100_000)
        with pytest.raises(ArtifactRootError, match="is full"):
            root.check()
        assert root.is_full()
    finally:
        subprocess.run(["umount", str(mount)], check=True)
