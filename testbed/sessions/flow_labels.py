"""Which flow of a capture is what, and the table of all captures: `labels.csv`.

A flow is told by the port of its server, which each activity of a scenario has for itself. The
table has the columns of other labelled captures (capture, transport, both ends, protocol, label),
and those by which conditions can be left out of training: source, kind, model, link_profile.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from testbed.sessions.scenarios import Scenario
from testbed.tap import Flow

SOURCE = "own"
COLUMNS = ("capture", "transport", "address_a", "port_a", "address_b", "port_b", "protocol",
           "label", "source", "kind", "model", "link_profile", "tls", "side", "alone")
TRANSPORTS = {6: "tcp", 17: "udp"}
CAPTURES, LABELS = "captures", "labels.csv"


def rows_of(scenario: Scenario, flows: Iterable[Flow]) -> list[dict[str, Any]]:
    """A row for each flow of the scenario's activities; `a` is the client's end."""
    servers = {(activity.transport, activity.port): activity for activity in scenario.activities}
    rows = []
    for flow in flows:
        transport = TRANSPORTS[flow.protocol]
        ends = ((flow.address_a, flow.port_a), (flow.address_b, flow.port_b))
        for client, server in (ends, ends[::-1]):
            activity = servers.get((transport, server[1]))
            if activity is None or server[0] != scenario.far_address:
                continue
            rows.append(dict(zip(COLUMNS, (
                f"{scenario.name}.pcap", transport.upper(), *client, *server,
                ("TLS." if activity.tls else "") + activity.kind, activity.label, SOURCE,
                activity.kind, activity.model, scenario.link_profile, int(activity.tls),
                scenario.side, int(len(scenario.activities) == 1)), strict=True)))
    return rows


def write_labels(folder: Path) -> int:
    """Gather the rows of all captures in `folder`; returns how many there are."""
    rows = [row for file in sorted((folder / CAPTURES).glob("*.json"))
            for row in json.loads(file.read_text(encoding="utf-8"))["flows"]]
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(folder / LABELS, text.getvalue())
    return len(rows)


def write_whole(path: Path, text: str) -> None:
    """Readers see the old file or the new one, never a part."""
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)


def count_labels(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["label"]] = counts.get(row["label"], 0) + 1
    return dict(sorted(counts.items()))


def read_labels(folder: Path) -> list[dict[str, str]]:
    """The rows of a folder's table."""
    with (folder / LABELS).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
