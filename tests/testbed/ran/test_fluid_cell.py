"""The fluid cell: nothing is lost or made up, shares are what they should be, steering shows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.ran.cell_model import NOTHING, Counters, Share
from testbed.ran.emulator_config import INTERNET, LLM, preset
from testbed.ran.fluid_cell import (
    MOST_BEHIND,
    CellConfig,
    FluidCells,
    FluidConfig,
    SessionConfig,
    SliceConfig,
    UeConfig,
)
from testbed.ran.offered_load import Kind, LoadConfig
from xapp.errors import ConfigurationError
from xapp.observations import Snssai

NCI = 0x66C000
PRBS, KBPS = 100, 100.0  # a cell of 10 Mbit/s down
THIRD = Snssai(3)


def ue(snssai: Snssai, down_kbps: float, up_kbps: float = 0.0, cell: int = 0) -> UeConfig:
    return UeConfig((SessionConfig(snssai, "10.0.0.1", "x", LoadConfig(
        Kind.CONSTANT, down_kbps, up_kbps)),), cell, KBPS)


def cell(*ues: UeConfig, slices: tuple[SliceConfig, ...] = (SliceConfig(INTERNET),
                                                            SliceConfig(LLM)),
         cells: int = 1, noise: float = 0.0, seed: int = 1) -> FluidCells:
    return FluidCells(FluidConfig(tuple(CellConfig(NCI + one, PRBS) for one in range(cells)), ues,
                                  slices, noise=noise, seed=seed))


def moved(ran: FluidCells, begin: float, end: float) -> dict[Snssai, Counters]:
    """What happened to each slice between two times."""
    ran.advance(begin)
    before = ran.snapshot()
    ran.advance(end)
    after, out = ran.snapshot(), dict[Snssai, Counters]()
    for f1_id, slices in after.ues.items():
        for snssai, counters in slices.items():
            grown = counters.minus(before.ues[f1_id].get(snssai, NOTHING))
            out[snssai] = out.get(snssai, NOTHING).plus(grown)
    return out


def down_kbps(ran: FluidCells, snssai: Snssai, begin: float = 2.0, end: float = 12.0) -> float:
    return moved(ran, begin, end)[snssai].down_bits / (end - begin) / 1000


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([INTERNET, LLM]), st.floats(0, 30_000),
                          st.floats(0, 30_000)), min_size=1, max_size=5),
       st.integers(0, 100), st.integers(0, 100), st.floats(0, 1), st.integers(0, 99))
def test_every_bit_is_delivered_dropped_or_waits(
    loads: list[tuple[Snssai, float, float]], minimum: int, dedicated: int, noise: float,
    seed: int
) -> None:
    slices = (SliceConfig(INTERNET), SliceConfig(LLM, minimum, 100, dedicated))
    ran = cell(*(ue(*load) for load in loads), slices=slices, noise=noise, seed=seed)
    ran.advance(3.0)
    seen = ran.snapshot()
    for (snssai, down, up), (f1_id, counters) in zip(loads, seen.ues.items(), strict=True):
        one = counters[snssai]
        waits = ran.waiting(f1_id)
        assert one.down_bits + one.down_dropped + waits[0] == pytest.approx(down * 3000, abs=1)
        assert one.up_bits + one.up_dropped + waits[1] == pytest.approx(up * 3000, abs=1)
        assert min(waits) >= 0
    used = seen.cells[NCI]
    assert max(used.down_prbs, used.up_prbs) <= PRBS * 3 + 1e-6
    total = sum(one.down_prbs for slices_ in seen.ues.values() for one in slices_.values())
    assert total == pytest.approx(used.down_prbs)


def test_an_unloaded_ue_gets_what_it_wants_with_the_least_delay() -> None:
    done = moved(cell(ue(INTERNET, 1000)), 2, 12)[INTERNET]
    assert done.down_bits / 1e4 == pytest.approx(1000, rel=0.01)
    assert done.down_waited / done.down_bits < 0.02
    assert done.down_dropped == 0


def test_a_cell_carries_its_rate_and_no_more() -> None:
    assert down_kbps(cell(ue(INTERNET, 50_000)), INTERNET) == pytest.approx(10_000, rel=0.01)


@pytest.mark.parametrize(("minimum", "expected"), [(30, 3000), (60, 6000), (90, 9000)])
def test_a_minimum_holds_under_saturation(minimum: int, expected: float) -> None:
    slices = (SliceConfig(INTERNET), SliceConfig(LLM, minimum))
    ran = cell(ue(INTERNET, 900_000), ue(LLM, 30_000), slices=slices)
    # Its queue is full as the other's, and the rest is divided by what waits.
    assert down_kbps(ran, LLM) >= expected * 0.99
    assert down_kbps(ran, LLM, 12, 14) + down_kbps(ran, INTERNET, 14, 16) <= 10_100


def test_a_maximum_holds_in_an_empty_cell() -> None:
    slices = (SliceConfig(INTERNET, 0, 30), SliceConfig(LLM))
    assert down_kbps(cell(ue(INTERNET, 50_000), slices=slices), INTERNET) == pytest.approx(
        3000, rel=0.01)


def test_an_unused_minimum_is_lent_and_an_unused_dedicated_share_is_not() -> None:
    lent = cell(ue(INTERNET, 50_000), slices=(SliceConfig(INTERNET), SliceConfig(LLM, 40)))
    kept = cell(ue(INTERNET, 50_000), slices=(SliceConfig(INTERNET), SliceConfig(LLM, 40, 100, 40)))
    assert down_kbps(lent, INTERNET) == pytest.approx(10_000, rel=0.01)
    assert down_kbps(kept, INTERNET) == pytest.approx(6_000, rel=0.01)


def test_without_a_minimum_a_split_llm_starves_and_with_one_it_recovers() -> None:
    ran = FluidCells(preset("spec", ues=4, load="overload").cells)
    ran.advance(20)
    before = ran.tokens
    ran.advance(60)
    starved = ran.tokens - before
    waited = moved(ran, 60, 61)[LLM]
    assert ran.set_share(None, LLM, Share(30, 100, 0))
    ran.advance(70)
    before = ran.tokens
    done = moved(ran, 70, 110)[LLM]
    assert ran.tokens - before > 1.5 * starved > 0
    # What is left without load is the 10 ms of a step and the base delay.
    assert done.up_waited / done.up_bits < 0.06
    assert waited.up_bits == 0 or waited.up_waited / waited.up_bits > 0.1


def test_a_maximum_for_the_others_helps_by_less_than_a_minimum() -> None:
    def delay(shares: dict[Snssai, Share]) -> float:
        ran = FluidCells(preset("spec", ues=4, load="overload").cells)
        for snssai, share in shares.items():
            ran.set_share(None, snssai, share)
        done = moved(ran, 20, 60)[LLM]
        return done.up_waited / done.up_bits

    nothing, capped = delay({}), delay({INTERNET: Share(0, 99, 0)})
    assert delay({LLM: Share(30, 100, 0)}) < capped < nothing


def test_a_ues_limit_holds_and_can_be_taken_back() -> None:
    ran = cell(ue(INTERNET, 50_000), ue(INTERNET, 50_000))
    assert ran.limit_ue(1, Share(0, 20, 0))
    done = moved(ran, 2, 12)[INTERNET].down_bits / 1e4
    first = ran.snapshot().ues[1][INTERNET].down_bits
    assert first / 12e3 == pytest.approx(2000, rel=0.02)
    assert done == pytest.approx(10_000, rel=0.01)  # the other takes what it left
    assert ran.limit_ue(1, Share())
    ran.advance(22)
    assert (ran.snapshot().ues[1][INTERNET].down_bits - first) / 10e3 > 4000


def test_handover_moves_the_load() -> None:
    ran = cell(ue(INTERNET, 4000), cells=2)
    ran.advance(2)
    assert ran.hand_over(1, NCI + 1)
    there = ran.snapshot().cells[NCI].down_prbs
    ran.advance(4)
    assert ran.snapshot().cells[NCI].down_prbs == there
    assert ran.snapshot().cells[NCI + 1].down_prbs == pytest.approx(80, rel=0.02)
    assert ran.ues[0].cell == NCI + 1


@pytest.mark.parametrize("asked", [
    lambda ran: ran.hand_over(9, NCI), lambda ran: ran.hand_over(1, NCI),
    lambda ran: ran.hand_over(1, 5), lambda ran: ran.limit_ue(9, Share()),
    lambda ran: ran.set_share(None, THIRD, Share()), lambda ran: ran.set_share(5, LLM, Share()),
    lambda ran: ran.map_flow(9, 1, 1)])
def test_what_does_not_exist_is_not_obeyed(asked: object) -> None:
    ran = cell(ue(INTERNET, 1000))
    before = ran.shares
    assert asked(ran) is False  # type: ignore[operator]  # each is a function of the cell
    assert ran.shares == before


def test_a_restart_brings_back_what_was_configured_and_other_numbers() -> None:
    ran = cell(ue(INTERNET, 1000))
    ran.advance(5)
    ran.set_share(None, INTERNET, Share(10, 20, 0))
    ran.map_flow(1, 4, 9)
    old = ran.ues[0]
    ran.restart(6)
    assert ran.shares[NCI, INTERNET] == Share()
    assert not ran.flows
    assert {old.f1_id, old.amf_id}.isdisjoint({ran.ues[0].f1_id, ran.ues[0].amf_id})
    assert ran.snapshot().ues[ran.ues[0].f1_id][INTERNET] == NOTHING


def test_the_same_seed_is_the_same_run_whatever_the_steps_of_time() -> None:
    first, second = (cell(ue(INTERNET, 9000), noise=0.3, seed=7) for _ in range(2))
    first.advance(5)
    for step in range(500):
        second.advance((step + 1) / 100)
    assert first.snapshot().ues == second.snapshot().ues
    other = cell(ue(INTERNET, 50_000), noise=0.3, seed=8)
    other.advance(5)
    assert other.snapshot().ues != first.snapshot().ues


def test_a_long_pause_is_caught_up_in_part_and_told() -> None:
    ran = cell(ue(INTERNET, 1000))
    ran.advance(MOST_BEHIND + 100)
    assert ran.skipped == pytest.approx(100)
    assert ran.snapshot().ues[1][INTERNET].down_bits == pytest.approx(MOST_BEHIND * 1e6, rel=0.01)


@pytest.mark.parametrize("change", [
    {"cells": ()}, {"plmn": "1"}, {"step_seconds": 0.0}, {"noise": 2.0}, {"queue_kbit": 0.0},
    {"slices": (SliceConfig(THIRD),)},
    {"cells": (CellConfig(NCI), CellConfig(NCI))}, {"ues": (ue(INTERNET, 1, cell=3),)}])
def test_cells_that_cannot_be_are_refused(change: dict[str, object]) -> None:
    sound = FluidConfig((CellConfig(NCI),), (ue(INTERNET, 1),))
    with pytest.raises(ConfigurationError):
        replace(sound, **change)  # type: ignore[arg-type]  # each is right but for its value


def test_shares_and_carriers_that_cannot_be_are_refused() -> None:
    for wrong in (lambda: SliceConfig(LLM, 50, 40), lambda: CellConfig(1 << 36),
                  lambda: CellConfig(1, 276)):
        with pytest.raises(ConfigurationError):
            wrong()


def test_a_radio_is_as_good_as_the_rate_that_it_carries() -> None:
    slow = UeConfig(ue(INTERNET, 1000).sessions, 0, 100.0)
    fast = replace(slow, kbps_per_prb=800.0)
    ran = cell(slow, fast, noise=0.2)
    first, second = (ran.radio(one.f1_id) for one in ran.ues)
    assert first is not None
    assert second is not None
    assert (first.cqi, second.cqi) == (2, 10)  # 0.6 and 4.8 bits a resource element
    assert first.up_snr_db is not None
    assert second.up_snr_db is not None
    assert first.up_snr_db < 0 < second.up_snr_db
    assert ran.radio(77) is None
    seen = set()
    for second_ in range(20):
        ran.advance(float(second_))
        seen.add(ran.radio(ran.ues[0].f1_id))
    assert len(seen) > 5  # it fades


def test_who_may_send_nothing_has_a_radio_without_an_uplink() -> None:
    silent = cell(replace(ue(INTERNET, 1000), up_ratio=0.0))
    radio = silent.radio(silent.ues[0].f1_id)
    assert radio is not None
    assert radio.up_snr_db is None
