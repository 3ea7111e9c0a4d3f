"""What can be wrong with a cell only once it runs."""

from __future__ import annotations

from jupyter_kfp.errors import JupyterKfpError


class LiveError(JupyterKfpError):
    """A cell cannot do what its header says. ``details`` are lines shown above the sentence.

    IPython shows it without a traceback: what is wrong is in the notebook, not in our code.
    """

    def __init__(self, message: str, remedy: str = "", details: tuple[str, ...] = ()) -> None:
        super().__init__(message, remedy)
        self.details = details

    def _render_traceback_(self) -> list[str]:
        notes = tuple(getattr(self, "__notes__", ()))
        return [*self.details, f"{type(self).__name__}: {self}", *notes]
