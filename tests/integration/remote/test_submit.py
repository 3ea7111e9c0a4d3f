"""What reaches the server of a pipeline that is handed to it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

import jupyter_kfp
from jupyter_kfp.errors import JupyterKfpWarning, UsageError
from jupyter_kfp.options import PipelineOptions, StepOptions
from jupyter_kfp.remote import package, profiles, trigger, versions
from jupyter_kfp.remote.errors import ApiError, Trouble, UnreachableError
from jupyter_kfp.remote.http import Connection
from jupyter_kfp.remote.profile import Profile, make
from jupyter_kfp.remote.submit import Options, submit
from jupyter_kfp.store.store import Store
from tests.integration.remote.test_preflight import free_port
from tests.kfp_server.process import Cluster
from tests.unit.compiler import test_options
from tests.unit.compiler.cases import Compiled, compiled, one_step
from tests.unit.engine.building import pipeline, python, task

PARAMETERS = pipeline(
    {"a": task(python("pass"), inputs={"n": "$n"})}, parameters={"n": "NUMBER_INTEGER", "s": ("STRING", "x")}
)


@pytest.fixture(autouse=True)
def held(cluster: Cluster, profile: Profile) -> None:
    """Nothing is executed here, and the cluster is the default."""
    cluster.control(hold=True)
    profiles.save(profile)


def sent(cluster: Cluster, path: str = "/runs") -> dict[str, Any]:
    (request,) = cluster.requests("POST", path)
    body: dict[str, Any] = request["body"]
    return body


def test_a_run_is_started_and_remembered(cluster: Cluster, store: Store) -> None:
    made = submit(PARAMETERS, {"n": 3}, options=Options(name="mine", experiment="first"))
    body = sent(cluster)
    assert body["display_name"] == "mine"
    assert body["runtime_config"]["parameters"] == {"n": 3}
    assert body["runtime_config"]["pipeline_root"] == cluster.pipeline_root
    assert made.url == f"{cluster.url}/#/runs/details/{made.run_id}"
    record = store.run(made.run_id)
    assert record.parameters == {"n": 3, "s": "x"}
    assert record.root == f"{cluster.pipeline_root}/small/{made.run_id}"
    assert [t.path for t in store.tasks(made.run_id)] == ["a"]


def test_a_cluster_for_several_users_is_given_its_default_experiment(cluster: Cluster) -> None:
    """KFP 2.17 refuses a run without one there, and has one of its own elsewhere."""
    cluster.control(hold=True, multi_user=True)
    profiles.save(make("several", endpoint=cluster.url, namespace="me"))
    assert submit(PARAMETERS, {"n": 3}, options=Options(profile="several")).experiment == "Default"


HANDED: list[Callable[[str], object]] = [
    lambda _pin: submit(PARAMETERS, {"n": 1}),
    lambda _pin: versions.upload(PARAMETERS),
    lambda pin: trigger.trigger(pin, {"n": 1}),
]


@pytest.mark.parametrize("hand_over", HANDED, ids=["submit", "upload", "trigger"])
def test_what_is_wrong_with_the_cluster_is_said_before_anything_is_sent(
    cluster: Cluster, hand_over: Callable[[str], object]
) -> None:
    pin = versions.upload(PARAMETERS, name="looked at first").pin
    cluster.control(prefix="/pipeline")
    with pytest.raises(UnreachableError) as raised:
        hand_over(pin)
    assert raised.value.trouble is Trouble.WRONG_PATH
    assert f"{cluster.url}/pipeline" in raised.value.remedy
    assert cluster.requests("POST") == []


def test_a_cluster_that_is_not_there_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What may need minutes while a run is followed is a mistake to correct when one is started."""
    profiles.save(make("away", endpoint=f"http://127.0.0.1:{free_port()}"))
    monkeypatch.setattr(Connection, "pause", None)
    with pytest.raises(UnreachableError) as raised:
        submit(PARAMETERS, {"n": 1}, options=Options(profile="away"))
    assert raised.value.trouble is Trouble.REFUSED


def test_a_cluster_that_is_busy_is_asked_again(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "pause", lambda _connection, _seconds: None)
    cluster.control(hold=True, faults=[{"kind": "status", "status": 503, "times": 3}])
    assert submit(PARAMETERS, {"n": 1}).run_id


def test_an_older_cluster_is_warned_of(cluster: Cluster) -> None:
    health = {
        "kind": "garbage",
        "path": "/apis/v1beta1/healthz",
        "status": 200,
        "body": '{"tag_name": "2.0.5"}',
    }
    cluster.control(hold=True, faults=[health])
    with pytest.warns(JupyterKfpWarning, match="2.0.5, older than the SDK"):
        submit(PARAMETERS, {"n": 1})


