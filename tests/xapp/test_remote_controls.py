"""Remote controls of base stations: connected to once each, asked, heard, over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any, cast

from websockets.asyncio.server import ServerConnection, serve

from xapp.actuators.base import RemoteRequest
from xapp.core import Core
from xapp.events import Code, Event
from xapp.remote_controls import RemoteControls

HANG_SECONDS = 20.0
NODE = "gnb_1"


class Fake:
    """What of a core this needs, and what it was told."""

    def __init__(self, url: str | None) -> None:
        self.stations = SimpleNamespace(stations=[SimpleNamespace(
            name=NODE, config=SimpleNamespace(remote=url))])
        self.answers: list[tuple[int, bool, str, bool]] = []
        self.events: list[Event] = []
        self.up = asyncio.Event()
        self.streamed = asyncio.Event()
        self.observer = SimpleNamespace(stream_is=lambda *_: self.streamed.set())

    def tell(self, event: Event, now: float) -> None:
        self.events.append(event)

    def remote(self, node: str, connected: bool, now: float, why: str = "") -> None:
        assert node == NODE
        (self.up.set if connected else self.up.clear)()

    def remote_answered(self, call: int, actuator: str, acknowledged: bool, why: str, now: float,
                        answered: bool = True) -> None:
        assert actuator == "websocket"
        self.answers.append((call, acknowledged, why, answered))


class Scene:
    """Remote controls over a fake core."""

    def __init__(self, url: str | None) -> None:
        self.core, self.afters, self.tasks = Fake(url), 0, list[asyncio.Task[None]]()
        self.remotes = RemoteControls(cast(Core, self.core), lambda: 5.0, self._spawn, self._after)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work))

    def _after(self) -> None:
        self.afters += 1

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def asked(command: str) -> RemoteRequest:
    return RemoteRequest(NODE, json.dumps({"cmd": command}), ())


async def gnb(connection: ServerConnection) -> None:
    async for message in connection:
        asked = json.loads(message)
        refused = asked["cmd"] == "nonsense"
        await connection.send(json.dumps({"cmd": asked["cmd"]} | (
            {"error": "Unknown command type"} if refused else {})))
        if asked["cmd"] == "metrics_subscribe":
            await connection.send("no JSON at all")


def test_it_connects_once_asks_and_hears() -> None:
    async def scene() -> None:
        async with serve(gnb, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            one = Scene(f"ws://127.0.0.1:{port}")
            try:
                one.remotes.look()
                one.remotes.look()
                assert len(one.tasks) == 1
                await one.core.up.wait()
                await one.remotes.ask(7, asked("rrm_policy_ratio_set"))
                await one.remotes.ask(8, asked("nonsense"))
                while not one.core.events:
                    await asyncio.sleep(0.01)
            finally:
                await one.close()
        (_, well, _, _), (_, refused, why, answered) = one.core.answers
        assert (well, refused, answered) == (True, False, True)
        assert "Unknown command" in why
        assert one.core.events[0].code is Code.GARBAGE
        assert one.afters == 2

    asyncio.run(asyncio.wait_for(scene(), HANG_SECONDS))


def test_who_has_none_is_not_connected_to_and_a_request_to_it_is_answered_so() -> None:
    async def scene() -> None:
        one = Scene(None)
        one.remotes.look()
        assert not one.tasks
        await one.remotes.ask(9, asked("rrm_policy_ratio_set"))
        assert one.core.answers == [(9, False, f"{NODE} has no remote control. Name its address.",
                                     True)]

    asyncio.run(asyncio.wait_for(scene(), HANG_SECONDS))
