"""What the warm server loads, and does once so that no fork of it has to do it for the first time."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import types
import warnings
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from typing import Any

from jupyter_kfp.runtime.payload import RUNTIME, unpack_runtime

NOTEBOOKS = (
    "papermill",
    "papermill.execute",
    "nbconvert.exporters.html",
    "nbclient.client",
    "jupyter_client.manager",
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.debugger",
    "ipykernel.eventloops",
    "cloudpickle",
    # What these import when a kernel or its client starts.
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.logger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "faulthandler",
    "ipykernel.kernelspec",
    "jupyter_kfp.engine.warm.kernels",
    "psutil",
    "sqlite3",
    "tornado.platform.asyncio",
)
FUNCTIONS = ("kfp", "kfp.dsl.executor", "kfp.dsl.executor_main")

# Compiles a grammar for internationalized addresses, for seconds; jsonschema imports it just in case.
_GRAMMAR = "rfc3987_syntax"

# The code of runtimes by their source, and those that are in it.
_codes: dict[bytes, types.CodeType] = {}
_known: set[str] = set()


def load(modules: Sequence[str]) -> None:
    """Import modules; what is wrong with one of them the step that needs it will say."""
    # ipykernel sets this for every kernel; a library loaded before must find it, too.
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    # The debugger has no reason to warn: nobody debugs here.
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    with warnings.catch_warnings(), _late(_GRAMMAR, "is_valid_syntax"):
        warnings.simplefilter("ignore")
        for module in modules:
            with contextlib.suppress(Exception):
                importlib.import_module(module)


@contextlib.contextmanager
def _late(module: str, function: str) -> Iterator[None]:
    """Let whoever imports ``function`` from ``module`` get one that imports it when it is first called."""

    def call(*arguments: Any, **keywords: Any) -> Any:
        return getattr(importlib.import_module(module), function)(*arguments, **keywords)

    if module in sys.modules or importlib.util.find_spec(module) is None:
        yield
        return
    sys.modules[module] = late = types.ModuleType(module)
    setattr(late, function, call)
    try:
        yield
    finally:
        del sys.modules[module]


def prepare() -> None:
    """Do once what every step would do for the first time: addresses, patterns, schemas, templates, lexers."""
    import nbformat
    from jupyter_client.localinterfaces import localhost
    from jupyter_client.provisioning.factory import KernelProvisionerFactory
    from nbconvert.exporters import HTMLExporter

    localhost()  # looks at every network interface of the machine
    KernelProvisionerFactory.instance()  # looks at every installed distribution
    _keep_templates()
    outputs = [
        nbformat.v4.new_output("stream", text="1"),
        nbformat.v4.new_output("execute_result", {"text/plain": "1", "text/html": "<b>1</b>"}),
    ]
    cells = [
        nbformat.v4.new_code_cell("import os  # one", outputs=outputs),
        nbformat.v4.new_markdown_cell("# A"),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    HTMLExporter().from_notebook_node(nbformat.reads(nbformat.writes(notebook), as_version=4))
    # Each minor version has a schema of its own; this is the one of steps.
    nbformat.reads('{"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": []}', as_version=4)
    sys.meta_path.insert(0, _RuntimeFinder())


def _keep_templates() -> None:
    """Let nbconvert, which makes a new environment for every export, keep compiled templates."""
    from jinja2.bccache import Bucket, BytecodeCache
    from nbconvert.exporters import TemplateExporter

    class Templates(BytecodeCache):
        def __init__(self) -> None:
            self._code: dict[str, bytes] = {}

        def load_bytecode(self, bucket: Bucket) -> None:
            if bucket.key in self._code:
                bucket.bytecode_from_string(self._code[bucket.key])

        def dump_bytecode(self, bucket: Bucket) -> None:
            self._code[bucket.key] = bucket.bytecode_to_string()

    make, templates = TemplateExporter._create_environment, Templates()  # noqa: SLF001 - it takes no cache

    def with_cache(exporter: TemplateExporter) -> Any:
        environment = make(exporter)  # type: ignore[no-untyped-call]  # nbconvert has no types here
        environment.bytecode_cache = templates
        return environment

    TemplateExporter._create_environment = with_cache  # type: ignore[method-assign]  # noqa: SLF001


def compile_runtime(arguments: Sequence[str]) -> None:
    """Compile, once, the runtime that a step brings along; ``arguments`` are those of its program.

    Every step of a run brings the same, and would compile it twice: for itself and for its kernel.
    """
    text = arguments[2] if len(arguments) > 2 else ""
    if not text or text in _known:
        return
    _known.add(text)
    with contextlib.suppress(ValueError, SyntaxError):  # the step itself will say what is wrong with it
        for name, source in unpack_runtime(text).items():
            _codes[source.encode()] = compile(source, f"{name}.py", "exec", dont_inherit=True)


class _Known(SourceFileLoader):
    """Loads a module from its file, with code that is known where that is the same."""

    def get_code(self, fullname: str) -> types.CodeType | None:
        path = str(self.get_filename(fullname))
        known = _codes.get(self.get_data(path))
        return super().get_code(fullname) if known is None else _in_file(known, path)


class _RuntimeFinder:
    """Finds the modules of a step's runtime where the step put them."""

    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None, _target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        """As the protocol of ``sys.meta_path`` says; None for all other modules."""
        if not fullname.startswith(f"{RUNTIME}."):
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Known(spec.loader.name, spec.loader.path)
        return spec


def _in_file(code: types.CodeType, path: str) -> types.CodeType:
    """The code as if it had been compiled from this file."""
    inner = (_in_file(each, path) if isinstance(each, types.CodeType) else each for each in code.co_consts)
    return code.replace(co_filename=path, co_consts=tuple(inner))
