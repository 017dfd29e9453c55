"""The UE map over HTTP, read by the xApp's own reader; anything else gets nothing."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from testbed.ran.cell_model import Share
from testbed.ran.emulator_config import LLM, preset, state, ue_map
from testbed.ran.fluid_cell import FluidCells
from testbed.ran.map_server import serve_map
from xapp.errors import ConfigurationError
from xapp.map_source import emulated

GARBAGE = b"\x16\x03\x01\x02\x00" * 100


def served(ask: Callable[[int], Any]) -> Any:
    """What `ask`, in a thread, gets from a map server's port."""
    ran = FluidCells(preset().cells)

    async def scene() -> Any:
        async with serve_map(lambda: ue_map(ran, "gnb_1", False), "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            return await asyncio.to_thread(ask, port)

    return asyncio.run(asyncio.wait_for(scene(), 60))


def test_the_xapp_reads_it() -> None:
    entries = served(lambda port: emulated(f"http://127.0.0.1:{port}/ues"))
    assert [one.address for one in entries] == [
        "10.46.0.2", "10.45.0.3", "10.45.0.4", "10.45.0.5"]


def test_it_is_json_and_nothing_else_is_there() -> None:
    def ask(port: int) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
            kind = str(answer.headers["Content-Type"])
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/etc/passwd")
        caught.value.close()
        assert caught.value.code == 404
        return kind

    assert served(ask) == "application/json"


def test_beside_it_stands_what_is_in_force() -> None:
    ran = FluidCells(preset().cells)
    ran.set_share(None, LLM, Share(20, 90, 5))
    ran.limit_ue(1, Share(3, 40, 0))

    def ask(port: int) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/state") as answer:
            return json.load(answer)

    async def scene() -> Any:
        async with serve_map(dict, "127.0.0.1", 0, lambda: state(ran, "gnb_1")) as server:
            return await asyncio.to_thread(ask, next(iter(server.sockets)).getsockname()[1])

    found = asyncio.run(asyncio.wait_for(scene(), 60))
    assert {one["slice"]: one["minimum"] for one in found["slices"]} == {"1": 0, "1-000001": 20}
    assert found["ues"][0] == {"f1_id": 1, "minimum": 3, "maximum": 40, "dedicated": 0}


def test_garbage_does_not_end_it() -> None:
    def ask(port: int) -> int:
        import socket
        for data in (GARBAGE, b"GET " + b"a" * 100_000, b""):
            with socket.create_connection(("127.0.0.1", port)) as peer:
                peer.sendall(data)
        return len(emulated(f"http://127.0.0.1:{port}/ues"))

    assert served(ask) == 4


def test_a_port_in_use_is_told() -> None:
    async def scene() -> None:
        async with serve_map(dict, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            with pytest.raises(ConfigurationError, match="--map-port"):
                async with serve_map(dict, "127.0.0.1", port):
                    pass

    asyncio.run(asyncio.wait_for(scene(), 60))
