"""Parts of a cell in the words of its own file, as far as the loop's settings have to know them.

What stands in `crowd_groups` and `traffic` is the emulated cell's to read; here are only names,
counts, and what is said twice. It knows no settings.
"""

from __future__ import annotations

from collections.abc import Mapping

from testbed.errors import TestbedFailure

GROUP = "crowd"  # name of the phones that load the cell, where no groups are given
Words = Mapping[str, object]  # as a file of somebody else's has them
IN_THE_PLACE = {"cells": "bandwidth_mhz", "slices": "static_percent", "crowd_groups": "crowd"}


def name_of(group: Words) -> str:
    return str(group.get("name", GROUP))


def count_of(group: Words) -> int:
    """How many phones it is."""
    count = group.get("count", 1)
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise TestbedFailure(f"The crowd's group {name_of(group)} has a count of "
                             f"{str(count)[:20]!r}.", "Give a whole number, 1 or more.")
    return count


def traffic_of(group: Words) -> list[Words]:
    """A group's own."""
    found = group.get("traffic", [])
    if not isinstance(found, list | tuple) or not all(isinstance(one, Mapping) for one in found):
        raise TestbedFailure(f"The traffic of the crowd's group {name_of(group)} is no list.",
                             "Write items such as `- {kind: poisson, down_kbps: 500}`.")
    return list(found)


def said_twice(said: Words) -> None:
    """Raise where a simple word and what goes in its place are both written, equal or not."""
    for whole, simple in IN_THE_PLACE.items():
        if said.get(whole) and simple in said:
            raise twice(whole, simple)


def twice(whole: str, simple: str) -> TestbedFailure:
    """What is wrong where both are given."""
    return TestbedFailure(f"Both `{whole}` and `{simple}` are given, of which one goes in the "
                          "place of the other.", f"Leave out `{simple}`, or `{whole}`.")
