"""The client of srsRAN's remote control, against a fake that answers as INTEROP's gNB did.

The fake acknowledges any quota, also of slices that there are not and with a minimum above the
maximum, and streams metrics to who subscribed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from xapp.actuators.srsran_ws import command
from xapp.e2.common import Snssai
from xapp.e2.quota import SliceQuota
from xapp.errors import ConfigurationError, TransportError
from xapp.ric.srsran_remote import (
    MOST_ASKED,
    Heard,
    Refused,
    RemoteConfig,
    RemoteDown,
    RemoteGarbage,
    RemoteMetrics,
    RemoteUp,
    SrsranRemote,
    Unanswered,
)

HANG_SECONDS = 20.0
QUOTA = command(SliceQuota(Snssai(1, 5), 90, 20, 0))  # which cannot be meant


class Gnb:
    """The fake."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []
        self.silent: set[str] = set()  # commands that get no answer
        self.stream: list[str | bytes] = []  # sent to who subscribes
        self.people: list[ServerConnection] = []

    async def serve(self, connection: ServerConnection) -> None:
        self.people.append(connection)
        async for message in connection:
            asked = json.loads(message)
            self.commands.append(asked)
            if asked["cmd"] in self.silent:
                continue
            if asked["cmd"] not in ("metrics_subscribe", "rrm_policy_ratio_set"):
                await connection.send(json.dumps(
                    {"error": "Unknown command type", "cmd": asked["cmd"]}))
                continue
            await connection.send(json.dumps({"cmd": asked["cmd"], "timestamp": "now"}))
            if asked["cmd"] == "metrics_subscribe":
                for one in self.stream:
                    await connection.send(one)


Test = Callable[[Gnb, SrsranRemote, list[Heard]], Awaitable[None]]


