"""`airsplit e2-node` as a process: it meets a RIC, serves its map, restarts, ends on SIGTERM."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from scapy.utils import RawPcapReader

from testbed.ran.e2_agent import E2Agent
from testbed.ran.e2_node import E2Node
from testbed.ran.e2_node_run import status
from testbed.ran.emulator_config import preset
from testbed.ran.faults import Fault
from testbed.ran.fluid_cell import FluidCells
from tests.testbed.ran.loopback import Ric, until
from tests.xapp.ric.scene import HANG_SECONDS, ROOT
from xapp.e2.capture_reading import PduFinder
from xapp.e2.e2ap import decode
from xapp.e2.e2ap_messages import (
    E2SetupRequest,
    E2SetupResponse,
    Indication,
    SubscriptionRequest,
    SubscriptionResponse,
)
from xapp.ric.transport import Address


@asynccontextmanager
async def process(file: Path, *options: str) -> AsyncIterator[subprocess.Popen[bytes]]:
    """The command, its lines going into `file`."""
    with file.open("wb") as lines, subprocess.Popen(
            [sys.executable, "-m", "testbed.cli", "e2-node", *options], cwd=ROOT, stdout=lines,
            stderr=subprocess.STDOUT, env={**os.environ, "PYTHONUNBUFFERED": "1"}) as started:
        try:
            yield started
        finally:
            if started.poll() is None:
                started.kill()


async def ended(started: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + 20
    while started.poll() is None:
        assert time.monotonic() < deadline, "it does not end"
        await asyncio.sleep(0.02)
    return int(started.returncode)


def test_it_meets_a_ric_restarts_and_ends(tmp_path: Path) -> None:
    file = tmp_path / "lines"

    async def scene() -> None:
        config = preset("oai")
        ric = Ric("oai", {f"{one.nci:09x}": one.prbs for one in config.cells.cells})
        address = await ric.listen("tcp://127.0.0.1:0")
        try:
            async with process(file, "--profile", "oai", "--ric", str(address), "--map-port", "0",
                               "--remote-port", "0", "--e2-capture",
                               str(tmp_path / "n.pcap")) as started:
                await until(lambda: len(ric.observations().ues) == 4)
                url = next(word for word in file.read_text(encoding="utf-8").split()
                           if word.endswith("/ues"))
                document = json.loads(await asyncio.to_thread(_got, url))
                assert {one["ue"] for one in document["ues"]} == {
                    key.ue for key in ric.observations().ues}
                started.send_signal(signal.SIGHUP)
                await until(lambda: {key.ue for key in ric.observations().ues} == {
                    f"oai:{number}" for number in range(1001, 1005)})
                started.send_signal(signal.SIGTERM)
                await until(lambda: not ric.there)
                assert await ended(started) == 0
        finally:
            await ric.termination.close()

    asyncio.run(asyncio.wait_for(scene(), HANG_SECONDS))
    lines = file.read_text(encoding="utf-8").splitlines()
    assert all(one.startswith("airsplit e2-node: ") for one in lines), lines
    assert lines[-1].endswith("it ends")
    finder = PduFinder(lambda data: True)  # nothing else is in it, at whatever port
    with RawPcapReader(str(tmp_path / "n.pcap")) as packets:
        said = [type(decode(pdu.data)) for data, _ in packets
                for pdu in finder.take(0, data, packets.linktype)]
    # Both ways, both of its lives, and up to its end.
    assert min(said.count(E2SetupRequest), said.count(E2SetupResponse)) >= 2
    assert min(said.count(SubscriptionRequest), said.count(SubscriptionResponse)) >= 2
    assert Indication in said[said.index(E2SetupRequest, 1):]


def _got(url: str) -> bytes:
    with urllib.request.urlopen(url) as answer:
        data: bytes = answer.read()
    return data


def test_a_status_line_says_how_it_stands() -> None:
    config = preset("srsran")
    ran = FluidCells(config.cells)
    agent = E2Agent(config.node, ran, random.Random(1), 0.0)
    agent.faults.add(Fault.NO_ACK)
    text = status(E2Node(agent, Address.parse("tcp://127.0.0.1:1")), ran)
    assert text.startswith("0/2 connected | 0 subscriptions")
    assert "1 0-100%" in text
    assert text.endswith("faults: no-ack")
