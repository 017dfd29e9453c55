"""What the API shows of the network."""

from __future__ import annotations

import pytest

from tests.xapp.api_scene import WALL, Scene, make_scene
from tests.xapp.fake_network import CELLS, LLM, NODE
from xapp.a1_types import SLICE_POLICY
from xapp.operations import METRICS, Kind, Series
from xapp.routes_state import thinned


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_scene()


def test_status(scene: Scene) -> None:
    status = scene.reader.get("/api/v1/status").json()
    assert (status["ready"], status["dry_run"], status["killed"]) == (True, False, False)
    assert (status["nodes"], status["cells"], status["ues"]) == (1, 2, 8)
    assert status["now"] == WALL
    assert status["started"] == pytest.approx(WALL - 200)
    assert sum(status["flows"].values()) == len(scene.operations.network.observations().flows)


def test_nodes_with_associations_and_functions(scene: Scene) -> None:
    (node,) = scene.reader.get("/api/v1/nodes").json()["items"]
    assert (node["name"], node["profile"], node["state"]) == (NODE, "srsran", "connected")
    assert [one["unit"] for one in node["associations"]] == ["DU", "CU-CP"]
    assert [one["name"] for one in node["functions"] if one["subscribed"]] == ["KPM"]


def test_cells_hold_their_slices_and_slices_their_cell(scene: Scene) -> None:
    cells = scene.reader.get("/api/v1/cells").json()["items"]
    assert [one["id"] for one in cells] == [str(cell) for cell in CELLS]
    slices = scene.reader.get("/api/v1/slices").json()
    assert slices["total"] == 6
    assert [one for cell in cells for one in cell["slices"]] == slices["items"]
    llm = cells[0]["slices"][1]
    assert llm["id"] == f"{CELLS[0]}/{LLM}"
    seen = scene.operations.picture().observations.cells[CELLS[0]].slices[LLM]
    assert seen.quota is not None
    assert llm["quota"]["minimum"] == seen.quota.minimum
    assert llm["load"]["down_prbs"] == seen.load.down_prbs


def test_lists_come_in_parts_that_make_the_whole(scene: Scene) -> None:
    whole = scene.reader.get("/api/v1/ues").json()
    found, offset = [], 0
    while offset is not None:
        part = scene.reader.get("/api/v1/ues", params={"limit": 3, "offset": offset}).json()
        found += part["items"]
        offset = part["next"]
    assert found == whole["items"]
    assert len(found) == whole["total"] == 8
    assert scene.reader.get("/api/v1/ues", params={"offset": 100}).json()["items"] == []


def test_flows_by_label(scene: Scene) -> None:
    found = scene.reader.get("/api/v1/flows", params={"label": "bulk"}).json()["items"]
    assert len(found) == 2
    assert all(one["from_counters"] and one["label"] == "bulk" for one in found)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_metric_has_a_history(scene: Scene, kind: Kind) -> None:
    for metric in METRICS[kind]:
        found = scene.reader.get("/api/v1/history", params={
            "kind": kind.value, "metric": metric, "seconds": 120, "points": 30})
        assert found.status_code == 200
        for series in found.json()["series"]:
            assert len(series["times"]) == len(series["values"]) <= 30
            assert series["times"] == sorted(series["times"])
            assert all(WALL - 120 <= time <= WALL for time in series["times"])


def test_a_thinned_load_is_the_average_and_a_quota_the_last() -> None:
    series = Series("x", ((-1.0, 99.0), (0.0, 1.0), (4.0, 3.0), (5.0, None), (6.0, 10.0),
                          (10.0, 20.0)))
    found = thinned(series, 0.0, 10.0, 2, False, lambda at: at + 100)
    assert (found.times, found.values) == ([104.0, 110.0], [2.0, 15.0])
    assert thinned(series, 0.0, 10.0, 2, True, float).values == [3.0, 20.0]
    assert thinned(series, 0.0, 10.0, 600, False, float).values == [1.0, 3.0, None, 10.0, 20.0]
    assert thinned(series, 11.0, 10.0, 2, False, float).values == []


def test_a_gap_in_the_reports_stays_a_gap() -> None:
    scene = make_scene()
    points = scene.operations.network.history[Kind.CELL, "up_kbps"][str(CELLS[0])]
    at, _ = points[-1]
    points[-1] = (at, None)
    found = scene.reader.get("/api/v1/history", params={
        "kind": "cell", "metric": "up_kbps", "seconds": 50, "points": 600}).json()
    assert found["series"][0]["values"][-1] is None


def test_what_has_no_history_is_told(scene: Scene) -> None:
    answer = scene.reader.get("/api/v1/history", params={"kind": "flow", "metric": "down_prbs"})
    assert answer.status_code == 404
    assert "confidence" in answer.json()["remedy"]


@pytest.mark.parametrize("query", [
    "kind=cell", "kind=star&metric=up_kbps", "kind=cell&metric=up_kbps&seconds=nan",
    "kind=cell&metric=up_kbps&seconds=inf", "kind=cell&metric=up_kbps&points=100000",
    "kind=cell&metric=up_kbps&seconds=-1"])
def test_parameters_that_are_none(scene: Scene, query: str) -> None:
    answer = scene.reader.get(f"/api/v1/history?{query}")
    assert answer.status_code == 422
    assert set(answer.json()) == {"error", "remedy"}


def test_limits_and_policies(scene: Scene) -> None:
    assert scene.reader.get("/api/v1/limits").json() == scene.operations.limits()
    own, policy = scene.reader.get("/api/v1/policies").json()["items"]
    assert (own["source"], own["type_id"], own["instance"], own["in_effect"], own["reason"]) == (
        "configuration", None, "llm", False, scene.operations.configured)
    assert (policy["source"], policy["type_id"], policy["instance"], policy["in_effect"]) == (
        "A1", SLICE_POLICY, "chat", True)
    assert [one["policy_type_id"] for one in scene.reader.get("/api/v1/policy-types").json()] == [
        20008, SLICE_POLICY]


def test_an_empty_network() -> None:
    scene = make_scene(empty=True)
    for path in ("nodes", "cells", "slices", "ues", "flows"):
        assert scene.reader.get(f"/api/v1/{path}").json() == {"items": [], "total": 0, "next": None}
    status = scene.reader.get("/api/v1/status").json()
    assert not status["ready"]
    assert status["reasons"] == ["No E2 node is connected."]
    assert status["tap_heard"] is None


def test_reading_needs_the_token_where_it_is_not_open() -> None:
    scene = make_scene(open_reads=False)
    for path in ("/api/v1/status", "/api/v1/events", "/A1-P/v2/policytypes", "/metrics"):
        refused = scene.reader.get(path)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert scene.operator.get(path).status_code == 200
