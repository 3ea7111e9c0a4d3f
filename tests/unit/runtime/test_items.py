"""What a loop binds, and what an exit step is told."""

from __future__ import annotations

import copy
import json
import pickle
from collections import OrderedDict

import pytest

from jupyter_kfp.runtime.items import Fields, item
from jupyter_kfp.runtime.status import FinalStatus


def test_the_values_of_a_dict_are_attributes():
    config = item({"lr": 0.1, "name": "a"})
    assert (config.lr, config["name"]) == (0.1, "a")
    with pytest.raises(AttributeError, match="no field 'rl', only lr, name"):
        _ = config.rl


def test_anything_else_stays_what_it_is():
    for value in (1, "a", [{"a": 1}], OrderedDict(a=1), None):
        assert item(value) is value


def test_it_is_a_dict():
    config = Fields(lr=0.1)
    assert config == {"lr": 0.1}
    assert json.dumps(config) == '{"lr": 0.1}'
    for made in (copy.copy(config), copy.deepcopy(config), pickle.loads(pickle.dumps(config))):
        assert made == config
        assert type(made) is Fields
        assert made.lr == 0.1


def test_a_status_has_what_kfp_gives():
    status = FinalStatus("FAILED", error_message="it broke")
    assert (status.state, status.error_code, status.error_message) == ("FAILED", None, "it broke")
    assert (status.pipeline_job_resource_name, status.pipeline_task_name) == ("", "")
