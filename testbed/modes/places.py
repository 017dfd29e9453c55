"""Where a trial's two ends are, and the servers that wait there, warm, for as long as a run lasts.

    with Places() as places:
        place = places.place(settings)      # the same one again for the same link and model

A link is loopback, two namespaces joined by `testbed.forwarder` (root), the emulated cell of
`airsplit ran` (root), or another host: its servers somebody started, or are started over ssh. It
measures nothing.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml

from edge_server.engine.device import CPU
from testbed import namespaces
from testbed.errors import TestbedFailure
from testbed.loop.parts import ending_with
from testbed.modes.modes_command import ADDRESS
from testbed.modes.programs import END, READY_SECONDS, Server, Started, program, stop
from testbed.modes.remote import Remote, server_over_ssh
from testbed.modes.settings import BUNDLED_MODEL, LinkKind, ModesSettings

STEP_TIMES = 8192  # that an edge keeps: 32 answers of 250 tokens
LEAST_PLACES = 8  # conversations of a server: trials of smaller batches share one
CELL = "airsplit-modes"  # what names of emulated cells' namespaces begin with
_cells = itertools.count(1)  # of this process
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Ends:
    """Both ends of a link."""

    near: str | None = None  # namespace of the client; None: this process's own
    far: str | None = None
    address: str = "127.0.0.1"  # of the far end
    device: str = "lo"  # what to capture on, at the near end


@dataclass(frozen=True)
class Place:
    """All that a client has to know."""

    ends: Ends
    server: Server | None
    edge: Server | None

    def inside(self, function: Callable[[], _Result]) -> _Result:
        """What `function` returns when it runs at the near end."""
        return function() if self.ends.near is None else namespaces.inside(
            self.ends.near, function)


class Places:
    """Links and servers, each made when first asked for."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._links: dict[object, Ends] = {}
        self._servers: dict[object, Started] = {}

    def close(self) -> None:
        self._stack.close()
        self._links, self._servers = {}, {}

    def place(self, settings: ModesSettings) -> Place:
        key = settings.link_key()
        if settings.link is LinkKind.HOST:
            self._links[key] = Ends(device=settings.device)
        elif key not in self._links:
            self._links[key] = self._stack.enter_context(_link(settings))
        ends = self._links[key]
        modes, edge = (self._server(ends, key, settings, name) if wanted else None
                       for name, wanted in (("modes", settings.needs_server),
                                            ("edge", settings.needs_edge)))
        return Place(ends, modes, edge)

    def _server(self, ends: Ends, link: object, settings: ModesSettings, name: str
                ) -> Server | None:
        by_hand = settings.edge if name == "edge" else settings.server
        if settings.link is LinkKind.HOST and by_hand:
            return named(by_hand)
        command = command_for(settings, name, ends)
        key = (link, *command)
        if key not in self._servers or not self._servers[key].running:  # its connection may drop
            self._servers[key] = self._stack.enter_context(_start(settings, ends, command))
        return self._servers[key].server


def command_for(settings: ModesSettings, name: str, ends: Ends) -> list[str]:
    """What starts a server, after `airsplit`; it ends where the process that started it does."""
    address, model = ends.address, str(settings.model)
    if settings.link is LinkKind.HOST:
        address = ADDRESS
        model = settings.ssh_model or ("" if settings.model == BUNDLED_MODEL else model)
    common = [*(["--model", model] if model else []), "--backend", settings.backend, "--dtype",
              settings.precision, "--threads", str(settings.threads), "--context",
              str(settings.context), "--host", address, "--port", "0", "--allow-anyone",
              "--end-with-stdin", *(["--device", settings.server_device]
                                    if settings.server_device != CPU else [])]
    places = str(max(LEAST_PLACES, settings.batch))
    if name == "edge":
        return ["edge", *common, "--sessions", places, "--step-times", str(STEP_TIMES)]
    return ["modes", "serve", *common, "--slots", places]


