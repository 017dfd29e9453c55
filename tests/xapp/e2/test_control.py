"""What a kind of base station takes at all."""

from __future__ import annotations

import pytest

from xapp.e2.control import needed
from xapp.e2.profiles import OAI, OCUDU, SRSRAN, Lever
from xapp.errors import PolicyError


def test_levers_that_are_there_missing_or_harmful() -> None:
    assert needed(OCUDU, Lever.CCC_SLICE_QUOTA).lever is Lever.CCC_SLICE_QUOTA
    with pytest.raises(PolicyError, match="has no rc_handover"):
        needed(OAI, Lever.RC_HANDOVER)
    with pytest.raises(PolicyError, match=r"harmed by ccc_slice_quota.*hung"):
        needed(SRSRAN, Lever.CCC_SLICE_QUOTA)
