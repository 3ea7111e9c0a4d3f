"""One cluster as a user describes it. Secrets are not part of it: only where they are."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from jupyter_kfp.errors import UsageError

# Where Kubernetes mounts the token that KFP's API server accepts from pods.
TOKEN_FILE = Path("/var/run/secrets/kubeflow/pipelines/token")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_CLEAR = frozenset({"token", "password", "cookie", "secret", "client_secret"})


class Kind(str, Enum):
    """Which service runs the pipelines."""

    KFP = "kfp"
    VERTEX = "vertex"


class AuthKind(str, Enum):
    """How a server is told who asks."""

    NONE = "none"
    TOKEN = "token"  # noqa: S105 (the name of a kind)
    SERVICE_ACCOUNT = "service-account"
    COOKIE = "cookie"
    DEX = "dex"
    GOOGLE = "google"

    @property
    def needs_secret(self) -> bool:
        """Whether a secret must be kept for it."""
        return self in (AuthKind.TOKEN, AuthKind.COOKIE, AuthKind.DEX)


def normalized(url: str) -> str:
    """An endpoint as the API wants it, also from what stands in a browser's address bar.

    ``https://kf.example/_/pipeline/?ns=me#/runs`` → ``https://kf.example/pipeline``. Raises ValueError.
    """
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no URL of a server; write https://HOST[/pipeline]")
    if parts.username or parts.password:
        raise ValueError("a password must not stand in the endpoint; use --auth")
    path = parts.path.rstrip("/").removesuffix("/apis/v2beta1").replace("/_/", "/", 1)
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


Endpoint = Annotated[str, AfterValidator(normalized)]


class Profile(BaseModel):
    """A cluster and how to use it. What is not given is left to the pipeline, then to the cluster."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Kind = Kind.KFP
    endpoint: Endpoint | None = Field(None, description="URL of Kubeflow Pipelines.")
    ui_endpoint: Endpoint | None = Field(None, description="URL of its web pages, where it is another.")
    namespace: str | None = Field(None, description="Kubernetes namespace (of a multi-user cluster).")
    experiment: str | None = Field(None, description="Experiment of runs whose pipeline names none.")
    pipeline_root: str | None = Field(None, description="Where artifacts are kept, as a URI.")
    service_account: str | None = Field(None, description="Kubernetes service account of runs.")
    mlflow: str | None = Field(None, description="Tracking URI of the MLflow that is told of runs.")
    default_image: str | None = Field(None, description="Image of steps that name none.")
    verify: bool = Field(True, description="Whether the server's certificate is checked.")
    ca_file: Path | None = Field(None, description="Certificates to check the server's against (PEM).")
    timeout: float = Field(10.0, gt=0, description="Longest wait for a connection or an answer, in seconds.")
    auth: AuthKind = AuthKind.NONE
    username: str | None = Field(None, description="User of the Dex login.")
    token_file: Path | None = Field(None, description="File with the service account's token.")
    audience: str | None = Field(None, description="OAuth client id of Google's Identity-Aware Proxy.")
    secret_env: str | None = Field(
        None, description="Environment variable with the secret; else it is in the keyring."
    )
    project: str | None = Field(None, description="Google Cloud project (kind vertex).")
    location: str | None = Field(None, description="Google Cloud region (kind vertex).")

    @model_validator(mode="before")
    @classmethod
    def _no_secrets(cls, given: Any) -> Any:
        clear = sorted(_CLEAR & set(given)) if isinstance(given, dict) else []
        if clear:
            raise ValueError(
                f"{', '.join(clear)} must not stand in the file; keep it in the keyring "
                "(`jupyter kfp profiles add`) or name its variable with secret_env"
            )
        return given

    @model_validator(mode="after")
    def _complete(self) -> Profile:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no name for a profile; use letters, digits and -")
        if self.kind is Kind.KFP and self.endpoint is None:
            raise ValueError("it has no endpoint")
        if self.kind is Kind.VERTEX and not (self.project and self.location and self.pipeline_root):
            raise ValueError("Vertex AI needs project, location and pipeline_root (gs://...)")
        if self.auth is AuthKind.DEX and not self.username:
            raise ValueError("a Dex login needs a username")
        return self

    @property
    def url(self) -> str:
        """The endpoint. Raises UsageError for a profile without one (Vertex AI)."""
        if self.endpoint is None:
            raise UsageError(
                f"The profile {self.name!r} is of Vertex AI, which cannot do this.",
                "Choose a Kubeflow Pipelines profile.",
            )
        return self.endpoint

    def run_url(self, run_id: str) -> str:
        """The web page of a run."""
        return f"{self.ui_endpoint or self.url}/#/runs/details/{run_id}"


def make(name: str, **fields: Any) -> Profile:
    """A profile; what is None counts as not given. Raises UsageError saying what is wrong with it."""
    given = {key: value for key, value in fields.items() if value is not None}
    try:
        return Profile(name=name, **given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        what = str(first["msg"]).removeprefix("Value error, ")
        raise UsageError(
            f"The profile {name!r} cannot be used: {f'{where}: ' if where else ''}{what}.",
            "`jupyter kfp profiles add --help` says what a profile has.",
        ) from None
