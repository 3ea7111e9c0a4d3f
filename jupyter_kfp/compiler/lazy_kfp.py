"""KFP without the parts compiling does not need.

``import kfp`` takes over a second, most of it for the Kubernetes client behind ``kfp.Client`` and
behind ``kfp.kubernetes``. Compiling needs neither, so they are left for whoever touches them.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

# kfp/__init__.py and kfp/dsl/__init__.py leave out everything but the runtime classes where this is "true".
_RUNTIME_ONLY = "_KFP_RUNTIME"

# What `import kfp` binds and the short import does not, with the module each name comes from.
_LEFT_OUT = {"Client": "kfp.client", "client": "kfp.client", "components": "kfp.components"}

_MESSAGES = "kfp.kubernetes.kubernetes_executor_config_pb2"

_lock = threading.RLock()


def import_kfp() -> ModuleType:
    """The ``kfp`` package with ``kfp.dsl`` and ``kfp.compiler`` ready.

    ``kfp.Client`` and ``kfp.components`` load when first used. Where ``kfp`` is imported already,
    it is returned as it is.
    """
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if "kfp" not in sys.modules:
            finder = _ShortImport()
            sys.meta_path.insert(0, finder)
            try:
                importlib.import_module("kfp")
            finally:
                sys.meta_path.remove(finder)
        # Inside a step of somebody's pipeline the variable is set, and kfp.dsl may be there half.
        with _runtime_only(None):
            dsl = importlib.import_module("kfp.dsl")
            if not hasattr(dsl, "pipeline"):
                importlib.reload(dsl)
            # Only now: kfp.compiler and kfp.dsl import each other, and just this way round works.
            importlib.import_module("kfp.compiler")
    return sys.modules["kfp"]


def import_kubernetes_messages() -> ModuleType:
    """The protobuf module of kfp-kubernetes, loaded without ``kfp.kubernetes`` itself.

    That package imports the Kubernetes client for checking node affinity. Importing it later works
    as ever: it finds this module under its own name.
    """
    with _lock:
        kfp = import_kfp()
        if "kfp.kubernetes" in sys.modules:
            return importlib.import_module(_MESSAGES)
        if _MESSAGES not in sys.modules:
            places = [
                Path(place, "kubernetes", "kubernetes_executor_config_pb2.py") for place in kfp.__path__
            ]
            path = next((place for place in places if place.is_file()), None)
            if path is None:  # A zipped or otherwise unusual installation: pay for the package.
                return importlib.import_module(_MESSAGES)
            _load(_MESSAGES, path)
        return sys.modules[_MESSAGES]


@contextmanager
def _runtime_only(value: str | None) -> Iterator[None]:
    """Set or unset KFP's variable for a moment; nothing is touched where it is right already."""
    before = os.environ.get(_RUNTIME_ONLY)
    if before == value:
        yield
        return
    _set(value)
    try:
        yield
    finally:
        _set(before)


def _set(value: str | None) -> None:
    if value is None:
        os.environ.pop(_RUNTIME_ONLY, None)
    else:
        os.environ[_RUNTIME_ONLY] = value


def _load(name: str, path: Path) -> None:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {path}", name=name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


class _ShortImport(MetaPathFinder):
    """Finds ``kfp`` as the other finders do and has it loaded by :class:`_ShortLoader`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "kfp":
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _ShortLoader(spec.loader)
                return spec
        return None


class _ShortLoader(Loader):
    """Runs ``kfp/__init__.py`` in KFP's own runtime mode.

    Python holds the import lock of ``kfp`` meanwhile, so no other thread can import ``kfp.dsl``
    while the variable is set.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        with _runtime_only("true"):
            self._loader.exec_module(module)
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        vars(module).setdefault("__getattr__", _attribute)


def _attribute(name: str) -> Any:
    """``kfp.__getattr__``: imports what the short import left out, once."""
    source = _LEFT_OUT.get(name)
    if source is None:
        raise AttributeError(f"module 'kfp' has no attribute {name!r}", name=name, obj=sys.modules.get("kfp"))
    module = importlib.import_module(source)
    value = getattr(module, name) if name == "Client" else module
    setattr(sys.modules["kfp"], name, value)
    return value
