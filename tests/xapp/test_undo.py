"""The book of what was found, what is in force and where it goes back to."""

from __future__ import annotations

from dataclasses import replace

from tests.xapp.steering_scene import CELL, FREE, LLM, NODE, facts
from xapp.actuators.base import Refusal
from xapp.actuators.rc_quota import RcQuota
from xapp.actuators.srsran_ws import SrsranWebsocket
from xapp.actuators.targets import FlowTarget, PlaceTarget, SliceTarget, Target, UeTarget
from xapp.e2.profiles import PROFILES
from xapp.observations import Observations, Quota, UeKey
from xapp.store_records import Held, Kind, Record
from xapp.undo import Book, found_value, put_back_steps

SLICE = SliceTarget(CELL, LLM)
UE = UeTarget(UeKey(NODE, "du:1"), CELL)
WISHED = Quota(60, 100, 0)


def new_book() -> tuple[Book, list[Record]]:
    records: list[Record] = []
    return Book(records.append), records


def touched(book: Book) -> dict[Target, Held]:
    return book.touch({SLICE: WISHED}, "ws", lambda target: (FREE, True), 1.0)


def test_an_entry_is_as_found_until_the_effect_is_confirmed() -> None:
    book, records = new_book()
    touched(book)
    entry = book.get(SLICE)
    assert entry is not None
    assert (entry.confirmed, entry.certain, entry.assumed) == (FREE, False, True)
    assert book.quotas(CELL) == {}  # nobody knows while it changes
    book.confirm({SLICE: WISHED}, "ws", 2.0)
    assert book.quotas(CELL) == {LLM: (WISHED, 2.0)}
    assert book.touched(NODE) == {SLICE: FREE}
    book.confirm({SLICE: FREE}, "ws", 3.0)
    assert book.touched(NODE) == {}
    assert [record.kind for record in records] == [Kind.TARGET] * 3


def test_what_was_not_changed_is_as_it_was_in_store_and_book() -> None:
    book, records = new_book()
    before = touched(book)
    book.unchanged(before, "ws")
    assert book.get(SLICE) == before[SLICE]
    assert records[-1].body["certain"] is True


def test_everything_can_be_aimed_at_what_was_found() -> None:
    book, _ = new_book()
    touched(book)
    book.confirm({SLICE: WISHED}, "ws", 2.0)
    book.aim_at_found()
    entry = book.get(SLICE)
    assert entry is not None
    assert (entry.goal, entry.confirmed, entry.certain) == (FREE, WISHED, False)
    book.settled({SLICE: Quota(1, 100, 1)}, "ccc", 3.0)  # what the node makes of it
    entry = book.get(SLICE)
    assert entry is not None
    assert entry.resting
    assert entry.certain


def test_where_a_ue_was_is_nothing_to_go_back_to() -> None:
    book, _ = new_book()
    place = PlaceTarget(UeKey(NODE, "amf:1"), CELL)
    assert book.touch({place: CELL}, "rc_handover", lambda target: (FREE, True), 1.0) == {}


def test_it_is_put_back_by_the_one_that_set_it_or_by_another_that_can() -> None:
    held = Held(SLICE, FREE, WISHED, FREE, "websocket_slice_quota", certain=False)
    rc, socket = RcQuota(PROFILES["oai"]), SrsranWebsocket(PROFILES["srsran"])
    chosen = put_back_steps((rc, socket), facts("srsran"), [held])
    assert isinstance(chosen, tuple)
    assert chosen[0] is socket
    chosen = put_back_steps((rc, socket), facts("srsran", remote=False), [held])
    assert isinstance(chosen, tuple)
    assert chosen[0] is rc
    nothing = put_back_steps((socket,), facts("srsran", remote=False), [held])
    assert isinstance(nothing, Refusal)
    assert "not connected" in nothing.reason


def test_what_is_certain_and_ues_that_are_away_are_not_put_back() -> None:
    rc = RcQuota(PROFILES["srsran"])
    held = Held(UE, FREE, WISHED, FREE, "rc_slice_quota", certain=True)
    away = replace(held, target=UeTarget(UeKey(NODE, "du:9"), CELL), certain=False)
    assert put_back_steps((rc,), facts("srsran"), [held, away]) is None


def test_what_was_found_is_as_reported_configured_or_assumed() -> None:
    nothing = Observations(0.0)
    assert found_value(SLICE, nothing, {LLM: WISHED}, FREE) == (WISHED, False)
    assert found_value(SLICE, nothing, {}, FREE) == (FREE, True)
    assert found_value(UE, nothing, {}, FREE) == (FREE, False)
    assert found_value(FlowTarget(UE.ue, 5, CELL), nothing, {}, FREE, 3) == (3, False)
