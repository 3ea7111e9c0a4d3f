"""The images of one run: each is looked for, and fetched if need be, once, whoever asks for it first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from jupyter_kfp.engine.containers.client import Engine
from jupyter_kfp.engine.containers.credentials import credentials
from jupyter_kfp.engine.containers.failures import lost, missing_image, pull_failed
from jupyter_kfp.errors import JupyterKfpError

ALWAYS, NEVER = "Always", "Never"


class Images:
    """Safe to be used by many threads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._lock = threading.Lock()
        self._asked: dict[tuple[str, str], Future[None]] = {}

    def ready(self, image: str, policy: str, say: Callable[[str], object]) -> Future[None]:
        """Done when the image is on this machine; its exception is a JupyterKfpError.

        ``policy`` is Kubernetes': Always, Never, or IfNotPresent. ``say`` is told when fetching begins. It goes
        on even if whoever asked has been stopped.
        """
        with self._lock:
            future = self._asked.get((image, policy))
            # What failed is tried again by the next try at a task.
            if future is None or (future.done() and future.exception() is not None):
                future = self._asked[image, policy] = Future()
                work = threading.Thread(
                    target=self._work, args=(future, image, policy, say), name=f"image {image}", daemon=True
                )
                work.start()
            return future

    def _work(self, future: Future[None], image: str, policy: str, say: Callable[[str], object]) -> None:
        try:
            self._provide(image, policy, say)
        except JupyterKfpError as error:
            future.set_exception(error)
        except Exception as error:  # noqa: BLE001 (who waits must hear of it, whatever it is)
            future.set_exception(lost(self.engine.url, repr(error)))
        else:
            future.set_result(None)

    def _provide(self, image: str, policy: str, say: Callable[[str], object]) -> None:
        if policy != ALWAYS and self.has(image):
            return
        if policy == NEVER:
            raise missing_image(image)
        say(f"Fetching the image {image}.\n")
        self._pull(image)

    def has(self, image: str) -> bool:
        """Whether the image is on this machine."""
        from docker.errors import ImageNotFound

        client = self.engine.client()
        try:
            client.inspect_image(image)
        except ImageNotFound:
            return False
        finally:
            client.close()
        return True

    def _pull(self, image: str) -> None:
        from docker.errors import APIError

        known = credentials(image)
        name, tag = split(image)
        client = self.engine.client()
        try:
            for line in client.pull(name, tag=tag, stream=True, decode=True, auth_config=known):
                if "error" in line:
                    raise pull_failed(image, str(line["error"]))
        except APIError as error:
            raise pull_failed(image, str(error.explanation or error)) from error
        finally:
            client.close()


def split(image: str) -> tuple[str, str]:
    """An image's name, and its tag or digest; without either it is the tag ``latest``, never all there are."""
    name, at, digest = image.partition("@")
    if at:
        return name, digest
    name, colon, tag = image.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (image, "latest")
