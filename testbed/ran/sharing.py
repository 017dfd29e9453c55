"""How resource blocks are shared among those who want some: floors first, then by what waits.

Pure arithmetic of one moment. It does not know what slices, UEs or bits are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class Claim:
    """What one party wants of a resource, in its units."""

    wanted: float
    floor: float = 0.0  # served first, as far as it is wanted
    ceiling: float = float("inf")
    reserved: float = 0.0  # nobody else gets it, wanted or not


def divide(total: float, claims: Sequence[Claim]) -> list[float]:
    """Each party's part; together at most `total`.

    Floors that exceed the total are cut in proportion. What is left is poured in proportion to
    what each wants, as in one queue of all; nobody gets more than wanted or its ceiling.
    """
    bounds = [min(one.wanted, one.ceiling) for one in claims]
    floors = [max(one.floor, one.reserved) for one in claims]
    promised = sum(floors)
    scale = min(1.0, total / promised) if promised > EPSILON else 1.0
    parts = [min(bound, floor * scale) for bound, floor in zip(bounds, floors, strict=True)]
    kept = sum(max(0.0, one.reserved * scale - part)
               for one, part in zip(claims, parts, strict=True))
    _fill(parts, bounds, [one.wanted for one in claims], max(0.0, total - sum(parts) - kept))
    return parts


def _fill(parts: list[float], bounds: list[float], weights: list[float], left: float) -> None:
    """Pour `left` over all by weight; who is full leaves the rest to the others."""
    thirsty = [place for place, bound in enumerate(bounds) if bound - parts[place] > EPSILON]
    while thirsty and left > EPSILON:
        rate = left / sum(weights[place] for place in thirsty)
        full = [place for place in thirsty
                if bounds[place] - parts[place] <= weights[place] * rate + EPSILON]
        for place in full or thirsty:
            more = min(bounds[place] - parts[place], weights[place] * rate)
            parts[place] += more
            left -= more
        if not full:
            return
        thirsty = [place for place in thirsty if place not in full]
