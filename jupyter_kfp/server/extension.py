"""What Jupyter Server loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp

from jupyter_kfp.server.context import Context
from jupyter_kfp.server.handlers import routes
from jupyter_kfp.server.live import SCHEMA, Live

_EVENT = Path(__file__).parent / "run_event.yaml"


class PipelineExtension(ExtensionApp):
    """Serves ``/jupyter-kfp/...``."""

    name = "jupyter_kfp"
    context: Context

    def initialize_handlers(self) -> None:
        """Add the routes and register the schema of the events."""
        server = self.serverapp
        if server is None or server.event_logger is None:
            raise RuntimeError("this extension is loaded by Jupyter Server, not run by itself")
        events = server.event_logger
        if SCHEMA not in events.schemas:
            events.register_event_schema(_EVENT)
        self.context = Context(server.contents_manager, Live(events))
        self.handlers.extend(routes(self.context))

    async def stop_extension(self) -> None:
        """End the worker. Runs are processes of their own and go on."""
        self.context.close()

    def initialize_settings(self) -> None:
        """Nothing to add to the server's settings."""

    def current_activity(self) -> Any:
        """Nothing here keeps a server from being culled: runs survive it."""
        return None
