"""Gives one order to a running broker. It knows no order by name."""

from __future__ import annotations

import json
from typing import Any

import zmq

from testbed.radio.errors import BrokerAway, RadioError

PATIENCE = 3.0  # seconds; a broker answers between two milliseconds of samples
MOST_BYTES = 1 << 20  # of an answer; 16 stations and their paths need some thousand


def ask(place: str, order: dict[str, Any], patience: float = PATIENCE) -> dict[str, Any]:
    """What the broker says to it."""
    context: zmq.Context[Any] = zmq.Context()
    try:
        socket = context.socket(zmq.REQ)
        socket.setsockopt(zmq.MAXMSGSIZE, MOST_BYTES)
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(place)
        socket.send(json.dumps(order).encode())
        if not socket.poll(1000 * patience):
            raise BrokerAway(f"No broker answers at {place} within {patience:g} s: start one with "
                             "`airsplit radio run`, or name its address with --control.")
        return _reply(socket.recv(), place)
    except zmq.ZMQError as error:
        raise BrokerAway(f"{place} cannot be asked: {error}.") from None
    finally:
        context.destroy(0)


def _reply(data: bytes, place: str) -> dict[str, Any]:
    try:
        reply = json.loads(data)
    except (ValueError, RecursionError):
        raise BrokerAway(f"What answers at {place} is no broker.") from None
    if not isinstance(reply, dict) or "ok" not in reply:
        raise BrokerAway(f"What answers at {place} is no broker.")
    if reply.pop("ok") is not True:
        raise RadioError(str(reply.get("error", "The broker refused.")))
    return reply
