"""Long transfers, and media that is fetched ahead: downloads, uploads, video, music."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any

from testbed.sessions.kind import Kind, heavy, log_uniform, uneven, volume
from testbed.sessions.talk import Connection, Parameters, Piece, Talk
from testbed.shaped_link import LinkConfig

MOST_BYTES = 24_000_000  # of one transfer: enough to see what it is, whatever the link could carry
DEPTH = 2  # chunks on their way before the first is confirmed


def draw_transfer(randomness: random.Random, link: LinkConfig) -> dict[str, Any]:
    most_up, most_down = (min(MOST_BYTES, volume(link, way, 12)) for way in ("up", "down"))
    return {"up": log_uniform(randomness, most_up / 30, most_up),
            "down": log_uniform(randomness, most_down / 30, most_down),
            "connections": randomness.choice((1, 1, 1, 2, 4)),
            "server": log_uniform(randomness, 0.01, 0.5), "pause": log_uniform(randomness, 0.2, 4)}


def transfer(up: bool, down: bool) -> Any:
    """Files one after another, in the directions given."""
    async def one(connection: Connection, parameters: Parameters,
                  randomness: random.Random) -> None:
        while True:
            both = up and down and randomness.random() < 0.5
            await connection.ask(
                heavy(randomness, parameters["up"], 0.6, MOST_BYTES)
                if up and (both or not down or randomness.random() < 0.5) else 500,
                heavy(randomness, parameters["down"], 0.6, MOST_BYTES) if down else 250,
                uneven(randomness, parameters["server"], 0.4))
            await asyncio.sleep(uneven(randomness, parameters["pause"], 0.8))

    async def client(talk: Talk, parameters: Parameters, randomness: random.Random) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(parameters["connections"]):
                group.create_task(one(await talk.open(), parameters, randomness))
    return client


def draw_chunks(randomness: random.Random, link: LinkConfig) -> dict[str, Any]:
    return {"chunk": min(log_uniform(randomness, 2_000, 1_000_000), volume(link, "up", 1)),
            "fixed": randomness.random() < 0.8, "confirmation": heavy(randomness, 90, 0.8, 800),
            "server": log_uniform(randomness, 0.002, 0.15),
            "depth": randomness.choice((1, 1, DEPTH)),  # chunks on their way
            "pause": log_uniform(randomness, 0.001, 0.05)}


async def upload_chunks(talk: Talk, parameters: Parameters, randomness: random.Random) -> None:
    """One file in chunks of a size, each confirmed: up and down take turns, as in a split model."""
    connection = await talk.open()
    ahead = parameters["depth"] - 1
    while True:
        size = round(parameters["chunk"] if parameters["fixed"]
                     else uneven(randomness, parameters["chunk"], 0.5))
        await connection.send(size, parameters["confirmation"],
                              uneven(randomness, parameters["server"], 0.4))
        if ahead:
            ahead -= 1
            continue
        await connection.read(parameters["confirmation"])
        await asyncio.sleep(uneven(randomness, parameters["pause"], 0.5))


def draw_media(low: float, high: float) -> Any:
    """Of a stream of `low` to `high` Mbit/s, as far as the link carries it."""
    def draw(randomness: random.Random, link: LinkConfig) -> dict[str, Any]:
        most = max(low, min(high, link.down.rate * 0.7))
        rate = log_uniform(randomness, low, most)  # Mbit/s
        return {"rate": rate, "segment": log_uniform(randomness, 1.0, 5.0),  # seconds of media
                "ahead": randomness.choice((1, 2, 3, 5)),  # segments fetched at the start
                "audio_apart": randomness.random() < 0.4, "request": heavy(randomness, 900, 0.3,
                                                                           2500),
                "server": log_uniform(randomness, 0.005, 0.1)}
    return draw


async def segments(talk: Talk, parameters: Parameters, randomness: random.Random) -> None:
    """Fetch ahead, then one segment as often as one is played."""
    video = await talk.open()
    audio = await talk.open() if parameters["audio_apart"] else None
    loop = asyncio.get_running_loop()
    began, fetched = loop.time(), 0
    await video.ask(parameters["request"], heavy(randomness, 6_000, 0.6, 40_000), 0.05)
    while True:
        size = parameters["rate"] * 125_000 * parameters["segment"]
        await video.ask(parameters["request"], heavy(randomness, size, 0.25, 8_000_000),
                        uneven(randomness, parameters["server"], 0.5))
        if audio is not None:
            await audio.ask(parameters["request"],
                            heavy(randomness, 16_000 * parameters["segment"], 0.1, 200_000), 0.01)
        fetched += 1
        wait = began + (fetched - parameters["ahead"]) * parameters["segment"] - loop.time()
        await asyncio.sleep(max(0.0, wait))


def paced(parameters: Parameters, randomness: random.Random) -> Iterator[Piece]:
    """Media that the server sends as fast as it is played, after a first burst."""
    rate = parameters["rate"] * 125_000
    yield parameters["server"], round(rate * min(3.0, parameters["segment"]))
    frame = 1 / 25
    while True:
        yield frame, max(200, round(uneven(randomness, rate * frame, 0.6)))


async def watch_paced(talk: Talk, parameters: Parameters, randomness: random.Random) -> None:
    connection = await talk.open()
    await connection.endless(parameters["request"], randomness.getrandbits(32))


KINDS = (
    Kind("download", "bulk", "tcp", draw_transfer, transfer(False, True)),
    Kind("upload", "bulk", "tcp", draw_transfer, transfer(True, False)),
    Kind("sync", "bulk", "tcp", draw_transfer, transfer(True, True)),
    Kind("chunked-upload", "bulk", "tcp", draw_chunks, upload_chunks),
    Kind("video-segments", "video", "tcp", draw_media(0.5, 12), segments, tls=0.85, port=443),
    Kind("video-live", "video", "tcp", draw_media(0.4, 6), watch_paced, paced),
    Kind("music", "audio", "tcp", draw_media(0.09, 0.32), segments, tls=0.8, port=443),
)
