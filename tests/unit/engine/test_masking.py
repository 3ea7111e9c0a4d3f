import html
import json
import os
import pickle
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_kfp.engine import masking
from jupyter_kfp.engine.masking import Masker

SECRET = 'p&ss "wörd"/+\\1\nline <two>'
WAYS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "json": json.dumps,
    "json as it is": lambda s: json.dumps(s, ensure_ascii=False),
    "python": repr,
    "html": html.escape,
    "url": lambda s: quote(s, safe=""),
    "path": quote,
    "form": quote_plus,
    "query": lambda s: urlencode({"a": s, "b": "c"}),
    "lower url": lambda s: quote(s, safe="").lower(),
    "hex": lambda s: s.encode().hex(),
    "base64": lambda s: b64encode(s.encode()).decode(),
    "url-safe base64": lambda s: urlsafe_b64encode(s.encode()).decode(),
    "basic auth": lambda s: b64encode(f"bob:{s}@x".encode()).decode(),
    "basic auth, shifted": lambda s: b64encode(f"alice:{s}".encode()).decode(),
    "basic auth, shifted again": lambda s: b64encode(f"carol1:{s}".encode()).decode(),
}


def remains(masked: str, secret: str) -> bool:
    return any(piece in masked for piece in (*secret.splitlines(), secret))


@pytest.mark.parametrize("way", WAYS)
def test_a_secret_in_another_form(way: str) -> None:
    text = WAYS[way]("s3cretvalue/+&x")
    masked = Masker(["s3cretvalue/+&x"]).mask(f"before {text} after")
    assert "****" in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    assert "cretval" not in masked
    assert text not in masked
    assert text[6:18] not in masked, "nor a good part of it"


@pytest.mark.parametrize(
    "way", ["plain", "json", "json as it is", "python", "html", "url", "base64", "basic auth"]
)
def test_a_secret_of_several_lines_and_strange_letters(way: str) -> None:
    text = WAYS[way](SECRET)
    masked = Masker([SECRET]).mask(text)
    assert text not in masked
    assert not remains(masked, SECRET)


@given(
    st.text(min_size=8, max_size=40).filter(lambda s: len(s.strip()) >= 8),
    st.text(max_size=8),
    st.text(max_size=8),
)
def test_nothing_of_it_remains_anywhere(secret: str, before: str, after: str) -> None:
    masker = Masker([secret])
    for way in (str, json.dumps, lambda s: quote(s, safe="")):
        assert way(secret) not in masker.mask(before + way(secret) + after).replace("****", "\0")


def test_short_forms_do_not_blot_out_ordinary_text() -> None:
    masker = Masker(["root", "no"])
    assert masker.mask("no root here") == "no **** here"
    assert b64encode(b"root").decode() in masker.mask(b64encode(b"root").decode())


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


@pytest.mark.parametrize("at", [0, 1, 3, 6])
def test_a_line_that_is_too_long_does_not_cut_a_secret(
    at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(masking, "_LONGEST_LINE", 100)
    reader, writer = os.pipe()
    log = tmp_path / "log"
    pump = Masker(["hunter2"]).pump(os.fdopen(reader, "rb"), log)
    os.write(writer, b"x" * (100 - at) + b"hunter2" + b"y" * 350)
    os.close(writer)
    pump.join(5)
    assert log.read_bytes() == b"x" * (100 - at) + b"****" + b"y" * 350


def test_json_is_masked_text_by_text_and_stays_json(tmp_path: Path) -> None:
    file = tmp_path / "out.ipynb"
    secret = 'a"quoted"\nsecret'
    document = {"cells": [{"text": [f"printed {secret}\n", 1, None, 2.5]}], "a": "b"}
    file.write_text(json.dumps(document))
    Masker([secret]).mask_file(file)
    assert json.loads(file.read_text()) == {"cells": [{"text": ["printed ****\n", 1, None, 2.5]}], "a": "b"}
    before = file.read_bytes()
    Masker(["something else"]).mask_file(file)
    assert file.read_bytes() == before
    Masker([secret]).mask_file(tmp_path / "nothing")


def test_other_texts_are_masked_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_bytes(b"<pre>a&lt;b&gt;cdefgh \xff</pre>")
    Masker(["a<b>cdefgh"]).mask_file(file)
    assert file.read_bytes() == b"<pre>**** \xff</pre>"


def test_what_holds_a_secret_is_found_in_values_and_files(tmp_path: Path) -> None:
    masker = Masker(["hunter2-and-more", "bob"])
    assert masker.is_in({"a": [1, {"x": "say hunter2-and-more"}]})
    assert masker.is_in({"hunter2-and-more": 1})
    assert not masker.is_in({"a": ["bob", 1.5, None]}), "a short value is an ordinary word"
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "empty").touch()
    assert not masker.is_in_file(tmp_path / "dir")
    (tmp_path / "dir" / "value").write_bytes(pickle.dumps({"k": "hunter2-and-more"}))
    assert masker.is_in_file(tmp_path / "dir")
    assert masker.is_in_file(tmp_path / "dir" / "value")
    assert not masker.is_in_file(tmp_path / "nothing")


def test_a_full_disk_does_not_block_the_step() -> None:
    reader, writer = os.pipe()
    pump = Masker(["hunter2"]).pump(os.fdopen(reader, "rb"), Path("/dev/full"))
    for _ in range(100):
        os.write(writer, b"x" * 10_000 + b"\n")  # far more than a pipe holds
    os.close(writer)
    pump.join(5)
    assert not pump.is_alive()
