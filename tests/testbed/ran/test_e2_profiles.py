"""What each kind announces is what the xApp knows it by, number by number."""

from __future__ import annotations

import pytest

from testbed.ran.e2_node_command import LOADS, PROFILES
from testbed.ran.e2_profiles import BEHAVIOURS, CCC_NUMBER, HANDOVER, functions_of
from testbed.ran.emulator_config import LOADS as PRESETS
from xapp.e2.announced import Announced, guess, narrowed, read_functions
from xapp.e2.ccc import CccCell
from xapp.e2.kpm import KPM_FLEXRIC_V3, KPM_V2, KPM_V5
from xapp.e2.profiles import PROFILES as KNOWN

CELLS = (CccCell("00101", 5),)
# Who only follows the specification announces nothing that speaks for a kind.
GUESSED = {"spec": "spec", "srsran": "srsran", "ocudu": "srsran", "oai": "oai",
           "oai-old": "oai-old", "flexric": "flexric"}


def announced(name: str) -> Announced:
    behaviour = BEHAVIOURS[name]
    return read_functions((one.id, one.oid, one.definition) for unit in behaviour.units
                          for one in functions_of(behaviour, unit, CELLS))


def test_there_is_one_for_each_kind_that_the_xapp_knows() -> None:
    assert set(BEHAVIOURS) == set(KNOWN) == set(PROFILES)
    assert set(PRESETS) == set(LOADS)


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_its_announcement_is_understood_and_guessed_right(name: str) -> None:
    found = announced(name)
    assert not found.problems
    assert found.kpm
    assert found.controls(2, 6)
    assert guess(found).profile.name == GUESSED[name]
    # srsRAN and OCUDU announce alike: an operator's word is needed there as well.
    assert guess(found).certain == (name not in ("spec", "srsran", "ocudu"))


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_parameters_are_announced_with_the_kind_s_own_numbers(name: str) -> None:
    profile = narrowed(KNOWN[name], announced(name))
    assert profile.quota.ids == KNOWN[name].quota.ids
    layouts = {"oai": KPM_V2, "flexric": KPM_FLEXRIC_V3, "srsran": KPM_V5}
    assert profile.kpm is layouts.get(name, profile.kpm)


def test_numbers_of_functions_can_be_others() -> None:
    behaviour = BEHAVIOURS["srsran"]
    usual, shifted = (functions_of(behaviour, behaviour.units[0], CELLS, shift)
                      for shift in (0, 100))
    assert [one.id + 100 for one in usual] == [one.id for one in shifted]
    assert [one.oid for one in usual] == [one.oid for one in shifted]
    assert max(one.id for one in usual) == CCC_NUMBER


@pytest.mark.parametrize("name", ["spec", "srsran", "ocudu"])
def test_a_cu_cp_names_the_parameters_of_its_handover(name: str) -> None:
    behaviour = BEHAVIOURS[name]
    unit = next(one for one in behaviour.units if one.name == "cu_cp")
    found = read_functions((one.id, one.oid, one.definition)
                           for one in functions_of(behaviour, unit, ()))
    (_, rc), = found.rc
    action = rc.action(*HANDOVER)
    assert action is not None
    assert [(one.id, one.name) for one in action.parameters or ()][3] == (4, ">>>NR CGI")
    assert not found.kpm  # it measures nothing: UEs are reported by the DU alone
