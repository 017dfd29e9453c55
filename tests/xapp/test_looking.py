"""The pace of looks: at once after a rest, on average as asked; and what caused what."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xapp.looking import LOOKS_IN_A_ROW, PATIENT_SECONDS, UES_A_PAUSE, Looking


def test_a_few_looks_need_no_pause_and_the_next_is_due_soon() -> None:
    looking = Looking(0.5)
    for _ in range(LOOKS_IN_A_ROW):
        assert looking.came(5.0, 0)
        looking.begin(5.0, 0)
    assert not looking.came(5.0, 0)
    assert looking.due == 5.5
    assert looking.came(5.5, 0)
    looking.begin(5.5, 0)
    assert looking.due is None


@given(gaps=st.lists(st.floats(0, 3), min_size=1, max_size=200), pause=st.floats(0.1, 2))
def test_looks_are_on_average_as_far_apart_as_asked(gaps: list[float], pause: float) -> None:
    looking, now, looks = Looking(pause), 0.0, 0
    for gap in gaps:
        now += gap
        if looking.came(now, 0):
            looking.begin(now, 0)
            looks += 1
        else:
            assert looking.due is not None
            assert looking.due <= now + pause + 1e-6
    assert looks <= now / pause + LOOKS_IN_A_ROW + 1


def test_what_came_first_of_what_was_not_looked_at_is_the_cause() -> None:
    looking = Looking(0.1)
    looking.arrived = 0.9
    looking.came(1.0, 0)
    looking.arrived = None
    looking.came(1.1, 0)
    looking.begin(1.2, 0)
    looking.wait("a")
    looking.end()
    looking.wait("b")  # led to by something else
    assert looking.waiting
    assert looking.cause("a") == 0.9
    assert not looking.waiting
    assert looking.cause("a") is None
    assert looking.cause("b") is None
    looking.came(2.0, 0)
    looking.begin(2.0, 0)
    looking.wait("c")
    assert looking.cause("c") == 2.0


def test_what_comes_together_is_looked_at_once_when_all_is_there() -> None:
    looking = Looking(0.1)
    looking.more = True
    assert not looking.came(1.0, 0)
    assert looking.due == 1.0  # at the latest with what happens next
    looking.more = False
    assert looking.came(1.01, 0)
    looking.begin(1.01, 0)
    looking.wait("a")
    assert looking.cause("a") == 1.0


def test_with_many_ues_pauses_are_longer() -> None:
    looking = Looking(1.0)
    for _ in range(LOOKS_IN_A_ROW):
        looking.begin(0.0, 3 * UES_A_PAUSE)
    assert not looking.came(0.0, 3 * UES_A_PAUSE)
    assert looking.due == 4.0


def test_a_flood_of_labels_has_few_looks_and_the_first_waits_for_none() -> None:
    looking, now, looks = Looking(0.001), 10.0, list[float]()
    for _ in range(10_000):
        now += 0.0001
        looking.patient = True
        assert not looking.came(now, 0)
        looking.patient = False
        assert looking.due is not None
        if now >= looking.due:
            looks.append(now)
            looking.begin(now, 0)
    assert looks[0] < 10.001
    assert len(looks) <= 1 + 1 / PATIENT_SECONDS
    assert looking.came(now, 0)  # a report is looked at, whatever taps say
