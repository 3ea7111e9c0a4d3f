import os
from pathlib import Path

from jupyter_kfp.engine.masking import Masker


def test_secrets_are_masked_the_longest_first() -> None:
    masker = Masker(["hunter2", "hunter2-and-more"])
    assert masker.mask("x hunter2-and-more y hunter2.") == "x **** y ****."


def test_the_lines_of_a_secret_are_masked_one_by_one() -> None:
    masker = Masker(["-----BEGIN\nabcdef\nxy"])
    assert masker.mask("abcdef") == "****"
    assert masker.mask("xy") == "xy", "a short piece would blot out ordinary text"


def test_there_may_be_nothing_to_hide() -> None:
    assert not Masker([])
    assert not Masker(["1"])
    assert Masker([]).mask("all of it") == "all of it"


def test_a_stream_is_masked_however_it_arrives(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    log = tmp_path / "log"
    pump = Masker(["hunter2"]).pump(os.fdopen(reader, "rb"), log)
    for piece in (b"the word is hun", b"ter2, ", b"really\nno newline: hunter2"):
        os.write(writer, piece)
    os.close(writer)
    pump.join(5)
    assert log.read_bytes() == b"the word is ****, really\nno newline: ****"


def test_a_full_disk_does_not_block_the_step() -> None:
    reader, writer = os.pipe()
    pump = Masker(["hunter2"]).pump(os.fdopen(reader, "rb"), Path("/dev/full"))
    for _ in range(100):
        os.write(writer, b"x" * 10_000 + b"\n")  # far more than a pipe holds
    os.close(writer)
    pump.join(5)
    assert not pump.is_alive()
