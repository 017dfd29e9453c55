"""Messages through ZeroMQ: in the clear, encrypted, and to subscribers that do not keep up."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest

from classifier.errors import TapError
from classifier.messages import Labelled
from classifier.publisher import (
    MOST_QUEUED,
    Publisher,
    Subscriber,
    make_keys,
    read_keys,
    read_public,
)
from tests.classifier.test_messages import LABELLED, STATUS

WAIT = 20.0  # seconds


def first_message(publisher: Publisher, subscriber: Subscriber, wait: float = WAIT) -> object:
    """Send until the subscription has arrived; what came first."""
    end = time.monotonic() + wait
    while time.monotonic() < end:
        publisher.send(LABELLED)
        message = subscriber.receive(0.05)
        if message is not None:
            return message
    return None


def test_who_asks_for_one_label_gets_that_alone(tmp_path: Path) -> None:
    publisher = Publisher(f"ipc://{tmp_path}/labels")
    subscriber = Subscriber(publisher.address, ("label.llm_split",))
    assert isinstance(first_message(publisher, subscriber), Labelled)
    while subscriber.receive(0.2) is not None:
        pass
    sent = publisher.sent
    publisher.send(STATUS)
    publisher.send(Labelled(**{**vars(LABELLED), "label": "web"}))
    publisher.send(LABELLED)
    message = subscriber.receive(WAIT)
    assert isinstance(message, Labelled)
    assert (message.label, message.sequence) == ("llm_split", sent + 1)
    assert subscriber.gaps.missed == 0
    subscriber.close()
    publisher.close()


def test_encrypted_for_those_who_know_the_taps_key(tmp_path: Path) -> None:
    public, secret = make_keys(tmp_path / "keys", "tap")
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    publisher = Publisher(f"ipc://{tmp_path}/labels", read_keys(secret))
    knows = Subscriber(publisher.address, server=read_public(public))
    assert first_message(publisher, knows) is not None
    in_the_clear = Subscriber(publisher.address)
    assert first_message(publisher, in_the_clear, 0.5) is None
    make_keys(tmp_path / "other", "tap")
    mistaken = Subscriber(publisher.address, server=read_public(tmp_path / "other" / "tap.key"))
    assert first_message(publisher, mistaken, 0.5) is None
    for end in (knows, in_the_clear, mistaken, publisher):
        end.close()


def test_keys_that_are_none(tmp_path: Path) -> None:
    public, _ = make_keys(tmp_path, "tap")
    with pytest.raises(TapError, match="exists"):
        make_keys(tmp_path, "tap")
    with pytest.raises(TapError, match="public key alone"):
        read_keys(public)
    (tmp_path / "text").write_text("hello")
    for name in ("text", "missing"):
        with pytest.raises(TapError, match="no CURVE key"):
            read_public(tmp_path / name)


@pytest.mark.parametrize("address", ["nonsense", "tcp://nowhere.invalid:1", "tcp://127.0.0.1:x"])
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(TapError, match="Cannot publish"):
        Publisher(address)


def test_who_does_not_keep_up_sees_what_was_missed(tmp_path: Path) -> None:
    """And the tap does not wait for it."""
    publisher = Publisher(f"ipc://{tmp_path}/labels")
    subscriber = Subscriber(publisher.address)
    assert first_message(publisher, subscriber) is not None
    for _ in range(5 * MOST_QUEUED):
        publisher.send(LABELLED)
    while subscriber.receive(0.3) is not None:
        pass
    publisher.send(LABELLED)
    assert subscriber.receive(WAIT) is not None
    assert subscriber.gaps.missed > 0
    subscriber.close()
    publisher.close()
