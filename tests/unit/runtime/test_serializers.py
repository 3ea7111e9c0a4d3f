"""load(save(x)) is x again, for every serializer; and what an artifact says about itself."""

from __future__ import annotations

import datetime as dt
import io
import json
import math
import string
import threading
from collections import OrderedDict, deque
from decimal import Decimal
from importlib.metadata import EntryPoint
from pathlib import Path

import matplotlib.figure
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.extra import pandas as hpd
from pandas.testing import assert_frame_equal, assert_series_equal

from jupyter_kfp.runtime import serializers
from jupyter_kfp.runtime.artifacts import Dataset, Metrics

COMMON = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("artifacts") / "value"


def again(value, path):
    """The value after a round trip, and the metadata of its artifact."""
    metadata = serializers.save(value, path)
    json.dumps(metadata)
    assert not path.with_name(path.name + ".part").exists()
    return serializers.load(path, metadata), metadata


def typed(value):
    """``value`` with the type of everything in it, so that ``==`` also compares types; NaN is itself."""
    match value:
        case float() if math.isnan(value):
            return (type(value), "nan")
        case float():
            return (type(value), value, math.copysign(1, value))
        case dict():
            return (type(value), [(typed(k), typed(v)) for k, v in value.items()])
        case set() | frozenset():
            return (type(value), sorted(map(repr, map(typed, value))))
        case list() | tuple() | deque():
            return (type(value), [typed(v) for v in value])
    return (type(value), value)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.complex_numbers(allow_nan=False)
)
VALUES = st.recursive(
    SCALARS,
    lambda v: (
        st.lists(v)
        | st.tuples(v, v)
        | st.dictionaries(st.text() | st.integers() | st.booleans(), v)
        | st.frozensets(st.integers() | st.text())
    ),
    max_leaves=12,
)


@COMMON
@given(value=VALUES)
def test_plain_values_come_back_with_their_types(place, value):
    back, _ = again(value, place)
    assert typed(back) == typed(value)


@pytest.mark.parametrize(
    ("value", "serializer"),
    [
        ({"a": [1, 2.5, None, True, "x"]}, "json"),
        (3, "json"),
        ([], "json"),
        ((1, 2), "cloudpickle"),
        ([(1, 2)], "cloudpickle"),
        ({1: 2}, "cloudpickle"),
        (float("nan"), "cloudpickle"),
        ([1.0, float("inf")], "cloudpickle"),
        (OrderedDict(a=1), "cloudpickle"),
        ("text\r\n\u20ac", "text"),
        (b"\0bytes", "bytes"),
        pytest.param(10**5000, "cloudpickle", id="many digits"),
        (dt.date(2020, 1, 2), "cloudpickle"),
    ],
)
def test_json_only_takes_what_it_gives_back(place, value, serializer):
    back, metadata = again(value, place)
    assert metadata["serializer"] == serializer
    assert typed(back) == typed(value)


def test_a_list_that_holds_one_list_twice_keeps_it_one(place):
    inner = [1]
    back, metadata = again([inner, inner], place)
    assert metadata["serializer"] == "cloudpickle"
    assert back[0] is back[1]


@pytest.mark.filterwarnings("ignore:Stored array in format 3.0")
@COMMON
@given(
    array=st.one_of(
        hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0)),
        hnp.arrays(hnp.nested_dtypes(max_leaves=3), hnp.array_shapes(max_dims=2, max_side=3)),
    )
)
def test_arrays(place, array):
    back, metadata = again(array, place)
    assert type(back) is type(array)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()
    assert metadata["serializer"].startswith("numpy")


def test_array_of_objects_masked_array_and_scalar(place):
    back, metadata = again(np.array([1, "a", None, [2]], dtype=object), place)
    assert (back.tolist(), metadata["serializer"]) == ([1, "a", None, [2]], "cloudpickle")
    back, _ = again(np.ma.array([1, 2], mask=[True, False]), place)
    assert back.mask.tolist() == [True, False]
    back, _ = again(np.float32(1.5), place)
    assert (type(back), back) == (np.float32, 1.5)


