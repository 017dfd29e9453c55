"""Every kind of traffic, for minutes of a time that does not pass."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from testbed.sessions.catalogue import KINDS
from testbed.sessions.kind import Kind
from testbed.shaped_link import ChannelConfig, LinkConfig
from tests.testbed.sessions.virtual import Counted, CountingTalk, run_for

FAST = LinkConfig(ChannelConfig(50.0), ChannelConfig(50.0))
SLOWEST = LinkConfig(ChannelConfig(0.5), ChannelConfig(1.0))


def run_kind(kind: Kind, seed: int, seconds: float = 20.0, link: LinkConfig = FAST) -> Counted:
    randomness = random.Random(seed)
    parameters = kind.draw(randomness, link)
    counted = Counted()
    run_for(seconds, kind.client(  # type: ignore[arg-type]  # every one is a coroutine
        CountingTalk(counted, kind.plan, parameters), parameters, randomness))
    return counted


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_kind_sends_and_is_answered_on_any_link(name: str) -> None:
    for link in (FAST, SLOWEST):
        for seed in range(3):
            counted = run_kind(KINDS[name], seed, link=link)
            assert counted.opened > 0
            assert counted.up > 0
            assert counted.down > 0


@pytest.mark.parametrize("name", ["chat-openai", "database", "game", "remote-rows"])
def test_the_same_seed_gives_the_same_traffic(name: str) -> None:
    assert run_kind(KINDS[name], 4).exchanges == run_kind(KINDS[name], 4).exchanges
    assert run_kind(KINDS[name], 4).exchanges != run_kind(KINDS[name], 5).exchanges


def test_a_plan_is_the_same_on_both_ends() -> None:
    for kind in KINDS.values():
        parameters = kind.draw(random.Random(5), FAST)
        one, other = (kind.plan(parameters, random.Random(8)) for _ in range(2))
        for _ in range(200):
            piece = next(one, None)
            assert piece == next(other, None)
            if piece is None:
                break
            assert piece[0] >= 0
            assert piece[1] > 0


def test_datagrams_fit_the_smallest_link() -> None:
    for kind in KINDS.values():
        if kind.transport == "udp":
            for seed in range(5):
                sizes = [max(up, down) for _, up, down in run_kind(kind, seed).exchanges]
                assert max(sizes) <= 1280 - 48  # IPv6's smallest, less the headers


def test_directions_are_what_the_label_says() -> None:
    assert all(run_kind(KINDS["download"], seed).down > 50 * run_kind(KINDS["download"], seed).up
               for seed in range(4))
    assert all(run_kind(KINDS["upload"], seed).up > 50 * run_kind(KINDS["upload"], seed).down
               for seed in range(4))
    for name in ("voice", "game"):
        counted = run_kind(KINDS[name], 1)
        assert 0.05 < counted.up / counted.down < 20


def test_look_alikes_take_turns_with_rows_of_one_size() -> None:
    """What makes them hard to tell from a split model: the same up, the same down, again."""
    alike = 0
    for seed in range(10):
        counted = run_kind(KINDS["remote-rows"], seed)
        (up, down), times = Counter(
            (up, down) for _, up, down in counted.exchanges if down).most_common(1)[0]
        alike += times > 10 and up > down
    assert alike >= 5


def test_a_chat_streams_many_small_pieces() -> None:
    counted = run_kind(KINDS["chat-openai"], 2, seconds=60.0)
    pieces = [down for _, up, down in counted.exchanges if not up]
    assert len(pieces) > 30
    assert sorted(pieces)[len(pieces) // 2] < 400
