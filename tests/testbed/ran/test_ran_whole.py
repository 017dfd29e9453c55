"""`airsplit ran` steered by `airsplit xapp`, as processes over SCTP: with packets, and simulated.

From E2 setup to the quota that is put back when the xApp ends, as an operator runs both. What the
xApp judges comes from the scheduler's own counters; with packets, the phone's kernel has its say.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from testbed import namespaces
from testbed.ran.relay_devices import name_of, taken
from tests.testbed.ran.plane.scene import packet
from tests.xapp.whole.scene import Node, Process, World, until
from xapp.ric import usrsctp

pytestmark = pytest.mark.skipif(not usrsctp.available(), reason="libusrsctp2 is not installed")
ENDED = ("confirmed", "unproven", "rolled_back", "failed")
QUICK = """
limits: {hold: 60, linger: 120}
steering: {actions_per_minute: 60, actions_in_a_row: 20}
"""
CELL = """
cells: [{{nci: 0x19b0000, bandwidth_mhz: 5, spacing_khz: 15}}]
mac: {{bler: 0.0, again_bler: 0.0}}
slices: [{{slice: "1"}}, {{slice: 1-000001}}]
ues:
  - {{name: phone, sessions: [{{dnn: llm, slice: 1-000001}}], channel: {{snr_db: 30}}}}
  - {{name: crowd, count: 3, channel: {{snr_db: 30}}}}
traffic: [{{kind: saturation, down_kbps: 12000, up_kbps: 200, packet_bytes: 1000}}]
way: {{name: {name}}}
e2:
  map_port: 0
  node: {{profile: {profile}, gnb_id: 411}}
"""


# Without namespaces: the phone's packets are this process's.
ONE_SESSION = """
cells: [{{nci: 0x19b0000, bandwidth_mhz: 5, spacing_khz: 15}}]
slices: [{{slice: "1"}}, {{slice: 1-000001}}]
ues:
  - {{name: phone, channel: {{snr_db: 30}}}}
  - {{name: crowd, count: 3, channel: {{snr_db: 30}}}}
traffic: [{{kind: saturation, ues: [crowd], down_kbps: 12000, up_kbps: 200, packet_bytes: 1000}}]
way: {{name: {name}, devices: {folder}/ends}}
remap: {{slice: 1-000001, pcf_port: {pcf}}}
e2:
  map_port: 0
  node: {{profile: {profile}, gnb_id: 411}}
"""
FLOW = "tcp:10.45.0.2:40000:192.0.2.1:8470"  # as the tap tells it


class Cell(Node):
    """`airsplit ran`, asked like any base station."""

    def __init__(self, world: World, profile: str, *options: str, more: str = "",
                 text: str = CELL, pcf: int = 0) -> None:
        """`more` is of its E2 side."""
        self.profile, self.number, self.name = profile, 0, "gnb_00101_00019b"
        self.namespace = f"airsplit-whole-{os.getpid()}"
        self.summary = world.folder / "summary.json"
        config = world.folder / "cell.yaml"
        config.write_text(text.format(name=self.namespace, profile=profile, pcf=pcf,
                                      folder=world.folder) + more)
        Process.__init__(
            self, world.folder / "ran.lines", "ran", "--config", str(config), "--quiet", "--ric",
            world.xapp.address, "--json", str(self.summary), *options)
        world.nodes.append(self)

    @property
    def llm(self) -> str:
        return str(next(one["address"] for one in self.ask("/ues")["ues"]
                        if one["address"].startswith("10.46.")))


def received(cell: Cell, ue: str) -> int:
    """Bytes that a UE's own kernel got from the air."""
    said = subprocess.run(["ip", "-n", f"{cell.namespace}-{ue}", "-s", "-j", "link", "show", "ue0"],
                          check=True, capture_output=True, timeout=60)
    return int(json.loads(said.stdout)[0]["stats64"]["rx"]["bytes"])


def share_of_phone(cell: Cell) -> float:
    """Of what all phones get, over two seconds."""
    names = ("phone", "crowd1", "crowd2", "crowd3")
    before = [received(cell, one) for one in names]
    begin = time.monotonic()
    until(lambda: time.monotonic() - begin > 2.0, "two seconds")
    got = [received(cell, one) - old for one, old in zip(names, before, strict=True)]
    return got[0] / sum(got)


def steered(world: World, cell: Cell) -> dict[str, Any]:
    """A label, and the decision that came of it."""
    until(lambda: world.xapp.get("status")["ues"] == 4, "all UEs")
    world.tap.sees(cell.llm)
    return until(lambda: world.xapp.decisions(cell.name, *ENDED), "a decision")[0]


