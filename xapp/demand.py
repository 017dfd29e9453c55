"""How much of a cell the flows of one slice need to meet their target, from what was observed.

Best is to know what they send: rows of so many bytes, each of which has to be over the air within
the target's share of time. Second best is what they were seen to send on average. Where neither is
known, the slice's own use of PRBs is all there is, and low use proves nothing about bursts. None
means that nothing tells; it never becomes 0.

What a percent of the cell carries is each UE's own: at the cell's edge half of what it is for the
others, or less. So the slice's own traffic tells it, in a report in which there is enough of that;
the cell's mean only stands in.

It knows no quotas and no other slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xapp.limits import Limits
from xapp.observations import Cell, Flow, Load, Slice
from xapp.slice_policy import SlicePolicy

LEAST_PRBS = 2.0  # percent; a ratio to less than that says little
LEAST_KBPS = 1.0  # nor does one of less than that
SURE_PRBS = 4.0  # percent of a slice's own, whatever it was used for
OWN_PRBS = 1.0  # percent of a slice's own, if it is of rows for the most part: see `ENOUGH`
ENOUGH = 0.15  # of what a flow sends at its target: a held one sends a third, a pause has less
ROUNDED = 0.5  # percent that a whole one may be too little
LEAST_LEFT = 0.2  # of the air's time for a row itself, however long a grant takes
BITS_PER_BYTE = 8
PACE = 0.9  # of the target; a flow that is nearer to it is as fast as it should be


@dataclass(frozen=True, slots=True)
class Demand:
    """What is needed, without headroom."""

    percent: float | None  # of the cell's PRBs, in the direction that needs more
    kbps: float | None  # in that direction; None where PRBs were seen rather than reckoned
    basis: str  # of the figure, for the operator
    waiting: bool  # packets wait longer than the target allows
    reckoned: bool = False  # from rows or rates, not from use
    presumed: bool = False  # nothing measured tells what a percent of the cell carries
    borrowed: bool = False  # the cell's mean does; the slice's own report says too little just now


def fresh(load: Load, limits: Limits, now: float) -> bool:
    """Whether a report may be acted upon."""
    return -1.0 <= now - load.at <= limits.stale  # a second ahead: clocks are read one by one


def estimate(
    cell: Cell, slice_: Slice | None, flows: Sequence[Flow], policy: SlicePolicy, limits: Limits,
    now: float,
) -> Demand:
    """What these flows of one slice need."""
    load = slice_.load if slice_ is not None and fresh(slice_.load, limits, now) else None
    waits = load is not None and waiting(load, policy, limits)
    up, down = up_kbps(flows, policy, limits), down_kbps(flows, limits)
    usual_up, usual_down = _usual_up(flows, policy), _usual_down(flows)
    needed: list[tuple[float, float, bool, bool]] = []  # percent, kbps, presumed, borrowed
    for kbps, usual, upward in ((up, usual_up, True), (down, usual_down, False)):
        own = own_kbps(load, upward, usual)
        of_cell = measured_kbps(cell, None, upward, limits, now)
        rate = own or of_cell or presumed_kbps(cell, limits)
        if kbps is not None and rate is not None:
            silent = own is None and load is not None and _used(load, upward)[0] is not None
            needed.append((kbps / rate, kbps, own is None and of_cell is None,
                           silent and of_cell is not None))
    if up is not None and needed:
        percent, most, presumed, borrowed = max(needed)
        return Demand(percent, most, f"they need {_rate(most)}", waits, True, presumed, borrowed)
    use = None if load is None else _greater(load.down_prbs, load.up_prbs)
    if use is not None:
        return Demand(use, None, f"their slice uses {use:.0f} % of the cell", waits)
    return Demand(None, None, "what they need is not known", waits)


def waiting(load: Load, policy: SlicePolicy, limits: Limits) -> bool:
    """Whether packets wait longer than the air may take of the target."""
    longest = longest_wait(load)
    return longest is not None and longest > budget_ms(policy, limits)


def longest_wait(load: Load) -> float | None:
    """Milliseconds, in the direction in which packets wait longer."""
    return _greater(load.down_delay_ms, load.up_delay_ms)


def budget_ms(policy: SlicePolicy, limits: Limits) -> float:
    """What a row may spend on the air."""
    return policy.inter_token_ms * limits.air_share


def row_ms(policy: SlicePolicy, limits: Limits) -> float:
    """What of that is left for the row itself, once it is granted."""
    return _after_grant(budget_ms(policy, limits), limits)


def _after_grant(budget: float, limits: Limits) -> float:
    return max(budget - limits.grant_ms, budget * LEAST_LEFT)


def up_kbps(flows: Sequence[Flow], policy: SlicePolicy, limits: Limits) -> float | None:
    """What they have to send; None unless it is known of one at least.

    That is what all send on average, and so much more that the largest row is over in its time:
    rows of several seldom come in the same moment, and there is headroom for when they do.
    """
    known = [rates for flow in flows if (rates := _flow_up(flow, policy, limits)) is not None]
    if not known:
        return None
    # Of those that nothing is known of, each is taken to be like the others.
    mean = sum(mean for mean, _ in known) * len(flows) / len(known)
    return max(mean + max(peak - mean for mean, peak in known),
               _prompt_kbps(flows, policy, limits))


def wanted_kbps(flows: Sequence[Flow], policy: SlicePolicy) -> float | None:
    """What flows that are slower than their target would send at it, on average, all together.

    None where that is not known of one: how fast it goes, or how much it sends at a time; and
    where none is slower, since then they have what they want.
    """
    total, slower = 0.0, False
    for flow in flows:
        row, pace = _row_bytes(flow, policy), flow.steps_per_second
        if row is None or pace is None:
            return None
        target = 1000 / policy.inter_token_ms
        slower |= pace < target * PACE
        total += max(pace, target) * row * BITS_PER_BYTE / 1000
    return total if slower else None


def down_kbps(flows: Sequence[Flow], limits: Limits) -> float | None:
    mean = _mean_down(flows)
    return None if mean is None else mean * limits.peak


def _mean_down(flows: Sequence[Flow]) -> float | None:
    rates = [flow.down_bytes_per_second for flow in flows
             if flow.down_bytes_per_second is not None]
    return sum(rates) * BITS_PER_BYTE / 1000 if rates else None


def _usual_up(flows: Sequence[Flow], policy: SlicePolicy) -> float | None:
    """What one of them sends at its target, on average: others may rest, or be gone already."""
    rates = [row * BITS_PER_BYTE / policy.inter_token_ms for flow in flows
             if (row := _row_bytes(flow, policy)) is not None]
    rates += [flow.up_bytes_per_second * BITS_PER_BYTE / 1000 for flow in flows
              if _row_bytes(flow, policy) is None and flow.up_bytes_per_second is not None]
    return max(rates, default=None)


def _usual_down(flows: Sequence[Flow]) -> float | None:
    return max((flow.down_bytes_per_second * BITS_PER_BYTE / 1000 for flow in flows
                if flow.down_bytes_per_second is not None), default=None)


def _flow_up(flow: Flow, policy: SlicePolicy, limits: Limits) -> tuple[float, float] | None:
    """Its mean at the target, and its peak, in kbit/s."""
    row = _row_bytes(flow, policy)
    if row is not None:
        steps = max(flow.steps_per_second or 0.0, 1000 / policy.inter_token_ms)
        mean = steps * row * BITS_PER_BYTE / 1000
        return mean, max(row * BITS_PER_BYTE / row_ms(policy, limits), mean)
    if flow.up_bytes_per_second is None:
        return None
    mean = flow.up_bytes_per_second * BITS_PER_BYTE / 1000
    return mean, mean * limits.peak


def _prompt_kbps(flows: Sequence[Flow], policy: SlicePolicy, limits: Limits) -> float:
    """For one prompt's rows at a time: users do not all begin in the same second."""
    if policy.first_token_ms is None:
        return 0.0
    longest = max((row for flow in flows if (row := _row_bytes(flow, policy)) is not None),
                  default=0.0)
    return (longest * policy.prompt_rows * BITS_PER_BYTE
            / _after_grant(policy.first_token_ms * limits.air_share, limits))


