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

    Floors that exceed the total are cut in proportion. What is left is filled in proportion to
    what each still wants, as in one queue of all; nobody gets more than wanted or its ceiling.
    """
    bounds = [min(one.wanted, one.ceiling) for one in claims]
    floors = [max(one.floor, one.reserved) for one in claims]
    promised = sum(floors)
    scale = min(1.0, total / promised) if promised > EPSILON else 1.0
    parts = [min(bound, floor * scale) for bound, floor in zip(bounds, floors, strict=True)]
    kept = sum(max(0.0, one.reserved * scale - part)
               for one, part in zip(claims, parts, strict=True))
    left = max(0.0, total - sum(parts) - kept)
    wants = [bound - part for bound, part in zip(bounds, parts, strict=True)]
    wanted = sum(wants)
    # A reserved part that its owner does not fill stays free; it may grow beyond it like others.
    if wanted > EPSILON and left > EPSILON:
        rate = min(1.0, left / wanted)
        parts = [part + want * rate for part, want in zip(parts, wants, strict=True)]
    return parts
