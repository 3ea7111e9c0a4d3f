"""Whatever a server answers, the client has a result or one of its own errors, and ends."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.remote import objects
from jupyter_kfp.remote.client import Client
from jupyter_kfp.remote.errors import ApiError, Trouble, UnreachableError
from jupyter_kfp.remote.http import Connection, Patience
from jupyter_kfp.remote.profile import make

_NAMES = sorted(
    {name for kind in vars(objects).values() if isinstance(kind, type) for name in getattr(kind, "model_fields", {})}
    | {"runs", "experiments", "pipelines", "pipeline_versions", "recurringRuns", "next_page_token"}
)  # fmt: skip
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4),
    max_leaves=10,
)
_answers = st.dictionaries(st.sampled_from(_NAMES), _values, max_size=5)
_CALLS: list[Callable[[Client], object]] = [
    lambda client: client.health(),
    lambda client: list(client.experiments()),
    lambda client: client.run("r"),
    lambda client: client.find_run("t"),
    lambda client: client.pipeline("p"),
    lambda client: list(client.versions("p")),
    lambda client: client.version_by_id("p", "v"),
    lambda client: list(client.recurring_runs()),
    lambda client: client.create_run({"description": "t"}, "t"),
]


class Answering(Connection):
    """A connection whose every answer is the same."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(make("p", endpoint="http://a"), sleep=lambda _seconds: None)
        self._answer = answer

    def once(self, method: str, path: str, **_more: Any) -> Any:
        return self._answer

    def text(self, path: str, query: Any) -> str | None:
        return None


@pytest.mark.parametrize("call", _CALLS)
@settings(max_examples=25)
@given(answer=_answers)
def test_it_is_read_or_refused(call: Callable[[Client], object], answer: dict[str, Any]) -> None:
    refused: JupyterKfpError | None = None
    try:
        call(Client(Answering(answer)))
    except (ApiError, UnreachableError) as error:
        refused = error
    assert refused is None or refused.message
    assert not isinstance(refused, UnreachableError) or refused.trouble is Trouble.GARBLED


@given(st.integers(1, 2000), st.floats(0, 1), st.none() | st.floats(-1e9, 1e9))
def test_no_pause_is_endless(failures: int, chance: float, asked: float | None) -> None:
    patience = Patience()
    assert 0 <= patience.wait(failures, asked, chance) <= 2 * patience.longest
