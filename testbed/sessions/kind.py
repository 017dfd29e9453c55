"""What a kind of traffic is: the label it deserves, how its parameters are drawn, and its two ends.

Kinds are in modules by what they resemble; `catalogue` gathers them.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from testbed.sessions.talk import Parameters, Piece, Plan
from testbed.shaped_link import LinkConfig

Draw = Callable[[random.Random, LinkConfig], dict[str, Any]]


def nothing(_: Parameters, __: random.Random) -> Iterator[Piece]:
    """The plan of a kind that pushes nothing."""
    return iter(())


@dataclass(frozen=True)
class Kind:
    """One kind of generated traffic."""

    name: str
    label: str
    transport: str  # "tcp" or "udp"
    draw: Draw
    client: Callable[[Any, Parameters, random.Random], Awaitable[None]]  # until it is cancelled
    plan: Plan = nothing  # what the server sends by itself, or as a stream
    tls: float = 0.7  # share of scenarios in which it runs over TLS; UDP never does
    port: int = 0  # where services of this kind listen as a rule; 0: anywhere


def log_uniform(randomness: random.Random, low: float, high: float) -> float:
    """Between `low` and `high`, every order of magnitude as likely."""
    return float(low * (high / low) ** randomness.random())


def log_integer(randomness: random.Random, low: int, high: int) -> int:
    return round(log_uniform(randomness, low, high))


def heavy(randomness: random.Random, median: float, spread: float, most: float) -> int:
    """Sizes and times as they are in networks: log-normal, cut off at `most`."""
    return max(1, round(min(most, median * randomness.lognormvariate(0.0, spread))))


def uneven(randomness: random.Random, mean: float, spread: float) -> float:
    """A time that varies around `mean` seconds; `spread` is of its logarithm."""
    return mean * randomness.lognormvariate(-spread * spread / 2, spread)


def volume(link: LinkConfig, way: str, seconds: float) -> int:
    """Bytes that a direction carries in so long: larger transfers would never end on it."""
    channel = link.up if way == "up" else link.down
    return int(channel.rate * 125_000 * seconds)