@pytest.mark.parametrize("profile", ["spec", "oai"])
def test_a_simulated_cell_is_steered_and_given_back(tmp_path: Path, profile: str) -> None:
    with World(tmp_path, QUICK, ("spec" if profile == "spec" else "",)) as world:
        cell = Cell(world, profile, "--simulated")
        cell.ready()
        decision = steered(world, cell)
        assert decision["actuator"] == "rc_slice_quota"
        shares = cell.shares()
        assert tuple(shares["1-000001"]) != (0, 100, 0)
        if profile == "oai":  # it reserves what is dedicated, and looks at nothing else
            assert all(low == kept and most == 100 for low, most, kept in shares.values())
        assert world.xapp.end() == 0
        until(lambda: cell.untouched, "the quota back as it was")
        assert cell.end() == 0
        assert json.loads(cell.summary.read_text())["ues"]


def test_real_packets_feel_the_quota_and_its_end(tmp_path: Path) -> None:
    if not namespaces.available():
        pytest.skip("needs root, iproute2 and /dev/net/tun")
    with World(tmp_path, QUICK, ("spec",)) as world:
        cell = Cell(world, "spec")
        cell.ready()
        until(lambda: received(cell, "phone") > 100_000, "packets")
        calm = share_of_phone(cell)
        decision = steered(world, cell)
        least = cell.shares()["1-000001"][0]
        assert decision["state"] in ("confirmed", "unproven")
        held = share_of_phone(cell)
        assert least > 30
        assert calm == pytest.approx(0.25, abs=0.08)  # four who all want more than there is
        assert held > calm + 0.1
        assert world.xapp.end() == 0
        until(lambda: cell.untouched, "the quota back as it was")
        assert held > least / 100 - 0.05
        assert cell.end() == 0
        assert json.loads(cell.summary.read_text())["ues"]


@contextmanager
def talking(cell: Cell, folder: Path) -> Iterator[None]:
    """The phone sends a flow, four hundred packets a second, until the block ends."""
    data = bytearray(packet("10.45.0.2", "192.0.2.1", 300))
    data[9] = 6
    data[20:24] = (40000).to_bytes(2) + (8470).to_bytes(2)
    over = threading.Event()

    def send() -> None:
        with taken(folder / "ends", name_of(f"{cell.namespace}-phone", "ue0")) as phone:
            while not over.wait(0.0025):
                with suppress(BlockingIOError):  # the device's queue is full
                    phone.send(data)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def moves(world: World, cell: Cell, *states: str) -> list[dict[str, Any]]:
    return [one for one in world.xapp.decisions(cell.name, *states) if one["kind"] == "map_flows"]


@pytest.mark.slow  # quick ones: tests/xapp/test_promoted_flows.py, test_relay_plane.py
def test_a_flow_of_a_phone_with_one_session_moves_is_helped_and_comes_back(tmp_path: Path) -> None:
    """As on no real network; all processes and wires are real, and no privilege is needed."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        pcf = free.getsockname()[1]
    promotion = (f"actuators: {{promotion: {{pcf: 'http://127.0.0.1:{pcf}', slice: 1-000001}}}}\n"
                 "limits: {hold: 1, linger: 2, release: 600}\n"
                 "steering: {actions_per_minute: 60, actions_in_a_row: 20}\n")
    with World(tmp_path, promotion, ("spec",)) as world:
        cell = Cell(world, "spec", text=ONE_SESSION, pcf=pcf)
        cell.ready()
        with talking(cell, tmp_path):
            until(lambda: world.xapp.get("status")["ues"] == 4, "all UEs")
            world.tap.sees("10.45.0.2")
            move = until(lambda: moves(world, cell, *ENDED), "a flow that moved")[0]
            assert (move["state"], move["flows"]) == ("confirmed", [FLOW])
            assert move["actuator"] == "core_flow_promotion"
            until(lambda: cell.shares()["1-000001"][0], "a guarantee for where it is now")
        world.tap.over()
        back = until(lambda: [one for one in moves(world, cell, *ENDED)
                              if "put back" in one["reason"]], "the flow's way back")[0]
        assert back["flows"] == [FLOW]
        assert world.xapp.end() == 0
        until(lambda: cell.untouched, "the quota back as it was")
        assert cell.end() == 0
    summary = json.loads(cell.summary.read_text())
    llm = next(one for one in summary["slices"] if one["name"] == "1-000001")
    assert llm["up_mbps"] > 0
    assert summary["account"]["mapped_flows"] == []
    assert any("no real network" in one for one in summary["account"]["notes"])