@pytest.mark.parametrize(
    "values", [{}, {"n": "three"}, {"n": 1, "other": 2}], ids=["missing", "type", "unknown"]
)
def test_wrong_arguments_are_said_before_anything_is_sent(cluster: Cluster, values: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        submit(PARAMETERS, values)
    assert cluster.requests("POST", "/runs") == []


def test_experiment_and_service_account_of_the_notebook(cluster: Cluster) -> None:
    options = PipelineOptions(
        experiment="of the notebook", service_account="runner", pipeline_root="s3://own/root"
    )
    text = compiled(replace(one_step(), options=options)).text
    made = submit(text)
    body = sent(cluster)
    assert made.experiment == "of the notebook"
    assert body["service_account"] == "runner"
    assert "pipeline_root" not in body["runtime_config"]
    assert body["pipeline_spec"]["pipeline_spec"]["defaultPipelineRoot"] == "s3://own/root"


def test_what_is_asked_for_wins_over_the_notebook_and_that_over_the_profile(cluster: Cluster) -> None:
    profiles.save(make("full", endpoint=cluster.url, experiment="p", service_account="p"), replace=True)
    options = PipelineOptions(experiment="n")
    made = submit(
        compiled(replace(one_step(), options=options)).text, options=Options(profile="full", experiment="o")
    )
    assert made.experiment == "o"
    assert sent(cluster)["service_account"] == "p"


def test_without_cache(cluster: Cluster) -> None:
    submit(compiled(one_step()).text, options=Options(cache=False))
    (only,) = sent(cluster)["pipeline_spec"]["root"]["dag"]["tasks"].values()
    assert not only["cachingOptions"].get("enableCache")


def test_the_image_of_steps_that_name_none(cluster: Cluster) -> None:
    profiles.save(make("imaged", endpoint=cluster.url, default_image="mine:1"))
    submit(compiled(one_step()).text, options=Options(profile="imaged"))
    (executor,) = sent(cluster)["pipeline_spec"]["deploymentSpec"]["executors"].values()
    assert executor["container"]["image"] == "mine:1"


def test_a_result_is_reused_within_its_time_only(cluster: Cluster) -> None:
    given = package.read(compiled(one_step(cache="1h")).text)

    def at(hour: float) -> Any:
        moment = datetime.fromtimestamp(hour * 3600, timezone.utc)
        (only,) = package.with_periods(given, moment).spec["root"]["dag"]["tasks"].values()
        return only

    assert at(10.1) == at(10.9) != at(11.0)
    # A cache_key would make KFP forget the inputs: two inputs, one result.
    assert "cacheKey" not in at(10)["cachingOptions"]
    submit(compiled(one_step(cache="1h")).text)
    (only,) = sent(cluster)["pipeline_spec"]["root"]["dag"]["tasks"].values()
    assert only["inputs"]["parameters"][package.PERIOD]["runtimeValue"]["constant"].startswith("3600s-")


def test_a_key_of_the_users_takes_the_time_up() -> None:
    given = package.read(compiled(one_step(cache="1h", cache_key="mine")).text)
    moment = datetime.fromtimestamp(7200, timezone.utc)
    (only,) = package.with_periods(given, moment).spec["root"]["dag"]["tasks"].values()
    assert only["cachingOptions"]["cacheKey"] == "mine 3600s-2"


def test_the_platforms_options_travel_along(cluster: Cluster) -> None:
    submit(compiled(one_step(node_selector={"gpu": "yes"})).text)
    platform = sent(cluster)["pipeline_spec"]["platform_spec"]
    (executor,) = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values()
    assert executor["nodeSelector"]["labels"] == {"gpu": "yes"}


def test_the_same_pipeline_is_uploaded_once(cluster: Cluster) -> None:
    first = versions.upload(PARAMETERS)
    again = versions.upload("# laid out in another way\n" + PARAMETERS)
    assert (first.is_new, again.is_new) == (True, False)
    assert first.pin == again.pin
    assert len(cluster.requests("POST", "upload_version")) == 1
    other = versions.upload(PARAMETERS.replace("defaultValue: x", "defaultValue: y"))
    assert other.is_new
    assert other.pipeline_id == first.pipeline_id


def test_a_trigger_runs_the_pinned_version_once_per_key(cluster: Cluster, store: Store) -> None:
    pin = versions.upload(PARAMETERS).pin
    first = jupyter_kfp.trigger(pin, {"n": 1}, key="event 7")
    again = trigger.trigger(pin, {"n": 1}, key="event 7")
    other = trigger.trigger(pin, {"n": 1}, key="event 8")
    assert first.run_id == again.run_id != other.run_id
    bodies = [r["body"] for r in cluster.requests("POST", "/runs")]
    assert len(bodies) == 2
    assert bodies[0]["pipeline_version_reference"]["pipeline_version_id"] == pin.partition("/")[2]
    assert store.run(first.run_id).parameters == {"n": 1, "s": "x"}


def test_a_trigger_checks_its_parameters_and_its_pin(cluster: Cluster) -> None:
    pin = versions.upload(PARAMETERS).pin
    with pytest.raises(UsageError, match="'n'"):
        trigger.trigger(pin, {"n": "one"})
    with pytest.raises(UsageError, match="no pinned version"):
        trigger.trigger("abc")
    with pytest.raises(ApiError, match="not found"):
        trigger.trigger(f"{pin}-gone", {"n": 1})
    assert cluster.requests("POST", "/runs") == []


def test_a_login_page_starts_nothing_and_remembers_nothing(cluster: Cluster, store: Store) -> None:
    cluster.control(faults=[{"kind": "login"}])
    with pytest.raises(UnreachableError) as raised:
        submit(PARAMETERS, {"n": 1})
    assert raised.value.trouble is Trouble.LOGIN_PAGE
    assert store.runs() == []


def reached(cluster: Cluster, text: str) -> Compiled:
    """The pipeline as the server got it."""
    submit(text)
    given = sent(cluster)["pipeline_spec"]
    if "pipeline_spec" not in given:
        given = {"pipeline_spec": given}
    return Compiled("", given["pipeline_spec"], given.get("platform_spec", {}))


@pytest.mark.parametrize("option", StepOptions.model_fields)
def test_every_option_of_a_step_reaches_the_server(cluster: Cluster, option: str) -> None:
    given, place, expected = test_options.PLACES[option]
    found = place(reached(cluster, compiled(one_step(**given)).text))
    assert found == expected


@pytest.mark.parametrize("option", PipelineOptions.model_fields)
def test_every_option_of_a_pipeline_reaches_the_server(cluster: Cluster, option: str) -> None:
    value, place = test_options.PIPELINE_PLACES[option]
    text = compiled(replace(one_step(), options=PipelineOptions(**{option: value}))).text
    assert place(reached(cluster, text)) == value
