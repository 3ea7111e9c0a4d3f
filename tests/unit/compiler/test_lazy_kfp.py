"""KFP is imported without its client, and is whole for whoever wants that."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


SHORT = "import os, sys; from jupyter_kfp.compiler import lazy_kfp; kfp = lazy_kfp.import_kfp();"


def test_leaves_the_client_and_the_environment_alone() -> None:
    code = "print(sorted({'kfp.client', 'kubernetes', 'requests'} & set(sys.modules)), os.environ.get('_KFP_RUNTIME'))"
    assert run(SHORT + code) == "[] None"
    assert run("import os; os.environ['_KFP_RUNTIME'] = 'true';" + SHORT + code) == "[] true"


def test_inside_a_step_of_somebody_elses_pipeline() -> None:
    """There the variable is set and kfp.dsl has only what a step needs."""
    before = "import os; os.environ['_KFP_RUNTIME'] = 'true'; import kfp.dsl; assert not hasattr(kfp.dsl, 'pipeline');"
    assert (
        run(before + SHORT + "print(kfp.dsl.pipeline.__name__, os.environ['_KFP_RUNTIME'])")
        == "pipeline true"
    )


def test_the_messages_come_without_the_kubernetes_client_and_can_be_followed_by_it() -> None:
    code = (
        "pb = lazy_kfp.import_kubernetes_messages(); assert 'kubernetes' not in sys.modules;"
        "from kfp import kubernetes; from kfp.kubernetes import kubernetes_executor_config_pb2 as other;"
        "assert other is pb is kubernetes.secret.pb is lazy_kfp.import_kubernetes_messages(); print('ok')"
    )
    assert run(SHORT + code) == "ok"


def test_messages_after_the_package() -> None:
    code = "import sys, kfp.kubernetes as k; from jupyter_kfp.compiler import lazy_kfp; print(lazy_kfp.import_kubernetes_messages() is k.secret.pb)"
    assert run(code) == "True"


USES = (
    "import kfp; kfp.Client",
    "from kfp import Client",
    "import kfp; kfp.client.Client",
    "import kfp.client; kfp.Client",
    "from kfp.client import Client",
    "import kfp; kfp.components.load_component_from_text",
    "from kfp import components",
    "from kfp import dsl, compiler, local",
    "import kfp; kfp.dsl.component",
    "import kfp; kfp.__version__",
)
# KFP is imported once; each use is a fork that has done nothing else with it.
_EACH = """
def status(use):
    child = os.fork()
    if not child:
        try:
            exec(use, {})
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]
print([use for use in USES if status(use)])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows cannot fork")
def test_everything_works_afterwards() -> None:
    assert run(f"{SHORT}\nUSES = {USES!r}{_EACH}") == "[]"


def test_the_names_are_those_of_a_whole_import() -> None:
    listing = "print(sorted(n for n in vars(kfp) if n != '__getattr__'))"
    whole = run("import kfp;" + listing)
    assert run(SHORT + "kfp.Client, kfp.client, kfp.components;" + listing) == whole


def test_unknown_names_stay_unknown() -> None:
    assert run(
        SHORT + "print(hasattr(kfp, 'nothing'), hasattr(kfp, '__wrapped__'), 'kfp.client' in sys.modules)"
    ) == ("False False False")


def test_a_whole_import_before_is_left_as_it_is() -> None:
    code = (
        "import kfp; client, names = kfp.Client, set(vars(kfp));"
        "from jupyter_kfp.compiler import lazy_kfp;"
        "assert lazy_kfp.import_kfp() is kfp and kfp.Client is client and '__getattr__' not in vars(kfp);"
        "print(set(vars(kfp)) == names)"
    )
    assert run(code) == "True"


def test_the_module_can_be_reloaded_and_inspected() -> None:
    code = (
        "import inspect, importlib; inspect.getsource(kfp); importlib.reload(kfp); print(kfp.Client.__name__)"
    )
    assert run(SHORT + code) == "Client"


def test_threads_that_import_at_the_same_time() -> None:
    code = """
import threading, sys
from jupyter_kfp.compiler import lazy_kfp
start, problems = threading.Barrier(8), []
def short():
    start.wait()
    try:
        lazy_kfp.import_kfp().dsl.pipeline
    except BaseException as error:
        problems.append(error)
def whole():
    start.wait()
    try:
        from kfp import dsl, Client
        dsl.component, dsl.pipeline
    except BaseException as error:
        problems.append(error)
threads = [threading.Thread(target=target) for target in [short, whole] * 4]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(problems)
"""
    assert run(code) == "[]"
