"""What reports have to show once a decision is carried out, and the sentence that explains it.

A quota changes something only for who competes: a slice that is held below its new guarantee in a
full cell must get more or wait less, in the direction in which it is held; a slice that is capped
must use no more. Whoever has what it wants shows no difference, whatever the node did, and nothing
is asked of it that would not have been so anyway: such a decision ends unproven.

A load that falls by itself helps everybody. So a wait has to become shorter in two reports in a
row, and shorter beside the others' waits in its cell, which nobody helped. A scheduler that is fair
to each UE gives to who wants little in any case. So a guarantee that nothing could prove at first
is proven by load only where others wait and leave what is never lent to them, or where the slice
waits much less than others do, and either was seen to be held beside them before, or gets more than
an equal share for each UE. Else an acknowledgement without effect looks like one with it, and
nothing is said.

Only what the node reports today can be expected of it tomorrow: a figure that never came would
count as a failure for ever. Where nothing is known of how long a slice waits, as all its UEs have
sessions in others too, how long they wait as a whole may prove an effect. It decides nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from xapp.decisions import Expectation, Metric
from xapp.demand import Demand, budget_ms, fresh, kbps_per_percent, wanted_kbps
from xapp.effect_watch import TOGETHER
from xapp.held_before import FULL, Before
from xapp.limits import Limits
from xapp.observations import Cell, CellKey, Load, Quota, Slice, Snssai, Ue, UeKey
from xapp.placing import Group
from xapp.sharing import in_force

TOLERANCE = 5.0  # percent of the cell that a cap may be exceeded by: reports are averages
BETTER = 0.8  # of a delay that was too long: less is an effect, if not all that is wanted
FAVOURED = 0.5  # of the longest wait beside it, that a slice which is helped has at most
SURE = 2  # reports in a row
OVER = 1.25  # times an equal share for each UE, that only a guarantee brings about
ROUNDED = 1.0  # percent that a sum of PRBs may be off by
UNKNOWN = Before()
RISE = 0.5  # of the way from what a held slice had to what it is due: a report may begin too early
LEAST_RISE = 3.0  # percent of the cell; averages move by less without any cause
NOBODY: Mapping[UeKey, Ue] = {}
LEAST_GAIN = 1.25  # of a rate, where PRBs are not reported; likewise


@dataclass(frozen=True, slots=True)
class _Way:
    """A direction, with its figures."""

    up: bool
    kbps: Metric
    prbs: Metric
    delay: Metric

    def of(self, load: Load, metric: Metric) -> float | None:
        value: float | None = getattr(load, metric.value)
        return value


WAYS = (_Way(True, Metric.UP_KBPS, Metric.UP_PRBS, Metric.UP_DELAY_MS),
        _Way(False, Metric.DOWN_KBPS, Metric.DOWN_PRBS, Metric.DOWN_DELAY_MS))


def expectations(
    cell: Cell, groups: Iterable[Group], quotas: Mapping[Snssai, Quota], limits: Limits, now: float,
    ues: Mapping[UeKey, Ue] = NOBODY,
) -> tuple[Expectation, ...]:
    """Of the slices that are helped, and of those that are capped for them."""
    groups = list(groups)
    wanting = {group.snssai for group in groups if group.believed}
    capped = {snssai for snssai, quota in quotas.items() if snssai not in wanting
              and quota.maximum < in_force(cell, snssai, limits).maximum}
    found: list[Expectation] = []
    helped, changed = set(), False
    for group in groups:
        slice_ = cell.slices.get(group.snssai)
        if slice_ is None or group.snssai in helped or not group.believed:
            continue
        helped.add(group.snssai)
        raised = quotas[group.snssai].minimum > in_force(cell, group.snssai, limits).minimum
        known = fresh(slice_.load, limits, now)
        if not known:
            slice_ = replace(slice_, load=Load(slice_.load.at))  # only its UEs' own may tell
        if raised or capped:
            changed |= known
            found.extend(_of_helped(cell, slice_, group, quotas, bool(capped), limits, now,
                                    ues))
    for snssai in (one for one in quotas if one in capped):
        load = cell.slices[snssai].load
        found.extend(
            Expectation((cell.key, snssai), way.prbs, limits.settle,
                        at_most=quotas[snssai].maximum + TOLERANCE + load.prbs_over)
            for way in WAYS if way.of(load, way.prbs) is not None and fresh(load, limits, now))
    if (found or changed) and not any(one.needed for one in found):
        # All may have what they want, so that nothing will tell; the cell must be reported at all.
        found.append(Expectation(cell.key, Metric.DOWN_PRBS, limits.settle))
    return tuple(found)


def _of_helped(
    cell: Cell, slice_: Slice, group: Group, quotas: Mapping[Snssai, Quota], capping: bool,
    limits: Limits, now: float, ues: Mapping[UeKey, Ue],
) -> list[Expectation]:
    shown = [one for way in WAYS
             if (one := _held(cell, slice_, group, quotas, way, limits, now, ues)) is not None]
    if capping:  # the cell may empty by that very decision
        shown = [replace(one, under=None) for one in shown]
    return shown


def _held(
    cell: Cell, slice_: Slice, group: Group, quotas: Mapping[Snssai, Quota], way: _Way,
    limits: Limits, now: float, ues: Mapping[UeKey, Ue], proof: bool = True,
) -> Expectation | None:
    """What shows in this direction that the slice is no longer held; None where it is not.

    For a proof it has to be known that it was held: several reports say so.
    """
    subject, load = (cell.key, slice_.snssai), slice_.load
    use = way.of(cell.load, way.prbs) if fresh(cell.load, limits, now) else None
    used = way.of(load, way.prbs)
    own = in_force(cell, slice_.snssai, limits).maximum
    if use is not None and use < FULL and not (used is not None and own < 100
                                               and used >= own - TOLERANCE):
        return None  # nobody is in its way
    others = sum(quota.maximum for snssai, quota in quotas.items() if snssai != slice_.snssai)
    due = float(max(quotas[slice_.snssai].minimum, 100 - others))
    if used is not None and due - used < LEAST_RISE:
        return None  # it has what it is due already
    delay, budget = way.of(load, way.delay), budget_ms(group.policy, limits)
    under = FULL if use is not None and use >= FULL else None
    if delay is not None:
        waited = [wait for one in slice_.recent if (wait := way.of(one, way.delay)) is not None]
        if proof and slice_.recent:  # a burst of its own makes one wait long, and is no hold
            if len(waited) < SURE:
                return None
            delay = min(delay, median(waited))
        if delay <= budget:
            return None
        more = _more(subject, load, way, due, limits)
        longest = _wait_beside(cell, slice_, way)
        # Whoever waits a little too long may do so by chance: then no better refutes nothing.
        return Expectation(subject, way.delay, limits.settle, at_most=delay * BETTER,
                           under=under, instead=more, needed=delay * BETTER > budget,
                           beside=None if not longest else delay * BETTER / longest, reports=SURE)
    # Without delays a slice is held for certain where its flows are slower than their target. Else
    # it may have what it wants: more would prove an effect, and no more proves nothing.
    rate = kbps_per_percent(cell, load, way.up, limits, now)
    wanted = wanted_kbps(group.believed, group.policy) if way.up else None
    needed = wanted is not None and rate is not None
    if wanted is not None and rate is not None:
        due = min(due, wanted / rate)
    rose = _more(subject, load, way, due, limits, rate)
    late = None if needed and rose else _latest(group, way, ues, budget, limits, now)
    if late is not None:
        return replace(late, under=under, instead=rose)
    return replace(rose[0], under=under, needed=needed) if rose else None


def _latest(group: Group, way: _Way, ues: Mapping[UeKey, Ue], budget: float, limits: Limits,
            now: float) -> Expectation | None:
    """That the UE which waits longest does so no more, where the slice's own wait is not known.

    It is of all that UE's sessions together, so that one which stays late proves nothing.
    """
    waits = {ue.key: delay for flow in group.believed if flow.ue is not None
             and (ue := ues.get(flow.ue)) is not None and fresh(ue.load, limits, now)
             and (delay := way.of(ue.load, way.delay)) is not None and delay > budget}
    if not waits:
        return None
    key = max(waits, key=lambda one: (waits[one], str(one)))
    helped = {flow.ue for flow in group.believed}
    others = max((delay for ue in ues.values() if ue.key not in helped and ue.cell == ues[key].cell
                  and fresh(ue.load, limits, now)
                  and (delay := way.of(ue.load, way.delay)) is not None), default=None)
    return Expectation(key, way.delay, limits.settle, at_most=waits[key] * BETTER, needed=False,
                       beside=None if not others else waits[key] * BETTER / others, reports=SURE)


def _wait_beside(cell: Cell, slice_: Slice, way: _Way) -> float | None:
    """The longest wait of the cell's other slices, reported with its own."""
    return max((wait for snssai, one in cell.slices.items() if snssai != slice_.snssai
                and abs(one.load.at - slice_.load.at) <= TOGETHER
                and (wait := way.of(one.load, way.delay)) is not None), default=None)


