"""One time line for all: sums, noise, joining, losing, and nobody runs ahead."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.radio.errors import RadioError
from testbed.radio.mixer import MOST_MESSAGE, Mixer
from testbed.radio.settings import PathSettings, RadioSettings, Station, usual


def radio(ues: int = 2, rate: float = 1e6, snr: float | None = None,
          **paths: PathSettings) -> RadioSettings:
    plain = usual(ues)
    return RadioSettings(tuple(replace(one, snr=snr) for one in plain.cells),
                         tuple(replace(one, snr=snr) for one in plain.ues), rate,
                         {name.replace("_", "-"): path for name, path in paths.items()})


def filled(value: complex, count: int = 1000) -> bytes:
    return np.full(count, value, np.complex64).tobytes()


def turn(mixer: Mixer, **sent: complex) -> dict[str, np.ndarray]:
    """Everybody sends a block and asks; what each is answered."""
    for name, value in sent.items():
        mixer.offer(name, filled(value))
        mixer.asked(name)
    assert mixer.step() == 1000
    return {name: taken.view(np.complex64) for name in sent
            if (taken := mixer.take(name)) is not None}


def test_uplinks_are_summed_and_downlinks_copied() -> None:
    mixer = Mixer(radio(gnb_ue2=PathSettings(path_loss=20)))
    out = turn(mixer, gnb=1, ue1=2j, ue2=3)
    np.testing.assert_allclose(out["gnb"], 0.3 + 2j, rtol=1e-6)
    np.testing.assert_allclose(out["ue1"], 1, rtol=1e-6)
    np.testing.assert_allclose(out["ue2"], 0.1, rtol=1e-6)


def test_two_cells_are_heard_by_a_ue_in_proportion() -> None:
    settings_ = RadioSettings(
        (Station("a", "tcp://h:1", "tcp://h:2"), Station("b", "tcp://h:3", "tcp://h:4")),
        (Station("ue", "tcp://h:5", "tcp://h:6"),), 1e6, {"b-ue": PathSettings(40)})
    mixer = Mixer(settings_)
    out = turn(mixer, a=1, b=1j, ue=1)
    np.testing.assert_allclose(out["ue"], 1 + 0.01j, rtol=1e-5)
    mixer.set_path("a-ue", PathSettings(outage=True))
    mixer.set_path("b-ue", PathSettings())
    out = turn(mixer, a=1, b=1j, ue=1)
    np.testing.assert_allclose(out["ue"], 1j, atol=1e-6)
    assert not out["a"].any()


def test_a_station_that_is_not_there_is_silent_and_not_waited_for() -> None:
    mixer = Mixer(radio())
    assert not turn(mixer, gnb=1)["gnb"].any()
    out = turn(mixer, gnb=1, ue1=5)
    np.testing.assert_allclose(out["gnb"], 5)
    mixer.lose("ue1")
    assert not turn(mixer, gnb=1)["gnb"].any()
    assert mixer.tallies["ue1"].lost == 1


def test_time_may_begin_with_everybody() -> None:
    mixer = Mixer(replace(radio(), together=True))
    for name in ("gnb", "ue1", "ue2"):
        assert mixer.step() == 0
        mixer.offer(name, filled(1))
        mixer.asked(name)
    assert mixer.step() == 1000
    assert {one.began for one in mixer.tallies.values()} == {0}
    mixer.lose("ue2")
    for name in ("gnb", "ue1"):
        mixer.offer(name, filled(1))
    assert mixer.step() == 1000


def test_time_stands_still_for_whoever_is_behind() -> None:
    mixer = Mixer(radio())
    turn(mixer, gnb=1, ue1=1)
    mixer.offer("gnb", filled(1))
    mixer.asked("gnb")
    assert mixer.step() == 0
    assert mixer.holding_up() == ("ue1",)
    mixer.offer("ue1", filled(1, 300))
    assert mixer.step() == 300


def test_who_cannot_send_because_it_waits_for_samples_holds_nobody_up() -> None:
    mixer = Mixer(radio(1))
    turn(mixer, gnb=1, ue1=1)
    mixer.asked("ue1")
    assert mixer.holding_up() == ("gnb",)  # though neither sends


def test_who_hangs_after_it_has_asked_holds_everybody_up() -> None:
    mixer = Mixer(radio(1))
    turn(mixer, gnb=1, ue1=1)
    mixer.asked("ue1")
    mixer.offer("gnb", filled(1))
    mixer.asked("gnb")
    assert mixer.step() == 0
    assert mixer.holding_up() == ("ue1",)


def test_where_all_wait_for_samples_and_none_sends_all_hold_it_up() -> None:
    mixer = Mixer(radio(1))
    turn(mixer, gnb=1, ue1=1)
    for name in ("gnb", "ue1"):
        mixer.asked(name)
    assert mixer.holding_up() == ("gnb", "ue1")


def test_nobody_is_sent_more_than_it_fetches() -> None:
    mixer = Mixer(radio(1))
    turn(mixer, gnb=1, ue1=1)
    for _ in range(10):
        mixer.offer("gnb", filled(1))
        mixer.offer("ue1", filled(1))
        mixer.asked("gnb")
        mixer.step()
        mixer.take("gnb")
    assert mixer.tallies["gnb"].fetched == 3000  # ue1 fetches none: two blocks wait for it
    assert mixer.holding_up() == ("ue1",)
    assert not mixer.wants("gnb")


def test_it_is_known_who_was_waited_for() -> None:
    mixer = Mixer(radio(1))
    mixer.awaited("ue1", 0.5)
    mixer.awaited("ue1", 0.25)
    assert {name: one.awaited for name, one in mixer.tallies.items()} == {"gnb": 0, "ue1": 0.75}


def test_a_joining_station_begins_in_both_directions_at_once() -> None:
    mixer = Mixer(radio())
    turn(mixer, gnb=1)
    turn(mixer, gnb=1)
    mixer.offer("ue1", filled(7, 100) + filled(0, 900))  # sends, and asks later
    assert turn(mixer, gnb=1)["gnb"].any() == np.False_
    mixer.asked("ue1")
    mixer.offer("gnb", filled(1))
    mixer.asked("gnb")
    assert mixer.step() == 1000
    arrived = mixer.take("gnb")
    assert arrived is not None
    assert arrived.view(np.complex64)[:100] == pytest.approx(7)
    assert not arrived.view(np.complex64)[100:].any()


@pytest.mark.parametrize(("snr", "loss"), [(0.0, 0.0), (10.0, 0.0), (30.0, 6.0), (-5.0, 0.0)])
def test_noise_is_as_strong_as_asked_for(snr: float, loss: float) -> None:
    mixer = Mixer(radio(1, snr=snr, gnb_ue1=PathSettings(path_loss=loss)))
    amplitude = 400.0  # what radios really send: far from 1
    noise = np.concatenate([turn(mixer, gnb=amplitude, ue1=amplitude)["ue1"]
                            for _ in range(200)]) - amplitude * 10 ** (-loss / 20)
    measured = 10 * np.log10(amplitude ** 2 / np.mean(np.abs(noise) ** 2))
    assert measured == pytest.approx(snr, abs=0.1)
    assert abs(np.mean(noise)) < 0.02 * np.sqrt(np.mean(np.abs(noise) ** 2))


def test_noise_of_one_block_is_not_that_of_another() -> None:
    mixer = Mixer(radio(1, snr=0))
    blocks = [turn(mixer, gnb=1, ue1=1)["ue1"] - 1 for _ in range(50)]
    for one, other in pairwise(blocks):
        likeness = abs(np.vdot(one, other)) / np.linalg.norm(one) / np.linalg.norm(other)
        assert likeness < 0.2


def test_the_same_seed_is_the_same_air() -> None:
    def run() -> np.ndarray:
        mixer = Mixer(radio(1, snr=3, gnb_ue1=PathSettings(profile="epa", doppler=100)))
        return np.concatenate([turn(mixer, gnb=1, ue1=1)["ue1"] for _ in range(3)])
    np.testing.assert_array_equal(run(), run())


def test_hostile_bytes_are_samples_or_refused() -> None:
    mixer = Mixer(radio(1))
    mixer.offer("ue1", b"\xff" * 8003)  # NaN, and three bytes more
    mixer.asked("ue1")
    assert mixer.tallies["ue1"].odd_bytes == 3
    assert not turn(mixer, gnb=1)["gnb"].any()
    with pytest.raises(RadioError, match="at once"):
        mixer.offer("ue1", bytes(8 * (MOST_MESSAGE + 1)))


def test_unknown_names_are_refused() -> None:
    mixer = Mixer(radio(1))
    for wrong in (lambda: mixer.set_path("gnb-ue9", PathSettings()), lambda: mixer.path("x"),
                  lambda: mixer.set_snr("ue9", 3)):
        with pytest.raises(RadioError, match="there are"):
            wrong()


@given(st.lists(st.tuples(st.sampled_from(["gnb", "ue1", "ue2"]),
                          st.sampled_from(["send", "ask", "take", "lose"]),
                          st.integers(0, 2500)), max_size=60))
@settings(max_examples=60, deadline=None)
def test_samples_are_conserved_whatever_happens(happened: list[tuple[str, str, int]]) -> None:
    mixer = Mixer(radio())
    for name, what, count in happened:
        if what == "send":
            mixer.offer(name, filled(1, count))
        elif what == "ask":
            mixer.asked(name)
        elif what == "take":
            mixer.take(name)
        else:
            mixer.lose(name)
        before = mixer.position
        moved = mixer.step()
        assert mixer.position == before + moved
        assert 0 <= moved <= mixer.block
    for tally in mixer.tallies.values():
        assert tally.fetched <= mixer.position
