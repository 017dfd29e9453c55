"""Scenarios as they are recorded, with real processes. As root only."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from scapy.utils import PcapReader

from testbed import namespaces
from testbed.cli import BUNDLED_MODEL
from testbed.sessions import runner
from testbed.sessions.flow_labels import CAPTURES
from testbed.sessions.models import BUNDLED
from testbed.sessions.runner import Place, ScenarioFailed, is_done
from testbed.sessions.scenarios import Activity, Scenario, draw
from testbed.shaped_link import ChannelConfig, LinkConfig

as_root = pytest.mark.skipif(
    not namespaces.available(), reason="needs root, iproute2 and /dev/net/tun")
LINK = LinkConfig(ChannelConfig(20.0, 0.005), ChannelConfig(20.0, 0.005))
SPLIT = {
    "private": False, "precision": "bf16", "row_bytes": 512, "phones": 1, "split": 1,
    "prompt": 20, "longest_prompt": 60, "answer": 60, "think": 0.2, "phone_seconds": 0.002,
    "edge_seconds": 0.001, "spread": 0.1, "row_share": 0.05, "chunk": 16, "temperature": 0.0,
    "outage": None}


def scenario(*activities: Activity, **changes: object) -> Scenario:
    short = replace(draw(1, 0), name="00000-test", duration=2.0, late=0.0, link=LINK, side="near",
                    near_address="192.0.2.1", far_address="192.0.2.2", activities=activities)
    return replace(short, **changes)  # type: ignore[arg-type]  # by name


@as_root
def test_a_split_session_and_a_poll_beside_it(tmp_path: Path) -> None:
    """Over TLS: the phone answers, every flow has its label, and no text is kept."""
    both = scenario(
        Activity("split", "llm_split", "tcp", 8470, True, SPLIT, BUNDLED),
        Activity("polls", "background", "tcp", 443, False,
                 {"interval": 0.3, "up": 300, "down": 700, "anew": False}))
    place = Place(tmp_path, BUNDLED_MODEL, tmp_path / "models")
    record = runner.run(both, place, runner.context())

    (phone,) = record["phones"]
    assert phone["problem"] == ""
    assert phone["tokens"] > 0
    assert {(row["port_b"], row["label"]) for row in record["flows"]} == {
        (8470, "llm_split"), (443, "background")}
    assert record["recorded"]["dropped"] == 0
    with PcapReader(str(tmp_path / CAPTURES / "00000-test.pcap")) as packets:
        kept = [packet for packet in packets]
    assert len(kept) == record["recorded"]["packets"]
    assert max(len(packet) for packet in kept) <= runner.SNAP
    assert is_done(tmp_path, both)
    assert json.loads((tmp_path / CAPTURES / "00000-test.json").read_text())["seed"] == both.seed
    assert not list((tmp_path / "work").iterdir())
    assert not list(tmp_path.rglob("*.part"))


@as_root
def test_what_cannot_start_is_told_with_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    place = Place(tmp_path, tmp_path / "empty", tmp_path / "models")
    wrong = scenario(Activity("split", "llm_split", "tcp", 8470, False, SPLIT, BUNDLED))
    with pytest.raises(ScenarioFailed, match=r"config\.json"):
        runner.run(wrong, place, runner.context())
    assert not is_done(tmp_path, wrong)
    assert list((tmp_path / CAPTURES).iterdir()) == []
