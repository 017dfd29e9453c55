"""Label messages: what goes in comes out, and nothing else gets in."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.errors import BadMessage
from classifier.messages import (
    MOST_BYTES,
    MOST_RATES,
    AddressRates,
    Gaps,
    Labelled,
    Message,
    TapStatus,
    decode,
    encode,
)

LABELLED = Labelled(7, "llm_split", 0.97, "AFTER_1_S", 1_700_000_000_000_000_000, "10.45.0.2",
                    "2001:db8::1", 40000, 8470, 6, False, 0xCAFE, 1, 9, "edge-1-2", "0a1b", 3)
STATUS = TapStatus(1_700_000_000_000_000_000, 12.5, 1000, 123456, 0, 40, 7, 0, 12, 0.02,
                   "edge-1-2", "0a1b", 12)


@pytest.mark.parametrize("message", [LABELLED, STATUS, replace(LABELLED, ended=True)])
def test_what_goes_in_comes_out(message: Message) -> None:
    topic, payload = encode(message)
    assert decode([topic, payload]) == message
    assert topic.decode() == message.topic
    assert len(payload) < 600


def changed(**values: Any) -> list[bytes]:
    topic, payload = encode(LABELLED)
    return [topic, json.dumps(json.loads(payload) | values).encode()]


@pytest.mark.parametrize("parts", [
    [], [b"label.web"], [b"a", b"b", b"c"], [b"label.llm_split", b"{"], [b"label.llm_split", b"[]"],
    [b"label.llm_split", b"x" * MOST_BYTES], [b"label.llm_split", b"[" * 4000],
    [b"label.web", encode(LABELLED)[1]], [b"status", encode(LABELLED)[1]],
    changed(version=2), changed(flow="7"), changed(flow=-1), changed(flow=True), changed(at=2**64),
    changed(confidence=1.5), changed(confidence=float("nan")), changed(confidence=10**400),
    changed(label="x" * 65), changed(label="a\nb"), changed(source="not an address"),
    changed(source_port=65536), changed(protocol=256), changed(ended=0), changed(stage=None)])
def test_what_is_no_message(parts: list[bytes]) -> None:
    with pytest.raises(BadMessage):
        decode(parts)


def test_a_field_that_is_missing() -> None:
    topic, payload = encode(LABELLED)
    values = json.loads(payload)
    del values["source"]
    with pytest.raises(BadMessage, match="without source"):
        decode([topic, json.dumps(values).encode()])


def test_a_later_versions_extra_fields_do_no_harm() -> None:
    assert decode(changed(colour="red")) == LABELLED


@given(st.binary(max_size=200), st.binary(max_size=400))
def test_no_bytes_do_anything_else(topic: bytes, payload: bytes) -> None:
    for parts in ([topic, payload], [b"label.web", payload], [b"status", payload]):
        with pytest.raises(BadMessage):
            decode(parts)


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_message_is_refused_or_another_message(place: int, byte: int) -> None:
    topic, payload = encode(LABELLED)
    damaged = bytearray(payload)
    damaged[place % len(damaged)] = byte
    with contextlib.suppress(BadMessage):
        decode([topic, bytes(damaged)])


def test_what_was_missed_is_counted_for_each_topic() -> None:
    gaps = Gaps()
    assert gaps.saw(replace(LABELLED, sequence=10)) == 0  # came late
    assert gaps.saw(replace(LABELLED, sequence=11)) == 0
    assert gaps.saw(replace(STATUS, sequence=50)) == 0
    assert gaps.saw(replace(LABELLED, sequence=15)) == 3
    assert gaps.saw(replace(LABELLED, tap="another", sequence=1)) == 0  # started anew
    assert gaps.missed == 3


def test_what_a_flow_sends_may_be_left_out() -> None:
    told = replace(LABELLED, up_rate=40_000, down_rate=90, step_bytes=4096, step_us=50_000)
    assert decode(list(encode(told))) == told
    topic, payload = encode(told)
    values = {name: value for name, value in json.loads(payload).items()
              if name not in ("up_rate", "down_rate", "step_bytes", "step_us")}
    assert decode([topic, json.dumps(values).encode()]) == LABELLED


RATES = AddressRates(5, 1.0, (("10.45.0.2", 100, 2000), ("2001:db8:cafe::2", 0, 1)), "tap-1", 3)


def test_rates_of_addresses_come_back_and_the_largest_fits() -> None:
    assert decode(list(encode(RATES))) == RATES
    longest = ("2001:0db8:cafe:1111:2222:3333:4444:5555", 2**64 - 1, 2**64 - 1)
    most = replace(RATES, rates=(longest,) * MOST_RATES)
    assert decode(list(encode(most))) == most


@pytest.mark.parametrize("rates", [
    None, {}, 5, [5], [["10.45.0.2", 1]], [["10.45.0.2", 1, -1]], [["10.45.0.2", 1, 2.5]],
    [["10.45.0.2", 1, True]], [["ten", 1, 2]], [[5, 1, 2]], [["10.45.0.2", 1, 2, 3]],
    [["10.45.0.2", 1, 2]] * (MOST_RATES + 1)])
def test_rates_that_are_none_are_refused(rates: object) -> None:
    document = orjson.dumps({**vars(RATES), "rates": rates})
    with pytest.raises(BadMessage):
        decode([b"rates", document])
