"""What the loop stands on: namespaces with a kernel in each, or sockets of this machine alone.

    ground = ground_of(programs)
    programs.add("edge", ground.in_core([...]))

Both have the same cell, scheduler, tap, xApp and programs. With namespaces each phone and the core
has a network of its own, and its kernel's TCP. With relays nothing is asked of the system but
loopback: programs reach the edge by a phone's door, and what they say crosses the cell as packets
that `relay_ends` makes. It starts what it needs by `Programs`, and decides nothing.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from testbed import namespaces
from testbed.bed.modes import Mode
from testbed.errors import LinkFailure
from testbed.loop.parts import AIRSPLIT, in_namespace
from testbed.loop.relay_ends import END_CAPTURE
from testbed.loop.settings import EDGE_PORT, LLM_POOL, LoopSettings, Sessions
from testbed.ran.plane import leftovers

if TYPE_CHECKING:
    from testbed.loop.programs import Programs

SNAP = 128  # bytes of each packet that the capture keeps
HOST = "127.0.0.1"
PHONE, PAGE = "phone", "page"  # UEs


class Ground(Protocol):
    """What differs."""

    def namespaces(self) -> tuple[str, ...]:
        """That are made, to be written down."""

    def way(self, for_crowd: bool) -> dict[str, Any]:
        """Of the cell's file."""

    def cell_options(self) -> list[str]: ...

    def start(self) -> None:
        """What runs beside the cell, which runs already."""

    def in_core(self, words: Sequence[str]) -> list[str]: ...

    def in_phone(self, ue: str, words: Sequence[str]) -> list[str]: ...

    def edge_options(self) -> list[str]:
        """Where the edge listens."""

    def edge_of(self, ue: str) -> str:
        """Where a phone's programs reach the edge."""

    def route(self, ue: str, address: str) -> None:
        """What a phone says to the edge takes the session of that address."""

    def tap(self, publish: str) -> list[str]:
        """The tap's command line."""

    def start_capture(self) -> None: ...

    def end_capture(self) -> None:
        """What has come is in the file, whole."""

    def page_place(self) -> str | None:
        """The namespace that the page is served in; None: it is at this machine's port."""

    def hint(self) -> str:
        """How a person talks to the edge as the phone."""

    def take_away(self) -> None:
        """What the cell may have left, which has ended."""


def ground_of(programs: Programs, sockets: Path) -> Ground:
    """By the settings; `sockets` is a folder for sockets' names."""
    if programs.settings.mode is Mode.RELAY:
        return Relays(programs, sockets)
    return Namespaces(programs)


def require(settings: LoopSettings) -> None:
    """Raise unless this machine has what the mode needs."""
    if settings.mode is not Mode.RELAY:
        namespaces.require()


class Namespaces:
    """As root, or in a user namespace."""

    def __init__(self, programs: Programs) -> None:
        self._programs, self._settings = programs, programs.settings

    def namespaces(self) -> tuple[str, ...]:
        return tuple(map(self._name, (
            "n6", PHONE, *([PAGE] if self._settings.page else []), *self._settings.crowd_names)))

    def _name(self, who: str) -> str:
        return f"{self._settings.name}-{who}"

    def way(self, for_crowd: bool) -> dict[str, Any]:
        return {"name": self._settings.name}

    def cell_options(self) -> list[str]:
        return []

    def start(self) -> None:
        """The kernel is there."""

    def in_core(self, words: Sequence[str]) -> list[str]:
        return in_namespace(self._name("n6"), words)

    def in_phone(self, ue: str, words: Sequence[str]) -> list[str]:
        return in_namespace(self._name(ue), words)

    def edge_options(self) -> list[str]:
        return ["--host", self._settings.edge_address, "--port", str(EDGE_PORT)]

    def edge_of(self, ue: str) -> str:
        return f"http://{self._settings.edge_address}:{EDGE_PORT}"

    def route(self, ue: str, address: str) -> None:
        """Where the edge is in the second session's network, packets to it take that session."""
        if self._settings.sessions is Sessions.TWO:
            namespaces.command("ip", "-n", self._name(ue), "route", "replace", LLM_POOL, "dev",
                               "ue1", "src", address)

    def tap(self, publish: str) -> list[str]:
        return self.in_core([*AIRSPLIT, "tap", "any", "--publish", publish])

    def start_capture(self) -> None:
        self._programs.add("capture", self.in_core([
            *AIRSPLIT, "pcap", "record", self._settings.edge_device, "--port", str(EDGE_PORT),
            "--snap", str(SNAP), "--out", str(self._programs.capture)]))

    def end_capture(self) -> None:
        self._programs.parts.pop("capture").stop()

    def page_place(self) -> str | None:
        return self._name(PAGE)

    def hint(self) -> str:
        return f"ip netns exec {self._name(PHONE)} curl {self.edge_of(PHONE)}/healthz"

    def take_away(self) -> None:
        """If another run has the name, that is its."""
        with contextlib.suppress(LinkFailure):
            leftovers.remove_leftovers(self._settings.name)


