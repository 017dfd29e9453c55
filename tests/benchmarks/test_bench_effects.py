"""The benchmark of effects: which scenes there are, and how they are counted."""

from __future__ import annotations

from collections import Counter

from tests.benchmarks.bench_effects import Case, Outcome, cases, rows_of


def test_every_scene_is_tried_with_and_without_effect() -> None:
    for quick in (True, False):
        chosen = list(cases(quick))
        assert len(set(chosen)) == len(chosen)
        assert Counter(one.works for one in chosen) == {
            True: len(chosen) // 2, False: len(chosen) // 2}
        assert {one.cell for one in chosen} == {"reckoned", "slots"}
    assert set(cases(True)) < set(cases(False))


def test_scenes_are_counted_by_what_their_base_station_is() -> None:
    works, only_says = Case("slots", "oai", 2, 40.0), Case("slots", "oai", 2, 40.0, works=False)
    rows = rows_of([works, works, only_says, only_says], [
        Outcome(True, False), Outcome(True, True), Outcome(False, True), Outcome(False, False)])
    assert rows == [
        {"name": "slots, oai", "works": "no", "scenes": 2, "confirmed": 0, "rolled_back": 1,
         "left_open": 1},
        {"name": "slots, oai", "works": "yes", "scenes": 2, "confirmed": 2, "rolled_back": 1,
         "left_open": 0}]
