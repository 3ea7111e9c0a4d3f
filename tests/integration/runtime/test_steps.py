"""Steps in real processes and kernels."""

from __future__ import annotations

import json
import os
import random
import signal
import string
import subprocess

import psutil
import pytest

from jupyter_kfp.runtime import serializers
from tests.integration.runtime.conftest import make_step

ANY = {"type": "Artifact"}
CODE = """
import pandas as pd
from dataclasses import dataclass
@dataclass
class Config:
    rate: float
"""


def test_values_keep_type_identity_and_content_from_step_to_step(steps):
    made = steps.run(
        make_step(
            "make",
            "df = pd.DataFrame({'a': [1, 2]}, index=pd.Index(['x', 'y'], name='k'))",
            "config = Config(rate)\nrows = [1]\nsame = rows\nbox = {'rows': rows}\n"
            "alone = [5]\nscore = count / 4\nprint('made', flush=True)\ndf",
            preamble=CODE,
            parameters={"rate": "float", "count": "int", "note": "str"},
            outputs={
                "df": {"type": "Dataset"},
                "config": {"type": "Artifact", "code": ["Config"]},
                **dict.fromkeys(("rows", "same", "box", "alone"), ANY),
                "maybe": {"type": "Artifact", "optional": True},
                "score": {"type": "float"},
            },
            metrics=["score", "config", "missing"],
            ports={"alone": "alone_1"},
        ),
        {"rate": 2, "count": 5.0},
    )
    assert made.status == 0, made.log
    assert made.output["parameterValues"] == {"score": 1.25}
    assert made.metadata("step_metrics") == {"score": 1.25}
    assert "metric config is skipped" in made.log
    assert "made\n" in made.log
    assert made.metadata("df")["serializer"] == "parquet"
    assert made.metadata("rows")["serializer"] == "bundle"
    assert made.metadata("rows")["sha256"] == made.metadata("box")["sha256"]
    assert made.metadata("maybe") == {"unbound": 1}
    assert "alone_1" in made.output["artifacts"]
    assert all(
        isinstance(v, str | int | float) for n in ("df", "rows", "config") for v in made.metadata(n).values()
    )

    used = steps.run(
        make_step(
            "use",
            "assert isinstance(config, Config) and config.rate == 2.0 and type(config.rate) is float",
            "assert rows is same is box['rows']\nrows.append(2)\nassert box == {'rows': [1, 2]}",
            "assert note is None and 'maybe' not in globals()\nassert df.index.name == 'k' and df.a.sum() == 3",
            "extra = {n for n in globals() if 'jupyter' in n or 'kfp' in n.lower()}\nassert not extra, extra",
            preamble=CODE,
            parameters={"note": "str"},
            inputs=dict.fromkeys(["df", "config", "rows", "same", "box", "maybe"], "Artifact"),
            outputs={"rows": ANY, "same": ANY, "box": ANY},
            guard={"df": "make", "config": "make"},
        )
    )
    assert used.status == 0, used.log


def test_the_executed_notebook_and_its_page_are_kept(steps):
    done = steps.cold(make_step("one", "print('seen', x)\nx * 2", parameters={"x": "int"}), {"x": 3.0})
    notebook = json.loads((done.place / "executed_notebook").read_text())
    sources = ["".join(cell["source"]) for cell in notebook["cells"]]
    assert any(
        "injected-parameters" in cell["metadata"]["tags"]
        for cell in notebook["cells"]
        if "tags" in cell["metadata"]
    )
    assert "print('seen', x)\nx * 2" in sources
    assert [
        c["metadata"]["jupyter_kfp"]["cell"] for c in notebook["cells"] if "jupyter_kfp" in c["metadata"]
    ] == [0]
    page = (done.place / "executed_html").read_text()
    assert "seen 3" in page
    assert "jupyter_kfp_runtime" not in page
    assert list((steps.root / "tmp").iterdir()) == []


def test_inputs_the_preamble_reads_are_there_before_it(steps):
    steps.run(make_step("make", "names = ['a']\nlate = [1]", outputs={"names": ANY, "late": ANY}))
    done = steps.run(
        make_step(
            "use",
            "assert table == {'a': 0} and late == [1]",
            preamble="table = dict.fromkeys(names, 0)\nassert 'late' not in globals()\nlate = None",
            early=["names"],
            inputs={"names": "Artifact", "late": "Artifact"},
        )
    )
    assert done.status == 0, done.log