def run(test: Test, gnb: Gnb | None = None, **config: Any) -> None:
    """`test` with a gNB, a client of it, and what the client heard."""
    async def all_of_it() -> None:
        fake, heard = gnb or Gnb(), list[Heard]()
        async with serve(fake.serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            remote = SrsranRemote(RemoteConfig(
                f"ws://127.0.0.1:{port}", pause_seconds=0.02, **config), heard.append)
            task = asyncio.create_task(remote.run())
            try:
                async with asyncio.timeout(HANG_SECONDS):
                    await test(fake, remote, heard)
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    asyncio.run(all_of_it())


async def until(heard: list[Heard], kind: type, count: int = 1) -> None:
    while sum(isinstance(one, kind) for one in heard) < count:
        await asyncio.sleep(0.005)


def test_a_command_is_answered_and_the_answer_proves_nothing() -> None:
    async def test(gnb: Gnb, remote: SrsranRemote, heard: list[Heard]) -> None:
        await until(heard, RemoteUp)
        answer = await remote.request(QUOTA)
        assert answer["cmd"] == "rrm_policy_ratio_set"
        assert gnb.commands[-1]["policies"]["min_prb_policy_ratio"] == 90

    run(test)


def test_an_error_is_a_refusal_with_the_gnbs_words() -> None:
    async def test(gnb: Gnb, remote: SrsranRemote, heard: list[Heard]) -> None:
        await until(heard, RemoteUp)
        with pytest.raises(Refused, match="Unknown command type"):
            await remote.request('{"cmd":"make_coffee"}')
        assert (await remote.request(QUOTA))["cmd"] == "rrm_policy_ratio_set"

    run(test)


def test_metrics_are_handed_on_and_garbage_is_told() -> None:
    gnb = Gnb()
    gnb.stream = ['{"timestamp": 1, "cells": []}', "no JSON", "[1]", b"\x00\x01",
                  "[" * 100_000, '{"cmd": "never_asked"}', '{"timestamp": 2}']

    async def test(gnb: Gnb, remote: SrsranRemote, heard: list[Heard]) -> None:
        await until(heard, RemoteMetrics, 2)
        metrics = [one.metrics["timestamp"] for one in heard if isinstance(one, RemoteMetrics)]
        assert metrics == [1, 2]
        assert sum(isinstance(one, RemoteGarbage) for one in heard) == 5
        assert remote.connected

    run(test, gnb)


def test_a_message_that_is_too_large_ends_the_connection_and_not_the_client() -> None:
    gnb = Gnb()
    gnb.stream = [json.dumps({"much": "x" * (2 << 20)})]

    async def test(gnb: Gnb, remote: SrsranRemote, heard: list[Heard]) -> None:
        await until(heard, RemoteDown)
        gnb.stream = []
        await until(heard, RemoteUp, 2)
        assert (await remote.request(QUOTA))["cmd"] == "rrm_policy_ratio_set"

    run(test, gnb)


def test_no_answer_is_told_and_a_late_one_is_not_taken_for_the_next() -> None:
    gnb = Gnb()
    gnb.silent = {"rrm_policy_ratio_set"}

    async def test(gnb: Gnb, remote: SrsranRemote, heard: list[Heard]) -> None:
        await until(heard, RemoteUp)
        with pytest.raises(Unanswered):
            await remote.request(QUOTA)
        await until(heard, RemoteDown)  # the late answer has nowhere to come to
        gnb.silent = set()
        await until(heard, RemoteUp, 2)
        assert (await remote.request(QUOTA))["cmd"] == "rrm_policy_ratio_set"

    run(test, gnb, answer_seconds=0.1)


def test_what_waits_when_the_connection_ends_is_unanswered() -> None:
    gnb = Gnb()
    gnb.silent = {"rrm_policy_ratio_set"}

    async def test(gnb: Gnb, remote: SrsranRemote, heard: list[Heard]) -> None:
        await until(heard, RemoteUp)
        waiting = asyncio.create_task(remote.request(QUOTA))
        while len(gnb.commands) < 2:
            await asyncio.sleep(0.005)
        await gnb.people[-1].close()
        with pytest.raises(Unanswered):
            await waiting

    run(test, gnb)


def test_a_gnb_that_is_not_there_is_tried_again_with_growing_pauses() -> None:
    async def all_of_it() -> None:
        heard: list[Heard] = []
        remote = SrsranRemote(RemoteConfig("ws://127.0.0.1:9", pause_seconds=0.01,
                                           most_pause_seconds=0.03), heard.append)
        with pytest.raises(TransportError, match="not connected"):
            await remote.request(QUOTA)
        task = asyncio.create_task(remote.run())
        async with asyncio.timeout(HANG_SECONDS):
            await until(heard, RemoteDown, 4)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        pauses = [one.pause for one in heard if isinstance(one, RemoteDown)][:4]
        assert pauses == [0.01, 0.02, 0.03, 0.03]

    asyncio.run(all_of_it())


def test_a_stream_that_falls_silent_is_opened_again() -> None:
    async def test(gnb: Gnb, remote: SrsranRemote, heard: list[Heard]) -> None:
        await until(heard, RemoteUp, 2)
        assert any(isinstance(one, RemoteDown) and "metrics were due" in one.why for one in heard)

    run(test, quiet_seconds=0.1)


def test_more_commands_than_may_wait_are_refused_at_once() -> None:
    gnb = Gnb()
    gnb.silent = {"rrm_policy_ratio_set"}

    async def test(gnb: Gnb, remote: SrsranRemote, heard: list[Heard]) -> None:
        await until(heard, RemoteUp)
        waiting = [asyncio.create_task(remote.request(QUOTA)) for _ in range(MOST_ASKED)]
        while len(gnb.commands) < MOST_ASKED + 1:
            await asyncio.sleep(0.005)
        with pytest.raises(TransportError, match="wait for answers"):
            await remote.request(QUOTA)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    run(test, gnb, metrics=True)


def test_an_address_that_is_no_websocket_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        RemoteConfig("http://127.0.0.1:8001")
