"""People's use of the web: pages with their objects, and applications that call an interface."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from testbed.sessions.kind import Kind, heavy, log_uniform, uneven, volume
from testbed.sessions.talk import Connection, Parameters, Talk
from testbed.shaped_link import LinkConfig


def draw_pages(randomness: random.Random, link: LinkConfig) -> dict[str, Any]:
    return {
        "connections": randomness.choice((1, 1, 2, 4, 6)),
        "objects": heavy(randomness, 18, 0.8, 90),  # of a page
        "object": log_uniform(randomness, 4_000, 30_000),  # bytes, median
        "largest": min(3_000_000, volume(link, "down", 2)),
        "request": heavy(randomness, 600, 0.3, 2000),  # bytes
        "server": log_uniform(randomness, 0.005, 0.15),  # seconds until it answers
        "read": log_uniform(randomness, 1.0, 8.0),  # seconds between pages
    }


async def pages(talk: Talk, parameters: Parameters, randomness: random.Random) -> None:
    connections: list[Connection] = []
    while True:
        first = connections or [await talk.open()]
        await first[0].ask(parameters["request"], heavy(randomness, 20_000, 0.8, 200_000),
                           uneven(randomness, parameters["server"] * 2, 0.5))
        connections = first + [await talk.open()
                               for _ in range(parameters["connections"] - len(first))]
        waiting = [heavy(randomness, parameters["object"], 1.4, parameters["largest"])
                   for _ in range(heavy(randomness, parameters["objects"], 0.4, 120))]
        async with asyncio.TaskGroup() as group:
            for connection in connections:
                group.create_task(_load(connection, waiting, parameters, randomness))
        await asyncio.sleep(uneven(randomness, parameters["read"], 0.7))
        if randomness.random() < 0.3:  # another site
            for connection in connections:
                await connection.close()
            connections = []


async def _load(connection: Connection, waiting: list[int], parameters: Parameters,
                randomness: random.Random) -> None:
    while waiting:
        size = waiting.pop()
        await connection.ask(heavy(randomness, parameters["request"], 0.2, 4000), size + 350,
                             uneven(randomness, parameters["server"], 0.7))


def draw_interface(randomness: random.Random, link: LinkConfig) -> dict[str, Any]:
    return {
        "calls": heavy(randomness, 3, 0.6, 12),  # at a click
        "connections": randomness.choice((1, 2, 3)),
        "up": log_uniform(randomness, 400, 3_000), "down": log_uniform(randomness, 300, 8_000),
        "largest": min(1_000_000, volume(link, "down", 1)),
        "server": log_uniform(randomness, 0.01, 0.3),  # seconds
        "click": log_uniform(randomness, 0.4, 4.0),  # seconds between clicks
    }


async def interface(talk: Talk, parameters: Parameters, randomness: random.Random) -> None:
    connections = [await talk.open() for _ in range(parameters["connections"])]

    async def call(connection: Connection, count: int) -> None:
        for _ in range(count):
            await connection.ask(
                heavy(randomness, parameters["up"], 0.5, 20_000),
                heavy(randomness, parameters["down"], 1.2, parameters["largest"]),
                uneven(randomness, parameters["server"], 0.6))

    while True:
        count = heavy(randomness, parameters["calls"], 0.5, 20)
        async with asyncio.TaskGroup() as group:
            for index, connection in enumerate(connections):
                group.create_task(call(connection, count // len(connections) + (not index)))
        await asyncio.sleep(uneven(randomness, parameters["click"], 0.8))


KINDS = (
    Kind("pages", "web", "tcp", draw_pages, pages, tls=0.85, port=443),
    Kind("interface", "web", "tcp", draw_interface, interface, tls=0.85, port=443),
)
