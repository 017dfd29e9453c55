"""Causes: each there and back, in words, and a later version's."""

from __future__ import annotations

import pytest

from tests.xapp.e2.e2ap_examples import REQUEST
from tests.xapp.e2.e2ap_values import CAUSES
from xapp.e2.e2ap import decode, encode
from xapp.e2.e2ap_causes import (
    CAUSE,
    GROUPS,
    MiscCause,
    ProtocolCause,
    RicRequestCause,
    UnknownCause,
    say_cause,
)
from xapp.e2.e2ap_messages import SubscriptionFailure
from xapp.errors import ProtocolError


def test_every_cause_has_bytes_and_words_of_its_own() -> None:
    assert len(CAUSES) == sum(len(kind) for _, kind, _ in GROUPS) == 37
    assert len({CAUSE.encode(cause) for cause in CAUSES}) == 37
    assert len({say_cause(cause) for cause in CAUSES}) == 37
    assert all(CAUSE.decode(CAUSE.encode(cause)) is cause for cause in CAUSES)


def test_causes_in_bytes() -> None:
    assert CAUSE.encode(RicRequestCause.RAN_FUNCTION_ID_INVALID).hex() == "0000"
    assert CAUSE.encode(MiscCause.OM_INTERVENTION).hex() == "54"
    assert CAUSE.encode(ProtocolCause.SEMANTIC_ERROR).hex() == "44"
    assert CAUSE.encode(RicRequestCause.DUPLICATE_REQUEST_ID).hex() == "0820"
    assert say_cause(None) == "no cause given"


def test_a_later_versions_cause_is_a_cause() -> None:
    data = bytearray(encode(SubscriptionFailure(REQUEST, 2,
                                                RicRequestCause.INVALID_INFORMATION_REQUEST)))
    assert data[-2:] == b"\x08\x50"  # the group, extended, and the sixth of the added values
    data[-2:] = b"\x09\xa0"
    message = decode(bytes(data))
    assert isinstance(message, SubscriptionFailure)
    assert message.cause == UnknownCause("ric-request", 26)
    assert say_cause(message.cause) == "ric-request: cause 26 of a later version"
    with pytest.raises(ProtocolError):
        encode(message)
