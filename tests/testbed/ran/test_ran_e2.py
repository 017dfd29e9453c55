"""E2 beside a cell that somebody else runs: a RIC sees it, steers it, and it ends in order."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from testbed.ran.cell_model import Share
from testbed.ran.emulator_config import LLM, preset
from testbed.ran.fluid_cell import FluidCells
from testbed.ran.node_config import NodeConfig
from testbed.ran.ran_e2 import E2Config, e2_beside
from tests.testbed.ran.loopback import Ric, run, until
from xapp.errors import ConfigurationError


async def _got(url: str) -> Any:
    """Without a thread: the scene counts those."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def test_a_ric_sees_the_cell_and_the_map_is_served() -> None:
    async def scene() -> None:
        config = preset("oai")
        ran = FluidCells(config.cells, time.monotonic())
        ric = Ric("oai", {f"{one.nci:09x}": one.prbs for one in config.cells.cells})
        address = await ric.listen("tcp://127.0.0.1:0")
        said: list[str] = []
        try:
            e2 = E2Config(str(address), NodeConfig("oai"), map_port=0, remote_port=0)
            async with e2_beside(ran, e2, 1, said.append) as side:
                await until(lambda: len(ric.observations().ues) == 4)
                side.check()
                url = next(line.split()[-1] for line in said if "/ues" in line)
                assert len((await _got(url))["ues"]) == 4
                stands = await _got(url.replace("/ues", "/state"))
                assert len(stands["ues"]) == 4
                assert {one["slice"] for one in stands["slices"]} == {"1", "1-000001"}
                assert side.node.connected == 1
            assert side.node.connected == 0
            # The cell is not E2's: it is there as before.
            assert ran.set_share(None, LLM, Share(10, 50, 0))
        finally:
            await ric.termination.close()

    run(scene())


def test_ports_that_are_none() -> None:
    with pytest.raises(ConfigurationError, match="map_port 70000"):
        E2Config(map_port=70_000)


def test_an_address_of_nobody_is_tried_again_and_no_error() -> None:
    async def scene() -> None:
        said: list[str] = []
        ran = FluidCells(preset("srsran").cells, time.monotonic())
        async with e2_beside(ran, E2Config("tcp://127.0.0.1:1"), 1, said.append) as side:
            await until(lambda: any("tries again" in line for line in said))
            side.check()

    run(scene())
