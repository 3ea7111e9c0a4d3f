"""Values refer to the notebook's code by name where the consumer has it, and carry it where not."""

from __future__ import annotations

import pytest

from jupyter_kfp.runtime.items import Fields
from jupyter_kfp.runtime.pickling import dumps, loads


@pytest.fixture
def notebook():
    """The namespace of a notebook with a class, functions and data."""
    space = {"__name__": "__main__"}
    source = """
import math
rate = 2
class Model:
    def predict(self): return rate
    class Part:
        pass
class Wrong(Exception):
    def __init__(self, n):
        super().__init__(f"{n} is wrong")
        self.n = n
def double(x): return x * rate
def root(x): return math.sqrt(double(x))
def make(n): return lambda x: x + n
"""
    exec(source, space)
    return space


def test_instances_become_instances_of_the_consumers_class(notebook):
    data = dumps([notebook["Model"](), notebook["Model"]], ["Model"], notebook)
    consumer = {"Model": type("Model", (), {})}
    value, kind = loads(data, consumer)
    assert type(value) is kind is consumer["Model"]


def test_without_the_name_the_class_travels_by_value(notebook):
    assert loads(dumps(notebook["Model"](), (), notebook)).predict() == 2


def test_a_name_the_consumer_lacks_is_an_error(notebook):
    with pytest.raises(KeyError, match="Model"):
        loads(dumps(notebook["Model"](), ["Model"], notebook), {})


def test_a_function_by_value_warns_of_the_data_it_copies(notebook, caplog):
    assert loads(dumps({"f": notebook["double"]}, (), notebook))["f"](3) == 6
    assert "double() takes along a copy of rate" in caplog.text


def test_a_function_by_name_or_without_data_does_not_warn(notebook, caplog):
    dumps(notebook["double"], ["double"], notebook)
    dumps(notebook["root"], ["double"], notebook)
    dumps(notebook["make"](1), (), notebook)
    assert caplog.text == ""


def test_classes_inside_a_class_are_the_consumers_too(notebook):
    part = type("Part", (), {})
    consumer = {"Model": type("Model", (), {"Part": part})}
    assert type(loads(dumps(notebook["Model"].Part(), ["Model"], notebook), consumer)) is part


def test_a_function_reads_the_consumers_namespace(notebook):
    data = dumps([notebook["double"], notebook["root"]], (), notebook)
    consumer = {"rate": 10}
    double, root = loads(data, consumer)
    assert double(3) == 30
    consumer["rate"] = 12
    assert root(3) == 6
    assert consumer["double"] is double


def test_what_it_reads_travels_for_names_the_consumer_lacks(notebook):
    space = {}
    assert loads(dumps(notebook["double"], (), notebook), space)(3) == 6
    assert space["rate"] == 2


def test_exceptions_keep_their_message(notebook):
    error = loads(dumps(notebook["Wrong"](3), ["Wrong"], notebook), notebook)
    assert (str(error), error.n, type(error)) == ("3 is wrong", 3, notebook["Wrong"])


def test_items_of_loops_that_a_step_pickled_are_read_outside_of_steps():
    packed = dumps(Fields(lr=0.1)).replace(b"jupyter_kfp.runtime", b"jupyter_kfp_runtime")
    assert loads(packed).lr == 0.1
