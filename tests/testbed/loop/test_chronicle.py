"""A run's events: in order, each with its figure, and only what happened."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

from testbed.loop.chronicle import Event, Facts, What, chronicle
from testbed.loop.settings import LLM
from testbed.loop.story import Token


def share(minimum: int) -> dict[str, Any]:
    return {LLM: {"minimum": minimum, "maximum": 100, "dedicated": 0}}


def label(heard: float, flow: int, name: str = "llm_split", stage: str = "PACKETS_5",
          ) -> dict[str, Any]:
    return {"heard": heard, "flow": flow, "label": name, "confidence": 0.9, "stage": stage,
            "source": "10.46.0.2", "source_port": 40_000, "destination": "10.46.0.1",
            "destination_port": 8470}


def tokens(*pieces: tuple[float, float, float]) -> list[Token]:
    """From, to, and from one token to the next; each piece is an answer."""
    found = []
    for answer, (begin, end, step) in enumerate(pieces):
        for number in range(int((end - begin) / step)):
            found.append(Token(answer, number, begin, begin + number * step))
    return found


STORY = Facts(
    tokens((0, 10, 0.03), (10, 20, 0.1), (20, 30, 0.04), (30, 40, 0.03)),
    [label(-1.0, 1), label(12.0, 2, "web"), label(13.0, 2, stage="AFTER_2_S"), label(14.0, 2)],
    [(0.0, share(0)), (20.0, share(5)), (25.0, share(8)), (35.0, share(0))],
    0, 10.0, 10.0, 30.0, 33.0, "24 phones")


def test_the_story_is_told_in_order() -> None:
    found = chronicle(STORY)
    assert all(before.at <= after.at for before, after in pairwise(found))
    assert [one.what for one in found] == [
        What.LABEL, What.BASELINE, What.CONGESTION, What.STALL, What.LABEL, What.STEER, What.FLOW,
        What.STEER, What.CONGESTION_ENDS, What.PUT_AWAY, What.RELEASE]


def test_events_bear_their_figures() -> None:
    texts = {one.what: one.text for one in chronicle(STORY)}
    assert "100 ms from one to the next, 30 ms before" in texts[What.STALL]
    assert "40 ms" in texts[What.FLOW]
    assert "90 % sure, by its first 2 s" in texts[What.LABEL]
    assert "8 % of its resource blocks, 5 % before" in texts[What.STEER]


def test_that_the_emulator_moved_a_flow_is_told_as_its_own() -> None:
    moved = replace(STORY, moves=[(19.5, "tcp:10.45.0.2:40000:10.45.0.1:8470")])
    told, = (one for one in chronicle(moved) if one.what is What.MOVE)
    assert told.at == 19.5
    assert "tcp:10.45.0.2:40000" in told.text
    assert "no real network" in told.text
    assert What.MOVE not in {one.what for one in chronicle(STORY)}


def test_what_did_not_happen_is_not_told() -> None:
    calm = replace(STORY, tokens=tokens((0, 40, 0.03)), labels=[], cell_quotas=[(0.0, share(0))],
                   put_away_at=None)
    assert [one.what for one in chronicle(calm)] == [
        What.BASELINE, What.CONGESTION, What.CONGESTION_ENDS]
    alone = replace(calm, congestion_at=None, congestion_end=None)
    assert [one.what for one in chronicle(alone)] == [What.BASELINE]
    assert chronicle(replace(alone, tokens=[]))


def test_one_late_token_is_no_stall() -> None:
    steady = tokens((0, 40, 0.03))
    late = [replace(one, at=one.at + (0.4 if one.at > 15 else 0)) for one in steady]
    assert What.STALL not in {one.what for one in chronicle(replace(
        STORY, tokens=late, cell_quotas=[]))}


def test_what_is_configured_is_no_steering() -> None:
    static = replace(STORY, base=30, cell_quotas=[(0.0, share(30))])
    assert What.STEER not in {one.what for one in chronicle(static)}


def test_what_was_told_stays_told() -> None:
    """Events are only added as time goes on."""
    told: set[Event] = set()
    for now in range(5, 41, 5):
        known = replace(
            STORY, tokens=[one for one in STORY.tokens if one.at < now],
            labels=[one for one in STORY.labels if one["heard"] < now],
            cell_quotas=[one for one in STORY.cell_quotas if one[0] < now],
            congestion_at=10.0 if now > 10 else None, congestion_end=30.0 if now > 30 else None,
            put_away_at=33.0 if now > 33 else None)
        found = set(chronicle(known))
        assert told <= found
        told = found
