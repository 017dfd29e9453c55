"""Over which link rate an answer is no longer so much faster: in words, with intervals. Pure.

A rate counts on one side only where its interval does. What lies between two measured rates is not
known; the straight line between them is said to be one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from testbed.experiments.results import Row
from testbed.experiments.statistics import Contrast, Estimate
from testbed.experiments.verdicts import Outcome, Verdict, said_ratio

Points = Sequence[tuple[float, Estimate]]  # Mbit/s in ascending order, and the ratio there


def rates(rows: Iterable[Row]) -> list[float]:
    """Link rates that there are trials of, Mbit/s."""
    found = {row.settings.get("rate_mbps") for row in rows if row.settings.get("link") == "shaped"}
    return sorted(float(one) for one in found if isinstance(one, int | float))


def turning(says: str, contrasts: Sequence[tuple[float, Contrast | None]], bound: float
            ) -> Verdict:
    """The verdict, of a contrast at each rate."""
    points = [(rate, one.change) for rate, one in contrasts if one is not None and one.ratio]
    if len(points) < 2:
        return Verdict(says, Outcome.OPEN, "fewer than two link rates were measured")
    outcome, answer = where_it_turns(points, bound)
    listed = "; ".join(f"{pairs_text(one)} at {rate:g}" for rate, one in points)
    return Verdict(says, outcome, f"{answer}. By rate: {listed} Mbit/s")


def pairs_text(one: Estimate) -> str:
    """A ratio with its interval, or that there is none."""
    return f"{said_ratio(one)} x" + (" (one pair)" if one.low is None else "")


def sure(one: Estimate, bound: float) -> bool | None:
    """Whether a ratio is at most the bound; None where its interval leaves that open."""
    if one.low is None or one.high is None:
        return None
    return True if one.high <= bound else False if one.low > bound else None


def where_it_turns(points: Points, bound: float) -> tuple[Outcome, str]:
    """Between which measured rates the ratio crosses the bound."""
    known = [(rate, yes) for rate, one in points if (yes := sure(one, bound)) is not None]
    open_ = [rate for rate, one in points if sure(one, bound) is None]
    if not known:
        if all(one.low is None for _, one in points):
            return Outcome.ONE_PAIR, "one pair of trials at each rate has no interval"
        return Outcome.UNSURE, "at no rate that was measured is it sure"
    turns = [place for place in range(1, len(known)) if known[place][1] != known[place - 1][1]]
    if len(turns) > 1:
        return Outcome.UNSURE, "it turns more than once: the trials scatter too much to say"
    if not turns:
        return Outcome.SAID, _all_one_way(known[0][1], [rate for rate, _ in known], open_)
    low, high = known[turns[0] - 1][0], known[turns[0]][0]
    said = f"between the measured rates {low:g} and {high:g} Mbit/s"
    at = _on_a_line([(rate, one.value) for rate, one in points if low <= rate <= high], bound)
    said += "" if at is None else f", on a straight line at about {at:.2g}"
    return Outcome.SAID, said + _left_open(open_)


def _all_one_way(yes: bool, sure_at: Sequence[float], open_: Sequence[float]) -> str:
    where = f"{_listed(sure_at)} Mbit/s" if open_ else (
        f"every rate that was measured, {sure_at[0]:g} to {sure_at[-1]:g} Mbit/s")
    return f"it {'saves' if yes else 'does not save'} that at {where}" + _left_open(open_)


def _left_open(rates_: Sequence[float]) -> str:
    return f"; at {_listed(rates_)} Mbit/s its interval leaves that open" if rates_ else ""


def _listed(rates_: Sequence[float]) -> str:
    return ", ".join(f"{rate:g}" for rate in rates_)


def _on_a_line(points: Sequence[tuple[float, float]], bound: float) -> float | None:
    """Where means cross the bound, over the rates' logarithm; None where they do so twice."""
    crossing = [place for place in range(1, len(points))
                if (points[place][1] <= bound) != (points[place - 1][1] <= bound)]
    if len(crossing) != 1:
        return None
    (low, before), (high, after) = points[crossing[0] - 1], points[crossing[0]]
    share = (bound - before) / (after - before)
    return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