def _row_bytes(flow: Flow, policy: SlicePolicy) -> float | None:
    row = policy.row_bytes if flow.step_bytes is None else flow.step_bytes
    return row if row is not None and row > 0 else None


def kbps_per_percent(
    cell: Cell, load: Load | None, upward: bool, limits: Limits, now: float
) -> float | None:
    """What one percent of the cell's PRBs carries, measured or presumed."""
    return measured_kbps(cell, load, upward, limits, now) or presumed_kbps(cell, limits)


def measured_kbps(
    cell: Cell, load: Load | None, upward: bool, limits: Limits, now: float
) -> float | None:
    """What one percent was seen to carry: of the slice, or of the cell."""
    measured = [load] if load is not None else []
    if fresh(cell.load, limits, now):
        measured.append(cell.load)
    for one in measured:
        kbps, prbs = _used(one, upward)
        if kbps is not None and prbs is not None and prbs >= LEAST_PRBS and kbps >= LEAST_KBPS:
            return kbps / prbs
    return None


def own_kbps(load: Load | None, upward: bool, usual: float | None) -> float | None:
    """The least that one percent was seen to carry of a slice's own; None where too little was.

    Where whole percents are reported, half a one may be missing: a slice that uses one or two is
    better given too much, which is lent, than too little.
    """
    kbps, prbs = (None, None) if load is None else _used(load, upward)
    if load is None or kbps is None or prbs is None or usual is None or kbps < LEAST_KBPS:
        return None
    if prbs < SURE_PRBS and (prbs < OWN_PRBS or kbps < ENOUGH * usual):
        return None
    return kbps / (prbs + (ROUNDED if load.prbs_over else 0.0))


def _used(load: Load, upward: bool) -> tuple[float | None, float | None]:
    """kbit/s, and percent of the cell's PRBs."""
    return (load.up_kbps, load.up_prbs) if upward else (load.down_kbps, load.down_prbs)


def presumed_kbps(cell: Cell, limits: Limits) -> float | None:
    """What one percent of its PRBs may carry at least."""
    return None if not cell.prbs else cell.prbs * limits.kbps_per_prb / 100


def _greater(first: float | None, second: float | None) -> float | None:
    known = [value for value in (first, second) if value is not None]
    return max(known) if known else None


def _rate(kbps: float) -> str:
    return f"{kbps / 1000:.1f} Mbit/s" if kbps >= 1000 else f"{kbps:.0f} kbit/s"