def _start(settings: ModesSettings, ends: Ends, command: Sequence[str]
           ) -> AbstractContextManager[Started]:
    if settings.link is LinkKind.HOST:
        assert settings.ssh is not None  # as its settings were checked for
        return server_over_ssh(Remote(settings.ssh, settings.ssh_command), command)
    words = [*(["ip", "netns", "exec", ends.far] if ends.far else []),
             sys.executable, "-m", "testbed.cli", *command]
    return program(words, lambda status, said: _why_not(command, said))


def _why_not(command: Sequence[str], said: str) -> TestbedFailure:
    return TestbedFailure(
        f"airsplit {command[0]} did not start: {said[-END:] or 'it said nothing.'}",
        f"Try it by itself: airsplit {' '.join(command)}")


def named(text: str | None) -> Server | None:
    """Somebody else's server, by HOST:PORT or a URL."""
    if text is None:
        return None
    host, _, port = text.rpartition("//")[2].rstrip("/").rpartition(":")
    # The system would wrap a larger port around, to somebody else's.
    if not host or not port.isdecimal() or not 0 < int(port[:6]) < 65536:
        raise TestbedFailure(f"{text!r} is no HOST:PORT.", "Give one such as 192.0.2.7:8470.")
    return Server(host.strip("[]"), int(port), None)


@contextmanager
def _link(settings: ModesSettings) -> Iterator[Ends]:
    if settings.link is LinkKind.LOOPBACK:
        yield Ends()
    elif settings.link is LinkKind.SHAPED:
        from testbed import forwarder
        from testbed.shaped_link import ChannelConfig, LinkConfig

        namespaces.remove_leftovers()
        delay = settings.round_trip_ms / 2e3
        way = ChannelConfig(settings.rate_mbps, delay, queue=4 << 20)
        with forwarder.shaped_link(LinkConfig(way, way), seed=1) as link:
            yield Ends(link.ends.near, link.ends.far, link.ends.far_address, forwarder.DEVICE)
    else:
        with _cell(settings) as ends:
            yield ends


@contextmanager
def _cell(settings: ModesSettings) -> Iterator[Ends]:
    """The emulated cell, with one phone and nobody else; several may be up, each by its name."""
    namespaces.require()
    name = f"{CELL}-{os.getpid()}-{next(_cells)}"
    document = {"cells": [{"nci": 0x66C000, "bandwidth_mhz": settings.bandwidth_mhz,
                           "spacing_khz": 15}],
                "ues": [{"name": "phone", "channel": {"kind": "static",
                                                      "snr_db": settings.snr_db}}],
                "way": {"name": name}}
    with tempfile.TemporaryDirectory(prefix="airsplit-modes-") as folder, \
            (Path(folder) / "cell.log").open("w+") as log:
        path = Path(folder) / "cell.yaml"
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-m", "testbed.cli", "ran", "--config", str(path), "--quiet"],
            stdout=log, stderr=log, start_new_session=True, preexec_fn=ending_with(os.getpid()))
        try:
            yield _cell_ends(process, name, Path(folder) / "cell.log")
        finally:
            stop(process)


def _cell_ends(process: subprocess.Popen[bytes], name: str, log: Path) -> Ends:
    near, far = f"{name}-phone", f"{name}-n6"
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        found = [_address(one) for one in (near, far)]
        if all(found):
            assert found[0] is not None
            assert found[1] is not None
            return Ends(near, far, found[1][1], found[0][0])
        time.sleep(0.1)  # between two looks
    raise TestbedFailure(f"The cell did not start: {log.read_text()[-500:].strip()}",
                         "Try `airsplit ran --config docs/examples/cell.yaml` by itself.")


def _address(namespace: str) -> tuple[str, str] | None:
    """The first device there that is up and has an IPv4 address, and that."""
    done = subprocess.run(["ip", "-n", namespace, "-j", "-4", "address"], capture_output=True,
                          text=True, timeout=namespaces.COMMAND_SECONDS)
    for one in json.loads(done.stdout or "[]") if done.returncode == 0 else []:
        if one.get("ifname") != "lo" and "UP" in one.get("flags", []) and one.get("addr_info"):
            return str(one["ifname"]), str(one["addr_info"][0]["local"])
    return None
