"""The table of flows: which is what, by the port of its server."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from testbed.sessions.flow_labels import (
    CAPTURES,
    count_labels,
    read_labels,
    rows_of,
    write_labels,
)
from testbed.sessions.scenarios import Activity, draw
from testbed.tap import Flow

SCENARIO = replace(
    draw(1, 0), name="00000-split", near_address="10.0.0.9", far_address="10.0.0.5",
    link_profile="lte", side="far", activities=(
        Activity("split", "llm_split", "tcp", 8470, True, {}, "random-gemma-640"),
        Activity("names", "background", "udp", 53, False, {})))


def test_each_flow_gets_its_activitys_label_and_the_client_comes_first() -> None:
    rows = rows_of(SCENARIO, [Flow(6, "10.0.0.5", 8470, "10.0.0.9", 40000),
                              Flow(17, "10.0.0.5", 53, "10.0.0.9", 40001)])
    assert [(row["address_a"], row["port_a"], row["port_b"], row["label"], row["kind"])
            for row in rows] == [("10.0.0.9", 40000, 8470, "llm_split", "split"),
                                 ("10.0.0.9", 40001, 53, "background", "names")]
    assert rows[0] | {"capture": "00000-split.pcap", "transport": "TCP", "protocol": "TLS.split",
                      "source": "own", "model": "random-gemma-640", "link_profile": "lte",
                      "tls": 1, "side": "far", "alone": 0} == rows[0]


def test_flows_of_nobody_have_no_row() -> None:
    assert rows_of(SCENARIO, [
        Flow(17, "10.0.0.5", 8470, "10.0.0.9", 40000),  # another transport
        Flow(6, "10.0.0.5", 40000, "10.0.0.9", 8470),  # a port of the client's
        Flow(6, "10.0.0.5", 81, "10.0.0.9", 40000)]) == []


def test_the_table_gathers_all_captures(tmp_path: Path) -> None:
    (tmp_path / CAPTURES).mkdir()
    for index in range(3):
        scenario = replace(SCENARIO, name=f"0000{index}-split")
        flows = rows_of(scenario, [Flow(6, "10.0.0.5", 8470, "10.0.0.9", 40000 + index)])
        (tmp_path / CAPTURES / f"{scenario.name}.json").write_text(json.dumps({"flows": flows}))
    assert write_labels(tmp_path) == 3
    rows = read_labels(tmp_path)
    assert [row["capture"] for row in rows] == [f"0000{index}-split.pcap" for index in range(3)]
    assert count_labels(rows) == {"llm_split": 3}
    assert list(tmp_path.iterdir()) != []
    assert not list(tmp_path.rglob("*.part"))
