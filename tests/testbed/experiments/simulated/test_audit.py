"""Records become lines that say when, and how many had no room."""

from __future__ import annotations

import json

from testbed.experiments.simulated.audit import Audit
from xapp.audit_command import FIELDS
from xapp.store_records import Kind, Record


def test_lines_have_the_fields_of_the_xapps_own_log() -> None:
    log = Audit(1_760_000_000.0)
    log.put(Record(Kind.DECISION, "1.1", "llm", "it waits", {"do": "set_quotas"}), 1.25)
    line, = map(json.loads, log.lines().splitlines())
    assert {*line, "hash"} == {*FIELDS, "at"}
    assert line["time"] == "2025-10-09T08:53:21.250+00:00"
    assert (line["number"], line["at"], line["kind"]) == (1, 1.25, "decision")
    assert (line["who"], line["subject"], line["why"]) == ("llm", "1.1", "it waits")
    assert line["body"] == {"do": "set_quotas"}


def test_what_had_no_room_is_said() -> None:
    log = Audit(0.0, most=2)
    assert log.lines() == b""
    for number in range(5):
        log.put(Record(Kind.EVENT, str(number)), float(number))
    assert len(log) == 2
    *kept, last = map(json.loads, log.lines().splitlines())
    assert [one["subject"] for one in kept] == ["0", "1"]
    assert last == {"left_out": 3}
