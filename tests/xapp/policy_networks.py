"""Networks for tests of policies: one that is easy to reason about, and random ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hypothesis import strategies as st

from classifier.labels import LLM_SPLIT, UNKNOWN
from xapp.decisions import Decision, HandOver, SetQuotas
from xapp.limits import Limits
from xapp.observations import (
    Cell,
    CellKey,
    Flow,
    Load,
    Observations,
    Quota,
    Slice,
    Snssai,
    Ue,
    UeKey,
)
from xapp.slice_policy import Reach, SlicePolicy

NOW = 1000.0
LLM, WEB, IOT = Snssai(1, 1), Snssai(1), Snssai(2, 7)
CELL = CellKey("gnb", "000000001")
OTHER = CellKey("gnb", "000000002")
BASE = {(cell, snssai): Quota() for cell in (CELL, OTHER) for snssai in (LLM, WEB, IOT)}
LIMITS = Limits(base=BASE)


def load(at: float = NOW, **values: float) -> Load:
    return Load(at, **values)


def slice_(snssai: Snssai, quota: Quota | None = None, since: float = 0.0, **values: float
           ) -> Slice:
    return Slice(snssai, quota, since, load(**values))


def cell(*slices: Slice, key: CellKey = CELL, prbs: int | None = 100, **values: float) -> Cell:
    return Cell(key, prbs, load(**values), {one.snssai: one for one in slices})


def flow(key: str = "a", **values: object) -> Flow:
    plain = Flow(key, LLM_SPLIT, 0.95, NOW - 20, NOW, UeKey("gnb", "du:1"), "10.45.0.2", LLM)
    return replace(plain, **values)  # type: ignore[arg-type]  # tests name Flow's own fields


def ue(key: str = "du:1", at: CellKey = CELL,
       neighbours: tuple[tuple[CellKey, float | None], ...] = (),
       **values: float) -> Ue:
    return Ue(UeKey(at.node, key), at, LLM, load(**values), "10.45.0.2", neighbours)


def network(cells: Sequence[Cell], flows: Sequence[Flow] = (), ues: Sequence[Ue] = (),
            tap_heard: float | None = NOW, now: float = NOW) -> Observations:
    return Observations(now, {one.key: one for one in cells}, {one.key: one for one in ues},
                        {one.key: one for one in flows}, tap_heard)


def after(observations: Observations, decisions: Sequence[Decision], now: float) -> Observations:
    """The network once what was decided is in force; all reports are new and say the same."""
    cells = dict(observations.cells)
    ues = dict(observations.ues)
    for decision in decisions:
        if isinstance(decision, HandOver):
            ues[decision.ue] = replace(ues[decision.ue], cell=decision.target)
            continue
        assert isinstance(decision, SetQuotas)
        before = cells[decision.cell]
        cells[decision.cell] = replace(before, slices={
            snssai: replace(one, quota=decision.quotas.get(snssai, one.quota), since=now)
            for snssai, one in before.slices.items()})
    return replace(observations, cells=cells, ues=ues)


def later(observations: Observations, now: float) -> Observations:
    """The same, reported again at `now`."""
    def again(value: Load) -> Load:
        return replace(value, at=now)

    cells = {key: replace(one, load=again(one.load), slices={
        snssai: replace(part, load=again(part.load)) for snssai, part in one.slices.items()})
        for key, one in observations.cells.items()}
    ues = {key: replace(one, load=again(one.load)) for key, one in observations.ues.items()}
    flows = {key: replace(one, at=now) for key, one in observations.flows.items()}
    return Observations(now, cells, ues, flows, now)


percent = st.floats(0, 100)
ages = st.sampled_from([0.0, 0.5, 2.0, 2.9, 3.1, 10.0, 1000.0])
slices_known = st.lists(st.sampled_from([LLM, WEB, IOT, Snssai(3), Snssai(4, 1)]), unique=True,
                        max_size=5)


@st.composite
def loads(draw: st.DrawFn) -> Load:
    def maybe(values: st.SearchStrategy[float]) -> float | None:
        return draw(st.none() | values)

    rates = st.floats(0, 1e6)
    return Load(NOW - draw(ages), maybe(rates), maybe(rates), maybe(percent), maybe(percent),
                maybe(st.floats(0, 1000)), maybe(st.floats(0, 1000)), maybe(st.floats(0, 1)))


@st.composite
def quotas_in_force(draw: st.DrawFn) -> Quota | None:
    if draw(st.booleans()):
        return None
    minimum = draw(st.integers(0, 40))
    return Quota(minimum, draw(st.integers(minimum, 100)), draw(st.integers(0, minimum)))


@st.composite
def cells(draw: st.DrawFn, key: CellKey) -> Cell:
    parts = {}
    for snssai in draw(slices_known):
        since = NOW - draw(st.sampled_from([0.0, 1.0, 6.0, 30.0, 500.0]))
        parts[snssai] = Slice(snssai, draw(quotas_in_force()), since, draw(loads()))
    return Cell(key, draw(st.none() | st.integers(0, 273)), draw(loads()), parts,
                draw(st.none() | st.sampled_from([NOW, NOW - 1, NOW - 30])))


@st.composite
def networks(draw: st.DrawFn) -> Observations:
    keys = [CellKey("gnb", f"{number:09x}") for number in range(draw(st.integers(1, 3)))]
    found = [draw(cells(key)) for key in keys]
    ues = []
    for number in range(draw(st.integers(0, 4))):
        near = tuple((key, draw(st.floats(-130, -60))) for key in keys)
        ues.append(Ue(UeKey("gnb", f"du:{number}"), draw(st.none() | st.sampled_from(keys)),
                      draw(st.none() | st.sampled_from([LLM, WEB])), draw(loads()), None, near))
    flows = [draw(random_flow(f"f{number}", ues)) for number in range(draw(st.integers(0, 5)))]
    tap = draw(st.none() | st.sampled_from([NOW, NOW - 1, NOW - 4, NOW - 60, NOW - 3600]))
    return network(found, flows, ues, tap)


@st.composite
def random_flow(draw: st.DrawFn, key: str, ues: Sequence[Ue]) -> Flow:
    amounts = st.none() | st.floats(0, 1e7)
    return Flow(
        key, draw(st.sampled_from([LLM_SPLIT, LLM_SPLIT, UNKNOWN, "web"])),
        draw(st.floats(0, 1)), NOW - draw(st.floats(0, 100)), NOW - draw(ages),
        draw(st.none() | st.sampled_from([one.key for one in ues] or [UeKey("gnb", "du:9")])),
        None, draw(st.none() | st.sampled_from([LLM, WEB])), draw(st.booleans()), draw(amounts),
        draw(amounts), draw(st.none() | st.floats(0, 100)), draw(st.none() | st.floats(0, 1e6)))


@st.composite
def policies(draw: st.DrawFn) -> list[SlicePolicy]:
    found = []
    for number in range(draw(st.integers(0, 3))):
        floors = {snssai: draw(st.integers(0, 25)) for snssai in draw(slices_known)[:3]}
        static = draw(st.booleans())
        quotas: Mapping[Snssai, Quota] = {
            LLM: Quota(max(draw(st.integers(0, 30)), floors.get(LLM, 0)), 100)} if static else {}
        found.append(SlicePolicy(
            f"p{number}", "static" if static else "proportional",
            inter_token_ms=draw(st.floats(5, 500)),
            first_token_ms=draw(st.none() | st.floats(50, 5000)),
            row_bytes=draw(st.none() | st.integers(1, 100_000)), floors=floors, quotas=quotas,
            priority=draw(st.integers(0, 2)),
            reach=draw(st.sampled_from([Reach(), Reach(frozenset({CELL})),
                                        Reach(slices=frozenset({LLM}))]))))
    return found


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    base = {}
    for snssai in (LLM, WEB, IOT, Snssai(3), Snssai(4, 1)):
        for number in range(3):
            if draw(st.integers(0, 3)):
                minimum = draw(st.integers(0, 18))
                base[CellKey("gnb", f"{number:09x}"), snssai] = Quota(
                    minimum, draw(st.sampled_from([100, 100, minimum, 60])))
    return Limits(
        most_guaranteed=draw(st.integers(50, 100)), floor=draw(st.integers(0, 20)),
        largest_step=draw(st.integers(10, 100)), first_guess=draw(st.integers(0, 30)),
        dedicated=draw(st.floats(0, 1)), base=base)