def test_dict_of_arrays(place):
    back, metadata = again({"x": np.arange(3), "a/b": np.eye(2)}, place)
    assert metadata["serializer"] == "npz"
    assert list(back) == ["x", "a/b"]
    assert back["a/b"].tolist() == [[1, 0], [0, 1]]
    back, _ = again({"file": np.arange(2)}, place)  # the name of savez's own argument
    assert back["file"].tolist() == [0, 1]


COLUMNS = [
    hpd.column("i", dtype=np.int64),
    hpd.column("f", dtype=np.float32),
    hpd.column("b", dtype=bool),
    hpd.column("t", dtype="datetime64[ns]"),
    hpd.column("d", dtype="timedelta64[ns]"),
    hpd.column("s", elements=st.text(string.printable, max_size=3), dtype=object),
    hpd.column(
        "o", elements=st.none() | st.integers(-9, 9) | st.text("ab", max_size=2) | st.just((1,)), dtype=object
    ),
]
INDEXES = st.sampled_from(["range", "shifted", "text", "dates", "multi", "floats", "named"])


def indexed(frame, kind):
    n = len(frame)
    match kind:
        case "shifted":
            frame.index = range(5, 5 + 2 * n, 2)
        case "text":
            frame.index = pd.Index([f"r{i % 3}" for i in range(n)])
        case "dates":
            frame.index = pd.date_range("2020-01-01", periods=n, freq="D", tz="Europe/Paris")
        case "multi":
            frame.index = pd.MultiIndex.from_arrays([list("ab" * n)[:n], range(n)], names=["k", None])
        case "floats":
            frame.index = pd.Index(np.arange(n) / 2)
        case "named":
            frame.index.name = "row"
    return frame


@COMMON
@given(
    frame=st.lists(st.sampled_from(COLUMNS), max_size=4, unique_by=lambda c: c.name).flatmap(
        lambda columns: hpd.data_frames(columns, index=hpd.range_indexes(max_size=5))
    ),
    kind=INDEXES,
)
def test_frames(place, frame, kind):
    frame = indexed(frame, kind)
    back, metadata = again(frame, place)
    assert_frame_equal(back, frame, check_exact=True)
    for name in frame.columns:
        assert list(map(type, back[name])) == list(map(type, frame[name]))
    assert metadata["rows"] == len(frame)
    assert list(json.loads(metadata["schema"])) == list(frame.columns)


