"""Who goes where there is no room: strangers first, and of one UE no more than its part."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from classifier.messages import Labelled
from xapp.flow_room import Known, Room, Stretch
from xapp.observations import Flow, UeKey

MESSAGE = Labelled(1, "web", 0.9, "AFTER_1_S", 5, "10.45.0.2", "192.0.2.7", 40000, 443, 6)


def known(key: str, ue: str | None = None) -> Known:
    flow = Flow(key, "web", 0.9, 0.0, 0.0, None if ue is None else UeKey("gnb", ue), None, None)
    return Known(key, MESSAGE, 0.0, 0.0, "tcp://tap", Stretch(), flow=flow)


def keys(room: Room) -> list[str]:
    return [one.key for one in room]


def test_a_flow_ends_by_itself_or_with_its_tap() -> None:
    one = known("a")
    assert one.ended is None
    one.stretch.ended = 5.0
    assert one.ended == 5.0
    one.over = 3.0
    assert one.ended == 3.0


def test_strangers_have_a_bound_of_their_own_and_go_oldest_first() -> None:
    room = Room(100, 3, 100)
    assert [room.put(known(str(number)), True) for number in range(5)] == [0, 0, 0, 1, 1]
    assert keys(room) == ["2", "3", "4"]
    assert room.put(known("web"), False) == 1  # it is not wanted, and there is no room
    assert keys(room) == ["2", "3", "4"]


def test_who_is_known_stays_in_a_flood_of_strangers() -> None:
    room = Room(10, 8, 100)
    ours = [known(f"ours-{number}", "ue:1") for number in range(4)]
    for one in ours:
        room.put(one, False)
    assert room.settle(ours) == 0
    gone = sum(room.put(known(f"made-up-{number}"), True) for number in range(1000))
    assert gone == 994
    assert len(room) == 10
    assert {one.key for one in ours} <= set(keys(room))


def test_one_ue_has_no_more_than_its_part() -> None:
    room = Room(100, 100, 3)
    many = [known(str(number), "ue:1") for number in range(8)]
    other = known("other", "ue:2")
    for one in (*many, other):
        room.put(one, one.key in ("0", "1"))
    assert room.settle([*many, other]) == 5
    # What is wanted stays, and of the rest what was spoken of last.
    assert set(keys(room)) == {"0", "1", "7", "other"}


def test_who_is_no_longer_known_is_a_stranger_again() -> None:
    room = Room(100, 1, 100)
    both = [known("a", "ue:1"), known("b", "ue:1")]
    for one in both:
        room.put(one, True)
        room.settle([one])
    assert len(room) == 2
    for one in both:
        one.flow = None
    assert room.settle(both) == 1
    assert keys(room) == ["b"]


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans(), st.sampled_from([None, "u", "v"])),
                max_size=80))
def test_no_limit_is_ever_passed(story: list[tuple[int, bool, str | None]]) -> None:
    room, put, gone = Room(8, 4, 3), 0, 0
    for number, wanted, ue in story:
        one = room.get(str(number))
        if one is None:
            one, put = known(str(number), ue), put + 1
        gone += room.put(one, wanted)
        gone += room.settle(list(room))
        found = list(room)
        assert len(found) == len(room) == len({each.key for each in found}) <= 8
        ues = [each.flow.ue for each in found if each.flow is not None]
        assert ues.count(None) <= 4
        assert all(ues.count(UeKey("gnb", name)) <= 3 for name in "uv")
    assert put - gone == len(room)
