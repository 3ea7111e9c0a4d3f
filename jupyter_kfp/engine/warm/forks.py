"""Asking the warm server for a process, and that process as its owner sees it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from typing import Any


def request(
    path: str, message: dict[str, Any], descriptors: tuple[int, int], *, timeout: float | None = None
) -> tuple[socket.socket, int]:
    """Ask the server at ``path`` for a fork: the connection that tells its end, and its process id.

    Raises OSError where the server cannot be reached, or does not answer within ``timeout`` seconds.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(path)
        data = json.dumps(message).encode() + b"\n"
        sent = socket.send_fds(connection, [data[: 1 << 16]], list(descriptors))
        if data[sent:]:  # nothing more to say to one who may have answered and gone
            connection.sendall(data[sent:])
        answer = _line(connection)
        connection.settimeout(None)
    except BaseException:
        connection.close()
        raise
    if not answer:
        connection.close()
        raise ConnectionResetError("the warm server is gone")
    return connection, int(json.loads(answer)["pid"])


def _line(connection: socket.socket) -> bytes:
    """One line and not a byte more: the word that the process has ended may be right behind it."""
    line = b""
    while not line.endswith(b"\n") and (byte := connection.recv(1)):
        line += byte
    return line


class Fork:
    """A forked process, with the part of ``subprocess.Popen`` that the provisioner needs."""

    stdin = stdout = stderr = None

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self.connection = connection
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        if self.returncode is None:
            with contextlib.suppress(BlockingIOError):
                self._take(self.connection.recv(4096, socket.MSG_DONTWAIT))
        return self.returncode

    def wait(self) -> int:
        """Block until it ends; the exit code (-N: signal N)."""
        while self.returncode is None:
            self._take(self.connection.recv(4096))
        return self.returncode

    def _take(self, data: bytes) -> None:
        self.returncode = int(json.loads(data)["status"]) if data else -signal.SIGKILL

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)
