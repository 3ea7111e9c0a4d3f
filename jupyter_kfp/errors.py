"""What can go wrong, in the words the user needs: which cell, which line, what to do.

Every error the package raises on purpose derives from :class:`JupyterKfpError`, so a face (the
command line, a magic, a REST handler) shows one sentence and a remedy instead of a traceback.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, ClassVar


class Severity(str, Enum):
    """How much a diagnostic weighs: an error stops compiling, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding about a notebook, before anything runs.

    ``cell`` is the 0-based index of the cell in the notebook (None: the whole notebook) and ``line``
    the 1-based line inside that cell's source. ``file_line`` is the same line in the file, 1-based,
    where the notebook is a script or Markdown.
    """

    code: str
    severity: Severity
    message: str
    remedy: str
    cell: int | None = None
    line: int | None = None
    step: str | None = None
    file_line: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The diagnostic as JSON-ready values."""
        return asdict(self)

    @property
    def place(self) -> str:
        """Where it is, as a person counts: cells and lines from 1; empty for the whole notebook."""
        if self.cell is None:
            return ""
        place = f"cell {self.cell + 1}" + (f", line {self.line}" if self.line is not None else "")
        return place + (f" (line {self.file_line} of the file)" if self.file_line is not None else "")

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        return f"{where}{self.severity.value} {self.code}: {self.message} {self.remedy}".rstrip()


class JupyterKfpWarning(UserWarning):
    """Something that works, and may not do what is expected."""


class JupyterKfpError(Exception):
    """The base of every error raised on purpose.

    ``remedy`` says what to do about it; ``exit_code`` is what the command line ends with
    (1: something failed, 2: wrong use, 3: a remote was unreachable, 130: canceled).
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()

    def __reduce__(self) -> tuple[Any, ...]:
        # Travels between processes, whatever a subclass's __init__ takes.
        return _restored, (type(self), self.args, self.__dict__)


def _restored(
    kind: type[JupyterKfpError], args: tuple[Any, ...], state: Mapping[str, Any]
) -> JupyterKfpError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class UsageError(JupyterKfpError):
    """The call itself is wrong: an unknown parameter, a file that is not a notebook."""

    exit_code = 2


class NotebookError(UsageError):
    """The file cannot be read as a notebook of a supported kind."""


class DiagnosticsError(JupyterKfpError):
    """The notebook was read, but cannot become a pipeline: it has errors."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        errors = [d for d in self.diagnostics if d.severity is Severity.ERROR]
        count = f"{len(errors)} error" + ("s" if len(errors) != 1 else "")
        super().__init__(f"{count} in the notebook:\n" + "\n".join(f"  {error}" for error in errors))
