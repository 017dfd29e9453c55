"""How the testbed in the background stands: its parts, ports and pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbed.bed.bed_command import NOT_READY, NOT_RUNNING
from testbed.bed.layout import NAME, READY, folder_of, read_news, read_order
from testbed.bed.modes import Mode
from testbed.bed.record import running
from testbed.loop.ordinary import PORTS as PAGES
from testbed.loop.ports import PORTS

DOWN = "down"


@dataclass(frozen=True)
class Status:
    """What was found."""

    state: str
    mode: str | None = None
    why: str = ""
    waiting_for: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)  # `runs` or `ended`
    ports: Mapping[str, int] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""
    error: str = ""

    @property
    def ready(self) -> bool:
        return self.state == READY and all(one == "runs" for one in self.parts.values())

    @property
    def exit_status(self) -> int:
        return NOT_RUNNING if self.state == DOWN else 0 if self.ready else NOT_READY

    def document(self) -> dict[str, Any]:
        return {"state": self.state, "ready": self.ready, "mode": self.mode, "why": self.why,
                "waiting_for": self.waiting_for, "parts": dict(self.parts),
                "ports": dict(self.ports), "addresses": dict(self.addresses),
                "folder": self.folder, "error": self.error}

    def text(self) -> str:
        if self.state == DOWN:
            why = f" The last one: {self.error}" if self.error else ""
            return f"Nothing runs. Start with: airsplit testbed up{why}"
        waiting = f", waiting for {self.waiting_for}" if self.waiting_for else ""
        return "\n".join([
            f"{self.state}{waiting}; mode {self.mode}: {self.why}",
            *(f"  {name:14} {how}" for name, how in self.parts.items()),
            *(f"  {port:<14} {what}" for what, port in self.ports.items()),
            *(f"  {name}: {address}" for name, address in self.addresses.items()),
            f"  logs: {self.folder}"])


def look(root: Path | None = None) -> Status:
    """As it is now."""
    folder = folder_of(root)
    news = read_news(folder)
    if running(NAME, root) is None:
        # A keeper that was killed has told of no end.
        return Status(DOWN, error="" if news is None else news.error)
    order = read_order(folder)
    # In a user namespace only the pages' ports are this machine's.
    names = PAGES if order.mode is Mode.USER else tuple(PORTS)
    ports = {PORTS[name][0]: int(getattr(order.settings, name)) for name in names}
    if news is None:
        return Status("starting", order.mode, order.why, ports=ports, folder=str(folder))
    parts = {one.name: "runs" if one.process is not None and one.process.alive() else "ended"
             for one in news.parts}
    return Status(news.state, order.mode, order.why, news.waiting_for, parts, ports,
                  news.addresses, str(folder), news.error)
