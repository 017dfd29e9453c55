"""The Grafana dashboard: it asks for nothing that a scrape lacks, and Grafana can read it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.xapp.api_scene import make_scene

FILE = Path(__file__).parents[2] / "docs" / "grafana" / "airsplit-xapp.json"
METRIC = re.compile(r"airsplit_xapp_[a-z_]+")
SELECTION = re.compile(r"(airsplit_xapp_[a-z_]+)\{([^}]*)\}")
OF_PROMETHEUS = {"instance", "job", "le"}  # labels that a scrape gets from elsewhere


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def expressions(dashboard: dict[str, Any]) -> Iterator[str]:
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    for annotation in dashboard["annotations"]["list"]:
        yield annotation["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


def test_it_has_what_grafana_needs(dashboard: dict[str, Any]) -> None:
    assert dashboard["schemaVersion"] >= 36  # from which data sources are objects
    assert dashboard["title"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", dashboard["uid"])
    assert "id" not in dashboard  # Grafana gives it
    identities = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(identities)) == len(identities) > 10
    for panel in dashboard["panels"]:
        assert panel["type"] in ("stat", "timeseries")
        assert panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert {"defaults", "overrides"} == set(panel["fieldConfig"])
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references) >= 1
    assert dashboard["templating"]["list"][0]["name"] == "datasource"


def test_no_panel_lies_over_another(dashboard: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        mine = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])}
        assert not mine & taken
        taken |= mine


def test_every_metric_and_label_that_it_asks_for_is_in_a_scrape(dashboard: dict[str, Any]) -> None:
    scene = make_scene()
    samples = [sample for family in text_string_to_metric_families(scene.metrics.render().decode())
               for sample in family.samples]
    labels: dict[str, set[str]] = {}
    for sample in samples:
        labels.setdefault(sample.name, set()).update(sample.labels)
    asked = set()
    for expression in expressions(dashboard):
        for name in METRIC.findall(expression):
            assert name in labels, expression
            asked.add(name)
        for name, selectors in SELECTION.findall(expression):
            for label in re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", selectors):
                assert label in labels[name] | OF_PROMETHEUS, expression
    assert len(asked) > 15


def test_every_variable_that_it_uses_is_defined(dashboard: dict[str, Any]) -> None:
    defined = {one["name"] for one in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]+)", json.dumps(dashboard)))
    assert used - {"__all"} <= defined
