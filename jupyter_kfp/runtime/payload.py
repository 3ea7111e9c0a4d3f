"""What a component carries: this package's source and the step, as text that survives a pod's argv.

The text is base85 (6 % less than base64) without the letters that something on the way may rewrite:
KFP and Argo replace ``{{...}}``, Kubernetes ``$(...)``.
``pack`` makes the arguments, ``BOOT`` (the program the container starts) turns them back. The bytes
are the same on every machine and Python version: the source is stripped by position, not unparsed,
and bzip2's output has not changed in decades, unlike that of zlib's and xz's many versions.
"""

from __future__ import annotations

import bz2
import json
from base64 import b85decode, b85encode
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from .strip import strip

RUNTIME = "jupyter_kfp_runtime"
"""The package whose modules a step brings along."""

STEP_NOTEBOOK = "step_notebook"
"""The input parameter that carries a packed step, unless it is so large that it needs arguments of its own."""

BOOT = """\
# jupyter_kfp step
import bz2,json,os,sys,tempfile
from base64 import b85decode as b
d=lambda t:bz2.decompress(b(t.translate({44:36,46:123,47:125})))
_,i,p,r,*s=sys.argv
h=tempfile.mkdtemp()
sys.path.insert(0,h)
m=d(r).decode().split("\\0")
g=h+"/jupyter_kfp_runtime/"
os.mkdir(g)
for n,t in zip(m[::2],m[1::2]):
 with open(g+n+".py","w")as f:f.write(t)
from jupyter_kfp_runtime.main import main
s="".join(s)or json.loads(i)["inputs"]["parameterValues"]["step_notebook"]
main(i,p,json.loads(d(s)),h)
"""

CHUNK = 96_000  # Linux takes 128 KiB per argument
_REWRITTEN, _SAFE = "${}", ",./"
_LEFT_OUT = {"__init__", "payload", "strip", "protocol"}


def _encode(data: bytes) -> str:
    return b85encode(bz2.compress(data, 9)).decode().translate(str.maketrans(_REWRITTEN, _SAFE))


def _decode(text: str) -> bytes:
    return b85decode(text.translate(str.maketrans(_SAFE, _REWRITTEN)))


@cache
def runtime() -> str:
    """The modules a step needs, stripped, compressed, as text."""
    parts = [
        part
        for path in sorted(Path(__file__).parent.glob("*.py"))
        if path.stem not in _LEFT_OUT
        for part in (path.stem, strip(path.read_text("utf-8")))
    ]
    return _encode("\0".join(parts).encode())


def pack(step: dict[str, Any]) -> list[str]:
    """The arguments after the packages: the runtime, then the step in as many chunks as it needs."""
    text = json.dumps(step, ensure_ascii=False, separators=(",", ":"))
    data = _encode(text.encode("utf-8", "surrogatepass"))
    return [runtime(), *(data[i : i + CHUNK] for i in range(0, len(data), CHUNK))]


def unpack(chunks: Sequence[str]) -> dict[str, Any]:
    """The step that :func:`pack` packed. Raises ValueError if ``chunks`` are something else."""
    return unpack_step("".join(chunks[1:]))


def unpack_runtime(text: str) -> dict[str, str]:
    """The source of the runtime's modules by name. Raises ValueError if ``text`` is something else."""
    try:
        parts = bz2.decompress(_decode(text)).decode().split("\0")
    except (OSError, ValueError) as error:
        raise ValueError(f"this is no packed runtime: {error}") from error
    return dict(zip(parts[::2], parts[1::2], strict=True))


def unpack_step(text: str) -> dict[str, Any]:
    """The step in ``text``, its chunks in one. Raises ValueError if it is something else."""
    try:
        step: dict[str, Any] = json.loads(bz2.decompress(_decode(text)))
    except (OSError, ValueError) as error:
        raise ValueError(f"this is no packed step: {error}") from error
    return step
