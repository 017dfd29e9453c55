"""Ends are counted, and times from intents to effects are measured, of what was seen only."""

from __future__ import annotations

from tests.testbed.ran.steered import SteeredScene
from xapp.store_records import Kind, Record
from xapp.tally import MOST_INTENTS, Tally


def record(kind: Kind, subject: str = "1.2", **body: object) -> Record:
    return Record(kind, subject, body=body)


def timed() -> tuple[Tally, list[float]]:
    tally, seconds = Tally(), list[float]()
    tally.effect = seconds.append
    return tally, seconds


def test_an_effect_that_was_seen_took_from_its_intent_until_then() -> None:
    tally, seconds = timed()
    tally.kept(record(Kind.ACTION, puts_back=False), 10.0)
    tally.kept(record(Kind.EFFECT, verdict="seen"), 12.5)
    tally.kept(record(Kind.EFFECT, verdict="seen"), 13.0)  # it was counted
    assert seconds == [2.5]


def test_what_was_not_seen_or_put_something_back_or_was_undone_has_no_time() -> None:
    tally, seconds = timed()
    tally.kept(record(Kind.ACTION, "1.2", puts_back=False), 10.0)
    tally.kept(record(Kind.EFFECT, "1.2", verdict="not seen"), 12.5)
    tally.kept(record(Kind.EFFECT, "1.2", verdict="undo seen"), 13.0)
    tally.kept(record(Kind.ACTION_ENDED, "1.2", outcome="rolled_back"), 13.0)
    tally.kept(record(Kind.EFFECT, "1.2", verdict="seen"), 14.0)  # of nothing that is under way
    tally.kept(record(Kind.ACTION, "1.3", puts_back=True), 15.0)
    tally.kept(record(Kind.EFFECT, "1.3", verdict="seen"), 16.0)
    assert seconds == []


def test_ends_are_counted_and_intents_bounded() -> None:
    tally, seconds = timed()
    for number in range(MOST_INTENTS + 1):
        tally.kept(record(Kind.ACTION, f"1.{number}", puts_back=False), 1.0)
    tally.kept(record(Kind.EFFECT, "1.0", verdict="seen"), 2.0)
    tally.kept(record(Kind.EFFECT, "1.1", verdict="seen"), 3.0)
    assert seconds == [2.0]
    tally.kept(record(Kind.DECISION_ENDED, state="failed"), 3.0)
    assert tally.ends == {"failed": 1}


def test_a_steered_core_measures_it() -> None:
    scene, seconds = SteeredScene("spec").begin(), list[float]()
    scene.core.tally.effect = seconds.append
    scene.label()
    scene.wait(8.0)
    confirmed = scene.states().count("confirmed")
    assert len(seconds) == confirmed > 0
    assert all(0 < one < 8 for one in seconds)
