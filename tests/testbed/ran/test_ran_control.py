"""The door of a running cell: who may open it, and what comes in that is no event."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from testbed.errors import LinkFailure
from testbed.ran.ran_control import MOST_BYTES, MOST_CLIENTS, door_of, served, tell
from xapp.errors import ConfigurationError


async def _take(document: Mapping[str, Any]) -> str:
    if "bad" in document:
        raise ConfigurationError("That is bad.", "Do better.")
    return f"did {document['kind']}"


async def _say(path: Path, data: bytes) -> list[Any]:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(data)
    writer.write_eof()
    answers = (await reader.read()).splitlines()
    writer.close()
    await writer.wait_closed()
    return [json.loads(one) for one in answers]


def test_events_go_in_and_answers_come_out(tmp_path: Path) -> None:
    path = tmp_path / "door"

    async def scene() -> None:
        async with served(path, _take):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
            assert await asyncio.to_thread(tell, path, {"kind": "outage"}) == "did outage"
            with pytest.raises(ConfigurationError, match=r"That is bad\. Do better\."):
                await asyncio.to_thread(tell, path, {"bad": 1})
            found = await _say(path, b'{"kind": "a"}\n{"kind": "b"}\n')
            assert found == [{"done": "did a"}, {"done": "did b"}]
            with pytest.raises(ConfigurationError, match="Another cell"):
                async with served(path, _take):
                    pass
        assert not path.exists()

    asyncio.run(scene())


@pytest.mark.parametrize("data", [b"\n", b"\xff\n", b"[]\n", b"[" * 5000 + b"\n", b"7\n",
                                  b"x" * (2 * MOST_BYTES)])
def test_what_is_no_event_gets_an_error(tmp_path: Path, data: bytes) -> None:
    async def scene() -> None:
        async with served(tmp_path / "door", _take):
            assert all("error" in one for one in await _say(tmp_path / "door", data))
            assert await _say(tmp_path / "door", b'{"kind": "a"}\n') == [{"done": "did a"}]

    asyncio.run(scene())


def test_many_who_say_nothing_are_bounded_and_let_go_at_the_end(tmp_path: Path) -> None:
    async def scene() -> None:
        ends = []
        async with served(tmp_path / "door", _take):
            for _ in range(MOST_CLIENTS):
                ends.append(await asyncio.open_unix_connection(tmp_path / "door"))
            assert await _say(tmp_path / "door", b"") == []
        for reader, writer in ends:
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()

    asyncio.run(scene())


def test_a_door_that_nobody_opens(tmp_path: Path) -> None:
    with pytest.raises(LinkFailure, match="No cell answers"):
        tell(tmp_path / "none", {})
    (tmp_path / "file").write_text("")
    with pytest.raises(LinkFailure, match="No cell answers"):
        tell(tmp_path / "file", {})

    async def scene(path: Path) -> None:
        async with served(path, _take):
            pass

    with pytest.raises(ConfigurationError, match="too long"):
        asyncio.run(scene(tmp_path / ("x" * 108)))
    assert door_of("airsplit-ran").name == "airsplit-ran.control"
