"""What the operations work with: threads, the worker process, and the paths they may use."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from http import HTTPStatus
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from jupyter_kfp.server import worker
from jupyter_kfp.server.errors import RequestError, malformed, not_found

if TYPE_CHECKING:
    from jupyter_kfp.server.live import Live

P = ParamSpec("P")
R = TypeVar("R")

_THREADS = 8
_LONGEST_SECONDS = 120.0


class Context:
    """One per server. Nothing here blocks the event loop."""

    def __init__(self, contents: Any, live: Live) -> None:
        self._contents = contents
        self.live = live
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="jupyter-kfp")
        self._worker: ProcessPoolExecutor | None = None

    def close(self) -> None:
        """End the worker; what waits is dropped."""
        self.live.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._end_worker()

    async def thread(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call what waits for files, the store or a cluster."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: function(*args, **kwargs))

    async def compute(self, function: Callable[..., R], *args: Any) -> R:
        """Call a function of :mod:`worker` in the worker process, which is started when it is first needed.

        A worker that dies is replaced once; one that is stuck is ended. Raises RequestError then.
        """
        loop = asyncio.get_running_loop()
        for last in (False, True):
            if self._worker is None:
                self._worker = ProcessPoolExecutor(1, get_context("spawn"), initializer=worker.prepare)
            pool = self._worker
            try:
                return await asyncio.wait_for(loop.run_in_executor(pool, function, *args), _LONGEST_SECONDS)
            except BrokenProcessPool:
                if self._worker is pool:
                    self._end_worker()
                if last:
                    break
            except asyncio.TimeoutError:
                if self._worker is pool:
                    self._end_worker()
                break
        raise RequestError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "worker",
            "The notebook could not be compiled in time.",
            "Try again.",
        )

    def _end_worker(self) -> None:
        pool, self._worker = self._worker, None
        if pool is None:
            return
        # A stuck process does not see the shutdown; processes() is public from Python 3.14 on only.
        processes = list((getattr(pool, "_processes", None) or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()

    def path(self, api_path: str) -> Path:
        """The file that the contents API calls ``api_path``; it need not exist.

        Raises RequestError for one outside the server's root directory, or hidden.
        """
        root = getattr(self._contents, "root_dir", None)
        if not root:
            raise RequestError(
                HTTPStatus.NOT_IMPLEMENTED, "no_files", "This server does not keep its notebooks as files."
            )
        if "\0" in api_path:
            raise malformed("A path holds no NUL.")
        base = Path(os.path.realpath(root))
        parts = [part for part in api_path.split("/") if part]
        if ".." in parts or "\\" in api_path:
            raise not_found(f"{api_path!r} is not below the server's root directory.")
        found = base.joinpath(*parts)
        try:
            # Links lead where they lead; where that is outside, they are not followed.
            inside = Path(os.path.realpath(found)).is_relative_to(base)
            hidden = not self._contents.allow_hidden and any(part.startswith(".") for part in parts)
        except OSError as error:
            raise not_found(f"{api_path!r} cannot be used ({error.strerror}).") from error
        if not inside or hidden or not parts:
            raise not_found(f"{api_path!r} is not below the server's root directory.")
        return found

    def existing(self, api_path: str) -> Path:
        """The same of a file that is there."""
        found = self.path(api_path)
        try:
            is_file = found.is_file()
        except OSError:  # a name that is too long
            is_file = False
        if not is_file:
            raise not_found(f"There is no file {api_path!r}.", "Save the notebook first.")
        return found

    def api_path(self, file: str | None) -> str | None:
        """What the contents API calls a file; None for one outside the root directory."""
        root = getattr(self._contents, "root_dir", None)
        if not file or not root:
            return None
        try:
            return Path(os.path.realpath(file)).relative_to(os.path.realpath(root)).as_posix()
        except ValueError:
            return None
