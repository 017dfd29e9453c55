"""Traffic that no person waits for: things, polls, name look-ups; and programs that call others.

The latter matter most here: calls one after another over one connection have the rhythm of a split
model, so whoever would know that by its rhythm alone is mistaken.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

from testbed.sessions.kind import Kind, heavy, log_integer, log_uniform, uneven
from testbed.sessions.talk import DatagramTalk, Parameters, Talk
from testbed.shaped_link import LinkConfig


def draw_mqtt(randomness: random.Random, link: LinkConfig) -> dict[str, Any]:
    return {"publish": log_uniform(randomness, 0.3, 5.0), "size": log_integer(randomness, 30, 400),
            "confirmed": randomness.random() < 0.7, "ping": log_uniform(randomness, 1.0, 10.0)}


async def mqtt(talk: Talk, parameters: Parameters, randomness: random.Random) -> None:
    connection = await talk.open()
    await connection.ask(heavy(randomness, 70, 0.3, 300), 20)  # CONNECT, CONNACK
    while True:
        await asyncio.sleep(uneven(randomness, parameters["publish"], 0.2))
        await connection.ask(heavy(randomness, parameters["size"], 0.15, 1000),
                             4 if parameters["confirmed"] else 0)
        if randomness.random() < parameters["publish"] / parameters["ping"]:
            await connection.ping()


def draw_coap(randomness: random.Random, link: LinkConfig) -> dict[str, Any]:
    return {"report": log_uniform(randomness, 0.3, 3.0), "size": log_integer(randomness, 20, 200),
            "answer": log_integer(randomness, 5, 40)}


async def coap(talk: DatagramTalk, parameters: Parameters, randomness: random.Random) -> None:
    connection = await talk.open()
    while True:
        for _ in range(4):  # sent again until it is confirmed
            if await connection.ask(parameters["size"], parameters["answer"],
                                    uneven(randomness, 0.01, 0.5), 2.0):
                break
        await asyncio.sleep(uneven(randomness, parameters["report"], 0.1))


def draw_telemetry(randomness: random.Random, link: LinkConfig) -> dict[str, Any]:
    return {"interval": log_uniform(randomness, 0.02, 1.0),
            "size": log_uniform(randomness, 80, 4_000), "fixed": randomness.random() < 0.6,
            "acknowledgement": log_integer(randomness, 18, 90),
            "waits": randomness.random() < 0.5}


async def telemetry(talk: Talk, parameters: Parameters, randomness: random.Random) -> None:
    """Readings over a WebSocket, each acknowledged; with `waits` the next one waits for that."""
    connection = await talk.open()
    await connection.ask(480, 190, 0.005)  # the upgrade
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        due = max(due + parameters["interval"], loop.time() if parameters["waits"] else 0.0)
        await asyncio.sleep(max(0.0, due - loop.time()))
        size = (round(parameters["size"]) if parameters["fixed"]
                else heavy(randomness, parameters["size"], 0.3, 20_000))
        await connection.ask(size, parameters["acknowledgement"])


def draw_polls(randomness: random.Random, link: LinkConfig) -> dict[str, Any]:
    return {"interval": log_uniform(randomness, 0.8, 5.0), "up": log_integer(randomness, 250, 1500),
            "down": log_integer(randomness, 150, 3000), "anew": randomness.random() < 0.5}


async def polls(talk: Talk, parameters: Parameters, randomness: random.Random) -> None:
    connection = await talk.open()
    while True:
        await connection.ask(heavy(randomness, parameters["up"], 0.1, 3000),
                             heavy(randomness, parameters["down"], 0.4, 20_000),
                             uneven(randomness, 0.03, 0.6))
        if parameters["anew"]:
            await connection.close()
        await asyncio.sleep(uneven(randomness, parameters["interval"], 0.2))
        if parameters["anew"]:
            connection = await talk.open()


def draw_names(randomness: random.Random, link: LinkConfig) -> dict[str, Any]:
    return {"rate": log_uniform(randomness, 0.5, 6.0)}  # look-ups a second


async def names(talk: DatagramTalk, parameters: Parameters, randomness: random.Random) -> None:
    """Look-ups in twos, from another port each, some answered from far away."""
    async def look_up() -> None:
        connection = await talk.open()
        await connection.ask(randomness.randint(30, 60), heavy(randomness, 110, 0.5, 500),
                             uneven(randomness, 0.015, 1.0), 3.0)
        connection.close()

    while True:
        await asyncio.gather(*(look_up() for _ in range(randomness.choice((1, 2, 2)))))
        await asyncio.sleep(randomness.expovariate(parameters["rate"]))


def draw_time(randomness: random.Random, link: LinkConfig) -> dict[str, Any]:
    return {"interval": log_uniform(randomness, 0.5, 4.0)}


async def time_of_day(talk: DatagramTalk, parameters: Parameters,
                      randomness: random.Random) -> None:
    connection = await talk.open()
    while True:
        await connection.ask(48, 48, 0.0002, 2.0)
        await asyncio.sleep(parameters["interval"])


def draw_database(randomness: random.Random, link: LinkConfig) -> dict[str, Any]:
    return {"up": log_uniform(randomness, 40, 1500), "down": log_uniform(randomness, 30, 6000),
            "query": log_uniform(randomness, 0.0005, 0.05), "between": log_uniform(
                randomness, 0.0005, 0.1), "rows": randomness.random() < 0.3}


async def database(talk: Talk, parameters: Parameters, randomness: random.Random) -> None:
    """Queries one after another, in transactions; `rows` inserts them, all of a size."""
    connection = await talk.open()
    await connection.ask(90, 400, 0.01)
    while True:
        for _ in range(heavy(randomness, 20, 1.0, 400)):
            up = round(parameters["up"]) if parameters["rows"] else heavy(
                randomness, parameters["up"], 0.5, 8000)
            down = 25 if parameters["rows"] else heavy(randomness, parameters["down"], 1.0, 60_000)
            await connection.ask(up, down, uneven(randomness, parameters["query"], 0.6))
            await asyncio.sleep(uneven(randomness, parameters["between"], 0.5))
        await asyncio.sleep(randomness.expovariate(2.0))


def draw_shell(randomness: random.Random, link: LinkConfig) -> dict[str, Any]:
    return {"typing": log_uniform(randomness, 0.06, 0.3), "output": log_uniform(
        randomness, 100, 6_000)}


async def shell(talk: Talk, parameters: Parameters, randomness: random.Random) -> None:
    """Typing in a terminal far away: each key comes back as an echo, each line as output."""
    connection = await talk.open()
    await connection.ask(1500, 1700, 0.02)  # keys are agreed on
    while True:
        for _ in range(randomness.randint(3, 40)):
            await connection.ask(36, 36, uneven(randomness, 0.002, 0.5))
            await asyncio.sleep(uneven(randomness, parameters["typing"], 0.6))
        await connection.ask(36, heavy(randomness, parameters["output"], 1.0, 100_000), 0.03)
        await asyncio.sleep(randomness.expovariate(1.0))


def draw_remote_rows(randomness: random.Random, link: LinkConfig) -> dict[str, Any]:
    most = max(400.0, min(16_000.0, link.up.rate * 125_000 * 0.15))
    return {"up": log_integer(randomness, 200, round(most)),
            "down": log_integer(randomness, 17, 300), "jitter": randomness.choice((0.0, 0.0, 0.2)),
            "server": log_uniform(randomness, 0.0005, 0.1),
            "own": log_uniform(randomness, 0.0005, 0.15),
            "batch": randomness.choice((0, 0, 1, 16, 200))}  # rows first, in one go


async def remote_rows(talk: Talk, parameters: Parameters, randomness: random.Random) -> None:
    """Rows of one size up and small answers down, in turn: replication, remote scoring.

    What a split model's decoding does, for another purpose: the hardest look-alike here.
    """
    connection = await talk.open()
    if randomness.random() < 0.5:
        await connection.ask(heavy(randomness, 300, 0.4, 900), heavy(randomness, 150, 0.4, 600))
    while True:
        for _ in range(parameters["batch"]):
            await connection.send(parameters["up"])
        for _ in range(heavy(randomness, 150, 1.0, 2000)):
            up = parameters["up"] if not parameters["jitter"] else heavy(
                randomness, parameters["up"], parameters["jitter"], 40_000)
            await connection.ask(up, parameters["down"],
                                 uneven(randomness, parameters["server"], 0.3))
            await asyncio.sleep(uneven(randomness, parameters["own"], 0.3))
        await asyncio.sleep(randomness.expovariate(0.8))


KINDS = (
    Kind("mqtt", "iot", "tcp", draw_mqtt, mqtt, tls=0.6, port=8883),
    Kind("coap", "iot", "udp", draw_coap, coap, port=5684),
    Kind("telemetry", "iot", "tcp", draw_telemetry, telemetry),
    Kind("polls", "background", "tcp", draw_polls, polls, tls=0.85, port=443),
    Kind("names", "background", "udp", draw_names, names, port=53),
    Kind("time-of-day", "background", "udp", draw_time, time_of_day, port=123),
    Kind("database", "background", "tcp", draw_database, database, tls=0.5, port=5432),
    Kind("shell", "background", "tcp", draw_shell, shell, tls=0.0, port=22),
    Kind("remote-rows", "background", "tcp", draw_remote_rows, remote_rows),
)