FRAMES = {
    "categories": pd.DataFrame({"c": pd.Categorical(["a", "b", None], ["b", "a", "z"], ordered=True)}),
    "nullable": pd.DataFrame({"i": pd.array([1, None], "Int64"), "b": pd.array([True, None], "boolean")}),
    "strings": pd.DataFrame({"s": pd.array(["x", None], "string")}),
    "int columns": pd.DataFrame(np.eye(2), columns=[3, 1]),
    "two levels of columns": pd.DataFrame(
        [[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")])
    ),
    "named columns": pd.DataFrame({"a": [1]}).rename_axis(columns="c"),
    "timestamps as columns": pd.DataFrame([[1, 2]], columns=pd.date_range("2020", periods=2)),
    "equal columns": pd.DataFrame([[1, 2]], columns=["a", "a"]),
    "mixed columns": pd.DataFrame([[1, 2]], columns=["a", 1]),
    "mixed objects": pd.DataFrame({"o": [1, "a", None, float("nan"), (2,)]}),
    "lists": pd.DataFrame({"o": [[1], [2, 3]]}),
    "decimals": pd.DataFrame({"o": [Decimal("1.10"), Decimal("2")]}),
    "dates": pd.DataFrame({"o": [dt.date(2020, 1, 1), None]}),
    "intervals": pd.DataFrame({"i": pd.interval_range(0, 2)}),
    "periods": pd.DataFrame({"p": pd.period_range("2020", periods=2, freq="M")}),
    "complex": pd.DataFrame({"z": [1j]}),
    "attributes": pd.DataFrame({"a": [1]}),
    "no columns": pd.DataFrame(index=[1, 2]),
    "nothing": pd.DataFrame(),
    "seconds": pd.DataFrame({"t": np.array(["2020-01-01"], "datetime64[s]")}),
    "late object": pd.DataFrame({"o": ["a"] * 150 + [1]}),
    "float16": pd.DataFrame({"f": np.array([1.5], np.float16)}),
}
FRAMES["attributes"].attrs = {"source": "lab"}


@pytest.mark.filterwarnings("ignore:The DataFrame has column names of mixed type")
@pytest.mark.parametrize("name", FRAMES)
def test_odd_frames(place, name):
    frame = FRAMES[name]
    back, _ = again(frame, place)
    assert_frame_equal(back, frame, check_exact=True)
    assert back.attrs == frame.attrs
    for position in range(frame.shape[1]):
        assert list(map(type, back.iloc[:, position])) == list(map(type, frame.iloc[:, position]))


@pytest.mark.parametrize(
    "name", ["categories", "nullable", "strings", "int columns", "named columns", "attributes", "dates"]
)
def test_frames_travel_as_parquet_wherever_it_is_exact(place, name):
    assert again(FRAMES[name], place)[1]["serializer"] == "parquet"
    assert pd.read_parquet(place).shape == FRAMES[name].shape


@pytest.mark.parametrize("name", ["x", None, "", 0, ("a", 1)])
def test_series(place, name):
    series = pd.Series([1.5, None], index=pd.date_range("2020", periods=2, freq="D"), name=name)
    back, _ = again(series, place)
    assert_series_equal(back, series)


def test_subclasses_of_frames_stay_what_they_are(place):
    class Mine(pd.DataFrame):
        pass

    back, metadata = again(Mine({"a": [1]}), place)
    assert type(back).__name__ == "Mine"
    assert metadata["serializer"] == "cloudpickle"


POLARS = pl.DataFrame(
    {
        "i": [1, None],
        "s": ["x", "y"],
        "l": [[1], [2, 3]],
        "d": [dt.date(2020, 1, 1), None],
        "t": [dt.timedelta(1)] * 2,
    }
).with_columns(
    c=pl.col("s").cast(pl.Categorical), e=pl.col("s").cast(pl.Enum(["y", "x"])), u=pl.struct("i", "s")
)


def test_polars(place):
    back, metadata = again(POLARS, place)
    assert back.equals(POLARS)
    assert back.schema == POLARS.schema
    assert (metadata["serializer"], metadata["rows"]) == ("polars", 2)
    series, _ = again(POLARS["l"], place)
    assert series.to_list() == [[1], [2, 3]]
    assert series.name == "l"
    lazy, _ = again(POLARS.lazy().filter(pl.col("i") == 1), place)
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().height == 1


def test_arrow(place):
    table = pa.table({"a": pa.chunked_array([[1], [2, None]]), "s": ["x", "y", "z"]}).replace_schema_metadata(
        {"k": "v"}
    )
    back, metadata = again(table, place)
    assert back.equals(table, check_metadata=True)
    assert (metadata["serializer"], metadata["rows"]) == ("arrow", 3)
    assert json.loads(metadata["schema"]) == {"a": "int64", "s": "string"}
    batch = pa.record_batch({"a": [1, 2]})
    back, _ = again(batch, place)
    assert isinstance(back, pa.RecordBatch)
    assert back.equals(batch)


def test_matplotlib_figure_is_a_page_and_comes_back(place):
    figure = matplotlib.figure.Figure()
    figure.add_subplot().plot([1, 2], [3, 4], label="line")
    back, metadata = again(figure, place)
    assert metadata["serializer"] == "matplotlib"
    assert place.read_text().startswith('<img src="data:image/png;base64,')
    assert back.axes[0].lines[0].get_xydata().tolist() == [[1, 3], [2, 4]]


def test_plotly_figure_is_a_page_and_comes_back_without_pickle(place, monkeypatch):
    monkeypatch.setenv("JUPYTER_KFP_NO_PICKLE", "1")
    figure = go.Figure(go.Bar(x=["</script>", "b"], y=[1, 2]), layout={"title": {"text": 'json">'}})
    back, metadata = again(figure, place)
    assert metadata["serializer"] == "plotly"
    assert back == figure
    assert "<html>" in place.read_text("utf-8")


def test_artifact_objects(place, tmp_path):
    metrics = Metrics(metadata={"size": 7, "ratio": np.float32(0.5), "loss": math.inf, "curve": np.arange(2)})
    back, metadata = again(metrics, place)
    assert type(back).__name__ == "Metrics"
    assert back.metadata == {"size": 7, "ratio": 0.5, "loss": "Infinity", "curve": [0, 1]}
    assert metadata["serializer"] == "artifact"
    data = Dataset(name="d")
    Path(data.path).write_text("rows")
    back, _ = again(data, place)
    assert Path(back.path).read_text() == "rows"
    folder = Dataset(uri=str(tmp_path))
    (tmp_path / "a.txt").write_text("a")
    back, _ = again(folder, place)
    assert Path(back.path, "a.txt").read_text() == "a"


def test_kfp_artifacts_are_artifacts(place):
    dsl = pytest.importorskip("kfp.dsl")
    back, _ = again(dsl.Metrics(name="m", metadata={"a": 1}), place)
    assert isinstance(back, dsl.Metrics)
    assert back.metadata == {"a": 1}


def test_a_foreign_file_becomes_an_artifact_object(tmp_path):
    file = tmp_path / "data.csv"
    file.write_text("a,b")
    value = serializers.load(file, {"python_type": ".Dataset", "size": 3}, uri="gs://bucket/data.csv")
    assert (type(value).__name__, value.uri, value.path) == (
        "Dataset",
        "gs://bucket/data.csv",
        "/gcs/bucket/data.csv",
    )
    assert value.metadata == {"size": 3}


class TestPaths:
    @pytest.fixture(autouse=True)
    def _places(self, tmp_path, monkeypatch):
        self.producer, self.consumer, self.store = (tmp_path / n for n in ("producer", "consumer", "store"))
        for folder in (self.producer, self.consumer, self.store):
            folder.mkdir()
        self.go = monkeypatch.chdir

    def travel(self, path):
        self.go(self.producer)
        metadata = serializers.save(path, self.store / "p")
        self.go(self.consumer)
        return serializers.load(self.store / "p", metadata)

    def test_a_relative_file_is_there_under_its_name(self):
        (self.producer / "out").mkdir()
        (self.producer / "out/a.txt").write_text("made")
        assert self.travel(Path("out/a.txt")) == Path("out/a.txt")
        assert (self.consumer / "out/a.txt").read_text() == "made"

    def test_a_directory_travels_with_all_that_is_in_it(self):
        (self.producer / "d/e").mkdir(parents=True)
        (self.producer / "d/e/x").write_bytes(b"\0x")
        (self.producer / "d/empty").mkdir()
        self.travel(Path("d"))
        assert (self.consumer / "d/e/x").read_bytes() == b"\0x"
        assert (self.consumer / "d/empty").is_dir()

    def test_a_link_to_the_users_file_is_replaced_not_written_through(self):
        own = self.store / "own.csv"
        own.write_text("user")
        (self.consumer / "own.csv").symlink_to(own)
        (self.producer / "own.csv").write_text("made")
        self.travel(Path("own.csv"))
        assert (self.consumer / "own.csv").read_text() == "made"
        assert own.read_text() == "user"

    def test_an_absolute_path_is_restored_only_where_it_is_missing(self):
        file = self.producer / "abs.txt"
        file.write_text("one")
        self.travel(file)
        file.write_text("two")
        self.travel_back = self.travel(file)
        assert file.read_text() == "two"
        metadata = serializers.save(file, self.store / "q")
        file.unlink()
        assert serializers.load(self.store / "q", metadata).read_text() == "two"

    @pytest.mark.parametrize("path", [Path("missing.txt"), Path(), Path("/")])
    def test_nothing_but_the_path_travels(self, path):
        assert self.travel(path) == path
        assert list(self.consumer.iterdir()) == []


class TestMetadata:
    def test_describes_the_content(self, tmp_path):
        metadata = serializers.save("abc", tmp_path / "x")
        assert metadata == {
            "serializer": "text",
            "python_type": "builtins.str",
            "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "size": 3,
        }

    def test_digest_of_a_directory_is_of_names_and_bytes(self, tmp_path):
        from jupyter_kfp.runtime.files import digest

        def make(name, files):
            for file, text in files:
                (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name / file).write_text(text)
            return digest(tmp_path / name)

        one = make("one", [("a", "1"), ("b/c", "2")])
        assert make("two", [("b/c", "2"), ("a", "1")]) == one
        assert make("three", [("a", "1"), ("b/d", "2")]) != one
        assert make("four", [("a", "12"), ("b/c", "")]) != one

    def test_saving_replaces_file_and_directory(self, tmp_path):
        path = tmp_path / "x"
        path.mkdir()
        (path / "old").touch()
        serializers.save("new", path)
        assert path.read_text() == "new"


def test_a_failed_save_leaves_what_was_there(tmp_path):
    path = tmp_path / "x"
    serializers.save("old", path)
    with pytest.raises(TypeError, match="pickle"):
        serializers.save(threading.Lock(), path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


class TestPickles:
    def test_can_be_switched_off(self, place, monkeypatch):
        monkeypatch.setenv("JUPYTER_KFP_NO_PICKLE", "1")
        with pytest.raises(TypeError, match="JUPYTER_KFP_NO_PICKLE"):
            again({1, 2}, place)
        assert again([1], place)[0] == [1]

    def test_nothing_else_is_unpickled(self, place, monkeypatch):
        """Loading any other format works with unpickling made impossible."""
        values = [FRAMES["nullable"], np.eye(2), POLARS, {"a": 1}, pa.table({"a": [1]}), "x", Path("no")]

        def refuse(*_, **__):
            raise AssertionError("unpickled")

        for value in values:
            metadata = serializers.save(value, place)
            with monkeypatch.context() as patch:
                for name in ("load", "loads", "Unpickler"):
                    patch.setattr(f"pickle.{name}", refuse)
                serializers.load(place, metadata)


@pytest.mark.parametrize(
    "make",
    [
        threading.Lock,
        lambda: (i for i in ()),
        lambda: io.TextIOWrapper(io.BytesIO()),
        lambda: pl.DataFrame({"o": [object]}, schema={"o": pl.Object}),
        lambda: __import__("sqlite3").connect(":memory:"),
    ],
)
def test_what_belongs_to_a_process_is_refused(place, make):
    with pytest.raises((TypeError, pl.exceptions.PolarsError)):
        serializers.save(make(), place)


class Celsius:
    """A type of a user's package."""

    def __init__(self, degrees):
        self.degrees = degrees


class CelsiusSerializer:
    """A serializer of a user's package."""

    name = "celsius"

    def matches(self, value):
        return isinstance(value, Celsius)

    def save(self, value, path):
        path.mkdir()
        if value.degrees < -273:
            raise ValueError("too cold")
        (path / "degrees").write_text(str(value.degrees))

    def load(self, path):
        return Celsius(int((path / "degrees").read_text()))


@pytest.fixture
def own_serializer(monkeypatch):
    entry = EntryPoint("celsius", f"{__name__}:CelsiusSerializer", "jupyter_kfp.serializers")
    monkeypatch.setattr(EntryPoint, "load", lambda self: CelsiusSerializer)
    monkeypatch.setattr(serializers, "entry_points", lambda group: [entry] if group == entry.group else [])
    serializers._registry.cache_clear()
    yield
    serializers._registry.cache_clear()


@pytest.mark.usefixtures("own_serializer")
class TestOwnSerializers:
    def test_come_first(self, place):
        back, metadata = again(Celsius(20), place)
        assert (back.degrees, metadata["serializer"]) == (20, "celsius")

    def test_their_failure_is_not_passed_over(self, place):
        with pytest.raises(ValueError, match="too cold"):
            again(Celsius(-300), place)


def test_a_serializer_that_is_not_installed_is_named(place):
    with pytest.raises(LookupError, match="celsius"):
        serializers.load(place, {"serializer": "celsius"})