def test_an_object_handed_on_under_another_name_stays_one(steps):
    steps.run(make_step("one", "a = {1: [2]}", outputs={"a": ANY}))
    steps.run(make_step("two", "b = a", inputs={"a": "Artifact"}, outputs={"b": ANY}))
    done = steps.run(make_step("three", "assert a is b", inputs={"a": "Artifact", "b": "Artifact"}))
    assert done.status == 0, done.log
    changed = steps.run(make_step("four", "b = a\nb[3] = 4", inputs={"a": "Artifact"}, outputs={"b": ANY}))
    assert changed.status == 0, changed.log
    done = steps.run(
        make_step(
            "five",
            "assert a is not b and b[3] == 4 and 3 not in a",
            inputs={"a": "Artifact", "b": "Artifact"},
        )
    )
    assert done.status == 0, done.log


def test_a_failing_cell_is_shown_and_named(steps):
    done = steps.run(make_step("train", "x = 1", "y = 0\nx / y", outputs={"x": ANY}))
    assert done.status == 1
    assert done.error["type"] == "ZeroDivisionError"
    assert done.error["message"] == "division by zero"
    assert (done.error["cell"], done.error["step"]) == (1, "train")
    assert "----> 2 x / y" in done.error["traceback"]
    assert "\x1b" not in done.error["traceback"]
    assert "Step 'train' failed in this cell" in done.log
    assert "y = 0\nx / y" in done.log
    notebook = json.loads((done.place / "executed_notebook").read_text())
    assert "ZeroDivisionError" in str(notebook)
    assert "ZeroDivisionError" in (done.place / "executed_html").read_text()
    assert not (done.place / "x").exists()


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("raise SystemExit", "SystemExit", ""),
        ("import os; os._exit(3)", "DeadKernelError", "Kernel died"),
        ("x = (", "SyntaxError", "line 1"),
    ],
)
def test_a_notebook_that_stops_early_is_a_failure(steps, source, kind, message):
    done = steps.run(make_step("stop", source, "y = 1"))
    assert done.status == 1
    assert done.error["type"] == kind
    assert message in done.error["message"]
    assert done.error["cell"] == 0


@pytest.mark.parametrize(
    ("source", "outputs", "words"),
    [
        ("x = 1\ndel x", {"x": ANY}, ["'x'", "'bad'", "never assigned, or deleted"]),
        (
            "x = [1]\ny = {'x': x}",
            {"x": {"type": "list"}, "y": {"type": "dict"}},
            ["x and y", "share data", "Annotate them as `Artifact`"],
        ),
        ("x = (1, 2)", {"x": {"type": "list"}}, ["'x'", "'bad'", "declared list", "tuple", "`x: Artifact`"]),
        (
            "import threading\nx = threading.Lock()",
            {"x": ANY},
            ["'x'", "_thread.lock", "'bad'", "Make or import it in the step that uses it"],
        ),
        ("x = open('f', 'w')", {"x": ANY}, ["'x'", "TextIOWrapper", "belongs to this process"]),
    ],
)
def test_an_output_that_cannot_leave_is_named_with_a_remedy(steps, source, outputs, words):
    done = steps.run(make_step("bad", source, outputs=outputs))
    assert done.status == 1
    assert (done.error["type"], done.error["cell"]) == ("StepError", None)
    for word in words:
        assert word in done.error["message"]
        assert word in done.log
    assert "Traceback" not in done.log


def test_pickles_are_warned_of_and_can_be_switched_off(steps):
    step = make_step(
        "one", "x = {1, 2}\nimport polars\nlazy = polars.LazyFrame()", outputs={"x": ANY, "lazy": ANY}
    )
    log = steps.run(step).log
    assert "x (builtins.set) travels as a pickle" in log
    assert "lazy (polars.lazyframe.frame.LazyFrame) travels as the rows it stands for" in log
    done = steps.run(step | {"step": "two"}, JUPYTER_KFP_NO_PICKLE="1")
    assert done.status == 1
    assert "'x' (builtins.set) cannot leave step 'two'" in done.error["message"]


def test_the_executed_notebook_shows_no_secret(steps):
    secret, key = 'hunter2 "and" more', "-----BEGIN\nfirstline\nsecondline"
    source = (
        "import os, sys\nvalue = os.environ['DB_PASSWORD']\n"
        "print(value[:5], end='', flush=True)\nprint(value[5:])\nprint(os.environ['KEY'], file=sys.stderr)\n"
        "print(os.environ['WORD'])\n{'value': value}"
    )
    given = {"DB_PASSWORD": secret, "KEY": key, "WORD": "cells"}
    step = make_step("one", source, secrets=["DB_PASSWORD", "KEY", "WORD", "NOWHERE"])
    done = steps.run(step, **given)
    assert done.status == 0, done.log
    pages = [(done.place / port).read_text() for port in ("executed_notebook", "executed_html")]
    for page in pages:
        assert "****" in page
        assert not [word for word in ("hunter2", "firstline", "secondline") if word in page]
    assert "cells" in json.loads(pages[0]), "a word that is a key of notebooks, too"
    failed = steps.run(
        step | {"step": "two", "cells": [{"source": source + "\nint(value)", "role": "step"}]}, **given
    )
    assert failed.status == 1
    assert failed.error["message"] == "invalid literal for int() with base 10: '****'"
    assert "hunter2" not in (failed.place / "out/output.json").read_text()


