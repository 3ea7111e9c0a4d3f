"""The packages, the command, Jupyter's extensions and the kernels."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

from jupyter_kfp.doctor.finding import Finding, error, off, ok, warning

_NAME = "jupyter-kfp"
_EXTENSION = "jupyter_kfp.server"
# What one asks for first when something is odd.
_SHOWN = ("kfp", "papermill", "ipykernel", "jupyter-client", "sqlalchemy")


def packages() -> Iterator[Finding]:
    """Whether all that this package needs is there, in versions it can use."""
    missing = []
    for line in metadata.requires(_NAME) or []:
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            found = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            missing.append(f"{wanted.name} is not installed")
            continue
        if not wanted.specifier.contains(found, prereleases=True):
            missing.append(f"{wanted.name} is {found}, not {wanted.specifier}")
    if missing:
        remedy = f"Repair it: {sys.executable} -m pip install --upgrade {_NAME}"
        yield error("packages", "; ".join(missing) + ".", remedy)
        return
    shown = ", ".join(f"{name} {metadata.version(name)}" for name in _SHOWN)
    yield ok("packages", f"{_NAME} {metadata.version(_NAME)}, Python {platform.python_version()}; {shown}")


def command() -> Iterator[Finding]:
    """Whether `jupyter kfp` finds this installation."""
    found = shutil.which("jupyter-kfp")
    here = Path(sys.executable).parent
    if found is None:
        yield warning(
            "command", "`jupyter kfp` is not found.", f"Add {here} to the PATH, or activate the environment."
        )
    elif Path(found).parent != here:
        yield warning(
            "command",
            f"`jupyter kfp` is {found}, but this is {here}.",
            "Activate one environment, or remove the other.",
        )
    else:
        yield ok("command", found)


def server_extension() -> Iterator[Finding]:
    """Whether Jupyter Server loads the extension."""
    check = "server extension"
    if find_spec("jupyter_server") is None:
        yield off(
            check, "Jupyter Server is not installed here.", "For JupyterLab: pip install 'jupyter-kfp[lab]'."
        )
        return
    from jupyter_core.paths import jupyter_config_path
    from jupyter_server.extension.config import ExtensionConfigManager

    known = ExtensionConfigManager(read_config_path=jupyter_config_path()).get_jpserver_extensions()
    if known.get(_EXTENSION):
        yield ok(check, f"{_EXTENSION} is enabled")
    else:
        state = "disabled" if _EXTENSION in known else "not known to Jupyter Server"
        yield warning(
            check, f"{_EXTENSION} is {state}.", f"Run: jupyter server extension enable {_EXTENSION}"
        )


def labextension() -> Iterator[Finding]:
    """Whether JupyterLab loads its part, and of the same version."""
    check = "labextension"
    if find_spec("jupyterlab_server") is None:
        yield off(check, "JupyterLab is not installed here.", "pip install 'jupyter-kfp[lab]' brings it.")
        return
    from jupyter_core.paths import jupyter_path
    from jupyterlab_server.config import get_federated_extensions, get_page_config

    paths = jupyter_path("labextensions")
    found = get_federated_extensions(paths).get(_NAME)
    if found is None:
        remedy = (
            f"Install it anew, without SKIP_JUPYTER_BUILDER: pip install --force-reinstall --no-deps {_NAME}"
        )
        yield warning(check, "JupyterLab does not find it.", remedy)
    elif any(
        name.partition(":")[0] == _NAME for name in get_page_config(paths).get("disabledExtensions", [])
    ):
        yield warning(check, "It is disabled.", f"Run: jupyter labextension enable {_NAME}")
    elif found["version"] != metadata.version(_NAME):
        yield warning(
            check,
            f"It is version {found['version']}, the package {metadata.version(_NAME)}.",
            f"Install both anew: pip install --force-reinstall --no-deps {_NAME}",
        )
    else:
        yield ok(check, f"version {found['version']}, in {found['ext_path']}")


def kernels() -> Iterator[Finding]:
    """Whether there is a kernel for Python, and the programs of all kernels are there."""
    from jupyter_client.kernelspec import KernelSpecManager

    specs = KernelSpecManager().get_all_specs()
    remedy = f"Run: {sys.executable} -m ipykernel install --sys-prefix"
    if not any(spec["spec"].get("language") == "python" for spec in specs.values()):
        yield error("kernels", "There is no kernel for Python.", remedy)
        return
    broken = False
    for name, spec in sorted(specs.items()):
        program = spec["spec"]["argv"][0]
        if shutil.which(program) is None:
            broken = True
            is_python = spec["spec"].get("language") == "python"
            yield (error if is_python else warning)(
                "kernels",
                f"The kernel {name!r} starts {program}, which is not there.",
                remedy if is_python else f"Install it, or run: jupyter kernelspec remove {name}",
            )
    if not broken:
        yield ok("kernels", ", ".join(sorted(specs)))
