"""load(save(x)) is x, for the real PyTorch. It is too large to be a dependency of the tests."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_kfp.runtime import serializers

torch = pytest.importorskip("torch", reason="PyTorch is not installed (2 GB): pip install torch to run these")

DTYPES = [
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int8,
    torch.uint8,
    torch.bool,
]
SHAPES = st.lists(st.integers(0, 4), max_size=3)


def round_trip(value):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "value"
        metadata = serializers.save(value, path)
        return serializers.load(path, metadata), metadata["serializer"]


def tensor(shape, dtype, seed):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(shape, generator=generator) * 100).to(dtype)


def same(left, right):
    return left.dtype == right.dtype and left.shape == right.shape and torch.equal(left, right)


@given(SHAPES, st.sampled_from(DTYPES), st.integers(0, 1000))
@settings(deadline=None, max_examples=40)
def test_a_tensor(shape, dtype, seed):
    value = tensor(shape, dtype, seed)
    loaded, serializer = round_trip(value)
    assert same(loaded, value)
    assert serializer == "torch"


@given(st.booleans())
@settings(deadline=None)
def test_a_tensor_keeps_whether_it_is_trained(trained):
    loaded, _ = round_trip(torch.ones(2, requires_grad=trained))
    assert loaded.requires_grad is trained


@given(
    st.dictionaries(
        st.text("abc.", min_size=1), st.tuples(SHAPES, st.sampled_from(DTYPES)), min_size=1, max_size=4
    )
)
@settings(deadline=None, max_examples=40)
def test_a_dict_of_tensors(described):
    value = {name: tensor(shape, dtype, 1) for name, (shape, dtype) in described.items()}
    loaded, _ = round_trip(value)
    assert list(loaded) == list(value)
    assert all(same(loaded[name], value[name]) for name in value)


def test_a_dict_of_trained_tensors_stays_trained():
    loaded, _ = round_trip({"w": torch.ones(2, requires_grad=True), "b": torch.ones(1)})
    assert (loaded["w"].requires_grad, loaded["b"].requires_grad) == (True, False)


def test_a_state_dict_goes_back_into_its_module():
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
    loaded, _ = round_trip(module.state_dict())
    other = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
    other.load_state_dict(loaded)
    data = torch.rand(5, 3)
    assert torch.equal(module.eval()(data), other.eval()(data))


def test_tied_weights_stay_values_of_their_own_names():
    shared = torch.rand(3)
    loaded, _ = round_trip({"a": shared, "b": shared})
    assert same(loaded["a"], shared)
    assert same(loaded["b"], shared)


def test_a_module():
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1)).eval()
    loaded, _ = round_trip(module)
    data = torch.rand(5, 3)
    assert torch.equal(module(data), loaded(data))
