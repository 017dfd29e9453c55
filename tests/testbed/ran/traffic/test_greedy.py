"""Greedy TCP over a real user plane: both ways for every user, and an end to it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from testbed import namespaces
from testbed.ran.plane.config import simple_plane
from testbed.ran.plane.topology import ue_device
from testbed.ran.plane.user_plane import UserPlane
from testbed.ran.traffic.greedy import GreedyFlows
from testbed.ran.traffic.sending import Door

ENOUGH = 200_000  # bytes: beyond every buffer on the way


@pytest.fixture(scope="module")
def plane() -> Iterator[UserPlane]:
    if not namespaces.available():
        pytest.skip("needs root, iproute2 and /dev/net/tun")
    with UserPlane(simple_plane(ues=2, name=f"airsplit-greedy-{os.getpid()}", llm_ues=0)) as made:
        yield made


def test_every_user_gets_some_both_ways(plane: UserPlane) -> None:
    doors = {(place, 0): Door(plane.addresses(f"ue{place + 1}")[0],
                              plane.namespace(f"ue{place + 1}"), ue_device(0), plane.n6,
                              "n6-internet") for place in range(2)}
    flows = GreedyFlows(doors, dict.fromkeys(doors, "10.45.0.1"))
    try:
        flows.start()
        deadline = time.monotonic() + 30
        while min(flows.received.values()) < ENOUGH and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        flows.close()
    assert len(flows.received) == 4
    assert min(flows.received.values()) >= ENOUGH, flows.failures
    assert not flows.failures


def test_closing_before_the_start_leaves_nothing_open(plane: UserPlane) -> None:
    door = Door(plane.addresses("ue1")[0], plane.namespace("ue1"), ue_device(0), plane.n6,
                "n6-internet")
    flows = GreedyFlows({(0, 0): door}, {(0, 0): "10.45.0.1"})
    flows.close()
    assert set(flows.received.values()) == {0}
