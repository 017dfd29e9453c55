"""Scenarios as they are drawn: repeatable, balanced, and within what a link carries."""

from __future__ import annotations

import ipaddress
import json
from collections import Counter
from dataclasses import asdict

import pytest

from classifier.labels import CLASSES
from testbed.sessions.catalogue import GATEWAY, KINDS, LABELS, SPLIT
from testbed.sessions.models import MODELS
from testbed.sessions.profiles import PROFILES
from testbed.sessions.scenarios import (
    BLOCK,
    LONGEST,
    PREFILL_SECONDS,
    SHORTEST,
    SPLITS_IN,
    draw,
    kind_of,
)

MANY = [draw(3, number) for number in range(600)]


def test_a_scenario_depends_on_its_seed_and_number_alone() -> None:
    assert draw(3, 77) == MANY[77]
    assert draw(4, 77) != MANY[77]


def test_a_scenario_can_be_written_down() -> None:
    for scenario in MANY[:50]:
        assert json.loads(json.dumps(asdict(scenario)))["name"] == scenario.name


def test_any_first_part_of_a_series_is_balanced() -> None:
    for end in range(BLOCK, len(MANY), BLOCK):
        kinds = [kind_of(3, number) for number in range(end)]
        assert kinds.count(SPLIT) == end * SPLITS_IN // BLOCK
    others = Counter(kind_of(3, number) for number in range(600))
    del others[SPLIT]
    assert set(others) == {*KINDS, GATEWAY}
    assert max(others.values()) - min(others.values()) <= 1


def test_every_link_carries_split_sessions_and_others_alike() -> None:
    split = Counter(scenario.link_profile for scenario in MANY
                    if scenario.activities[0].kind == SPLIT)
    other = Counter(scenario.link_profile for scenario in MANY
                    if scenario.activities[0].kind != SPLIT)
    for profile in PROFILES:
        assert split[profile] >= 250 / len(PROFILES) / 2
        assert other[profile] >= 350 / len(PROFILES) / 2


def test_every_model_and_every_way_of_running_it_occurs() -> None:
    splits = [scenario.activities[0] for scenario in MANY if scenario.activities[0].kind == SPLIT]
    assert {activity.model for activity in splits} == set(MODELS)
    assert {activity.parameters["precision"] for activity in splits} == {"bf16", "fp16", "fp32"}
    assert {activity.parameters["private"] for activity in splits} == {False, True}
    assert {activity.parameters["phones"] for activity in splits} == {1, 2, 3}
    assert {activity.tls for activity in splits} == {False, True}
    assert any(activity.parameters["outage"] for activity in splits)


def test_a_split_leaves_layers_for_both_sides() -> None:
    for scenario in MANY:
        for activity in scenario.activities:
            if activity.kind == SPLIT:
                parameters, layers = activity.parameters, MODELS[activity.model].layers
                assert 0 <= parameters["split"] < layers - parameters["private"]
                assert parameters["split"] > 0 or not parameters["private"]


def test_prompts_are_such_that_the_link_carries_them_in_time() -> None:
    for scenario in MANY:
        parameters = scenario.activities[0].parameters
        if scenario.activities[0].kind == SPLIT and parameters["longest_prompt"] > 3:
            size = parameters["longest_prompt"] * parameters["row_bytes"] * parameters["phones"]
            assert size <= scenario.link.up.rate * 125_000 * PREFILL_SECONDS


def test_links_and_times_are_within_their_bounds() -> None:
    for scenario in MANY:
        assert SHORTEST <= scenario.duration <= LONGEST
        assert scenario.late <= scenario.duration / 3 + 0.01
        for way in (scenario.link.up, scenario.link.down):
            assert 0.5 <= way.rate <= 200
            assert 0.0015 <= way.delay <= 0.17
            assert 0 <= way.loss <= 0.03
        assert scenario.link.mtu >= 1280  # what IPv6 asks for
        assert ipaddress.ip_address(scenario.near_address).version == ipaddress.ip_address(
            scenario.far_address).version


def test_servers_of_a_scenario_have_a_port_each() -> None:
    together = [scenario for scenario in MANY if len(scenario.activities) > 1]
    assert len(together) > 60
    for scenario in together:
        assert len({activity.port for activity in scenario.activities}) == len(scenario.activities)
        assert len({activity.kind for activity in scenario.activities}) == len(scenario.activities)


@pytest.mark.parametrize("kind", sorted(LABELS))
def test_labels_are_the_classifiers(kind: str) -> None:
    assert LABELS[kind] in CLASSES


def test_datagrams_are_not_under_tls() -> None:
    assert not any(activity.tls for scenario in MANY for activity in scenario.activities
                   if activity.transport == "udp")