def _more(subject: tuple[CellKey, Snssai], load: Load, way: _Way, due: float, limits: Limits,
          rate: float | None = None) -> tuple[Expectation, ...]:
    """That a slice comes nearer to what it is due, in PRBs or else in kbit/s."""
    used, kbps = way.of(load, way.prbs), way.of(load, way.kbps)
    if used is not None:
        return () if due - used < LEAST_RISE else (Expectation(
            subject, way.prbs, limits.settle,
            at_least=used + RISE * (due - used)),)
    if kbps is None or rate is None or due * rate < kbps * LEAST_GAIN:
        return ()
    return (Expectation(
        subject, way.kbps, limits.settle,
        at_least=kbps + RISE * (due * rate - kbps)),)


class Evidence(enum.Enum):
    """What reports say of a guarantee that nothing could prove when it was given."""

    NO_LOAD = "nobody competes, or the slice wants nothing"
    HAS = "under load the slice has what it is due, while others wait, and would not without it"
    FAIR = "under load the slice has what it is due, and may have it without a guarantee"
    HELD = "under load the slice is held below what it is due"
    HIDDEN = "there is load, and reports do not tell what the slice gets"


def evidence(cell: Cell, group: Group, quotas: Mapping[Snssai, Quota], limits: Limits, now: float,
             ues: Mapping[UeKey, Ue] = NOBODY, before: Before = UNKNOWN) -> Evidence:
    """Of one group's slice, by its own figures or by those of its UEs, in the way that tells most.

    `before` is how it and others fared until the guarantee was given.
    """
    slice_ = cell.slices.get(group.snssai)
    if slice_ is None or group.snssai not in quotas or not group.believed:
        return Evidence.NO_LOAD
    if not fresh(slice_.load, limits, now):
        slice_ = replace(slice_, load=Load(slice_.load.at))
    found = {_weighed(cell, slice_, group, quotas, way, limits, now, ues, before) for way in WAYS}
    ranked = (Evidence.HELD, Evidence.HAS, Evidence.FAIR, Evidence.HIDDEN)
    return next((one for one in ranked if one in found), Evidence.NO_LOAD)


