"""What is to be recorded: scenarios drawn from a seed, each by its number alone.

Half of a block's scenarios are split-LLM sessions and half other traffic, over the same links;
within a block every kind and every link profile takes its turn, so that any first part of a series
is balanced. Pure: a scenario is data, and can be written beside its capture.
"""

from __future__ import annotations

import ipaddress
import random
from dataclasses import dataclass, field, replace
from typing import Any

from testbed.sessions.catalogue import GATEWAY, KINDS, LABELS, SPLIT
from testbed.sessions.kind import heavy, log_uniform, volume
from testbed.sessions.models import BUNDLED, MODELS, Model
from testbed.sessions.profiles import PROFILES, draw_link
from testbed.shaped_link import LinkConfig

SPLITS_IN, BLOCK = 5, 12  # of so many scenarios in a row, so many are split sessions
SHORTEST, LONGEST = 3.0, 25.0  # seconds of a capture
PREFILL_SECONDS = 5.0  # that the link needs at most for a prompt's rows
LATE = 0.08  # share of captures that begin in the middle
COMPANY = 0.25  # share of captures in which other traffic runs beside
# The kinds that may run beside others: they leave the link some room.
LIGHT = ("chat-openai", "chat-browser", "interface", "polls", "names", "mqtt", "telemetry", "voice",
         "shell", "database", "music", "remote-rows", "time-of-day", "pages", "game")
FORMAT = 1


@dataclass(frozen=True)
class Activity:
    """One application in a scenario."""

    kind: str
    label: str
    transport: str
    port: int  # that its server listens on
    tls: bool
    parameters: dict[str, Any]
    model: str = ""  # whose rows or answer it carries, where it has one
    starts: float = 0.0  # seconds after the recording


@dataclass(frozen=True)
class Scenario:
    """One capture to be."""

    number: int
    name: str
    seed: int
    duration: float  # seconds
    link_profile: str
    link: LinkConfig
    near_address: str
    far_address: str
    side: str  # "near" or "far": where it is recorded
    congestion_control: str
    late: float  # seconds after the clients that the recording begins
    activities: tuple[Activity, ...]
    format: int = field(default=FORMAT)


def draw(seed: int, number: int) -> Scenario:
    """The scenario `number` of the series `seed`."""
    randomness = random.Random(f"airsplit scenario {seed} {number}")
    kind = kind_of(seed, number)
    profile = _turn(f"{seed} {'split' if kind == SPLIT else 'other'} links",
                    number, tuple(PROFILES))
    link = draw_link(PROFILES[profile], randomness)
    duration = max(SHORTEST, heavy(randomness, 90, 0.45, LONGEST * 10) / 10)
    model = MODELS[_turn(f"{seed} models", number, tuple(MODELS))]
    activities = [_activity(kind, randomness, link, model)]
    if kind == SPLIT:
        link = _with_outage(link, activities[0].parameters)
    if randomness.random() < COMPANY:
        beside = randomness.choice([name for name in LIGHT if name != kind])
        activities.append(_activity(beside, randomness, link, model, randomness.uniform(0.0, 1.5)))
    near, far = _addresses(randomness)
    return Scenario(
        number, f"{number:05}-{kind}", randomness.getrandbits(31), duration, profile, link, near,
        far, randomness.choice(("near", "far")), randomness.choice(("cubic", "cubic", "bbr")),
        round(min(randomness.uniform(1.5, 4.0), duration / 3), 2)
        if randomness.random() < LATE else 0.0,
        _apart(activities, randomness))


def kind_of(seed: int, number: int) -> str:
    """What the scenario's main activity is."""
    places = list(range(BLOCK))
    random.Random(f"{seed} block {number // BLOCK}").shuffle(places)
    if places[number % BLOCK] < SPLITS_IN:
        return SPLIT
    # The others are counted by themselves, so that all take turns.
    earlier = (number // BLOCK) * (BLOCK - SPLITS_IN) + sum(
        place >= SPLITS_IN for place in places[: number % BLOCK])
    return _turn(f"{seed} kinds", earlier, (*KINDS, GATEWAY))


def _turn(name: str, number: int, choices: tuple[str, ...]) -> str:
    """Each of `choices` once in every round, in an order of the round's own."""
    order = list(choices)
    random.Random(f"{name} {number // len(choices)}").shuffle(order)
    return order[number % len(choices)]