class Relays:
    """Without any privilege."""

    def __init__(self, programs: Programs, sockets: Path) -> None:
        self._programs, self._settings, self._sockets = programs, programs.settings, sockets
        self._edge_to = _free_port()
        self._doors: dict[str, int] = {}

    def namespaces(self) -> tuple[str, ...]:
        return ()

    def way(self, for_crowd: bool) -> dict[str, Any]:
        return {"name": self._settings.name,
                "devices": str(self._sockets / ("ends" if for_crowd else "cell"))}

    def cell_options(self) -> list[str]:
        return ["--control", str(self._sockets / "control")]

    def start(self) -> None:
        programs = self._programs
        programs.write("ends.yaml", self._document())
        programs.add_module("ends", "testbed.loop.relay_ends", str(programs.folder / "ends.yaml"),
                            output="ends.jsonl")
        programs.wait(lambda: any("doors" in one for one in programs.lines("ends.jsonl")),
                      "the phones' doors")
        self._doors = next(one["doors"] for one in programs.lines("ends.jsonl") if "doors" in one)

    def _document(self) -> dict[str, Any]:
        settings, two = self._settings, self._settings.sessions is Sessions.TWO
        phones = [(PHONE, settings.phone_address), *(
            [(PAGE, settings.page_address)] if settings.page else [])]
        return {
            "name": settings.name, "cell": str(self._sockets / "cell"),
            "devices": str(self._sockets / "ends"), "copies": str(self._sockets / "copies"),
            "capture": str(self._programs.capture), "snap": SNAP, "seed": settings.seed,
            "phones": [{"name": name, "device": "ue1" if two else "ue0", "address": address}
                       for name, address in phones],
            "networks": ["n6-internet", "n6-llm"], "edge_device": settings.edge_device,
            "edge_address": settings.edge_address, "edge_port": EDGE_PORT,
            "edge_to": self._edge_to}

    def in_core(self, words: Sequence[str]) -> list[str]:
        return list(words)

    def in_phone(self, ue: str, words: Sequence[str]) -> list[str]:
        return list(words)

    def edge_options(self) -> list[str]:
        return ["--host", HOST, "--port", str(self._edge_to)]

    def edge_of(self, ue: str) -> str:
        return f"http://{HOST}:{self._doors[ue]}"

    def route(self, ue: str, address: str) -> None:
        """A door belongs to a session."""

    def tap(self, publish: str) -> list[str]:
        return self._programs.module("testbed.loop.relay_tap", str(self._sockets / "copies"),
                                     publish)

    def start_capture(self) -> None:
        """The ends write it, all along."""

    def end_capture(self) -> None:
        self._programs.parts["ends"].order(END_CAPTURE)
        self._programs.wait(lambda: any(
            "captured" in one for one in self._programs.lines("ends.jsonl")), "the capture's end")

    def page_place(self) -> str | None:
        return None

    def hint(self) -> str:
        return f"curl {self.edge_of(PHONE)}/healthz"

    def take_away(self) -> None:
        """Its sockets are in a folder that goes."""


def _free_port() -> int:
    """The next one to ask for a port may get it, but not soon: the system goes round."""
    with socket.create_server((HOST, 0)) as made:
        return int(made.getsockname()[1])
