"""The widget's parts without a front end: the form, the canvas, what stands in without the packages."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any

import ipywidgets
import pytest
from IPython.utils.capture import capture_output

from jupyter_kfp.engine.plan import ParameterKind, ParameterSpec
from jupyter_kfp.errors import JupyterKfpError, UsageError
from jupyter_kfp.remote.profile import make
from jupyter_kfp.remote.submit import Options, Submission
from jupyter_kfp.views import widget
from jupyter_kfp.views.folding import folded
from jupyter_kfp.views.graph import with_states
from jupyter_kfp.views.widget.canvas import Canvas
from jupyter_kfp.views.widget.form import ParameterForm
from tests.unit.views.helpers import DATA
from tests.unit.views.test_widget_pure import LOOP


def parameter(kind: ParameterKind, *default: Any, **more: Any) -> ParameterSpec:
    return ParameterSpec(kind, has_default=bool(default), default=default[0] if default else None, **more)


SPECS = {
    "epochs": parameter(ParameterKind.NUMBER_INTEGER, 3),
    "rate": parameter(ParameterKind.NUMBER_DOUBLE, 0.5),
    "fast": parameter(ParameterKind.BOOLEAN, False),
    "name": parameter(ParameterKind.STRING, "x"),
    "sizes": parameter(ParameterKind.LIST, [1, 2]),
    "extra": parameter(ParameterKind.STRUCT, {"a": None}),
    "kind": parameter(ParameterKind.STRING, "a", literals=("a", "b")),
}


def test_the_form_has_a_field_of_each_type_and_gives_the_defaults() -> None:
    form = ParameterForm(SPECS)
    kinds = [type(form.field(name)).__name__ for name in SPECS]
    assert kinds == ["IntText", "FloatText", "Checkbox", "Text", "Text", "Text", "Dropdown"]
    assert form.values() == {name: spec.default for name, spec in SPECS.items()}


def test_the_form_gives_what_was_entered_in_the_type_of_the_parameter() -> None:
    form = ParameterForm(SPECS)
    entered = {"epochs": 9, "rate": 2.0, "fast": True, "name": "", "sizes": "[3]", "extra": "{}", "kind": "b"}
    for name, value in entered.items():
        form.field(name).value = value
    assert form.values() == entered | {"sizes": [3], "extra": {}}


@pytest.mark.parametrize(
    ("spec", "text", "said"),
    [
        (parameter(ParameterKind.LIST, [1]), "[1", "is of type list"),
        (parameter(ParameterKind.LIST, [1]), "{}", "is of type list"),
        (parameter(ParameterKind.NUMBER_INTEGER), "", "has no value"),
        (parameter(ParameterKind.NUMBER_INTEGER), "many", "is of type int"),
        (parameter(ParameterKind.STRING), "", "has no value"),
    ],
)
def test_what_is_wrong_with_a_field_is_said(spec: ParameterSpec, text: str, said: str) -> None:
    form = ParameterForm({"p": spec})
    form.field("p").value = text
    with pytest.raises(UsageError, match=said):
        form.values()


def test_an_optional_parameter_left_empty_is_left_out() -> None:
    form = ParameterForm({"p": parameter(ParameterKind.NUMBER_INTEGER, optional=True)})
    assert form.values() == {}
    form.field("p").value = "4"
    assert form.values() == {"p": 4}


def test_the_form_begins_with_the_values_of_a_run() -> None:
    assert ParameterForm(SPECS, {"epochs": 7, "sizes": [9]}).values()["epochs"] == 7


def test_states_change_the_elements_and_closed_boxes_exchange_the_graph() -> None:
    clicks: list[str] = []
    canvas = Canvas(clicks.append)
    canvas.show(LOOP, {})
    (before,) = canvas.children
    node = canvas._nodes["load"]
    canvas.show(with_states(LOOP, {"load": "RUNNING"}), {})
    assert canvas.children == (before,)
    assert (node.classes, node.data["label"]) == ("task RUNNING", "◐ load")
    before._handle_interaction(
        before, {"event": "click", "widget": "node", "data": {"data": {"id": "load"}}}, []
    )
    assert clicks == ["load"]
    canvas.choose("load")
    assert node.classes == "task RUNNING chosen"
    canvas.show(folded(LOOP, {"loop"}), {})
    assert canvas.children != (before,)
    assert set(canvas.labels) == {"load", "loop", "report"}
    canvas.close()


class Submitting:
    """A pipeline that keeps what it is told to submit."""

    name = "p"

    def __init__(self) -> None:
        self.sent: list[tuple[dict[str, Any], Options]] = []
        self.error: JupyterKfpError | None = None

    def compile(self) -> str:
        return (DATA / "control_flow.yaml").read_text(encoding="utf-8")

    def submit(self, parameters: dict[str, Any], options: Options) -> Submission:
        if self.error is not None:
            raise self.error
        self.sent.append((parameters, options))
        return Submission("r1", "the name", "https://there/runs/r1", "prod", "tests", followed=False)


def until(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_submitting_takes_profile_experiment_name_and_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    profiles = {name: make(name, endpoint=f"https://{name}.example") for name in ("prod", "test")}
    monkeypatch.setattr("jupyter_kfp.remote.profiles.load", lambda: profiles)
    monkeypatch.setattr("jupyter_kfp.remote.profiles.find", lambda: profiles["prod"])
    pipeline = Submitting()
    shown = widget.pipeline_widget(pipeline, print)  # type: ignore[arg-type]  # no more of it is used
    form = shown.submission
    assert form.profile.options == (("prod (default)", "prod"), ("test", "test"))
    form.profile.value, form.experiment.value, form.title.value, form.cache.value = "test", " e ", "n", False
    shown.submit_button.click()
    until(lambda: "https://there/runs/r1" in shown._headline.value)
    assert pipeline.sent == [
        (shown.parameters.values(), Options(profile="test", experiment="e", name="n", cache=False))
    ]
    assert not shown.run_button.disabled
    form.experiment.value = form.title.value = ""
    pipeline.error = UsageError("There is <no> cluster.", "Add one.")
    shown.submit_button.click()
    until(lambda: "There is &lt;no&gt; cluster." in shown._headline.value)
    assert not shown.submit_button.disabled
    shown.close()


def test_boxes_close_and_open_and_steps_show_their_code_before_a_run() -> None:
    shown = widget.pipeline_widget(Submitting(), print)  # type: ignore[arg-type]  # no more of it is used
    all_ = set(shown.canvas.labels)
    boxes = {group.id for group in shown.graph.groups}
    shown.close_button.click()
    assert set(shown.canvas.labels) < all_
    shown.open_button.click()
    assert set(shown.canvas.labels) == all_
    box = next(iter(boxes))
    shown._clicked(box)
    assert box in shown.canvas.labels
    assert set(shown.canvas.labels) != all_
    node = shown.graph.nodes[0].id
    shown._clicked(node)
    until(lambda: "has not run yet" in shown.step.pages["Log"].value)
    assert shown.step.path == node
    assert shown.step.pages["Code"].value
    shown.close()


def test_closing_a_canvas_closes_all_of_it() -> None:
    there = set(ipywidgets.widgets.widget._instances)
    canvas = Canvas(print)
    canvas.show(LOOP, {})
    canvas.show(folded(LOOP, {"loop"}), {})
    canvas.close()
    assert set(ipywidgets.widgets.widget._instances) == there


def test_without_the_packages_there_is_the_picture_and_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(widget, "_NEEDED", ("ipywidgets", "no_such_package"))

    class Pipeline:
        def compile(self) -> str:
            return next(DATA.glob("*.yaml")).read_text(encoding="utf-8")

    shown = widget.pipeline_widget(Pipeline(), print)  # type: ignore[arg-type]  # no more of it is used
    with capture_output() as said:
        shown._ipython_display_()
    assert "pip install 'jupyter-kfp[widget]'" in said.stdout
    assert "no_such_package" in said.stdout
    assert shown._repr_mimebundle_()["image/svg+xml"].startswith("<svg")


def test_an_exported_notebook_has_the_picture() -> None:
    from nbconvert import HTMLExporter
    from nbformat.v4 import new_code_cell, new_notebook, new_output

    class Pipeline:
        name = "p"

        def compile(self) -> str:
            return (DATA / "control_flow.yaml").read_text(encoding="utf-8")

    made = widget.pipeline_widget(Pipeline(), print)  # type: ignore[arg-type]  # no more of it is used
    bundle = made._repr_mimebundle_()
    made.close()
    assert set(bundle) == {"text/plain", "image/svg+xml", "application/vnd.jupyter.widget-view+json"}
    output = new_output("execute_result", bundle)
    page, _ = HTMLExporter().from_notebook_node(
        new_notebook(cells=[new_code_cell("preview()", outputs=[output])])
    )
    assert base64.b64encode(bundle["image/svg+xml"].encode()).decode() in page
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] not in page
