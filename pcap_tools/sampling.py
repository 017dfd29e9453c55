"""When samples of a flow are taken, and the writing of them; compiled.

A stage of time is sampled by whatever comes first at or after its moment (the flow's next packet,
its end, or `FlowEngine.advance`) and tells of what was before it; it is left out if no packet came
since the stage before, as it would be the same vector. So live capture and replay give the same
samples. The windows of a flow, up to three, are numbered from the shortest that is wanted. In its
first window of each length a flow has had the packets that it has had at all, so that these count
for it, too: whoever ends sooner costs nothing more. It does not know how packets find their flow.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pcap_tools import accumulate as kept
from pcap_tools import flow_state as own
from pcap_tools.compiled import compiled, inlined
from pcap_tools.describe import describe
from pcap_tools.flows import Sampled
from pcap_tools.transport import TCP

SECOND = 1_000_000_000
NEVER = (1 << 63) - 1
FIRST_TIME_STAGE, TIME_STAGES = int(Sampled.AFTER_100_MS), 4
FIRST_WINDOW, LAST_WINDOW = int(Sampled.WINDOW_100_MS), int(Sampled.WINDOW_10_S)
WHOLE = int(Sampled.WHOLE)
PACKETS_5, PACKETS_10, PACKETS_20 = (int(stage) for stage in (
    Sampled.PACKETS_5, Sampled.PACKETS_10, Sampled.PACKETS_20))


class Limits(NamedTuple):
    """`FlowConfig` as the kernel takes it; times in nanoseconds."""

    idle: int
    active: int
    most: int
    samples: bool
    windows: int  # how many are sampled, of the longest ones


@inlined
def stage_time(stage: int) -> int:
    """Nanoseconds from a flow's start to the sample of this time stage."""
    if stage == 0:
        return SECOND // 10
    if stage == 1:
        return SECOND
    return 2 * SECOND if stage == 2 else 10 * SECOND


@inlined
def kind_of(limits: Any, window: int) -> int:
    """The `Sampled` of this one of the flow's windows."""
    return LAST_WINDOW - int(limits.windows) + window


@inlined
def window_time(limits: Any, window: int) -> int:
    """Nanoseconds that it is long."""
    kind = kind_of(limits, window)
    if kind == FIRST_WINDOW:
        return SECOND // 10
    return 10 * SECOND if kind == LAST_WINDOW else SECOND


@inlined
def in_later_window(state: Any, limits: Any, slot: int, window: int) -> bool:
    """Whether the flow's first window of this length is over, and packets count for another."""
    return bool(state.sums[slot, window, kept.WINDOW_END] > window_time(limits, window))


@compiled
def counted_in(state: Any, limits: Any, slot: int, window: int) -> int:
    """The accumulator that holds what this window has had so far."""
    return window if in_later_window(state, limits, slot, window) else own.STAGE


@inlined
def packets_in(sums: Any) -> float:
    """Packets of both directions that were counted here."""
    return float(sums[kept.PACKETS_UP] + sums[kept.PACKETS_DOWN])


@compiled
def sample(state: Any, slot: int, accumulator: int, kind: int, at: int) -> None:
    """What the flow has had so far, or one window of it, as the next row of what goes out."""
    number = state.numbers[own.SAMPLES]
    state.numbers[own.SAMPLES] = number + 1
    row = state.samples[number]
    row["kind"] = kind
    row["at"] = at
    state.sample_flows[number] = state.live[slot]
    describe(state.sums[slot, accumulator], state.counts[slot, accumulator], state.firsts[slot],
             kind < FIRST_WINDOW or kind == WHOLE, state.live[slot]["protocol"] == TCP,
             state.vectors[number])


@compiled
def end_window(state: Any, limits: Any, slot: int, window: int, elapsed: int) -> None:
    """A window is over: sample it unless it is empty, and begin the one around `elapsed`."""
    end = int(state.sums[slot, window, kept.WINDOW_END])
    accumulator = counted_in(state, limits, slot, window)
    if packets_in(state.sums[slot, accumulator]) > 0.0:
        sample(state, slot, accumulator, kind_of(limits, window), state.live[slot]["first"] + end)
        state.sums[slot, window, :] = 0.0
        state.counts[slot, window, :] = 0
    width = window_time(limits, window)
    state.sums[slot, window, kept.WINDOW_END] = (elapsed // width + 1) * width


@inlined
def is_due(flow: Any, sums: Any, limits: Any, slot: int, now: int) -> bool:
    """Whether `take_due` may have something to do; quickly told."""
    elapsed = now - flow["first"]
    if flow["stage"] < TIME_STAGES and elapsed >= stage_time(flow["stage"]):
        return True
    # The shortest window is over no later than the others.
    return bool(limits.windows and elapsed >= sums[slot, 1, kept.WINDOW_END])


@compiled
def take_due(state: Any, limits: Any, slot: int, now: int) -> None:
    """The samples of times and windows that lie at or before `now`."""
    flow = state.live[slot]
    elapsed = now - flow["first"]
    sums = state.sums[slot, own.STAGE]
    packets = int(packets_in(sums))
    while flow["stage"] < TIME_STAGES and elapsed >= stage_time(flow["stage"]):
        stage = int(flow["stage"])
        if packets > flow["sampled"]:
            sample(state, slot, own.STAGE, FIRST_TIME_STAGE + stage,
                   flow["first"] + stage_time(stage))
            flow["sampled"] = packets
        flow["stage"] = stage + 1
    for window in range(1, limits.windows + 1):
        if elapsed >= state.sums[slot, window, kept.WINDOW_END]:
            end_window(state, limits, slot, window, elapsed)


@compiled
def take_counted(state: Any, slot: int, now: int) -> None:
    """The sample of a number of packets, if the flow has just come to one."""
    sums = state.sums[slot, own.STAGE]
    packets = int(packets_in(sums))
    if packets == 5:
        sample(state, slot, own.STAGE, PACKETS_5, now)
    elif packets == 10:
        sample(state, slot, own.STAGE, PACKETS_10, now)
    elif packets == 20:
        sample(state, slot, own.STAGE, PACKETS_20, now)


@compiled
def take_last(state: Any, limits: Any, slot: int, now: int) -> None:
    """What is due when a flow ends at `now`: its windows are over too, whatever time is left."""
    take_due(state, limits, slot, now)
    flow = state.live[slot]
    for window in range(1, limits.windows + 1):
        end_window(state, limits, slot, window, now - flow["first"])
    sample(state, slot, own.STAGE, WHOLE, flow["last"])


@compiled
def next_due(state: Any, limits: Any, slot: int) -> int:
    """When the flow's next sample is due if no packet comes; NEVER if none is."""
    flow = state.live[slot]
    sums = state.sums[slot, own.STAGE]
    moment = NEVER
    if flow["stage"] < TIME_STAGES and packets_in(sums) > flow["sampled"]:
        moment = int(flow["first"]) + stage_time(int(flow["stage"]))
    for window in range(1, limits.windows + 1):
        if packets_in(state.sums[slot, counted_in(state, limits, slot, window)]) > 0.0:
            end = int(state.sums[slot, window, kept.WINDOW_END])
            moment = min(moment, int(flow["first"]) + end)
    return moment


@compiled
def begin_samples(state: Any, limits: Any, slot: int) -> None:
    """Empty accumulators for a new flow; those of windows are emptied when they are needed."""
    state.sums[slot, own.STAGE, :] = 0.0
    state.counts[slot, own.STAGE, :] = 0
    for window in range(1, limits.windows + 1):
        state.sums[slot, window, kept.WINDOW_END] = window_time(limits, window)
