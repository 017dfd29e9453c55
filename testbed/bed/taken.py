"""Ports that the testbed wants and others have, in words: each with its owner."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from testbed.loop.ports import HOST, PORTS, needed, owner
from testbed.loop.settings import LoopSettings


def taken(settings: LoopSettings, names: Iterable[str] | None = None) -> list[str]:
    """Of the named settings, or all; empty where every port is free."""
    found = []
    for name in needed(settings) if names is None else names:
        what, kind = PORTS[name]
        port = getattr(settings, name)
        if not _free(port, kind):
            found.append(f"Port {port} for {what} is taken by {owner(port, kind)}")
    return found


def _free(port: int, kind: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as made:
        if kind == socket.SOCK_STREAM:  # as servers do: a port just left is free
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((HOST, port))
            if kind == socket.SOCK_STREAM:
                made.listen(1)
        except OSError:
            return False
    return True
