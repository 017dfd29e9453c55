"""The xApp is killed in the middle of an action; the next one finds out, and goes on.

What the audit log has in force on a slice is what the cell itself has. The middle of an action is
the time between a node's being told and what comes of it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from classifier.labels import LLM_SPLIT
from testbed import namespaces
from testbed.loop.parts import AIRSPLIT, answers
from testbed.loop.settings import LLM
from tests.end_to_end.bed import Bed, Question
from xapp.store_read import Reader
from xapp.store_records import Kind

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(not namespaces.available(), reason="no network namespaces here")]
FIRST_CELL = "/00066c000/"


def test_an_xapp_killed_mid_action_is_followed_by_one_that_goes_on(bed: Bed) -> None:
    asking = Asking(bed)
    with bed.crowded():
        bed.watch_only(False)
        asking.until(lambda: bool(open_actions(bed)), "an action that is under way")
        command = bed.kill("xapp")
        left = open_actions(bed)
        assert left
        begun = audit(bed)[-1]["number"]
        bed.add("xapp", [word for word in command if word != "--dry-run"])
        asking.until(lambda: answers(bed.api + "/healthz"), "the xApp, again")
        asking.until(lambda: any(one["label"] == LLM_SPLIT for one in bed.ask("flows")),
                     "the flow, again")
        asking.until(lambda: left <= ended(bed), "an end of what was under way")
        asking.until(lambda: any(one["number"] > begun for one in audit(bed, Kind.DECISION)),
                     "a decision of the next xApp's")
        asking.until(lambda: room_for_tokens(bed), "room that cell and log are at one about")
    verified = subprocess.run([*AIRSPLIT, "xapp", "audit", str(bed.folder / "xapp.db"),
                               "--verify"], capture_output=True, text=True)
    assert verified.returncode == 0, verified.stderr


class Asking:
    """A phone that goes on asking while things are waited for."""

    def __init__(self, bed: Bed) -> None:
        self._bed, self._number = bed, bed.phone.ask(self._question(0))

    @staticmethod
    def _question(seed: int) -> Question:
        return Question("Why did the old ship never come home?", seed=seed)

    def until(self, ready: Callable[[], bool], what: str) -> None:
        def look() -> bool:
            if self._bed.phone.ended(self._number):
                self._number = self._bed.phone.ask(self._question(self._number))
            return ready()

        self._bed.until(look, what)


def audit(bed: Bed, *kinds: Kind) -> list[dict[str, Any]]:
    """Lines of the log, oldest first."""
    with Reader(bed.folder / "xapp.db") as reader:
        return [dict(row) for row in reader.audit() if not kinds or row["kind"] in kinds]


def open_actions(bed: Bed) -> set[str]:
    """Those that a node was told of, and that have no end yet."""
    return {one["subject"] for one in audit(bed, Kind.SENT)} - ended(bed)


def ended(bed: Bed) -> set[str]:
    return {one["subject"] for one in audit(bed, Kind.ACTION_ENDED)}


def held(bed: Bed) -> dict[str, tuple[int, int, int]]:
    """Each slice's share in the first cell, as the log's last lines of it have it for certain."""
    found: dict[str, tuple[int, int, int]] = {}
    for one in audit(bed, Kind.TARGET, Kind.FORGOTTEN):
        if FIRST_CELL not in one["subject"]:
            continue
        name = one["subject"].rsplit("/", 1)[1]
        found.pop(name, None)
        if one["kind"] == Kind.TARGET and one["body"]["certain"]:
            goal = one["body"]["goal"]
            found[name] = (goal["minimum"], goal["maximum"], goal["dedicated"])
    return found


def room_for_tokens(bed: Bed) -> bool:
    """Whether there is some, and the cell has what the log says."""
    shares = bed.shares()
    return shares == held(bed) and LLM in shares and shares[LLM][0] > 0
