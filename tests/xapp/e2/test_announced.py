"""What a node announced, and which kind it seems to be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from testbed.ran.e2_profiles import BEHAVIOURS, functions_of
from tests.xapp.e2.examples import (
    CCC_DEFINITION,
    KPM_DEFINITION,
    QUOTA_NAMES,
    RC_DEFINITION,
)
from xapp.e2.announced import KPM_3_OID, Announced, announced_ids, guess, narrowed, read_functions
from xapp.e2.ccc import CccCell, write_function
from xapp.e2.common import CCC_OIDS, KPM_OIDS, RC_OIDS
from xapp.e2.e2ap_components import Component, Configuration, Interface, NgComponent
from xapp.e2.kpm import FUNCTION, KPM_FLEXRIC_V3, KPM_V2, FunctionDefinition
from xapp.e2.measurements import Announced as AnnouncedMeasurement
from xapp.e2.profiles import FLEXRIC, OAI, OAI_OLD, SPEC, SRSRAN, UNNAMED, Lever, QuotaIds
from xapp.e2.rc_function import RC_FUNCTION, ControlAction, ControlStyle, RcFunctionDefinition
from xapp.e2.rc_parameters import ParameterDefinition


def measuring(*names: str) -> FunctionDefinition:
    assert KPM_DEFINITION.reports is not None
    return replace(KPM_DEFINITION, reports=(replace(
        KPM_DEFINITION.reports[0], measurements=tuple(map(AnnouncedMeasurement, names))),))


def controlling(style: int, action: int, *names: str) -> RcFunctionDefinition:
    parameters = tuple(ParameterDefinition(number, name) for number, name in enumerate(names, 1)
                       if name)
    return replace(RC_DEFINITION, controls=(ControlStyle(
        style, "a style", (ControlAction(action, "an action", parameters or None),), 1, 1, None,
        1),))


KPM, RC = FUNCTION.encode(KPM_DEFINITION), RC_FUNCTION.encode(RC_DEFINITION)
CCC = write_function(CCC_DEFINITION)


def test_functions_are_known_by_oid_and_never_by_number() -> None:
    found = read_functions([(77, KPM_OIDS[0], KPM), (2, RC_OIDS[0], RC), (3, CCC_OIDS[0], CCC),
                            (142, "1.2.3", b"else")])
    assert found.kpm == ((77, KPM_DEFINITION),)
    assert found.rc == ((2, RC_DEFINITION),)
    assert found.ccc == ((3, CCC_DEFINITION),)
    assert found.others == ((142, "1.2.3"),)
    assert found.controls(2, 6)
    assert not found.controls(3, 1)


def test_a_definition_that_cannot_be_read_is_told_and_costs_no_other() -> None:
    found = read_functions([(2, KPM_OIDS[0], b"\xff"), (3, RC_OIDS[0] + "\0", RC)])
    assert found.kpm == ()
    assert found.rc == ((3, RC_DEFINITION),)
    assert len(found.problems) == 1
    assert found.problems[0].startswith("function 2: ")


FLOWS = (3, RC_OIDS[0], RC_FUNCTION.encode(controlling(1, 2)))
MODELS = (142, "1.2", b"\0MAC_STATS_V0")


def kpm(*names: str) -> tuple[int, str, bytes]:
    return 2, KPM_OIDS[0], FUNCTION.encode(measuring(*names))


@pytest.mark.parametrize(("functions", "profile", "certain"), [
    ([], UNNAMED, False),
    ([(2, KPM_OIDS[0], KPM)], UNNAMED, False),
    # What anybody may have by the specification tells nothing.
    ([FLOWS], UNNAMED, False),
    ([(4, CCC_OIDS[0], CCC)], UNNAMED, False),
    ([(3, RC_OIDS[0], RC), (4, CCC_OIDS[0], CCC), FLOWS], UNNAMED, False),
    ([kpm("DRB.PdcpSduVolumeDL")], OAI, False),
    ([kpm("DRB.PdcpSduVolumeDL", "DRB.UEThpDl"), FLOWS, MODELS], OAI, True),
    ([FLOWS, MODELS], FLEXRIC, True),
    ([MODELS], FLEXRIC, True),
    ([kpm("DRB.RlcSduTransmittedVolumeDL"), (4, CCC_OIDS[0], CCC)], SRSRAN, False),
    ([kpm("CQI", "RSRP", "RSRQ")], SRSRAN, False),
    ([kpm("DRB.RlcSduTransmittedVolumeDL", "CQI", "RSRP", "RSRQ"), (3, RC_OIDS[0], RC), FLOWS],
     SRSRAN, False),
    # Two kinds at once is neither.
    ([kpm("CQI", "RSRP", "RSRQ"), MODELS], UNNAMED, False),
])
def test_guesses(functions: list[tuple[int, str, bytes]], profile: object, certain: bool) -> None:
    made = guess(read_functions(functions))
    assert made.profile is profile
    assert made.certain is certain
    assert made.reasons
    assert 0 <= made.confidence <= 1
    if not certain and made.profile is not OAI:
        assert "`profile" in made.reasons[-1]


@pytest.mark.parametrize("functions", [
    [], [(4, CCC_OIDS[0], CCC)], [kpm("CQI", "RSRP", "RSRQ"), (4, CCC_OIDS[0], CCC)], [FLOWS],
    [kpm("DRB.PdcpSduVolumeDL"), (4, CCC_OIDS[0], CCC)], [MODELS, (4, CCC_OIDS[0], CCC)]])
def test_ccc_is_never_sent_to_what_was_only_guessed(
        functions: list[tuple[int, str, bytes]]) -> None:
    made = guess(read_functions(functions))
    known = made.profile.actuator(Lever.CCC_SLICE_QUOTA)
    assert known is None or not known.usable


def test_what_components_hold_counts_too() -> None:
    text = Configuration(b"reqpart", b"respart")
    found = Announced(components=(Component(Interface.NG, NgComponent("nginterf"), text),),
                      ccc=((4, CCC_DEFINITION),))
    assert guess(found).profile is SRSRAN
    assert guess(replace(found, components=())).profile is UNNAMED


@pytest.mark.parametrize("name", list(BEHAVIOURS))
def test_emulated_base_stations_are_told_as_far_as_they_can_be(name: str) -> None:
    behaviour = BEHAVIOURS[name]
    made = guess(read_functions(
        (one.id, one.oid, one.definition) for unit in behaviour.units
        for one in functions_of(behaviour, unit, (CccCell("00101", 1),))))
    expected = {"ocudu": "srsran"}.get(name, name)
    assert made.profile.name == expected
    assert made.certain is (name in ("oai", "oai-old", "flexric"))
    assert ("ocudu" in made.reasons[-1]) is (not made.certain)


def test_numbers_that_are_announced_count() -> None:
    older = [name for name in QUOTA_NAMES if name]  # without the gap
    found = Announced(rc=((3, controlling(2, 6, *older)),))
    ids = announced_ids(found)
    assert ids == OAI_OLD.quota.ids
    assert narrowed(OAI, found) is OAI_OLD
    assert narrowed(SRSRAN, found).quota.ids == ids
    assert narrowed(SRSRAN, found).name == "srsran"


def test_numbers_that_are_not_all_announced_do_not() -> None:
    assert announced_ids(Announced(rc=((3, RC_DEFINITION),))) == QuotaIds()
    for found in (Announced(), Announced(rc=((3, controlling(2, 6)),)),
                  Announced(rc=((3, controlling(2, 6, "RRM Policy", "SST")),))):
        assert announced_ids(found) is None
        assert narrowed(OAI, found) is OAI


def test_the_oid_tells_which_layout_flexrics_agent_was_built_with() -> None:
    third = replace(KPM_DEFINITION, name=replace(KPM_DEFINITION.name, oid=KPM_3_OID))
    found = Announced(kpm=((2, third),))
    for profile in (OAI, FLEXRIC):
        assert profile.kpm is KPM_V2
        assert narrowed(profile, found).kpm is KPM_FLEXRIC_V3
        assert narrowed(profile, Announced(kpm=((2, KPM_DEFINITION),))) is profile
    assert narrowed(SPEC, found) is SPEC
    assert narrowed(SRSRAN, found) is SRSRAN
