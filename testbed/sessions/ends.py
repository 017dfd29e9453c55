"""The processes that generate a scenario's traffic: one for all servers, one for all clients.

Each enters its namespace, then runs every activity of the scenario but a split session's ends,
which are processes of their own. A client whose connection breaks begins again, as programs do.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from testbed import namespaces
from testbed.forwarder import end_with_parent
from testbed.sessions import gateway
from testbed.sessions.catalogue import GATEWAY, KINDS, SPLIT
from testbed.sessions.scenarios import Activity, Scenario
from testbed.sessions.talk import DatagramTalk, Talk, serve_datagrams, serve_stream

GATEWAY_PORT = 8480  # on the far end's loopback
AGAIN_SECONDS = 0.5
SERVER_SECONDS = 3600.0  # they are ended from outside


def run_servers(scenario: Scenario, namespace: str, certificate: Path, ready: Connection) -> None:
    end_with_parent()
    namespaces.enter(namespace)
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(scenario, certificate, ready))


async def _serve(scenario: Scenario, certificate: Path, ready: Connection) -> None:
    kept: list[Any] = []  # servers end when nobody holds them
    for activity in scenario.activities:
        tls = server_tls(certificate) if activity.tls else None
        if activity.kind == GATEWAY:
            kept.append(await gateway.serve_proxy(scenario.far_address, activity.port, tls,
                                                  GATEWAY_PORT))
        elif activity.kind != SPLIT:
            plan = KINDS[activity.kind].plan
            kept.append(await (
                serve_datagrams(scenario.far_address, activity.port, plan, activity.parameters,
                                scenario.seed + 1)
                if activity.transport == "udp" else
                serve_stream(scenario.far_address, activity.port, tls, plan, activity.parameters)))
    ready.send("ready")
    await asyncio.sleep(SERVER_SECONDS)


def run_clients(scenario: Scenario, namespace: str, authority: Path) -> None:
    end_with_parent()
    namespaces.enter(namespace)
    with suppress(KeyboardInterrupt):
        asyncio.run(_use(scenario, authority))


async def _use(scenario: Scenario, authority: Path) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(scenario.duration), asyncio.TaskGroup() as group:
            for index, activity in enumerate(scenario.activities):
                if activity.kind != SPLIT:
                    group.create_task(_again(activity, _client(scenario, activity, authority),
                                             random.Random(scenario.seed + 10 * index)))


def _client(scenario: Scenario, activity: Activity,
            authority: Path) -> Callable[[random.Random], Awaitable[None]]:
    tls = ssl.create_default_context(cafile=str(authority)) if activity.tls else None
    address, port, parameters = scenario.far_address, activity.port, activity.parameters
    if activity.kind == GATEWAY:
        return lambda randomness: gateway.ask(address, port, tls, parameters, randomness)
    kind = KINDS[activity.kind]
    talk = (DatagramTalk(address, port) if activity.transport == "udp"
            else Talk(address, port, tls, kind.plan, parameters))
    return lambda randomness: kind.client(talk, parameters, randomness)


async def _again(activity: Activity, client: Callable[[random.Random], Awaitable[None]],
                 randomness: random.Random) -> None:
    await asyncio.sleep(activity.starts)
    while True:
        # A connection that breaks on a bad link is part of what is recorded.
        with suppress(OSError, ssl.SSLError, asyncio.IncompleteReadError, ExceptionGroup):
            await client(randomness)
        await asyncio.sleep(AGAIN_SECONDS)


def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
