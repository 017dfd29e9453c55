"""Traffic that is worth something only now: calls, games, a desktop far away."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Iterator
from typing import Any

from testbed.sessions.kind import Kind, heavy, log_uniform, uneven
from testbed.sessions.talk import DatagramTalk, Parameters, Piece, Talk
from testbed.shaped_link import LinkConfig

PACKET = 1180  # bytes of payload of a large media packet


def draw_voice(randomness: random.Random, link: LinkConfig) -> dict[str, Any]:
    return {"interval": randomness.choice((0.02, 0.02, 0.02, 0.03, 0.04, 0.06)),
            "size": randomness.choice((33, 60, 80, 120, 172, 172, 200)),
            "fixed": randomness.random() < 0.5, "silence": randomness.random() < 0.5}


def voice(parameters: Parameters, randomness: random.Random) -> Iterator[Piece]:
    """Packets at an interval; with `silence`, few while nobody speaks."""
    speaks, until, at = True, randomness.expovariate(0.5), 0.0
    while True:
        if parameters["silence"] and at > until:
            speaks, until = not speaks, at + randomness.expovariate(0.6)
        wait = parameters["interval"] * (1 if speaks else 8)
        at += wait
        size = parameters["size"] if speaks else 20
        yield wait, size if parameters["fixed"] else heavy(randomness, size, 0.2, 400)


def draw_video_call(randomness: random.Random, link: LinkConfig) -> dict[str, Any]:
    most = max(0.15, min(2.5, 0.6 * min(link.up.rate, link.down.rate)))
    return {"interval": 0.02, "size": 120, "fixed": False, "silence": False,
            "video": log_uniform(randomness, 0.1, most),  # Mbit/s
            "frames": randomness.choice((15, 24, 30))}


def video_call(parameters: Parameters, randomness: random.Random) -> Iterator[Piece]:
    """A voice, and picture frames of several packets between its packets."""
    at = 0.0
    for due, size in heapq.merge(
            _absolute(voice(parameters, random.Random(randomness.random()))),
            _absolute(_pictures(parameters, random.Random(randomness.random())))):
        yield due - at, size
        at = due


def _pictures(parameters: Parameters, randomness: random.Random) -> Iterator[Piece]:
    mean = parameters["video"] * 125_000 / parameters["frames"]
    number = 0
    while True:
        whole = number % (parameters["frames"] * 4) == 0  # a picture that needs no other
        left = heavy(randomness, mean * (4 if whole else 0.95), 0.3, 60_000)
        wait = 1 / parameters["frames"]
        while left > 0:
            yield wait, min(left, PACKET) + 20
            left, wait = left - PACKET, 0.0005
        number += 1


def _absolute(pieces: Iterator[Piece]) -> Iterator[Piece]:
    at = 0.0
    for wait, size in pieces:
        at += wait
        yield at, size


def draw_game(randomness: random.Random, link: LinkConfig) -> dict[str, Any]:
    return {"up_rate": log_uniform(randomness, 15, 64), "up": log_uniform(randomness, 30, 120),
            "rate": log_uniform(randomness, 10, 64), "down": log_uniform(randomness, 60, 500)}


def game_server(parameters: Parameters, randomness: random.Random) -> Iterator[Piece]:
    while True:
        yield uneven(randomness, 1 / parameters["rate"], 0.08), heavy(
            randomness, parameters["down"], 0.5, 1200)


def game_player(parameters: Parameters, randomness: random.Random) -> Iterator[Piece]:
    while True:
        yield uneven(randomness, 1 / parameters["up_rate"], 0.15), heavy(
            randomness, parameters["up"], 0.25, 400)


def exchange(pieces: Any) -> Any:
    """A client that sends `pieces` while the server sends its plan."""
    async def client(talk: DatagramTalk, parameters: Parameters,
                     randomness: random.Random) -> None:
        connection = await talk.open()
        await connection.exchange(pieces(parameters, randomness), 60)
    return client


def draw_turns(randomness: random.Random, link: LinkConfig) -> dict[str, Any]:
    return {"up": log_uniform(randomness, 25, 200), "down": log_uniform(randomness, 40, 900),
            "tick": log_uniform(randomness, 0.03, 0.5)}


async def game_over_tcp(talk: Talk, parameters: Parameters, randomness: random.Random) -> None:
    """Moves, each answered by the world's state."""
    connection = await talk.open()
    while True:
        await connection.ask(heavy(randomness, parameters["up"], 0.4, 600),
                             heavy(randomness, parameters["down"], 0.6, 4000),
                             uneven(randomness, 0.01, 0.5))
        await asyncio.sleep(uneven(randomness, parameters["tick"], 0.3))


def draw_desktop(randomness: random.Random, link: LinkConfig) -> dict[str, Any]:
    return {"events": log_uniform(randomness, 5, 40),  # inputs a second while active
            "update": log_uniform(randomness, 300, 12_000), "largest": 60_000,
            "render": log_uniform(randomness, 0.005, 0.06)}


async def desktop(talk: Talk, parameters: Parameters, randomness: random.Random) -> None:
    """A pointer's moves up, each followed by the part of the screen that it changed."""
    connection = await talk.open()
    await connection.ask(400, heavy(randomness, 30_000, 0.5, 150_000), 0.1)
    while True:
        for _ in range(heavy(randomness, 30, 0.7, 200)):
            await connection.ask(heavy(randomness, 60, 0.2, 200),
                                 heavy(randomness, parameters["update"], 1.2,
                                       parameters["largest"]),
                                 uneven(randomness, parameters["render"], 0.4))
            await asyncio.sleep(uneven(randomness, 1 / parameters["events"], 0.5))
        await asyncio.sleep(randomness.expovariate(1.5))


KINDS = (
    Kind("voice", "realtime", "udp", draw_voice, exchange(voice), voice),
    Kind("video-call", "realtime", "udp", draw_video_call, exchange(video_call), video_call),
    Kind("remote-desktop", "realtime", "tcp", draw_desktop, desktop),
    Kind("game", "gaming", "udp", draw_game, exchange(game_player), game_server),
    Kind("game-turns", "gaming", "tcp", draw_turns, game_over_tcp, tls=0.4),
)
