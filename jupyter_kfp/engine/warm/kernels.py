"""A provisioner of ``jupyter_client`` whose kernels are forks of the warm server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from jupyter_kfp.engine.warm.forks import Fork, request

NAME = "jupyter-kfp-warm"
_socket = ""


def use_forks(path: str) -> None:
    """Let every kernel that this process starts be a fork of the server at ``path``."""
    global _socket  # noqa: PLW0603 - a process has one server
    _socket = path
    factory = KernelProvisionerFactory.instance()
    own = EntryPoint(NAME, f"{__name__}:{ForkProvisioner.__name__}", KernelProvisionerFactory.GROUP_NAME)
    factory.provisioners[NAME] = own
    factory.default_provisioner_name = NAME
    # Both wait in steps of 0.1 and 0.2 seconds, and have no option for it.
    AsyncKernelClient.wait_for_ready = _wait_for_ready  # type: ignore[assignment]  # declared for any client
    AsyncKernelManager._async_wait = _until_it_ends  # type: ignore[method-assign, assignment]  # noqa: SLF001


async def _wait_for_ready(client: AsyncKernelClient, timeout: float | None = None) -> None:
    """Wait until the kernel answers on both channels.

    jupyter_client waits until 0.2 seconds were silent; here the answer to our own request tells that all
    is there. Raises RuntimeError after ``timeout`` seconds, or where the kernel died.
    """
    loop = asyncio.get_running_loop()
    end = None if timeout is None else loop.time() + timeout
    pending: set[str] = set()
    heard = answered = False
    while not (heard and answered):
        if not await client.is_alive():
            raise RuntimeError("Kernel died before replying to kernel_info")
        if end is not None and loop.time() > end:
            raise RuntimeError(f"Kernel didn't respond in {timeout:d} seconds")
        # A subscription takes a moment: what was published before is lost, so the question is repeated.
        pending.add(client.kernel_info())
        with contextlib.suppress(Empty):
            reply = await client.get_shell_msg(timeout=1)
            if reply["msg_type"] == "kernel_info_reply":
                client._handle_kernel_info_reply(reply)  # noqa: SLF001 - what jupyter_client's own wait does
                answered = True
        with contextlib.suppress(Empty):
            while not heard:
                message = await client.get_iopub_msg(timeout=0.05)
                content = message["content"]
                heard = (
                    content.get("execution_state") == "idle"
                    and message["parent_header"].get("msg_id") in pending
                )


async def _until_it_ends(manager: AsyncKernelManager, pollinterval: float = 0.1) -> None:
    """Wait for a kernel's end: of a fork without polling, which costs a step a tenth of a second."""
    provisioner = manager.provisioner
    if isinstance(provisioner, ForkProvisioner):
        await provisioner.ended()
        return
    while await manager.is_alive():  # noqa: ASYNC110 - any other process can only be asked
        await asyncio.sleep(pollinterval)  # as jupyter_client does


class ForkProvisioner(LocalProvisioner):
    """Starts this Python's ipykernel by forking, and any other kernel as usual."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Fork a kernel; it reads the connection file that the manager wrote."""
        if cmd[:3] != [sys.executable, "-m", "ipykernel_launcher"]:
            sys.stderr.write(f"The kernel {cmd[0]} is started anew: only this Python's own can be forked.\n")
            return await super().launch_kernel(cmd, **kwargs)
        environment = dict(kwargs.get("env") or os.environ)
        message = {
            "kind": "kernel",
            "arguments": [
                *cmd[3:],
                f"--IPKernelApp.parent_handle={os.getppid()}",
            ],  # the server, the kernel's parent as well
            "environment": environment,
            "directory": str(kwargs.get("cwd") or Path.cwd()),
            "path": [entry for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if entry],
        }
        descriptors = (_descriptor(kwargs.get("stdout"), 1), _descriptor(kwargs.get("stderr"), 2))
        connection, pid = request(_socket, message, descriptors)
        self.process = Fork(connection, pid)  # type: ignore[assignment]  # it has what is used of a Popen
        self.pid = self.pgid = pid
        return self.connection_info

    async def ended(self) -> None:
        """Wait for the kernel's end, without polling."""
        process = self.process
        if process is None or process.poll() is not None:
            return
        if not isinstance(process, Fork):
            await super().wait()
            return
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(process.connection, over.set)
        try:
            await over.wait()
        finally:
            loop.remove_reader(process.connection)

    async def wait(self) -> int | None:
        """Wait for the kernel's end and forget it; the exit code."""
        process = self.process
        if not isinstance(process, Fork):
            return await super().wait()
        await self.ended()
        code = process.wait()
        process.connection.close()
        self.process = None
        return code


def _descriptor(given: Any, standard: int) -> int:
    if isinstance(given, int) and given >= 0:
        return given
    return given.fileno() if hasattr(given, "fileno") else standard
