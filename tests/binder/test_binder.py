"""binder/, built and used as Binder does: `bash dev.sh test binder`, some minutes and a gigabyte.

repo2docker itself begins with conda, and fetches its base image from a registry. Here Debian's Python stands for both;
the files of binder/ count as they do there, in the same order: apt.txt, the repository, requirements.txt, postBuild, start.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_kfp.engine.containers.build import index_arguments
from tests.integration.containers.conftest import BASE, PLACE, podman

__all__ = ["podman"]

ROOT = Path(__file__).parents[2]
BINDER = ROOT / "binder"
# Who the user of a Binder is, and what stands for conda's environment: a Python that is theirs.
USER = [
    f"FROM {BASE}",
    "RUN python3 -m pip install -q --root-user-action=ignore virtualenv && useradd --uid 1000 --create-home jovyan",
    "RUN python3 -m virtualenv --quiet /srv/notebook && chown -R jovyan /srv/notebook",
    "ENV HOME=/home/jovyan PATH=/srv/notebook/bin:$PATH NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt",
]


def containerfile(arguments: dict[str, str]) -> str:
    """What repo2docker makes of the files that there are."""
    lines = [*USER, *(f"ARG {name}" for name in arguments)]
    if (BINDER / "apt.txt").exists():
        packages = " ".join((BINDER / "apt.txt").read_text().split())
        lines.append(f"RUN apt-get -qq update && apt-get -qq install -y --no-install-recommends {packages}")
    lines += ["COPY --chown=1000:1000 . /home/jovyan", "WORKDIR /home/jovyan", "USER jovyan"]
    lines.append('RUN python3 -m pip install -q --no-cache-dir -r "binder/requirements.txt"')
    if (BINDER / "postBuild").exists():
        lines += ["RUN chmod +x binder/postBuild", "RUN ./binder/postBuild"]
    if (BINDER / "start").exists():
        lines += ["RUN chmod +x binder/start", 'ENTRYPOINT ["/home/jovyan/binder/start"]']
    return "\n".join(lines) + "\n"


def run_podman(*arguments: str, timeout: float) -> str:
    ended = subprocess.run(
        ["podman", "--root", f"{PLACE}/store", "--runroot", f"{PLACE}/run", *arguments],
        env={**os.environ, "CONTAINERS_CONF": f"{PLACE}/containers.conf"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert ended.returncode == 0, (ended.stdout + ended.stderr)[-5000:]
    return ended.stdout


@pytest.fixture(scope="module")
def image(podman: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The image of this repository as it is committed or changed here, without what git leaves out."""
    place = tmp_path_factory.mktemp("binder")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            target = place / "repository" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
    arguments = index_arguments()
    (place / "Containerfile").write_text(containerfile(arguments))
    tag = f"localhost/binder-{uuid.uuid4().hex[:12]}"
    given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    where = ["--network=host", "--file", str(place / "Containerfile"), "--tag", tag]
    run_podman("build", "--quiet", *where, *given, str(place / "repository"), timeout=1500)
    yield tag
    run_podman("rmi", "--force", tag, timeout=120)


def inside(image: str, *command: str, timeout: float = 300) -> str:
    """Run a command in a fresh container of the image, as its user."""
    return run_podman("run", "--rm", image, *command, timeout=timeout)


@pytest.mark.timeout(1800)
def test_the_quickstart_runs_there(image: str) -> None:
    run = json.loads(inside(image, "jupyter", "kfp", "run", "--json", "notebooks/quickstart.ipynb"))
    assert run["state"] == "SUCCEEDED"
    assert run["outputs"]["accuracy"] > 0.9
