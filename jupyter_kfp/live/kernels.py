"""Running a notebook, whole, in a kernel of its own, while this kernel waits."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_kfp.live.errors import LiveError

if TYPE_CHECKING:
    from nbformat import NotebookNode


@dataclass(frozen=True)
class Failure:
    """Why a notebook stopped: where (`` in its cell 3``), what the error says, the cell and its traceback."""

    place: str
    message: str
    details: tuple[str, ...]


def execute(document: NotebookNode, directory: Path, environment: Mapping[str, str]) -> Failure | None:
    """Execute every cell, in ``directory``, with this Python; the failure of the cell that stopped it.

    ``environment`` is added to the kernel's. An interrupt ends the kernel and goes on here.
    """
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    with tempfile.TemporaryDirectory(prefix="jupyter-kfp-") as specs:
        client = _client(document, directory, Path(specs))
        loop = asyncio.new_event_loop()
        task = loop.create_task(client.async_execute(cleanup_kc=True, env=_environment(environment)))
        # In a thread: this one's event loop is the kernel's, which is busy with the cell, and so are its signals.
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(loop.run_until_complete, task)
            try:
                done.result()
            except CellExecutionError:
                return _failure(document)
            except DeadKernelError:
                return Failure(_place(document), "its kernel died.", ())
            except BaseException:
                if not done.done():
                    loop.call_soon_threadsafe(task.cancel)
                raise
            finally:
                pool.shutdown()
                loop.close()
    return None


def _client(document: NotebookNode, directory: Path, specs: Path) -> Any:
    """A client whose kernel is this Python, whatever kernelspecs are installed."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    (specs / "python3").mkdir()
    argv = [sys.executable, "-m", "ipykernel_launcher", "--log-level=40", "-f", "{connection_file}"]
    spec = {"argv": argv, "language": "python", "display_name": "Python 3"}
    (specs / "python3/kernel.json").write_text(json.dumps(spec))
    manager = AsyncKernelManager(
        kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(specs)])
    )
    resources = {"metadata": {"path": str(directory)}}
    return NotebookClient(document, km=manager, timeout=None, startup_timeout=300, resources=resources)


def _environment(added: Mapping[str, str]) -> dict[str, str]:
    ours = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), ours]))
    return {**os.environ, **added, "PYTHONPATH": path}


def _failure(document: NotebookNode) -> Failure:
    for cell in document.cells:
        for output in cell.get("outputs", ()):
            if output["output_type"] == "error":
                trace = "\n".join(output["traceback"])
                place = _named(cell)
                # Ours, at the end, is about the notebook: it has a sentence, and no code to show.
                details = (cell["source"], "", trace) if place else ()
                ours = output["ename"] == LiveError.__name__
                message = output["evalue"] if ours else f"{output['ename']}: {output['evalue']}"
                return Failure(place, message, details)
    return Failure("", "it stopped without an error.", ())


def _place(document: NotebookNode) -> str:
    started = [
        cell for cell in document.cells if cell["metadata"].get("execution", {}).get("iopub.status.busy")
    ]
    return _named(started[-1]) if started else ""


def _named(cell: NotebookNode) -> str:
    index = cell["metadata"].get("jupyter_kfp", {}).get("cell")
    return "" if index is None else f" in its cell {index + 1}"
