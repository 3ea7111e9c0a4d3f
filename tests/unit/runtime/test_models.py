"""Fitted models predict the same after a round trip, and keep the parameters they were made with."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from jupyter_kfp.runtime import serializers
from jupyter_kfp.runtime.fingerprint import fingerprint

X, Y = load_iris(return_X_y=True, as_frame=True)
X = X.rename(columns=lambda c: c.replace(" ", "_").replace("(", "").replace(")", ""))

MODELS = [
    RandomForestClassifier(3, random_state=0),
    GradientBoostingClassifier(n_estimators=2),
    HistGradientBoostingClassifier(max_iter=2),
    make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
    make_pipeline(ColumnTransformer([("scale", StandardScaler(), [0, 1])]), SVC(C=2)),
    KNeighborsClassifier(),
    KMeans(3, random_state=0),
    MLPClassifier(max_iter=500, random_state=0),
    GaussianNB(),
    GaussianProcessClassifier(),
    LinearRegression(),
    xgboost.XGBClassifier(n_estimators=2, learning_rate=0.3),
    xgboost.XGBRegressor(n_estimators=2),
    lightgbm.LGBMClassifier(n_estimators=2, verbose=-1),
]


def name(model):
    return type(model).__name__


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model", MODELS, ids=name)
def test_estimators(tmp_path, model):
    model.fit(X, Y)
    before = fingerprint(model)
    metadata = serializers.save(model, tmp_path / "m")
    back = serializers.load(tmp_path / "m", metadata)
    assert metadata["serializer"] == "skops"
    assert type(back) is type(model)
    assert np.array_equal(back.predict(X), model.predict(X))
    assert str(back.get_params()) == str(model.get_params())
    assert fingerprint(model) == before  # neither saving nor predicting is a change
    back.fit(X, Y)
    assert np.array_equal(back.predict(X), model.predict(X))
    model.fit(X.iloc[::-1] * 2, Y)
    assert fingerprint(model) != before


def test_unfitted_estimators_keep_their_parameters(tmp_path):
    metadata = serializers.save(SVC(C=3), tmp_path / "m")
    assert serializers.load(tmp_path / "m", metadata).C == 3


def test_without_skops_joblib_is_used(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "skops.io", None)
    model = LinearRegression().fit(X, Y)
    metadata = serializers.save(model, tmp_path / "m")
    assert metadata["serializer"] == "joblib"
    assert np.array_equal(serializers.load(tmp_path / "m", metadata).predict(X), model.predict(X))
    monkeypatch.setenv("JUPYTER_KFP_NO_PICKLE", "1")
    with pytest.raises(TypeError, match="NO_PICKLE"):
        serializers.save(model, tmp_path / "m")


def test_functions_inside_an_estimator_need_a_pickle(tmp_path):
    model = make_pipeline(FunctionTransformer(lambda x: x * 2), LinearRegression()).fit(X, Y)
    metadata = serializers.save(model, tmp_path / "m")
    assert metadata["serializer"] == "cloudpickle"
    assert np.array_equal(serializers.load(tmp_path / "m", metadata).predict(X), model.predict(X))


def test_estimators_of_the_notebook_refer_to_its_classes(tmp_path, monkeypatch):
    class Doubler(TransformerMixin, BaseEstimator):
        def fit(self, x, y=None):
            return self

        def transform(self, x):
            return x * 2

    Doubler.__module__ = "__main__"
    Doubler.__qualname__ = "Doubler"
    monkeypatch.setattr(sys.modules["__main__"], "Doubler", Doubler, raising=False)
    metadata = serializers.save(make_pipeline(Doubler()), tmp_path / "m", ["Doubler"], {"Doubler": Doubler})
    assert metadata["serializer"] == "cloudpickle"
    other = type("Doubler", (Doubler,), {})
    assert type(serializers.load(tmp_path / "m", metadata, {"Doubler": other})[0]) is other


def test_a_file_of_untrusted_types_is_not_loaded(tmp_path):
    import skops.io

    skops.io.dump(
        make_pipeline(FunctionTransformer(np.fft.fft), FunctionTransformer(sys.exit)), tmp_path / "m"
    )
    with pytest.raises(TypeError, match="skops does not trust"):
        serializers.load(tmp_path / "m", {"serializer": "skops"})


def test_xgboost_booster(tmp_path):
    data = xgboost.DMatrix(X, Y)
    booster = xgboost.train({"max_depth": 2}, data, 2)
    before = fingerprint(booster)
    metadata = serializers.save(booster, tmp_path / "m")
    back = serializers.load(tmp_path / "m", metadata)
    assert metadata["serializer"] == "xgboost"
    assert np.array_equal(back.predict(data), booster.predict(data))
    assert back.feature_names == list(X.columns)
    assert fingerprint(booster) == before


def test_lightgbm_booster(tmp_path):
    booster = lightgbm.train({"verbose": -1}, lightgbm.Dataset(X, Y), 2)
    before = fingerprint(booster)
    metadata = serializers.save(booster, tmp_path / "m")
    back = serializers.load(tmp_path / "m", metadata)
    assert metadata["serializer"] == "lightgbm"
    assert np.array_equal(back.predict(X), booster.predict(X))
    assert fingerprint(booster) == before


class Tensor:
    """Stands for torch.Tensor where PyTorch is not installed; test_torch.py has the real one."""

    requires_grad = False

    def __init__(self, numbers):
        self.numbers = numbers


Tensor.__module__ = "torch"


@pytest.fixture
def torch(monkeypatch):
    """The few calls the runtime makes, recorded as text files."""

    def save(value, path):
        path.write_text(",".join(map(str, value.numbers)))

    def load(path, weights_only):
        assert weights_only  # nothing but tensors is unpickled
        return Tensor([int(n) for n in path.read_text().split(",")])

    def save_file(values, path):
        path.write_text(";".join(f"{k}={v.numbers[0]}" for k, v in values.items()))

    def load_file(path):
        pairs = (pair.split("=") for pair in path.read_text().split(";"))
        return {k: Tensor([int(v)]) for k, v in pairs}

    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(save=save, load=load))
    monkeypatch.setitem(
        sys.modules, "safetensors.torch", SimpleNamespace(save_file=save_file, load_file=load_file)
    )


@pytest.mark.usefixtures("torch")
def test_tensors_and_state_dicts(tmp_path):
    metadata = serializers.save(Tensor([1, 2]), tmp_path / "t")
    assert metadata["serializer"] == "torch"
    assert serializers.load(tmp_path / "t", metadata).numbers == [1, 2]
    metadata = serializers.save({"a": Tensor([1]), "b": Tensor([2])}, tmp_path / "d")
    assert metadata["serializer"] == "safetensors"
    assert serializers.load(tmp_path / "d", metadata)["b"].numbers == [2]
