"""How much is drafted: against simulated links and drafters, on a clock of their own."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from ue_app.drafts.pace import AdaptivePace, Pace, SteadyPace, Step

LONGEST = 8


@dataclass
class World:
    """A link and a drafter; `run` says how long `tokens` take, and how many trips."""

    trip: float  # seconds of a step without drafts
    each: float  # seconds that a draft adds, at the edge and on the link
    own: float  # seconds that it takes the drafter
    right: float  # share of drafts that come true
    jitter: float = 0.0  # of a step, as a share of the trip
    seed: int = 1

    def run(self, pace: Pace, tokens: int) -> tuple[float, int]:
        chance = random.Random(self.seed)
        spent, trips, done = 0.0, 0, 0
        pace.expect(self.own)
        while done < tokens:
            count = pace.choose()
            accepted = 0
            while accepted < count and chance.random() < self.right:
                accepted += 1
            drafting = count * self.own
            took = self.trip * (1 + chance.uniform(-1, 1) * self.jitter) + drafting
            took += count * self.each
            pace.observe(Step(count, accepted, drafting, took))
            spent, trips, done = spent + took, trips + 1, done + 1 + accepted
        return spent, trips

    def ratio(self, tokens: int = 400) -> float:
        """Time with drafts over time without."""
        with_drafts, _ = self.run(AdaptivePace(LONGEST), tokens)
        return with_drafts / self.run(SteadyPace(0), tokens)[0]


@pytest.mark.parametrize("trip", [0.002, 0.01, 0.04, 0.1])
@pytest.mark.parametrize("cost", [0.0001, 0.001, 0.01])
@pytest.mark.parametrize("jitter", [0.0, 0.3])
def test_drafts_that_always_fail_cost_little(trip: float, cost: float, jitter: float) -> None:
    """Whatever a draft costs beside a round trip: no answer is 5 % slower for it."""
    for seed in range(5):
        for tokens in (100, 400):
            ratio = World(trip, cost / 2, cost / 2, 0.0, jitter, seed).ratio(tokens)
            assert ratio < 1.05 + 0.2 * jitter / tokens**0.5, (seed, tokens)


def test_a_cold_first_trial_is_forgotten_and_what_was_seen_is_not() -> None:
    pace = AdaptivePace(LONGEST)
    pace.expect(1.0)  # as layers are touched for the first time
    pace.observe(Step(0, 0, 0.0, 0.04))
    assert pace.choose() == 0
    pace.expect(0.001)
    assert pace.choose() > 0
    for _ in range(10):  # a draft costs as much as a round trip, on the link and at the edge
        pace.observe(Step(1, 0, 0.001, 0.081))
    assert pace.choose() == 0
    pace.expect(0.001)
    assert pace.choose() == 0


@pytest.mark.parametrize("right", [0.05, 0.2, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("trip", [0.005, 0.02, 0.1])
def test_it_is_near_the_best_steady_count(trip: float, right: float) -> None:
    world = World(trip, 0.0004, 0.0006, right, 0.1)
    best = min(world.run(SteadyPace(count), 2000)[0] for count in range(LONGEST + 1))
    assert world.run(AdaptivePace(LONGEST), 2000)[0] < 1.1 * best


def test_good_drafts_over_a_slow_link_are_long() -> None:
    pace = AdaptivePace(LONGEST)
    World(0.1, 0.0005, 0.0005, 0.95).run(pace, 300)
    assert pace.choose() >= 6
    assert pace.rate > 0.9


def test_nothing_is_drafted_before_a_step_was_seen() -> None:
    pace = AdaptivePace(LONGEST)
    assert pace.choose() == 0
    pace.observe(Step(0, 0, 0.0, 0.02))
    assert pace.choose() == 0  # nor before it is known what a draft takes
    pace.expect(0.001)
    assert pace.choose() >= 2


def test_it_looks_again_and_comes_back() -> None:
    """Text changes: where guesses failed for long, they may come true later."""
    pace = AdaptivePace(LONGEST)
    World(0.02, 0.0005, 0.0005, 0.0).run(pace, 300)
    assert pace.choose() in (0, 1)
    spent, trips = World(0.02, 0.0005, 0.0005, 0.9).run(pace, 600)
    assert trips < 350
    assert spent < 0.6 * 600 * 0.02


@pytest.mark.parametrize("each", [0.002, 0.008, 0.04])
def test_looks_are_rarer_where_they_cost_more(each: float) -> None:
    pace, world = AdaptivePace(LONGEST), World(0.02, each / 2, each / 2, 0.0)
    world.run(pace, 500)
    drafted = 0
    for _ in range(512):
        count = pace.choose()
        drafted += count
        pace.observe(Step(count, 0, each / 2 * count, 0.02 + each * count))
    assert 1 <= drafted <= 0.016 * 512 * 0.02 / each


@pytest.mark.parametrize(("before", "after"), [(0.01, 0.1), (0.1, 0.01)])
def test_a_link_that_changes(before: float, after: float) -> None:
    """What failing drafts may cost is a share of what steps take now."""
    pace = AdaptivePace(LONGEST)
    World(before, 0.0004, 0.0006, 0.6).run(pace, 200)
    spent, _ = World(after, 0.0004, 0.0006, 0.0).run(pace, 400)
    assert spent < 1.06 * 400 * after


def test_a_short_limit_is_kept() -> None:
    pace = AdaptivePace(1)
    World(0.1, 0.0, 0.0001, 1.0).run(pace, 50)
    assert pace.choose() == 1


def test_a_steady_pace_is_steady() -> None:
    pace = SteadyPace(5)
    World(0.01, 0.1, 0.1, 0.0).run(pace, 20)
    assert pace.choose() == 5
