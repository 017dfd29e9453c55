"""Ports of this machine: whether they are free, who has them, and others in their place."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from testbed.loop.settings import LoopSettings

HOST = "127.0.0.1"
# Of `LoopSettings`: what listens there, and how.
PORTS: Mapping[str, tuple[str, int]] = {
    "ric_port": ("the xApp's E2", socket.SOCK_DGRAM),
    "udp_port": ("SCTP in UDP", socket.SOCK_DGRAM),
    "map_port": ("the cell's UE map", socket.SOCK_STREAM),
    "pcf_port": ("the cell's policy function", socket.SOCK_STREAM),
    "api_port": ("the xApp's API", socket.SOCK_STREAM),
    "page_port": ("the phone's page", socket.SOCK_STREAM),
    "console_port": ("the operator's console", socket.SOCK_STREAM)}
_LISTENING, _UDP_BOUND = "0A", "07"  # states in /proc/net


def needed(settings: LoopSettings) -> list[str]:
    """Those that somebody will listen at."""
    return [name for name in PORTS if name != "pcf_port" or settings.remaps]


def with_free_ports(settings: LoopSettings, say: Callable[[str], None]) -> LoopSettings:
    """The settings, with others in the place of ports that are taken; each is told."""
    changes: dict[str, int] = {}
    with ExitStack() as stack:  # held until all are found, so that none is given twice
        for name in needed(settings):
            what, kind = PORTS[name]
            port = getattr(settings, name)
            held = _bound(port, kind)
            if held is None:
                held = _bound(0, kind)
                assert held is not None  # there always is one
                changes[name] = held.getsockname()[1]
                say(f"port {port} for {what} is taken by {owner(port, kind)}; "
                    f"{changes[name]} is used")
            stack.callback(held.close)
    return replace(settings, **changes)  # type: ignore[arg-type]  # they are port numbers


def _bound(port: int, kind: int) -> socket.socket | None:
    """A socket that holds the port; None where it is taken."""
    made = socket.socket(socket.AF_INET, kind)
    try:
        if kind == socket.SOCK_STREAM:  # as servers do: a port just left is free
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((HOST, port))
        if kind == socket.SOCK_STREAM:
            made.listen(1)
    except OSError:
        made.close()
        return None
    return made


def owner(port: int, kind: int) -> str:
    """The process that has a port, as far as this user may know."""
    inodes = {inode for table in ("tcp", "tcp6", "udp", "udp6")
              if table.startswith("tcp") == (kind == socket.SOCK_STREAM)
              for inode in _inodes(Path("/proc/net") / table, port)}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(f"socket:[{inode}]" == str(link.readlink()) for link in
                   (process / "fd").iterdir() for inode in inodes):
                words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(
                    errors="replace").strip()
                return f"process {process.name} ({words[:100]})"
        except OSError:
            continue  # it ended, or is another user's
    return "another user's process"


def _inodes(table: Path, port: int) -> list[str]:
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return []  # a kernel without IPv6
    rows = [line.split() for line in lines]
    return [row[9] for row in rows if int(row[1].rpartition(":")[2], 16) == port
            and row[3] in (_LISTENING, _UDP_BOUND)]
