"""A scenario says what is wrong with it, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from testbed.experiments.errors import BadScenario
from testbed.experiments.scenario import (
    bundled_names,
    check_with_kind,
    find,
    load,
    scenario_of,
)
from tests.testbed.experiments.scenes import document, small


@pytest.mark.parametrize("name", bundled_names())
def test_a_scenario_that_comes_with_the_package_is_sound(name: str) -> None:
    one = load(find(name))
    assert one.name == name
    assert one.title
    check_with_kind(one)


def test_the_headline_has_270_trials() -> None:
    assert load(find("steering-pays")).trials == 270


def test_a_level_goes_before_what_is_said_for_all() -> None:
    one = small(settings={"crowd": 3, "load": "phones"})
    assert one.settings_of({"steering": "xapp", "load": "none"}) == {
        "crowd": 3, "load": "none", "steering": "proportional"}
    assert len(one.cells()) == 4


@pytest.mark.parametrize(("changes", "said"), [
    ({"kind": "dream"}, "there is no 'dream'"),
    ({"nmae": 1}, "nmae"),
    ({"name": "../etc"}, "is no name"),
    ({"repetitions": 0}, "repetitions is 0"),
    ({"repetitions": "many"}, "repetitions"),
    ({"factors": {"load": {}}}, "factors.load has no levels"),
    ({"factors": {"load": ["none", "none"]}}, "two levels are the same"),
    ({"factors": {"load": {"none": 3}}}, "no mapping of settings"),
    ({"factors": {"seed": [1, 2]}}, "No factor can be called 'seed'"),
    ({"factors": [1]}, "factors is a mapping"),
    ({"settings": {"crowd": 500}}, "crowd of 500"),
    ({"settings": {"crwod": 5}}, "crwod"),
    ({"settings": {"seed": 5}}, "settings.seed"),
    ({"settings": {"model": "/nowhere"}}, "no folder /nowhere"),
    ({"compare": [{"factor": "steering", "base": "static", "columns": ["p95_ms"]}]},
     "no level 'static'"),
    ({"compare": [{"factor": "steering", "base": "none", "columns": ["p94_ms"]}]}, "no 'p94_ms'"),
    ({"targets": [{"says": "x", "column": "p95_ms"}]}, "is no target"),
    ({"targets": [{"says": "x", "column": "p95_ms", "most": 1, "least": 1}]}, "is no target"),
    ({"targets": [{"says": "x", "column": "p95_ms", "never": True, "always": True}]},
     "is no target"),
    ({"targets": [{"says": "x", "column": "p95_ms", "always": True, "at": {"steering": "xapp"},
                   "over": {"steering": "none"}}]}, "compares yes and no"),
    ({"targets": [{"says": "x", "column": "p95_ms", "most": 1, "at": {"steering": "xapp"},
                   "over": {"load": "none"}}]}, "different factors"),
    ({"controls": {"factor": "arm", "base": "none", "true": "xapp", "arms": ["x"],
                   "column": "p95_ms"}}, "no factor 'arm'"),
])
def test_what_is_wrong_is_said(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadScenario, match=said):
        check_with_kind(scenario_of(document(**changes)))


def test_an_error_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("name: x\nkind: loop\nrepetitions: -1\n")
    with pytest.raises(BadScenario, match=r"mine\.yaml"):
        load(file)
    with pytest.raises(BadScenario, match="cannot be read"):
        load(tmp_path / "none.yaml")
    with pytest.raises(BadScenario, match="no scenario 'mine'"):
        find("mine")


def test_a_bundled_one_is_found_by_its_files_name_too(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find("modes.yaml") == find("modes") == find("modes.yml")
    Path("modes.yaml").write_text("name: own", encoding="utf-8")
    assert find("modes.yaml") == Path("modes.yaml")
    with pytest.raises(BadScenario, match=r"no scenario 'mine\.yaml'"):
        find("mine.yaml")
