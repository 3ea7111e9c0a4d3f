"""Whatever the OpenAPI document allows is answered as it says, and what it does not allow is refused."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest
import requests
import schemathesis
from schemathesis import Case
from schemathesis.specs.openapi.checks import positive_data_acceptance

from jupyter_kfp.server import openapi
from tests.integration.server.serving import serving

# Jupyter answers 403, not 401, where the token is missing; test_security has that.
SCHEMA = schemathesis.openapi.from_dict({k: v for k, v in openapi.document().items() if k != "security"})
# The same examples every time, and few: every one is a request to a server that works.
BOUNDED = hypothesis.settings(
    max_examples=8, derandomize=True, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    with serving(tmp_path_factory.mktemp("openapi")) as found:
        yield found


@SCHEMA.parametrize()
@BOUNDED
def test_answers_are_as_documented(case: Case, server: tuple[str, str]) -> None:
    url, token = server
    case.call_and_validate(
        base_url=url,
        headers={"Authorization": f"token {token}"},
        timeout=60,
        # A schema cannot say which cron expressions and profiles there are: such requests are refused, too.
        excluded_checks=[positive_data_acceptance],
    )


def test_a_cookie_alone_does_not_write(server: tuple[str, str]) -> None:
    """Another site can have the browser send the cookie, but not the XSRF header."""
    url, token = server
    with requests.Session() as browser:
        browser.get(f"{url}/login", params={"token": token}, timeout=30)
        assert browser.get(f"{url}/jupyter-kfp/profiles", timeout=30).status_code == 200
        post = f"{url}/jupyter-kfp/preview"
        assert browser.post(post, data="[]", timeout=30).status_code == 403
        # Past the check: it is the body that is wrong now.
        xsrf = {"X-XSRFToken": browser.cookies["_xsrf"]}
        assert browser.post(post, data="[]", headers=xsrf, timeout=30).status_code == 400
