"""What a package provides to teach steps a type of its own.

Register an object (or a class, which is called without arguments) in the entry point group
``jupyter_kfp.serializers``::

    [project.entry-points."jupyter_kfp.serializers"]
    mesh = "mypackage.kfp:MeshSerializer"

The package must be installed where the steps run: name it in the notebook's ``packages``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol


class Serializer(Protocol):
    """Writes values of some types to a file or directory and reads them back.

    ``name`` is recorded with every artifact, and finds the serializer again when it is loaded.
    """

    name: str

    def matches(self, value: Any) -> bool:
        """Whether this serializer takes ``value``. Called for every value: do not import for it."""
        ...

    def save(self, value: Any, path: Path) -> Any:
        """Write ``value`` at ``path``, as a file or a directory; ``path`` does not exist yet."""
        ...

    def load(self, path: Path) -> Any:
        """The value :meth:`save` wrote at ``path``, which may be read-only."""
        ...
