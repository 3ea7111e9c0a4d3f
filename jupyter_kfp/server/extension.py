"""What Jupyter Server loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp

from jupyter_kfp.server.context import Context
from jupyter_kfp.server.handlers import routes
from jupyter_kfp.server.live import SCHEMA, Live
from jupyter_kfp.server.metrics import StoreMetrics

_EVENT = Path(__file__).parent / "run_event.yaml"


class PipelineExtension(ExtensionApp):
    """Serves ``/jupyter-kfp/...``."""

    name = "jupyter_kfp"
    context: Context
    metrics: StoreMetrics

    def initialize_handlers(self) -> None:
        """Add the routes and the metrics, and register the schema of the events."""
        server = self.serverapp
        if server is None or server.event_logger is None:
            raise RuntimeError("this extension is loaded by Jupyter Server, not run by itself")
        events = server.event_logger
        if SCHEMA not in events.schemas:
            events.register_event_schema(_EVENT)
        self.context = Context(server.contents_manager, Live(events))
        self.handlers.extend(routes(self.context))
        self.metrics = StoreMetrics()
        self.metrics.register()

    async def stop_extension(self) -> None:
        """End the worker and take the metrics away. Runs are processes of their own and go on."""
        self.context.close()
        self.metrics.unregister()

    def initialize_settings(self) -> None:
        """Nothing to add to the server's settings."""

    def current_activity(self) -> Any:
        """Nothing here keeps a server from being culled: runs survive it."""
        return None
