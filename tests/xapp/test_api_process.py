"""The REST API in its own process: the same answers, commands and their errors, its deaths."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.xapp.api_scene import AUTHORIZED, TOKEN
from tests.xapp.fake_operations import FakeOperations
from xapp.api_process import ApiProcess, ApiSettings
from xapp.errors import ConfigurationError, Conflict, TransportError
from xapp.events import Code, Event
from xapp.operations import Health
from xapp.store import Store
from xapp.store_records import Kind, Record

WAIT = 60.0  # seconds for a process on a busy machine


class Served:
    """An API of a network that is made up, with a real store."""

    def __init__(self, folder: Path) -> None:
        self.operations = FakeOperations(history=60.0)
        self.events: list[Event] = []
        self.api = ApiProcess(self.operations, ApiSettings(
            folder / "xapp.db", TOKEN, port=0, log_level="WARNING"), time.monotonic,
            self.events.append)
        self.client = httpx.AsyncClient(base_url=self.api.url, headers=AUTHORIZED, timeout=WAIT)

    def codes(self) -> list[Code]:
        return [event.code for event in self.events]

    async def until(self, done: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(WAIT):
            while not await done():
                await asyncio.sleep(0.05)


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Served]:
    store = Store(folder / "xapp.db", lambda report: None)
    try:
        one = Served(folder)
        try:
            await one.api.start()
            yield one
        finally:
            await one.client.aclose()
            await one.api.stop()
    finally:
        store.close()


def run(folder: Path, play: Callable[[Served], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with served(folder) as one:
            await play(one)

    asyncio.run(whole())


def test_it_shows_what_is_so_and_does_what_is_asked(tmp_path: Path) -> None:
    async def play(one: Served) -> None:
        client = one.client
        picture = one.operations.picture()
        status = (await client.get("/api/v1/status")).json()
        assert status["ues"] == len(picture.observations.ues) > 0
        assert (await client.get("/api/v1/limits")).json() == one.operations.limits()
        assert (await client.get("/healthz")).status_code == 200
        assert b"airsplit_xapp_loop_seconds_bucket" in (await client.get("/metrics")).content
        assert (await client.put("/api/v1/dry-run", json={"on": True})).json() == {"on": True}
        assert one.operations.modes.dry_run
        place = "/A1-P/v2/policytypes/20981/policies/"
        assert (await client.get("/A1-P/v2/policytypes")).json() == [20008, 20981]
        assert (await client.put(place + "new", json={"priority": 3})).status_code == 202
        assert (await client.get(place + "new")).json() == {"priority": 3}
        assert (await client.delete(place + "new")).status_code == 202
        assert (await client.get(place + "new")).status_code == 404
        assert (await client.get("/api/v1/decisions")).json()["items"] == []  # the store's
        kinds = [line for line in (await client.get("/api/v1/audit")).text.splitlines() if line]
        assert kinds

    run(tmp_path, play)


def test_errors_of_commands_are_the_same_as_without_a_process_between(tmp_path: Path) -> None:
    async def play(one: Served) -> None:
        refused = await one.client.put("/A1-P/v2/policytypes/20981/policies/x", json={"what": 1})
        assert refused.status_code == 400
        one.operations.failure = Conflict("It is taken.", "Take another.")
        refused = await one.client.put("/api/v1/dry-run", json={"on": True})
        assert (refused.status_code, refused.json()) == (
            409, {"error": "It is taken.", "remedy": "Take another."})
        one.operations.failure = TransportError("Something.", "Look.")
        assert (await one.client.put("/api/v1/dry-run", json={"on": True})).status_code == 500

    run(tmp_path, play)


def test_what_is_shown_follows_what_happens(tmp_path: Path) -> None:
    async def play(one: Served) -> None:
        one.operations.health = Health(True, ("It lacks something.",))
        one.api.show(one.operations.picture())

        async def seen() -> bool:
            answer = await one.client.get("/readyz")
            return "It lacks something." in answer.json()["reasons"]

        await one.until(seen)

    run(tmp_path, play)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_dies_is_told_and_started_again_at_the_same_place(
    tmp_path: Path, number: signal.Signals
) -> None:
    async def play(one: Served) -> None:
        assert one.api.process is not None
        dead = one.api.process.pid
        os.kill(dead, number)

        async def down() -> bool:
            return Code.API_DOWN in one.codes()

        await one.until(down)
        # Who asks meanwhile waits in the socket that stayed open.
        assert (await one.client.get("/healthz")).status_code == 200
        assert f"signal {number.value}" in one.events[0].sentence

        async def up() -> bool:
            return Code.API_UP in one.codes()

        await one.until(up)
        assert one.api.process is not None
        assert one.api.process.pid != dead
        assert (await one.client.put("/api/v1/dry-run", json={"on": True})).status_code == 200
        assert one.operations.modes.dry_run

    run(tmp_path, play)


def test_a_terminals_interrupt_is_not_for_it(tmp_path: Path) -> None:
    async def play(one: Served) -> None:
        assert one.api.process is not None
        one.api.process.send_signal(signal.SIGINT)
        assert (await one.client.get("/healthz")).status_code == 200
        assert one.events == []

    run(tmp_path, play)


def test_a_process_that_says_what_nobody_knows_is_ended(tmp_path: Path) -> None:
    async def play(one: Served) -> None:
        answers: list[Any] = []
        one.api._send = lambda message: answers.append(message)  # type: ignore[method-assign]  # heard
        for message in ({}, {"name": "picture", "arguments": [], "by": 1e12},
                        {"name": "set_dry_run", "arguments": ["yes", 3], "by": 1e12},
                        {"name": "set_dry_run", "arguments": [True, "anna"], "by": 0.0},
                        {"name": ["x"], "arguments": None, "by": None}):
            one.api._command(message)
        errors = [one["error"]["type"] for one in answers if one["kind"] == "answer"]
        assert errors == ["TransportError"] * 3 + ["Behind", "TransportError"]
        assert not one.operations.modes.dry_run

    run(tmp_path, play)


def test_a_port_that_is_taken_is_told_before_anything_starts(tmp_path: Path) -> None:
    async def play(one: Served) -> None:
        with pytest.raises(ConfigurationError, match="Give another port"):
            ApiProcess(one.operations, ApiSettings(
                tmp_path / "xapp.db", TOKEN, port=int(one.api.url.rpartition(":")[2])),
                time.monotonic, one.events.append)

    run(tmp_path, play)


def test_one_that_cannot_start_is_an_error_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    async def whole() -> None:
        one = Served(tmp_path)
        try:
            with pytest.raises(TransportError, match="ended while it started: exit status 1"):
                await one.api.start()
        finally:
            await one.api.stop()
            await one.client.aclose()

    asyncio.run(whole())


PARENT = """
import asyncio, sys, time
from pathlib import Path
from tests.xapp.test_api_process import Served
async def main():
    one = Served(Path(sys.argv[1]))
    await one.api.start()
    print(one.api.process.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


def test_it_ends_with_an_xapp_that_was_killed(tmp_path: Path) -> None:
    Store(tmp_path / "xapp.db", lambda report: None).close()
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE,
                          text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(child, 0)
        parent.kill()
    deadline = time.monotonic() + WAIT
    while alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Not even waiting to be buried."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_records_of_the_store_are_read_by_the_process_itself(tmp_path: Path) -> None:
    store = Store(tmp_path / "xapp.db", lambda report: None)
    store.put(Record(Kind.POLICY, "20981/a", "anna", "put", {
        "type_id": 20981, "instance": "a", "policy": {}}))
    store.close()

    async def play(one: Served) -> None:
        assert "anna" in (await one.client.get("/api/v1/audit")).text

    run(tmp_path, play)
