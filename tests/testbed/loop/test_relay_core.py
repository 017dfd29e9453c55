"""The core's side: what crosses is told and captured, the crowd's packets pass through."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from pcap_tools.read import open_captures
from testbed.loop.packet_stream import connected
from testbed.loop.relay_core import Core
from testbed.loop.stack.segments import decode
from testbed.ran.relay_devices import taken
from tests.testbed.loop.ends import INTERNET, N6, UE, Cell
from tests.testbed.loop.test_relay_link import run
from tests.testbed.ran.plane.scene import packet


async def until(ready: Callable[[], bool]) -> None:
    while not ready():
        await asyncio.sleep(0.002)


def test_the_edges_packets_are_captured_and_told(tmp_path: Path) -> None:
    async def work(cell: Cell, core: Core, port: int) -> None:
        with connected(tmp_path / "copies") as tap:
            await until(lambda: bool(core.copies._listeners))
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"row" * 1000)
            assert await reader.readexactly(3000) == b"row" * 1000
            core.end_capture()
            writer.write(b"after the capture")
            await reader.readexactly(17)
            writer.close()
            await until(lambda: not core._flushing)
            assert tap.recv(4) == b"\x4d\x3c\xb2\xa1"
    run(tmp_path, work)
    seen = [bytes(records.data[at:at + size]) for records in open_captures(
        [tmp_path / "edge.pcap"]) for at, size in zip(records.start, records.captured,
                                                      strict=True)]
    assert len(seen) >= 8
    assert all(len(one) <= 128 for one in seen)
    first = decode(seen[0])
    assert first is not None
    assert (first.target.address, first.target.port) == ("10.46.0.1", 8470)
    assert not any(b"after the capture" in one for one in seen)


def test_the_crowds_packets_pass_and_are_told(tmp_path: Path) -> None:
    async def work(cell: Cell, core: Core, port: int) -> None:
        loop = asyncio.get_running_loop()
        down = packet("198.18.0.1", "10.45.0.9", 500)
        given = await loop.run_in_executor(None, taken, tmp_path / "devices", INTERNET)
        with given:
            given.send(down)
            await until(lambda: core.copies.packets == 1)
            assert cell.internet.recv(2000) == down
        cell.internet.send(packet("10.45.0.9", "198.18.0.1", 300))
        await until(lambda: core.account()["thrown_away"] == 1)
        for name in (N6, UE):  # one of here, one of the cell's own
            (await loop.run_in_executor(None, taken, tmp_path / "devices", name)).close()
        assert core.account()["told_to_the_tap"] == 2
        assert core.account()["lost_on_the_way_to_the_tap"] == 0
    run(tmp_path, work)
