"""A recording replayed: pace, rounds, and many users of one file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from testbed.ran.traffic.arrivals import SECOND
from testbed.ran.traffic.config import Kind, TrafficConfig
from testbed.ran.traffic.sources import make_source

HEAD = "Time,Source,Destination,Length\n"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "phone.csv"
    path.write_text(HEAD + "".join(
        f"{time},10.0.0.1,{peer},{100 + place}\n" for place, (time, peer) in enumerate(
            ((0, "1.1.1.1"), (0.1, "2.2.2.2"), (0.4, "1.1.1.1")))))
    return path


def test_times_sizes_and_flows_are_the_recordings(recording: Path) -> None:
    config = TrafficConfig(Kind.REPLAY, file=recording, loop=False, start=1.0)
    rows = make_source(config, [(2, 1)], 1).until(10 * SECOND)
    assert (rows["time"] / SECOND).tolist() == [1.0, 1.1, 1.4]
    assert rows["size"].tolist() == [100, 101, 102]
    assert rows["row"].tolist() == [0, 1, 2]
    assert rows["flow"].tolist() == [0, 1, 0]
    assert set(zip(rows["ue"].tolist(), rows["session"].tolist(), strict=True)) == {(2, 1)}


def test_twice_as_fast_and_again_and_again(recording: Path) -> None:
    source = make_source(TrafficConfig(Kind.REPLAY, file=recording, speed=2.0), [(0, 0)], 1)
    parts = [source.until(round(end * SECOND)) for end in np.arange(0.05, 1.05, 0.05)]
    times = np.concatenate([one["time"] for one in parts]) / SECOND
    assert times == pytest.approx([0, 0.05, 0.2, 0.3, 0.35, 0.5, 0.6, 0.65, 0.8, 0.9, 0.95])


def test_many_users_begin_apart(recording: Path) -> None:
    config = TrafficConfig(Kind.REPLAY, file=recording, stagger=5.0, loop=False)
    rows = make_source(config, [(ue, 0) for ue in range(30)], 1).until(20 * SECOND)
    assert len(rows) == 90
    first = [int(rows["time"][rows["ue"] == ue].min()) for ue in range(30)]
    assert len(set(first)) == 30
    assert max(first) < 5 * SECOND


def test_one_packet_does_not_go_round_without_end(tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text(HEAD + "3,10.0.0.1,1.1.1.1,60\n")
    rows = make_source(TrafficConfig(Kind.REPLAY, file=path), [(0, 0)], 1).until(SECOND // 10)
    assert len(rows) == 100


def test_each_begins_somewhere_of_its_own_in_it_and_hears_all_of_a_round(tmp_path: Path) -> None:
    path = tmp_path / "steady.csv"
    path.write_text(HEAD + "".join(
        f"{place / 10},10.0.0.1,1.1.1.1,{100 + place}\n" for place in range(100)))
    config = TrafficConfig(Kind.REPLAY, file=path, anywhere=True)
    source = make_source(config, [(ue, 0) for ue in range(20)], 1)
    rows = np.concatenate([source.until(round(end * SECOND))
                           for end in np.arange(0.25, 10.1, 0.25)])
    assert rows["time"].min() >= 0
    firsts = set()
    for ue in range(20):
        mine = rows[rows["ue"] == ue]
        assert sorted(mine["row"].tolist()) == list(range(100))  # one round, from where it began
        assert np.diff(mine["time"]) == pytest.approx(SECOND / 10, abs=1)
        firsts.add(int(mine["row"][0]))
    assert len(firsts) > 10