def test_an_input_that_cannot_be_loaded_is_named(steps):
    made = steps.run(make_step("one", "x = [1]", outputs={"x": ANY}))
    (made.place / "x").write_text("[1")
    done = steps.run(make_step("two", "x", inputs={"x": "Artifact"}))
    assert done.status == 1
    assert (done.error["type"], done.error["cell"]) == ("StepError", None)
    assert (
        "Step 'two' cannot load its input 'x' (builtins.list, json): JSONDecodeError" in done.error["message"]
    )


class TestGuard:
    @pytest.fixture(autouse=True)
    def _made(self, steps):
        source = "df = pd.DataFrame({'a': [2, 1]})\nrows = [[1]]\nview = [rows[0]]"
        step = make_step(
            "make", source, preamble="import pandas as pd", outputs=dict.fromkeys(["df", "rows", "view"], ANY)
        )
        assert steps.run(step).status == 0

    def test_a_hidden_change_fails_the_step(self, steps):
        done = steps.run(
            make_step(
                "sneak",
                "change(df)",
                preamble="def change(d):\n    d.sort_values('a', inplace=True)",
                inputs={"df": "Dataset"},
                guard={"df": "make"},
            )
        )
        assert done.status == 1
        assert done.error["message"] == (
            "Step 'sneak' changed 'df', which later steps read as step 'make' left it. "
            "Assign it in this step, or add `#| outputs: df` to it."
        )

    def test_reading_passes(self, steps):
        source = "df.sort_values('a'), df.describe(), df.a.mean(), repr(df), rows[0][0], len(rows)\nlimit + 1"
        guard = {"df": "make", "rows": "make", "limit": ""}
        step = make_step(
            "read",
            source,
            inputs={"df": "Dataset", "rows": "Artifact"},
            parameters={"limit": "int"},
            guard=guard,
        )
        assert steps.run(step, {"limit": 3}).status == 0

    def test_a_changed_parameter_or_preamble_name_is_caught(self, steps):
        step = make_step("sneak", "setting.update(a=1)", preamble="setting = {}", guard={"setting": ""})
        assert "which later steps read as it was before" in steps.run(step).error["message"]

    def test_a_new_value_for_a_name_that_shared_data_is_no_change(self, steps):
        step = make_step(
            "bind", "rows = [[7]]", inputs={"rows": "Artifact"}, outputs={"rows": ANY}, guard={"view": "make"}
        )
        assert steps.run(step).status == 0

    def test_a_change_through_another_name_is_caught(self, steps):
        step = make_step(
            "sneak",
            "rows[0].append(2)",
            inputs={"rows": "Artifact"},
            outputs={"rows": ANY},
            guard={"view": "make"},
        )
        done = steps.run(step)
        assert done.status == 1
        assert "changed 'view'" in done.error["message"]


def test_artifact_classes_without_the_package(steps, tmp_path):
    """In a pod `import jupyter_kfp` must work though only the runtime is there."""
    (tmp_path / "hide").mkdir()
    (tmp_path / "hide/sitecustomize.py").write_text(
        "import sys, importlib.abc\n"
        "class Hide(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        return None\n"
        "import importlib.util\n"
        "real = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda n, *a: None if n == 'jupyter_kfp' else real(n, *a)\n"
    )
    source = (
        "m = Metrics()\nm.log_metric('acc', 0.5)\nreport = HTML()\nopen(report.path, 'w').write('<p>')\n"
        "scores: Metrics = {'f1': 0.25, 'name': 'x'}"
    )
    preamble = "from jupyter_kfp import HTML, Metrics\nimport jupyter_kfp"
    outputs = {"m": {"type": "Metrics"}, "report": {"type": "HTML"}, "scores": {"type": "Metrics"}}
    made = steps.run(
        make_step("make", source, preamble=preamble, outputs=outputs), PYTHONPATH=str(tmp_path / "hide")
    )
    assert made.status == 0, made.log
    assert made.metadata("m")["acc"] == 0.5
    assert made.metadata("scores")["f1"] == 0.25
    assert (made.place / "report").read_text() == "<p>"
    used = steps.run(
        make_step(
            "use",
            "assert isinstance(m, Metrics) and m.metadata == {'acc': 0.5}, (type(m), m.metadata)",
            "assert open(report.path).read() == '<p>'",
            preamble=preamble,
            inputs={"m": "Metrics", "report": "HTML"},
        ),
        PYTHONPATH=str(tmp_path / "hide"),
    )
    assert used.status == 0, used.log


