"""What travels in a component: small, the same everywhere, and nothing lost."""

from __future__ import annotations

import ast
import os
import string
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_kfp.runtime import payload
from jupyter_kfp.runtime.payload import BOOT, CHUNK, pack, unpack
from jupyter_kfp.runtime.strip import strip

MODULES = sorted(Path(payload.__file__).parent.glob("*.py"))


@given(step=st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.text())))
def test_unpack_gives_back_what_was_packed(step):
    assert unpack(pack(step)) == step


def test_large_steps_are_split_below_the_limit_of_an_argument():
    step = {"cells": [os.urandom(200_000).hex()]}
    chunks = pack(step)
    assert len(chunks) > 3
    assert max(map(len, chunks)) <= CHUNK < 100_000
    assert unpack(chunks) == step


def test_only_letters_that_no_template_or_shell_touches():
    assert set("".join(pack({"x": "{{$}} $(HOME)"}))) <= set(string.printable.strip()) - set("${}'\"\\")
    assert "{{" not in BOOT
    assert "$(" not in BOOT
    assert BOOT.startswith("# jupyter_kfp step\n")


@pytest.mark.parametrize("chunks", [[], ["", "$$$$"], ["", "aGVsbG8="]])
def test_anything_else_is_refused(chunks):
    with pytest.raises(ValueError, match="no packed step"):
        unpack(chunks)


def test_the_runtime_stays_small():
    """The bytes every component carries; the compiler writes them once per pipeline."""
    assert len(payload.runtime()) < 16_000
    assert len(BOOT) < 500


def test_packing_is_fast():
    pack({})
    start = time.perf_counter()
    for i in range(50):
        pack({"step": f"s{i}", "cells": [{"source": "x = 1\n" * 40, "cell": i, "role": "step"}]})
    assert (time.perf_counter() - start) / 50 < 0.01


def test_another_hash_seed_makes_the_same_bytes():
    code = "from jupyter_kfp.runtime.payload import pack; print(pack({'a': [1]}))"
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        for seed in "12"
    ]
    assert runs[0].stdout == runs[1].stdout
    assert runs[0].stdout.decode().strip() == str(pack({"a": [1]}))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.stem)
def test_stripping_keeps_the_code(path):
    """Without annotations, docstrings and unused imports, both spellings are the same tree."""

    class Bare(ast.NodeTransformer):
        def visit_FunctionDef(self, node):
            node.returns = None
            self.generic_visit(node)
            return node

        def visit_arg(self, node):
            node.annotation = None
            return node

        def visit_AnnAssign(self, node):
            return ast.Assign(targets=[node.target], value=node.value)

    def bare(source):
        tree = Bare().visit(ast.parse(source))
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)):
                kept = [
                    n
                    for n in node.body
                    if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))
                ]
                node.body = [n for n in kept if not isinstance(n, (ast.Import, ast.ImportFrom))]
        return ast.dump(tree)

    source = path.read_text("utf-8")
    assert len(strip(source)) < len(source)
    assert bare(strip(source)) == bare(source)


def test_stripping():
    source = '''"""Doc."""

from __future__ import annotations

import os, sys
from typing import Any

X: dict[str, int] = {
    "a  b": 1,  # one
}


class A(Exception):
    """Doc."""


def f(x: int = 1, *args: Any) -> str | None:
    """Doc."""
    y: str = f"{x!r:>{x}}  # {args [0]}"
    return y if x else os.sep
'''
    assert strip(source) == (
        'import os,sys\nX={"a  b":1,}\nclass A(Exception):\n 0\ndef f(x=1,*args):\n'
        ' y=f"{x!r:>{x}}  # {args [0]}"\n return y if x else os.sep\n'
    )


def test_text_outside_ascii_is_refused():
    with pytest.raises(ValueError, match="ASCII"):
        strip("x = '\u20ac'")
