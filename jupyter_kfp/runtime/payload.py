"""What a component carries: this package's source and the step, as text that survives a pod's argv.

``pack`` makes the arguments, ``BOOT`` (the program the container starts) turns them back. The bytes
are the same on every machine and Python version: the source is stripped by position, not unparsed,
and bzip2's output has not changed in decades, unlike that of zlib's and xz's many versions.
"""

from __future__ import annotations

import bz2
import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from .strip import strip

STEP_NOTEBOOK = "step_notebook"
"""The input parameter that carries a packed step, unless it is so large that it needs arguments of its own."""

BOOT = """\
# jupyter_kfp step
import bz2,json,pathlib,sys,tempfile
from base64 import b64decode as d
_,i,p,r,*s=sys.argv
h=tempfile.mkdtemp()
sys.path.insert(0,h)
m=bz2.decompress(d(r)).decode().split("\\0")
for n,t in zip(m[::2],m[1::2]):
 f=pathlib.Path(h,"jupyter_kfp_runtime",n+".py");f.parent.mkdir(exist_ok=True);f.write_text(t)
from jupyter_kfp_runtime.main import main
s="".join(s) or json.loads(i)["inputs"]["parameterValues"]["step_notebook"]
main(i,p,json.loads(bz2.decompress(d(s))),h)
"""

CHUNK = 96_000  # Linux takes 128 KiB per argument; base64 needs a multiple of 4
_LEFT_OUT = {"__init__", "payload", "strip", "protocol"}


@cache
def runtime() -> str:
    """The modules a step needs, stripped, compressed and in base64."""
    parts = [
        part
        for path in sorted(Path(__file__).parent.glob("*.py"))
        if path.stem not in _LEFT_OUT
        for part in (path.stem, strip(path.read_text("utf-8")))
    ]
    return b64encode(bz2.compress("\0".join(parts).encode(), 9)).decode()


def pack(step: dict[str, Any]) -> list[str]:
    """The arguments after the packages: the runtime, then the step in as many chunks as it needs."""
    text = json.dumps(step, ensure_ascii=False, separators=(",", ":"))
    data = b64encode(bz2.compress(text.encode("utf-8", "surrogatepass"), 9)).decode()
    return [runtime(), *(data[i : i + CHUNK] for i in range(0, len(data), CHUNK))]


def unpack(chunks: Sequence[str]) -> dict[str, Any]:
    """The step that :func:`pack` packed. Raises ValueError if ``chunks`` are something else."""
    try:
        step: dict[str, Any] = json.loads(bz2.decompress(b64decode("".join(chunks[1:]))))
    except (OSError, ValueError) as error:
        raise ValueError(f"this is no packed step: {error}") from error
    return step
