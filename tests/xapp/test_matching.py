"""Addresses matched to UEs by their traffic, as a tap tells it and as a base station reports it."""

from __future__ import annotations

import pytest

from classifier.messages import AddressRates
from testbed.ran.emulator_config import INTERNET
from testbed.ran.fluid_cell import CellConfig, FluidConfig, SessionConfig, SliceConfig, UeConfig
from testbed.ran.offered_load import Kind, LoadConfig
from tests.testbed.ran.scene import Scene
from xapp.matching import AWAY, Matching
from xapp.observations import Load, Observations, Ue, UeKey
from xapp.ue_map import UeEntry

ON_OFF = LoadConfig(Kind.ON_OFF, 6000, 400, on_seconds=3, off_seconds=5)
SPLIT = LoadConfig(Kind.SPLIT_LLM, tokens=40, think_seconds=5)
SLOW = LoadConfig(Kind.ON_OFF, 2000, 1500, on_seconds=6, off_seconds=4)
STEADY = LoadConfig(Kind.CONSTANT, 3000, 300)


def cell(*loads: LoadConfig) -> FluidConfig:
    return FluidConfig((CellConfig(1),), tuple(UeConfig((SessionConfig(
        INTERNET, f"10.45.0.{2 + place}", "internet", load),)) for place, load in enumerate(loads)),
        (SliceConfig(INTERNET),), seed=7)


def matched(kind: str, seconds: int, *loads: LoadConfig) -> dict[str | None, UeKey | None]:
    """A tap beside the emulated user plane tells what each address carried, each second."""
    scene = Scene(kind, period=500, carried=cell(*loads)).connect()
    matching, found = Matching(), tuple[UeEntry, ...]()
    before = scene.ran.snapshot()
    for second in range(seconds):
        for _ in range(10):
            matching.reported(scene.run(0.1).observations())
        after = scene.ran.snapshot()
        rates = []
        for one in scene.ran.ues:
            then, now = (shot.ues.get(one.f1_id, {}).get(INTERNET) for shot in (before, after))
            if now is not None:
                more = now if then is None else now.minus(then)
                rates.append((one.sessions[0].address, round(more.up_bits / 8),
                              round(more.down_bits / 8)))
        matching.heard(AddressRates(second, 1.0, tuple(rates)), scene.now)
        found = matching.each_second(scene.observations(), scene.now)
        before = after
    return {one.address: one.ue for one in found}


@pytest.mark.parametrize("kind", ["spec", "srsran", "oai"])
def test_three_ues_that_do_unlike_things_are_told_apart(kind: str) -> None:
    found = matched(kind, 75, ON_OFF, SPLIT, SLOW)
    scene = Scene(kind, carried=cell(ON_OFF, SPLIT, SLOW))
    named = [one.ran_id if kind == "oai" else one.f1_id for one in scene.ran.ues]
    assert {address: ue.ue.split(":")[1] for address, ue in found.items() if ue is not None} == {
        f"10.45.0.{2 + place}": str(number) for place, number in enumerate(named)}


def test_ues_that_do_the_same_stay_unknown() -> None:
    assert matched("spec", 75, STEADY, STEADY, STEADY) == {}


def report(number: int, at: float) -> Ue:
    return Ue(UeKey("gnb", f"du:{number}"), None, None, Load(at, 100.0))


def observed(*numbers: int, at: float = 1.0) -> Observations:
    return Observations(at, ues={one.key: one for one in (report(n, at) for n in numbers)})


def test_the_only_ue_is_the_only_address_that_a_tap_sees() -> None:
    matching = Matching()
    assert matching.each_second(observed(1), 1.0) == ()
    matching.heard(AddressRates(1, 1.0, (("10.45.0.2", 10, 10),)), 1.0)
    entry, = matching.each_second(observed(1, at=2.0), 2.0)
    assert (entry.address, entry.ue) == ("10.45.0.2", UeKey("gnb", "du:1"))
    assert matching.each_second(observed(1, 2, at=3.0), 3.0) == ()
    assert matching.each_second(observed(1, at=9.0), 2.0 + AWAY) == ()  # it is gone
