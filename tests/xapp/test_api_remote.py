"""`Operations` over a link: what is told and asked, too late or in vain."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xapp.fake_operations import FakeOperations
from xapp.api_commands import answer
from xapp.api_link import MOST_TO_API, MOST_TO_XAPP, Unpacker, pack, picture_document
from xapp.api_remote import (
    BEGIN_SECONDS,
    SILENT_SECONDS,
    RemoteOperations,
    error_document,
    error_of,
)
from xapp.errors import Behind, Conflict, NotFound, PolicyError, TransportError, XappError


class Wire:
    """The other end of the link, which the test plays."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sent: list[dict[str, Any]] = []
        self.broken = False
        self.remote = RemoteOperations(Path("none.db"), {"a": 1}, self.send, lambda: self.now,
                                       lambda: 1e9 + self.now)

    def send(self, data: bytes) -> None:
        if self.broken:
            raise Behind("The xApp does not listen to its API.", "Try again.")
        self.sent += Unpacker(MOST_TO_XAPP).feed(data)

    def say(self, **message: Any) -> None:
        for one in Unpacker(MOST_TO_API).feed(pack(message, MOST_TO_API)):
            self.remote.take(one)


def asked(future: Future[None]) -> None:
    asyncio.run(answer(future, seconds=0.01, begun_seconds=0.01))


def test_a_command_goes_over_and_its_answer_comes_back() -> None:
    wire = Wire()
    future = wire.remote.put_policy(20981, "a", {"priority": 3}, "anna")
    [sent] = wire.sent
    assert sent["name"] == "put_policy"
    assert sent["arguments"] == [20981, "a", {"priority": 3}, "anna"]
    assert sent["by"] == 100.0 + BEGIN_SECONDS
    wire.say(kind="answer", number=sent["number"], error=None)
    asked(future)
    future = wire.remote.delete_policy(20981, "b", "anna")
    wire.say(kind="answer", number=wire.sent[1]["number"],
             error=error_document(NotFound("None.", "Look.")))
    with pytest.raises(NotFound, match="None"):
        asked(future)


def test_one_that_was_given_up_is_not_answered_any_more() -> None:
    wire = Wire()
    future = wire.remote.set_dry_run(True, "anna")
    with pytest.raises(Behind, match="nothing was done"):
        asked(future)
    wire.say(kind="answer", number=wire.sent[0]["number"], error=None)
    assert future.cancelled()


def test_a_link_that_ends_fails_what_waits() -> None:
    wire = Wire()
    given_up, waiting = wire.remote.release_kill_switch("a"), wire.remote.release_kill_switch("b")
    given_up.cancel()
    wire.remote.closed()
    with pytest.raises(Behind, match="ended before"):
        asked(waiting)
    wire.broken = True
    with pytest.raises(Behind, match="does not listen"):
        wire.remote.pull_kill_switch("why", "anna")


def test_what_is_too_long_to_be_sent_is_refused() -> None:
    with pytest.raises(PolicyError):
        Wire().remote.put_policy(1, "a", {"x": "y" * (MOST_TO_XAPP + 1)}, "anna")


def test_pictures_and_policies_are_the_last_that_came() -> None:
    wire, network = Wire(), FakeOperations(lambda: (100.0, 1e9), history=10.0)
    assert not wire.remote.picture().health.alive
    assert wire.remote.limits() == {"a": 1}
    wire.say(kind="picture", picture=picture_document(network.picture()))
    wire.say(kind="policies", types=list(network.policy_types().values()),
             policies=[*network.policies(None), *network.policies(20981)])
    assert wire.remote.picture() == network.picture()
    assert wire.remote.policy_types() == network.policy_types()
    assert list(wire.remote.policies(20981)) == network.policies(20981)
    assert list(wire.remote.policies(None)) == network.policies(None) != []
    assert wire.remote.policies(20008) == []


def test_a_loop_that_shows_nothing_is_not_alive() -> None:
    wire, network = Wire(), FakeOperations(lambda: (100.0, 1e9), history=10.0)
    wire.say(kind="picture", picture=picture_document(network.picture()))
    wire.now += SILENT_SECONDS + 1
    picture = wire.remote.picture()
    assert not picture.health.alive
    assert "for 6 s" in picture.health.reasons[0]
    assert picture.clock.monotonic == wire.now


@given(st.sampled_from(["picture", "policies", "answer", "other"]),
       st.dictionaries(st.sampled_from(["picture", "types", "policies", "number", "error"]),
                       st.none() | st.integers(0, 9) | st.text(max_size=4) | st.floats()
                       | st.lists(st.none() | st.dictionaries(st.text(max_size=3), st.integers())),
                       max_size=5))
def test_what_is_no_message_is_one_error(kind: str, fields: dict[str, Any]) -> None:
    wire = Wire()
    with suppress(TransportError):
        wire.remote.take({"kind": kind, **fields})


@pytest.mark.parametrize("error", [Conflict("a", "b"), PolicyError("c", "d"), XappError("e")])
def test_errors_come_as_they_were(error: XappError) -> None:
    found = error_of(error_document(error))
    assert (type(found), found.problem, found.remedy) == (type(error), error.problem, error.remedy)


@given(st.none() | st.text() | st.dictionaries(st.text(), st.text()) | st.fixed_dictionaries(
    {"type": st.sampled_from(["annotations", "__name__", "", "OSError", "Behind"])}))
def test_whatever_is_said_of_an_error_is_one_of_ours(document: Any) -> None:
    assert isinstance(error_of(document), XappError)


def test_a_fault_is_told_as_one() -> None:
    assert "ZeroDivisionError" in error_of(error_document(ZeroDivisionError())).problem
