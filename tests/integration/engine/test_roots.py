"""Artifacts kept elsewhere than in a local directory."""

from pathlib import Path

import fsspec

from jupyter_kfp.engine import ir
from jupyter_kfp.engine.execute import execute
from jupyter_kfp.store.records import NewRun, NewTask, State
from jupyter_kfp.store.store import Store
from tests.unit.engine.building import pipeline, python, task


def test_artifacts_go_to_the_root_and_steps_still_see_files(store: Store, tmp_path: Path) -> None:
    """In this process, as a file system in memory is one process's own."""
    tasks = {
        "a": task(python("pathlib.Path(path('o')).write_text('made')"), outputs={"o": "system.Model"}),
        "b": task(
            python("leave(parameterValues={'text': pathlib.Path(source('o')).read_text()})"),
            inputs={"o": "a:o"},
            outputs={"text": "STRING"},
        ),
    }
    text = pipeline(tasks, outputs={"text": "b.text", "o": "a:o"})
    keys = [NewTask(t.key, t.key, t.key, t.component) for t in ir.in_order(ir.read(text).dag)]
    store.create_run(NewRun("r1", "n", "small", text, "memory://kept/r1"), keys)
    assert execute("r1") == 0
    assert store.run("r1").state is State.SUCCEEDED, store.run("r1").failure
    (made,) = store.task("r1", "b").input_artifacts["o"]
    assert made.uri == "memory://kept/r1/a/1/o"
    assert made.size == 4
    assert fsspec.filesystem("memory").cat_file("/kept/r1/a/1/o") == b"made"
    assert store.outputs("r1")["text"] == "made"