def test_a_file_from_elsewhere_is_an_artifact_object(steps, tmp_path):
    """What an importer or another author's component made has no serializer."""
    (tmp_path / "raw.csv").write_text("a")
    artifact = {"name": "raw", "uri": f"file://{tmp_path}/raw.csv", "metadata": {"rows": 1}}
    steps.artifacts["raw"] = {"artifacts": [artifact]}
    source = "assert open(raw.path).read() == 'a' and raw.metadata == {'rows': 1}\nassert type(raw) is jupyter_kfp.Dataset"
    done = steps.run(make_step("one", source, preamble="import jupyter_kfp", inputs={"raw": "Dataset"}))
    assert done.status == 0, done.log


def test_one_of_a_bundle_can_be_loaded_alone(steps):
    made = steps.run(make_step("one", "a = [1]\nb = {'a': a}", outputs={"a": ANY, "b": ANY}))
    assert serializers.load(made.place / "b", made.metadata("b")) == {"a": [1]}
    steps.run(make_step("two", "c = a", inputs={"a": "Artifact"}, outputs={"c": ANY}))
    done = steps.run(
        make_step(
            "three", "assert b['a'] is a is c", inputs={"c": "Artifact", "b": "Artifact", "a": "Artifact"}
        )
    )
    assert done.status == 0, done.log


def test_files_beside_the_notebook_can_be_imported(steps, tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/helpers.py").write_text("answer = 42")
    step = make_step(
        "one", "x = answer", preamble="from helpers import answer", outputs={"x": {"type": "int"}}
    )
    assert steps.run(step, JUPYTER_KFP_SOURCE_DIR=str(tmp_path / "src")).output["parameterValues"] == {
        "x": 42
    }


def test_the_kernel_is_this_interpreter_whatever_kernelspecs_say(steps, tmp_path):
    spec = tmp_path / "jupyter/kernels/python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(
        json.dumps({"argv": ["/bin/false"], "language": "python", "display_name": "no"})
    )
    done = steps.run(
        make_step("one", "import sys\nprint(sys.executable)"), JUPYTER_PATH=str(tmp_path / "jupyter")
    )
    assert done.status == 0
    assert f"{os.path.realpath(psutil.Process().exe())}" == os.path.realpath(done.log.split()[0])


def test_output_is_live_and_a_terminated_step_leaves_no_kernel(steps):
    command = steps.command(
        make_step("long", "import os, time\nprint('kernel', os.getpid(), flush=True)\ntime.sleep(100)")
    )
    process = subprocess.Popen(
        command,
        cwd=steps.root,
        env=steps.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        line = process.stdout.readline()
        assert line.startswith("kernel ")  # while the cell is still running
        kernel = psutil.Process(int(line.split()[1]))
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) != 0
        kernel.wait(10)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()
    assert not kernel.is_running()


def test_a_killed_step_leaves_no_kernel(steps):
    command = steps.command(
        make_step("long", "import os, time\nprint('kernel', os.getpid(), flush=True)\ntime.sleep(100)")
    )
    with subprocess.Popen(
        command, cwd=steps.root, env=steps.environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        kernel = psutil.Process(int(process.stdout.readline().split()[1]))
        process.kill()
        kernel.wait(10)
    assert not kernel.is_running()


def test_rich_parameters_are_injected_as_they_are(steps):
    values = {"s": "a'b\"{{$}}\n\\", "f": float("inf"), "xs": [1, 2], "d": {"k": [True, None]}}
    step = make_step(
        "one",
        "assert s == 'a\\'b\"{{$}}\\n\\\\' and f == float('inf') and d == {'k': [True, None]}\n"
        "assert [type(x) for x in xs] == [float, float]",
        parameters={"s": "str", "f": "float", "xs": "list[float]", "d": "dict"},
    )
    done = steps.run(step, values)
    assert done.status == 0, done.log


def test_a_large_notebook_travels_in_chunks(steps):
    text = "".join(random.Random(0).choices(string.ascii_lowercase + string.digits, k=400_000))
    step = make_step("one", f"text = '{text}'\nn = len(text)", outputs={"n": {"type": "int"}})
    assert len(steps.command(step | {"step": "count"})) > 8
    assert steps.run(step).output["parameterValues"] == {"n": 400_000}
