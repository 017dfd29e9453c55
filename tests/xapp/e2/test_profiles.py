"""What is known of each kind of base station is said, and consistent."""

from __future__ import annotations

import dataclasses

import pytest

from xapp.e2.profiles import (
    OAI,
    OAI_OLD,
    OCUDU,
    PROFILES,
    SPEC,
    SRSRAN,
    Conditions,
    Lever,
    Profile,
    QuotaIds,
    Scope,
    Trust,
)
from xapp.e2.rc import RC, RC_FLEXRIC
from xapp.e2.ue_id import GnbDuUe


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_profile_is_whole(profile: Profile) -> None:
    assert PROFILES[profile.name] is profile
    levers = [one.lever for one in profile.actuators]
    assert len(levers) == len(set(levers))
    for actuator in profile.actuators:
        assert profile.actuator(actuator.lever) is actuator
        assert profile.actuator(actuator.lever.value) is actuator
        assert actuator.known.endswith(".")
        assert actuator.usable == (actuator.trust is not Trust.HARMFUL)
    numbers = dataclasses.astuple(profile.quota.ids)
    assert len(numbers) == len(set(numbers))


def test_the_kinds_that_configurations_name() -> None:
    assert {"spec", "srsran", "oai", "flexric", "ocudu"} <= PROFILES.keys()


def test_what_was_seen_on_srsran() -> None:
    quota = SRSRAN.actuator(Lever.RC_SLICE_QUOTA)
    assert quota is not None
    assert (quota.scope, quota.entries, quota.trust) == (Scope.PER_UE, 1, Trust.SEEN)
    assert SRSRAN.control_ue is GnbDuUe
    ccc = SRSRAN.actuator("ccc_slice_quota")
    assert ccc is not None
    assert not ccc.usable
    assert ccc.least_dedicated == 1
    websocket = SRSRAN.actuator(Lever.WEBSOCKET_SLICE_QUOTA)
    assert websocket is not None
    assert (websocket.scope, websocket.trust) == (Scope.PER_SLICE, Trust.NONE)
    assert (SRSRAN.actions_per_subscription, SRSRAN.counts_indications, SRSRAN.fresh_every) == (
        1, False, 1000)
    assert SRSRAN.conditions is Conditions.IGNORED
    assert SRSRAN.rc is RC


def test_ocudu_bears_what_srsran_does_not() -> None:
    ccc = OCUDU.actuator(Lever.CCC_SLICE_QUOTA)
    assert ccc is not None
    assert ccc.usable
    assert (ccc.scope, ccc.least_dedicated) == (Scope.PER_SLICE, 1)


def test_what_oai_does() -> None:
    assert OAI.rc is RC_FLEXRIC
    assert OAI.conditions is Conditions.SLICE_EQUAL
    assert OAI.quota.as_text
    assert not OAI.quota.wrapped
    assert OAI.control_ue is None
    assert OAI.actuator(Lever.RC_HANDOVER) is None
    assert OAI.quota.ids == SPEC.quota.ids == QuotaIds()
    assert dataclasses.astuple(OAI_OLD.quota.ids) == tuple(range(1, 13))


def test_no_such_lever() -> None:
    with pytest.raises(ValueError, match="magic"):
        SPEC.actuator("magic")
