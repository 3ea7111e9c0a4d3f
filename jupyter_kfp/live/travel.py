"""Whether a value could travel to another step."""

from __future__ import annotations

from typing import Any


class _EnoughError(Exception):
    """So much of a value was pickled that the rest will be, too."""


class _Sink:
    """A file that keeps nothing and has had enough after 4 MB: a cell must not wait for a large frame."""

    def __init__(self) -> None:
        self._left = 4_000_000

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self._left -= size
        if self._left < 0:
            raise _EnoughError
        return size


def obstacle(value: object) -> str:
    """Why a value could not travel to another step, or ""."""
    import io
    import types

    import cloudpickle

    if isinstance(value, types.ModuleType | io.IOBase):
        return "it belongs to this process"
    try:
        cloudpickle.CloudPickler(_Sink()).dump(value)
    except _EnoughError:
        return ""
    except Exception as error:  # noqa: BLE001 - any object may refuse in any way; the reason is shown
        return str(error) or type(error).__name__
    return ""
