"""Chats with a language model in a data centre: a prompt goes up, its answer streams down.

Chunks look as those of known services: how many bytes a token costs, whether tokens come one by
one or gathered, over HTTP with events or over a WebSocket.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from testbed.sessions.kind import Kind, heavy, log_uniform, uneven, volume
from testbed.sessions.talk import Parameters, Piece, Talk
from testbed.shaped_link import LinkConfig

CHARACTERS = 4.2  # of a token, on average, the space before it included
HEADERS_UP, HEADERS_DOWN = 700, 450  # bytes of HTTP before a prompt and before an answer


@dataclass(frozen=True)
class Service:
    """How one kind of service sends an answer."""

    wrapping: int  # bytes around the text of each chunk
    gather: tuple[float, float]  # seconds over which tokens are gathered, from and to; 0: one each
    keep_alive: float = 0.0  # seconds between events without text; 0: none
    start: tuple[int, ...] = ()  # bytes of the events before the first text
    end: tuple[int, ...] = ()  # and after the last


SERVICES = {
    "chat-openai": Service(265, (0.0, 0.0), start=(310,), end=(290, 330, 20)),
    "chat-anthropic": Service(112, (0.0, 0.12), 15.0, (420, 110, 40), (75, 160, 60)),
    "chat-gemini": Service(380, (0.15, 0.5), end=(520,)),
    "chat-ollama": Service(104, (0.0, 0.0), end=(340,)),
    "chat-browser": Service(70, (0.0, 0.15), 10.0, (900, 240), (260, 400, 30)),
    "chat-websocket": Service(58, (0.0, 0.08), 20.0, (180,), (120,)),
}


def draw_for(name: str) -> Any:
    service = SERVICES[name]

    def draw(randomness: random.Random, link: LinkConfig) -> dict[str, Any]:
        return {
            "service": name, "tokens_per_second": log_uniform(randomness, 5, 150),
            "spread": randomness.uniform(0.1, 0.8),  # of the times between tokens
            "gather": randomness.uniform(*service.gather),
            "first_token": log_uniform(randomness, 0.15, 3.0),  # seconds
            "answer": log_uniform(randomness, 30, 900),  # tokens, median
            "prompt": heavy(randomness, 300, 1.3, min(60_000, volume(link, "up", 3))),  # bytes
            "history": randomness.random() < 0.7,  # each prompt holds what was said before
            "think": log_uniform(randomness, 0.5, 6.0),  # seconds
            "one_connection": randomness.random() < 0.7,
            "side_calls": randomness.random() < 0.3,  # small requests of the page beside it
        }
    return draw


def answer(parameters: Parameters, randomness: random.Random) -> Iterator[Piece]:
    """One answer, as its chunks come."""
    service = SERVICES[parameters["service"]]
    yield uneven(randomness, parameters["first_token"] / 3, 0.4), HEADERS_DOWN
    for size in service.start:
        yield 0.0, size
    pause = uneven(randomness, parameters["first_token"] * 2 / 3, 0.5)
    gathered, text, quiet = 0.0, 0, 0.0
    for _ in range(heavy(randomness, parameters["answer"], 0.6, 3000)):
        gap = uneven(randomness, 1 / parameters["tokens_per_second"], parameters["spread"])
        gathered, quiet = gathered + gap, quiet + gap
        text += max(1, round(randomness.gauss(CHARACTERS, 2.0)))
        if gathered >= parameters["gather"]:
            yield pause + gathered, service.wrapping + text
            pause = gathered = 0.0
            text = 0
        if service.keep_alive and quiet > service.keep_alive:
            yield 0.0, 30
            quiet = 0.0
    if text:
        yield pause + gathered, service.wrapping + text
    for size in service.end:
        yield 0.0, size


async def ask(talk: Talk, parameters: Parameters, randomness: random.Random) -> None:
    """One person's chat; ends when it is cancelled."""
    async with asyncio.TaskGroup() as group:
        if parameters["side_calls"]:
            group.create_task(_side_calls(talk, random.Random(randomness.random())))
        connection, said = await talk.open(), 0
        while True:
            prompt = heavy(randomness, parameters["prompt"], 0.5, 4 * parameters["prompt"])
            await connection.stream(HEADERS_UP + prompt + said, randomness.getrandbits(32))
            if parameters["history"]:
                said = min(said + prompt + round(parameters["answer"] * CHARACTERS), 60_000)
            await asyncio.sleep(uneven(randomness, parameters["think"], 0.6))
            if not parameters["one_connection"]:
                await connection.close()
                connection = await talk.open()


async def _side_calls(talk: Talk, randomness: random.Random) -> None:
    connection = await talk.open()
    while True:
        await asyncio.sleep(randomness.expovariate(0.4))
        await connection.ask(heavy(randomness, 900, 0.5, 5000), heavy(randomness, 700, 0.9, 30_000),
                             uneven(randomness, 0.06, 0.6))


KINDS = tuple(Kind(name, "llm_chat", "tcp", draw_for(name), ask, answer, tls=0.75)
              for name in SERVICES)