def _activity(kind: str, randomness: random.Random, link: LinkConfig, model: Model,
              starts: float = 0.0) -> Activity:
    if kind == SPLIT:
        usual, tls, parameters = 8470, 0.5, _draw_split(randomness, link, model)
        name, transport = model.name, "tcp"
    elif kind == GATEWAY:
        usual, tls, parameters = 443, 0.7, _draw_gateway(randomness)
        name, transport = BUNDLED, "tcp"
    else:
        drawn = KINDS[kind]
        usual, transport, tls = drawn.port, drawn.transport, drawn.tls
        parameters, name = drawn.draw(randomness, link), ""
    port = usual if usual and randomness.random() < 0.4 else randomness.randint(1025, 32_000)
    return Activity(kind, LABELS[kind], transport, port,
                    transport == "tcp" and randomness.random() < tls, parameters, name, starts)


def _draw_split(randomness: random.Random, link: LinkConfig, model: Model) -> dict[str, Any]:
    private = model.layers >= 3 and randomness.random() < 0.3
    precision = randomness.choices(("bf16", "fp32", "fp16"), (0.6, 0.34, 0.06))[0]
    row = model.hidden * (4 if precision == "fp32" else 2)
    most = volume(link, "up", PREFILL_SECONDS)
    if private:  # the rows come back
        most = min(most, volume(link, "down", PREFILL_SECONDS))
    phones = randomness.choices((1, 2, 3), (0.75, 0.17, 0.08))[0]
    rows = max(3, min(1500, most // (row * phones)))
    tail = 1 if private else 0
    return {
        "private": private, "precision": precision, "row_bytes": row, "phones": phones,
        "split": randomness.randint(1 if private else 0, max(0, model.layers - 1 - tail)),
        "prompt": log_uniform(randomness, 3, rows),  # tokens, median of a turn
        "longest_prompt": rows,
        "answer": log_uniform(randomness, 8, 400),  # tokens, median
        "think": log_uniform(randomness, 0.3, 5.0),  # seconds between an answer and a question
        # A third of the phones are as fast as this machine; the others take their time.
        "phone_seconds": 0.0 if randomness.random() < 0.3 else log_uniform(randomness, 0.002, 0.15),
        "edge_seconds": 0.0 if randomness.random() < 0.3 else log_uniform(randomness, 0.001, 0.08),
        "spread": randomness.uniform(0.03, 0.4),  # of the logarithm of both
        "row_share": randomness.uniform(0.01, 0.15),  # of those times, for each row of a prompt
        "chunk": randomness.choice((8, 16, 32, 32, 32, 64)),
        "temperature": randomness.choice((0.0, 0.8)),
        "outage": (round(randomness.uniform(3.0, 8.0), 2), round(randomness.uniform(0.5, 3.5), 2))
        if randomness.random() < 0.12 else None,  # when, how long: seconds
    }


def _with_outage(link: LinkConfig, parameters: dict[str, Any]) -> LinkConfig:
    if not parameters["outage"]:
        return link
    begins, lasts = parameters["outage"]
    gone = ((begins, begins + lasts),)
    return replace(link, up=replace(link.up, outages=gone), down=replace(link.down, outages=gone))


def _draw_gateway(randomness: random.Random) -> dict[str, Any]:
    return {"token_seconds": log_uniform(randomness, 1 / 150, 1 / 5), "spread": randomness.uniform(
                0.05, 0.4), "row_share": 0.02,
            "answer": log_uniform(randomness, 20, 250), "think": log_uniform(randomness, 0.5, 5.0),
            "prompt_words": log_uniform(randomness, 5, 150)}


def _apart(activities: list[Activity], randomness: random.Random) -> tuple[Activity, ...]:
    """No two servers on one port: flows are told apart by it."""
    taken: set[int] = set()
    result = []
    for activity in activities:
        while activity.port in taken:
            activity = replace(activity, port=randomness.randint(1025, 32_000))
        taken.add(activity.port)
        result.append(activity)
    return tuple(result)


def _addresses(randomness: random.Random) -> tuple[str, str]:
    """A phone's and a server's; in a fifth of the scenarios IPv6."""
    if randomness.random() < 0.2:
        return (str(ipaddress.IPv6Address("fd00:1::") + randomness.getrandbits(64)),
                str(ipaddress.IPv6Address("fd00:2::") + randomness.getrandbits(64)))
    return (str(ipaddress.IPv4Address("10.0.0.0") + randomness.randint(2, (1 << 23) - 2)),
            str(ipaddress.IPv4Address("10.128.0.0") + randomness.randint(2, (1 << 23) - 2)))