def _weighed(
    cell: Cell, slice_: Slice, group: Group, quotas: Mapping[Snssai, Quota], way: _Way,
    limits: Limits, now: float, ues: Mapping[UeKey, Ue], before: Before,
) -> Evidence:
    use = way.of(cell.load, way.prbs) if fresh(cell.load, limits, now) else None
    if use is None or (use < FULL and not _reserved(cell, slice_, group, quotas, way, use, limits)):
        return Evidence.NO_LOAD
    held = _held(cell, slice_, group, quotas, way, limits, now, ues, proof=False)
    patience = budget_ms(group.policy, limits) / BETTER  # a grant alone may take most of a budget
    delay = way.of(slice_.load, way.delay)
    if held is not None and held.needed and (delay is None or delay > patience):
        return Evidence.HELD
    if _kept_free(cell, slice_, group, quotas, way, limits, before):
        return Evidence.HAS
    loads = [slice_.load]
    if way.of(slice_.load, way.delay) is None and way.of(slice_.load, way.prbs) is None:
        loads = [ue.load for key in {flow.ue for flow in group.believed} if key is not None
                 and (ue := ues.get(key)) is not None and fresh(ue.load, limits, now)]
    moved = [rate for load in loads if (rate := way.of(load, way.kbps)) is not None]
    if moved and max(moved) <= 0 and held is None:
        return Evidence.NO_LOAD
    used = way.of(slice_.load, way.prbs)
    delays = [way.of(load, way.delay) for load in loads]
    met = bool(moved and delays) and all(
        delay is not None and delay <= patience for delay in delays)
    if used is not None and quotas[group.snssai].minimum - used < LEAST_RISE:
        met = True
    if not met:
        return Evidence.HIDDEN
    known = [delay for delay in delays if delay is not None]
    others = _others_wait(cell, slice_, group, way, limits, now, ues)
    if not known or others is None or max(known) > others * FAVOURED:
        return Evidence.FAIR
    usual = _usual(before.waits.get(way.delay, ()), budget_ms(group.policy, limits))
    changed = usual is not None and max(known) <= others * usual * BETTER
    return (Evidence.HAS if changed or _over_equal(cell, slice_, way, limits, now, ues)
            else Evidence.FAIR)


