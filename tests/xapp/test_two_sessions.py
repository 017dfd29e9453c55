"""A UE with sessions in two slices, on a base station whose reports name no slice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from testbed.ran.emulator_config import INTERNET, LLM
from testbed.ran.fluid_cell import SessionConfig
from testbed.ran.offered_load import Kind, LoadConfig
from tests.testbed.ran.steered import SteeredScene, never_pausing


@pytest.mark.parametrize("kind", ["srsran", "oai-old"])
def test_its_labelled_flow_is_in_the_slice_of_its_address(kind: str) -> None:
    made = never_pausing(kind)
    first, *others = made.cells.ues
    both = replace(first, sessions=(*first.sessions, SessionConfig(
        INTERNET, "10.45.9.9", "internet", LoadConfig(Kind.CONSTANT, 500, 50))))
    carried = replace(made, cells=replace(made.cells, ues=(both, *others)))
    scene = SteeredScene(kind, carried=carried).begin()
    ue = scene.observations().ues[next(
        key for key in scene.observations().ues
        if len(scene.core.ue_map.addresses_of(key)) == 2)]
    assert ue.slice is None
    scene.label()
    scene.wait(3.0)
    flow, = (one for one in scene.observations().flows.values() if not one.from_counters)
    assert (flow.ue, flow.slice) == (ue.key, LLM)
    if kind == "oai-old":  # that srsRAN is steered so is not shown
        assert scene.used()
