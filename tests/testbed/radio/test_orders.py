"""Orders are obeyed or refused with a reason; nothing else comes of any bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.radio.mixer import Mixer
from testbed.radio.orders import MOST_BYTES, answer
from testbed.radio.settings import usual

MIXER = Mixer(usual(1))


def ask(order: Any, mixer: Mixer = MIXER) -> dict[str, Any]:
    reply = json.loads(answer(json.dumps(order).encode(), mixer, lambda: None))
    assert isinstance(reply, dict)
    return reply


def test_a_path_and_noise_are_changed() -> None:
    mixer = Mixer(usual(1))
    assert ask({"order": "path", "link": "gnb-ue1", "set": {"path_loss": 3}}, mixer)["ok"]
    assert mixer.path("gnb-ue1").path_loss == 3
    assert ask({"order": "noise", "station": "ue1", "snr": 12.5}, mixer)["ok"]
    assert mixer.snr("ue1") == 12.5
    assert ask({"order": "noise", "station": "ue1", "snr": None}, mixer)["ok"]
    status = ask({"order": "status"}, mixer)
    assert status["paths"]["gnb-ue1"]["path_loss"] == 3
    assert status["stations"]["ue1"]["power"] is None


def test_stop_calls_what_it_was_given() -> None:
    called: list[bool] = []
    assert json.loads(answer(b'{"order": "stop"}', MIXER, lambda: called.append(True)))["ok"]
    assert called == [True]


@pytest.mark.parametrize("order", [
    [], 3, {}, {"order": "path"}, {"order": "path", "link": "gnb-ue2", "set": {}},
    {"order": "path", "link": "gnb-ue1", "set": {"path_loss": 1e9}},
    {"order": "noise", "station": "ue1", "snr": True}, {"order": "noise", "station": "ue1"},
    {"order": "noise", "station": "ue1", "snr": 1e9},
    {"order": "noise", "station": "x y", "snr": 1},
    {"order": "status", "more": 1}, {"order": "explode"}])
def test_anything_else_is_refused(order: Any) -> None:
    reply = ask(order)
    assert reply["ok"] is False
    assert reply["error"]


@given(st.binary(max_size=300))
def test_any_bytes_are_answered(data: bytes) -> None:
    assert json.loads(answer(data, MIXER, lambda: None))["ok"] is False


def test_a_long_order_is_refused_unread() -> None:
    assert "at most" in json.loads(answer(b"[" * (MOST_BYTES + 1), MIXER, lambda: None))["error"]