def _kept_free(cell: Cell, slice_: Slice, group: Group, quotas: Mapping[Snssai, Quota], way: _Way,
               limits: Limits, before: Before) -> bool:
    """Whether others wait, and leave what is never lent to them; a full cell leaves nothing."""
    left = 100.0 - _dedicated(slice_, group, quotas)
    loads = [one.load for snssai, one in cell.slices.items() if snssai != slice_.snssai]
    used = [share for load in loads if (share := way.of(load, way.prbs)) is not None]
    wait = _wait_beside(cell, slice_, way)
    if not used or wait is None or wait <= budget_ms(group.policy, limits):
        return False
    then = before.others.get(way.prbs, ())
    filled = len(then) >= SURE and median(then) >= left + LEAST_RISE
    capped = any(in_force(cell, snssai, limits).maximum < 100
                 for snssai in cell.slices if snssai != slice_.snssai)  # which leaves room as well
    return sum(used) <= left + ROUNDED and (filled or (not capped and left + ROUNDED < FULL))


def _usual(before: Sequence[tuple[float, float]], budget: float) -> float | None:
    """What share of the others' wait it waited; None where it was not seen to wait too long."""
    if len(before) < SURE or median(own for own, _ in before) <= budget:
        return None
    return median(own / others for own, others in before)


def _over_equal(cell: Cell, slice_: Slice, way: _Way, limits: Limits, now: float,
                ues: Mapping[UeKey, Ue]) -> bool:
    """Whether each of its UEs gets more of the cell than each of the others that want any."""
    uses: dict[bool, list[float]] = {True: [], False: []}
    for ue in ues.values():
        used = way.of(ue.load, way.prbs)
        if ue.cell == cell.key and used and ue.slice is not None and fresh(ue.load, limits, now):
            uses[ue.slice == slice_.snssai].append(used)
    own, others = uses[True], uses[False]
    return bool(own and others) and sum(own) / len(own) >= OVER * max(others)


def _others_wait(cell: Cell, slice_: Slice, group: Group, way: _Way, limits: Limits, now: float,
                 ues: Mapping[UeKey, Ue]) -> float | None:
    """The longest of whoever nobody helps there: of the other slices, or else of other UEs."""
    wait = _wait_beside(cell, slice_, way)
    if wait is not None:
        return wait
    helped = {flow.ue for flow in group.believed}
    return max((delay for ue in ues.values() if ue.cell == cell.key and ue.key not in helped
                and ue.slice != slice_.snssai and fresh(ue.load, limits, now)
                and (delay := way.of(ue.load, way.delay)) is not None), default=None)


def _reserved(cell: Cell, slice_: Slice, group: Group, quotas: Mapping[Snssai, Quota], way: _Way,
              use: float, limits: Limits) -> bool:
    """Whether others wait in a cell whose only free blocks are those kept for this slice."""
    kept = max(0.0, _dedicated(slice_, group, quotas) - (way.of(slice_.load, way.prbs) or 0.0))
    waits = [delay for snssai, one in cell.slices.items() if snssai != slice_.snssai
             and (delay := way.of(one.load, way.delay)) is not None]
    return (kept > 0 and use >= FULL * (100 - kept) / 100 and bool(waits)
            and max(waits) > budget_ms(group.policy, limits))


def _dedicated(slice_: Slice, group: Group, quotas: Mapping[Snssai, Quota]) -> int:
    """Percent that are never lent: as an actuator has set it, else as was asked for."""
    return (slice_.quota or quotas[group.snssai]).dedicated


def why(cell: Cell, group: Group, quota: Quota, before: Quota, demand: Demand) -> str:
    """One sentence for the operator."""
    flows = f"{len(group.believed)} {'flow' if len(group.believed) == 1 else 'flows'}"
    label = ", ".join(sorted({flow.label for flow in group.believed})) or "doubtful"
    target = f"{group.policy.inter_token_ms:g} ms a token"
    if not group.believed:
        return (f"Slice {group.snssai} of {cell.key} keeps {quota.minimum} %: its flows are not "
                "labelled with confidence")
    verb = ("rises" if quota.minimum > before.minimum
            else "falls" if quota.minimum < before.minimum else "stays")
    move = (f"from {before.minimum} to {quota.minimum} %" if verb != "stays"
            else f"at {quota.minimum} %")
    late = "; packets wait longer than that allows" if demand.waiting else ""
    return (f"The guarantee of slice {group.snssai} in {cell.key} {verb} {move} for {flows} "
            f"({label}) with a target of {target}: {demand.basis}{late}")
