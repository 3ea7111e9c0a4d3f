"""One container, from its creation to its removal."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_kfp.engine.containers.failures import ContainerError, lost, start_failed
from jupyter_kfp.engine.containers.images import Images
from jupyter_kfp.engine.containers.spec import RUN, ContainerSpec, create_body
from jupyter_kfp.engine.containers.sweep import discard
from jupyter_kfp.engine.masking import Masker

if TYPE_CHECKING:
    from docker import APIClient

SIGKILLED = 137
# A container that has ended need not be asked how it goes.
_OVER = frozenset({"exited", "stopped", "dead"})
_SIGNAL_SECONDS = 30.0


class StepContainer:
    """One step in a container. ``wait`` does everything, and is for one thread; the others are safe from any."""

    def __init__(self, images: Images, spec: ContainerSpec, log: Path, masker: Masker) -> None:
        """Nothing happens before ``wait``."""
        self.spec = spec
        self.out_of_memory = False
        self.image_facts: dict[str, str] = {}
        """Which image it was: ``image_digest`` in its registry where it is from one, ``image_id`` on this machine."""
        self._engine = images.engine
        self._images = images
        self._log = log
        self._masker = masker
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._running: str | None = None

    def wait(self) -> int:
        """Fetch the image, run the container and remove it. Returns its exit code, also of one that was stopped.

        Raises ContainerError if it cannot be run.
        """
        with _log_writer(self._log, self._masker) as write:
            image = self._images.ready(
                self.spec.image, self.spec.pull_policy, lambda text: write(text.encode())
            )
            image.add_done_callback(lambda _image: self._wake.set())
            self._wake.wait()
            if self._stopping:
                return SIGKILLED
            image.result()
            with self._explained(), contextlib.closing(self._engine.client()) as client:
                self.image_facts = image_facts(client.inspect_image(self.spec.image))
                return self._run(client, write)

    def terminate(self) -> None:
        """Ask it to end. One that has not started never will."""
        self._stopping = True
        self._wake.set()
        self._signal("SIGTERM")

    def kill(self) -> None:
        """End it at once."""
        self._stopping = True
        self._wake.set()
        self._signal("SIGKILL")

    def _signal(self, name: str) -> None:
        import requests
        from docker.errors import DockerException

        # Where it has just ended there is nothing to do; where the engine is gone nothing can be done.
        with self._lock, contextlib.suppress(DockerException, requests.RequestException, OSError):
            if self._running is not None:
                with contextlib.closing(self._engine.client(_SIGNAL_SECONDS)) as client:
                    client.kill(self._running, name)

    def _run(self, client: APIClient, write: Callable[[bytes], object]) -> int:
        from docker.errors import APIError

        container = self._create(client)
        try:
            try:
                # Attached before it starts, so that nothing it prints is lost.
                output = client.attach(container, stdout=True, stderr=True, stream=True)
                with self._lock:
                    if self._stopping:
                        return SIGKILLED
                    client.start(container)
                    self._running = container
            except APIError as error:
                raise start_failed(self.spec, str(error.explanation or error)) from error
            for chunk in output:
                write(chunk)
            return self._exit_code(client, container)
        finally:
            with self._lock:
                self._running = None
                discard(client, container)

    def _create(self, client: APIClient) -> str:
        from docker.errors import APIError

        body = create_body(self.spec, self._engine.facts)
        try:
            try:
                return str(client.create_container(**body, use_config_proxy=True)["Id"])
            except APIError as error:
                if error.status_code != 409 and "already in use" not in str(error):
                    raise
                self._remove_leftover(client)
                return str(client.create_container(**body, use_config_proxy=True)["Id"])
        except APIError as error:
            raise start_failed(self.spec, str(error.explanation or error)) from error

    def _remove_leftover(self, client: APIClient) -> None:
        """Remove what an engine that died left under this attempt's name."""
        labels = client.inspect_container(self.spec.name)["Config"]["Labels"] or {}
        if labels.get(RUN) == self.spec.labels.get(RUN):
            discard(client, self.spec.name)

    def _exit_code(self, client: APIClient, container: str) -> int:
        """How it ended: its output may end before it does."""
        from docker.errors import NotFound

        try:
            state = client.inspect_container(container)["State"]
            if state["Status"] not in _OVER:
                client.wait(container, timeout=None)
                state = client.inspect_container(container)["State"]
        except NotFound:
            raise ContainerError(
                "Its container was removed while it ran.", "Leave it to the run to remove it."
            ) from None
        self.out_of_memory = bool(state.get("OOMKilled"))
        return int(state["ExitCode"])

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        import requests
        from docker.errors import DockerException

        try:
            yield
        except (DockerException, requests.RequestException) as error:
            raise lost(self._engine.url, str(error)) from error


def image_facts(inspected: Mapping[str, Any]) -> dict[str, str]:
    """What tells an image from all others, of what the engine says of it (``ImageInspect`` of Docker's API)."""
    digests = [str(name).partition("@")[2] for name in inspected.get("RepoDigests") or ()]
    facts = {"image_id": str(inspected["Id"])}
    return {**facts, "image_digest": digests[0]} if digests else facts


@contextlib.contextmanager
def _log_writer(log: Path, masker: Masker) -> Iterator[Callable[[bytes], object]]:
    """Writes to the end of a log, masked; on return everything is there."""
    if not masker:
        with log.open("ab", buffering=0) as stream:
            yield lambda chunk: _written(stream.write, chunk)
        return
    reader, writer = os.pipe()
    pump = masker.pump(os.fdopen(reader, "rb"), log)
    with os.fdopen(writer, "wb", buffering=0) as pipe:
        yield pipe.write
    pump.join()


def _written(write: Callable[[bytes], object], chunk: bytes) -> None:
    # A full disk loses log lines, as with processes; the step goes on.
    with contextlib.suppress(OSError):
        write(chunk)
