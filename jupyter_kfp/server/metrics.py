"""The runs of the store among Jupyter Server's own Prometheus metrics (``/metrics``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from jupyter_kfp.observe.metrics import Collector
    from jupyter_kfp.store.database import Database


class StoreMetrics:
    """A collector for a Prometheus registry. The database is not loaded before somebody asks."""

    def __init__(self) -> None:
        self._collector: Collector | None = None

    def describe(self) -> list[Metric]:
        """Nothing: registering must not read the store."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The metrics now."""
        if self._collector is None:
            from jupyter_kfp.observe.metrics import Collector

            self._collector = Collector(_opened)
        yield from self._collector.collect()

    def register(self) -> None:
        """Add them to those of this process."""
        from prometheus_client import REGISTRY

        REGISTRY.register(self)

    def unregister(self) -> None:
        """Take them away again, for the next server of this process."""
        from prometheus_client import REGISTRY

        REGISTRY.unregister(self)


def _opened() -> Database:
    from jupyter_kfp.store.database import Database
    from jupyter_kfp.store.location import store_url

    return Database(store_url())
