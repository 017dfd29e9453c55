"""Decisions, events and the audit log, as the API shows them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

import pytest

from tests.xapp.api_scene import WALL, Scene, make_scene
from xapp.decisions import Expectation, HandOver, Metric
from xapp.errors import StoreError
from xapp.observations import CellKey, UeKey
from xapp.operations import AuditEntry, DecisionState, DecisionView, Effect


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_scene(history=600.0)


def test_decisions_with_what_was_expected_and_seen(scene: Scene) -> None:
    found = scene.reader.get("/api/v1/decisions").json()["items"]
    assert [one["number"] for one in found] == sorted(
        (one["number"] for one in found), reverse=True)
    good = next(one for one in found if one["state"] == "confirmed" and len(one["effects"]) == 2)
    assert good["effects"][0]["met"] is True
    assert good["effects"][0]["subject"].count("/") == 2
    assert [step["what"] for step in good["steps"]] == ["sent", "acknowledged", "effect seen"]
    assert {"snssai", "before", "after"} == set(good["changes"][0])
    bad = next(one for one in found if one["state"] == "rolled_back")
    assert bad["effects"][0]["met"] is False
    assert scene.reader.get(f"/api/v1/decisions/{bad['number']}").json() == bad


def test_older_ones_follow(scene: Scene) -> None:
    for path in ("decisions", "events"):
        whole = scene.reader.get(f"/api/v1/{path}", params={"limit": 200}).json()["items"]
        assert len(whole) > 6
        found, before = [], None
        while True:
            query = {"limit": 5} if before is None else {"limit": 5, "before": before}
            part = scene.reader.get(f"/api/v1/{path}", params=query).json()
            found += part["items"]
            before = part["next"]
            if before is None:
                break
        assert found == whole


def test_a_handover(scene: Scene) -> None:
    own = make_scene()
    source, target = CellKey("gnb", "1"), CellKey("gnb", "2")
    ue = UeKey("gnb", "amf:7")
    own.operations.network.decisions.append(DecisionView(
        99, 990.0, HandOver(ue, source, target, "The cell is full.", "chat"),
        DecisionState.CONFIRMED,
        effects=(Effect(Expectation(ue, Metric.UP_KBPS, 2.0, at_least=500.0), None, 700.0, True),)))
    found = own.reader.get("/api/v1/decisions/99").json()
    assert (found["kind"], found["cell"], found["target"], found["ues"]) == (
        "hand_over", "gnb/1", "gnb/2", ["gnb/amf:7"])
    assert found["at"] == WALL - 10
    assert found["effects"][0]["subject"] == "gnb/amf:7"
    assert found["changes"] == []


def test_a_decision_that_is_not_there(scene: Scene) -> None:
    assert scene.reader.get("/api/v1/decisions/100000").status_code == 404
    for number in ("-1", "x", str(2**63), "1" * 5000):
        assert scene.reader.get(f"/api/v1/decisions/{number}").status_code == 422


@pytest.fixture
def audited() -> Scene:
    scene = make_scene(empty=True)
    scene.operations.entries = [
        AuditEntry(number, WALL + number, "operator", ("=1+1", "a\nb", 'with "quotes"')[number % 3],
                   "because", "as expected", {"n": number}) for number in range(450)]
    return scene


def test_the_audit_log_as_lines_of_json(audited: Scene) -> None:
    answer = audited.reader.get("/api/v1/audit")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["number"] for line in lines] == list(range(450))
    assert lines[0]["time"] == "2027-01-15T08:00:00.000+00:00"
    assert lines[1]["what"] == "a\nb"
    assert "attachment" in answer.headers["Content-Disposition"]


def test_the_audit_log_as_a_table_in_which_nothing_is_a_formula(audited: Scene) -> None:
    answer = audited.reader.get("/api/v1/audit", params={"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert len(rows) == 450
    assert rows[0]["what"] == "'=1+1"
    assert rows[1]["what"] == "a\nb"
    assert json.loads(rows[2]["detail"]) == {"n": 2}


def test_a_part_of_the_audit_log(audited: Scene) -> None:
    answer = audited.reader.get("/api/v1/audit", params={"since": WALL + 440})
    assert len(answer.text.splitlines()) == 10
    assert audited.reader.get("/api/v1/audit", params={"since": WALL + 1e6}).text == ""


@pytest.mark.parametrize("query", ["format=xls", "since=nan", "since=-1", "since=x"])
def test_audit_parameters_that_are_none(audited: Scene, query: str) -> None:
    assert audited.reader.get(f"/api/v1/audit?{query}").status_code == 422


def test_a_log_that_cannot_be_read_is_an_error_and_no_short_file(audited: Scene) -> None:
    closed = []

    def broken(since: float | None = None) -> Iterator[AuditEntry]:
        try:
            raise StoreError("The audit log cannot be read: the disk is gone.", "Mount it.")
            yield audited.operations.entries[0]
        finally:
            closed.append(since)

    audited.operations.audit = broken  # type: ignore[method-assign]  # it is what breaks
    answer = audited.reader.get("/api/v1/audit")
    assert answer.status_code == 503
    assert answer.json()["remedy"] == "Mount it."
    assert closed == [None]
