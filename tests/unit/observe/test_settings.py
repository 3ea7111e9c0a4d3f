"""Who is to be told of runs."""

from pathlib import Path

import pytest

from jupyter_kfp.errors import UsageError
from jupyter_kfp.observe import settings
from jupyter_kfp.observe.settings import Mail, Settings
from jupyter_kfp.store.records import State


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    return tmp_path / "jupyter_kfp_observe.toml"


def test_by_default_nobody_is() -> None:
    assert settings.load({}) == Settings()
    assert not settings.is_configured({})


@pytest.mark.parametrize(
    "name",
    [
        "JUPYTER_KFP_NOTIFY_WEBHOOK",
        "JUPYTER_KFP_NOTIFY_EMAIL",
        "JUPYTER_KFP_METRICS_FILE",
        "JUPYTER_KFP_PUSHGATEWAY",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    ],
)
def test_each_variable_is_enough(name: str) -> None:
    assert settings.is_configured({name: "x"})


def test_the_environment_comes_before_the_file(file: Path) -> None:
    file.write_text(
        '[notifications]\non = ["FAILED", "canceled"]\nwebhook = "http://file/x"\nemail = ["a@b", "c@d"]\n'
        'smtp = "smtp://file:587"\nfrom = "kfp@b"\n[metrics]\nfile = "/x/kfp.prom"\npushgateway = "http://push"\n'
    )
    assert settings.is_configured({})
    assert settings.load({}) == Settings(
        on=frozenset({State.FAILED, State.CANCELED}),
        webhook="http://file/x",
        mail=Mail(("a@b", "c@d"), "smtp://file:587", "kfp@b"),
        file=Path("/x/kfp.prom"),
        pushgateway="http://push",
    )
    found = settings.load(
        {
            "JUPYTER_KFP_NOTIFY_WEBHOOK": "http://variable/x",
            "JUPYTER_KFP_NOTIFY_ON": "SUCCEEDED, FAILED",
            "JUPYTER_KFP_WEBHOOK_TOKEN": "t",
            "JUPYTER_KFP_SMTP_PASSWORD": "p",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel",
        }
    )
    assert (found.webhook, found.token, found.traces) == ("http://variable/x", "t", True)
    assert found.on == {State.SUCCEEDED, State.FAILED}
    assert found.mail is not None
    assert found.mail.password == "p"


def test_opentelemetry_can_be_off_by_its_own_variables() -> None:
    there = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel"}
    assert settings.load(there).traces
    for off in ({"OTEL_SDK_DISABLED": "TRUE"}, {"OTEL_TRACES_EXPORTER": "none"}):
        assert not settings.load(there | off).traces
        assert not settings.is_configured(there | off)


@pytest.mark.parametrize(
    ("text", "environ", "words"),
    [
        ("not toml", {}, r"jupyter_kfp_observe.toml cannot be read"),
        ('[notifications]\nwebhok = "x"\n', {}, r"no setting notifications\.webhok.*notifications\.webhook"),
        ('webhook = "x"\n', {}, r"no setting webhook"),
        ("", {"JUPYTER_KFP_NOTIFY_ON": "FAILD"}, r"JUPYTER_KFP_NOTIFY_ON: 'FAILD'.*FAILED"),
        ("", {"JUPYTER_KFP_NOTIFY_EMAIL": "a@b"}, r"no server is known.*JUPYTER_KFP_SMTP_URL"),
        ("", {"JUPYTER_KFP_METRICS_FILE": "/x/kfp.txt"}, r"end in \.prom"),
    ],
)
def test_what_cannot_be_used_is_named(file: Path, text: str, environ: dict[str, str], words: str) -> None:
    if text:
        file.write_text(text)
    with pytest.raises(UsageError, match=words):
        settings.load(environ)
