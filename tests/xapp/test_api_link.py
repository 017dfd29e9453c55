"""Messages between the xApp and its API's process: round trips, pieces, and what is no message."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xapp.fake_operations import FakeOperations
from xapp.api_link import (
    MOST_TO_API,
    Unpacker,
    pack,
    picture_document,
    picture_of,
    policies_of,
)
from xapp.errors import TransportError
from xapp.operations import Modes, Picture
from xapp.timings import LOOP_SECONDS, Timer


def carried(kind: str, content: Any) -> Any:
    [message] = Unpacker(MOST_TO_API).feed(pack({"kind": kind, "it": content}, MOST_TO_API))
    return message["it"]


def rich() -> Picture:
    timer = Timer(LOOP_SECONDS)
    timer.measured(0.002)
    picture = FakeOperations(history=120.0).picture()
    counts = replace(picture.counts, controls={("rc", "acknowledged"): 3, ("ccc", "silent"): 1})
    return replace(picture, modes=Modes(True, True, 3.5, "anna"), loop=timer.times(), counts=counts)


def test_a_picture_comes_as_it_was() -> None:
    picture = rich()
    assert picture.observations.cells
    assert picture.observations.flows
    assert picture_of(carried("picture", picture_document(picture))) == picture


def test_policies_come_as_they_were() -> None:
    network = FakeOperations(history=1.0)
    policies = (*network.policies(None), *network.policies(20981))
    assert [one.type_id for one in policies] == [None, 20981]
    assert policies_of(carried("policies", policies)) == policies


@given(st.lists(st.dictionaries(st.text(max_size=5), st.integers(-2**60, 2**60) | st.text()),
                max_size=5), st.integers(1, 40))
def test_messages_come_in_pieces_of_any_size(found: list[dict[str, Any]], size: int) -> None:
    sent = [{**one, "kind": "x"} for one in found]
    data = b"".join(pack(one, 1 << 16) for one in sent)
    unpacker = Unpacker(1 << 16)
    come: list[dict[str, Any]] = []
    for begin in range(0, len(data), size):
        come += unpacker.feed(data[begin:begin + size])
    assert come == sent


@given(st.binary(max_size=60))
def test_bytes_that_are_no_message_are_one_error(data: bytes) -> None:
    unpacker = Unpacker(1 << 10)
    try:
        for message in unpacker.feed(data):
            assert isinstance(message["kind"], str)
        for message in unpacker.feed(len(data).to_bytes(4, "big") + data):
            assert isinstance(message["kind"], str)
    except TransportError:
        pass


def test_what_is_too_long_is_neither_sent_nor_waited_for() -> None:
    with pytest.raises(TransportError, match="more than"):
        pack({"kind": "x", "it": "y" * 100}, 50)
    with pytest.raises(TransportError, match="announced"):
        list(Unpacker(50).feed(b"\0\0\1\0"))


def test_what_is_no_json_is_not_sent() -> None:
    with pytest.raises(TransportError, match="cannot be told"):
        pack({"kind": object()}, 50)


@given(st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(
    inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=8))
def test_what_is_no_picture_is_one_error(document: Any) -> None:
    with pytest.raises(TransportError):
        picture_of(document)


def test_a_damaged_picture_is_one_error() -> None:
    whole = orjson.loads(orjson.dumps(picture_document(rich()), option=orjson.OPT_NON_STR_KEYS))
    for name in whole:
        with pytest.raises(TransportError):
            picture_of({key: value for key, value in whole.items() if key != name})
        with pytest.raises(TransportError):
            picture_of({**whole, name: object()})


def test_what_never_was_stays_what_never_was() -> None:
    """Before the first report a load has no time, and a quota that nobody set has none either."""
    never = float("-inf")
    picture = rich()
    seen = picture.observations
    picture = replace(picture, observations=replace(
        seen, cells={key: replace(one, load=replace(one.load, at=never), slices={
            name: replace(each, since=never, load=replace(each.load, at=never))
            for name, each in one.slices.items()}) for key, one in seen.cells.items()},
        ues={key: replace(one, load=replace(one.load, at=never))
             for key, one in seen.ues.items()}))
    assert picture_of(carried("picture", picture_document(picture))) == picture
