"""What the console does when its widgets are used, without a browser: Streamlit's test harness."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.xapp.api_scene import TOKEN, Scene, make_scene
from tests.xapp.fake_network import CELLS
from tests.xapp.test_console_client import into
from xapp import console, console_state
from xapp.a1_types import SLICE_POLICY
from xapp.console_client import Client
from xapp.console_state import Console, ConsoleConfig, install
from xapp.errors import StoreError
from xapp.operations import Health

SECONDS = 60.0
PAGE = Path(console.__file__)


@dataclass
class Visit:
    """A page and what it shows."""

    scene: Scene
    shared: Console

    def open(self, script: Any = PAGE) -> AppTest:
        test = (AppTest.from_file(str(script), default_timeout=SECONDS) if isinstance(script, Path)
                else AppTest.from_function(script, default_timeout=SECONDS))
        return checked(test.run())


MakeVisit = Callable[..., Visit]


@pytest.fixture
def visit(monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeVisit]:
    """`visit(empty=True)` is a console over a fake xApp."""
    clients: list[Client] = []

    def make(token: str | None = TOKEN, read_only: bool = False, **options: Any) -> Visit:
        scene = make_scene(**options)
        client = Client("http://testserver", token, into(scene))
        clients.append(client)
        # Every look is a new one: the test moves no clock, and each step is longer than the last.
        ticks = (100.0 * number**2 for number in count())
        shared = Console(client, ConsoleConfig(2.0, read_only), lambda: next(ticks))
        monkeypatch.setattr(console_state, "_installed", None)
        install(shared)
        return Visit(scene, shared)

    yield make
    for client in clients:
        client.close()


def checked(test: AppTest) -> AppTest:
    assert not test.exception, test.exception
    return test


def html(test: AppTest) -> str:
    """All that the console draws itself."""
    return "\n".join(str(part.proto.body) for part in test.get("html")
                     if "<style>" not in part.proto.body)


def button(test: AppTest, label: str) -> Any:
    (found,) = [one for one in test.button if one.label == label]
    return found


def traffic_page() -> None:
    from tests.xapp.console_pages import draw
    from xapp import console_traffic

    draw(console_traffic.show)


def decisions_page() -> None:
    from tests.xapp.console_pages import draw
    from xapp import console_records

    draw(console_records.show_decisions)


def events_page() -> None:
    from tests.xapp.console_pages import draw
    from xapp import console_records

    draw(console_records.show_events)


def pulling() -> None:
    from xapp.console_parts import confirm
    from xapp.console_state import current

    confirm(current(), True, "Steering")


def releasing() -> None:
    from xapp.console_parts import confirm
    from xapp.console_state import current

    confirm(current(), False, "Kill switch pulled")


def policies_page() -> None:
    from tests.xapp.console_pages import draw
    from xapp import console_policies

    draw(console_policies.show)


def test_the_first_start_says_what_to_do_next(visit: MakeVisit) -> None:
    test = visit(empty=True).open()
    assert "Waiting for a base station" in html(test)
    assert "enable_du_e2" in html(test)
    assert "Not ready" in html(test)


def test_the_network_with_charts_decisions_and_nodes(visit: MakeVisit) -> None:
    test = visit(history=300.0).open()
    shown = html(test)
    for words in ("Steering", "Cell 00019b001", "slice 1-000001", "as-decision", "KPM"):
        assert words in shown
    assert len(test.get("vega_lite_chart") or test.get("arrow_vega_lite_chart")) == 2


def test_another_cell_another_window_another_way(visit: MakeVisit) -> None:
    test = visit(history=300.0).open()
    before = html(test)
    test.session_state["cell"] = str(CELLS[1])
    test.session_state["window"], test.session_state["way"] = "1 min", "Uplink"
    after = html(checked(test.run()))
    assert "Cell 00019b002" in after
    assert before != after


def test_figures_are_new_at_every_look(visit: MakeVisit) -> None:
    made = visit()
    test = made.open()
    made.scene.operations.health = Health(True, ("The tap has been silent for 12 s.",))
    assert "silent for 12 s" in html(checked(test.run()))


def test_the_dry_run_is_switched(visit: MakeVisit) -> None:
    made = visit()
    test = checked(button(made.open(), "Dry run").click().run())
    assert made.scene.operations.modes.dry_run
    assert "This is a dry run." in html(test)
    checked(button(test, "End dry run").click().run())
    assert not made.scene.operations.modes.dry_run


def test_the_kill_switch_asks_before_it_is_pulled(visit: MakeVisit) -> None:
    made = visit()
    test = checked(button(made.open(), "Kill switch").click().run())
    assert not made.scene.operations.modes.killed
    assert button(test, "Pull it now")
    # The harness cannot keep a dialog open; a browser does, in its own test.
    test = made.open(pulling)
    test.text_input(key="kill-reason").set_value("a test")
    checked(button(test, "Pull it now").click().run())
    assert made.scene.operations.modes.killed
    assert "a test" in made.scene.operations.entries[-1].what
    test = made.open()
    assert "Kill switch pulled" in html(test)
    assert "Pulled by operator" in html(test)
    checked(button(made.open(releasing), "Release it now").click().run())
    assert not made.scene.operations.modes.killed


def test_what_cannot_be_done_is_told(visit: MakeVisit) -> None:
    made = visit()
    test = made.open()
    made.scene.operations.failure = StoreError("The disk is full.", "Free some space.")
    assert "Free some space." in html(checked(button(test, "Dry run").click().run()))


@pytest.mark.parametrize("options", [{"token": None}, {"read_only": True}])
def test_who_may_only_look_changes_nothing(visit: MakeVisit, options: dict[str, Any]) -> None:
    made = visit(**options)
    test = made.open()
    assert button(test, "Kill switch").disabled
    assert button(test, "Dry run").disabled
    test = made.open(policies_page)
    assert "can only be looked at" in html(test)
    assert "Remove it" not in [one.label for one in test.button]


def test_an_xapp_that_is_away_and_comes_back(
    visit: MakeVisit, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = visit()
    test = made.open()
    there = made.shared.client
    away = Client("http://127.0.0.1:1", TOKEN)
    monkeypatch.setattr(made.shared, "client", away)
    test = checked(test.run())
    assert "xApp away" in html(test)
    assert "airsplit xapp" in html(test)
    assert button(test, "Kill switch").disabled
    monkeypatch.setattr(made.shared, "client", there)
    assert "Steering" in html(checked(test.run()))
    away.close()


def test_flows_and_ues(visit: MakeVisit) -> None:
    shown = html(visit(history=300.0).open(traffic_page))
    for words in ("video", "by counters", "10.45.0.3", "du:7"):
        assert words in shown


def test_decisions_by_how_they_ended_and_the_audit_log(visit: MakeVisit) -> None:
    made = visit(history=600.0)
    test = made.open(decisions_page)
    whole = html(test).count('class="as-decision"')
    assert whole > 5
    test.session_state["states"] = "Rolled back"
    test = checked(test.run())
    assert 0 < html(test).count('class="as-decision"') < whole
    assert html(test).count(">confirmed<") == 0
    test = checked(button(test, "Audit log as CSV").click().run())
    assert test.get("download_button")


def test_events_by_level(visit: MakeVisit) -> None:
    test = visit(history=600.0).open(events_page)
    assert "took effect" in html(test)
    test.session_state["levels"] = "Warnings"
    assert "took effect" not in html(checked(test.run()))
    assert "None yet." in html(visit(empty=True).open(events_page))


def test_a_policy_is_added_and_removed(visit: MakeVisit) -> None:
    made = visit()
    test = made.open(policies_page)
    test.text_input(key=f"new-id-{SLICE_POLICY}").set_value("mine")
    test.number_input(key=f"field-{SLICE_POLICY}-targets.inter_token_ms").set_value(60.0)
    test.text_area(key=f"field-{SLICE_POLICY}-floors").set_value('{"2-000007": 5}')
    test = checked(button(test, "Put in force").click().run())
    (found,) = [one for one in made.scene.operations.a1.instances(SLICE_POLICY)
                if one.name == "mine"]
    assert found.body == {"targets": {"inter_token_ms": 60.0}, "floors": {"2-000007": 5}}
    assert ">mine<" in html(test)
    checked(test.button(key=f"remove-{SLICE_POLICY}-mine").click().run())
    assert [one.name for one in made.scene.operations.a1.instances(SLICE_POLICY)] == ["chat"]


@pytest.mark.parametrize(("name", "floors", "told"), [
    ("", "", "has no id"), ("mine", "{", "floors is no JSON"),
    ("mine", '{"1": 200}', "schema of airsplit-slice-policy"),
    ("mine", '{"2-000007": 75}', "add up to 95 %"), ("no good/id", '{"1": 5}', "no instance")])
def test_a_policy_that_is_refused_says_why_and_keeps_what_was_filled_in(
    visit: MakeVisit, name: str, floors: str, told: str
) -> None:
    made = visit()
    test = made.open(policies_page)
    test.text_input(key=f"new-id-{SLICE_POLICY}").set_value(name)
    test.text_area(key=f"field-{SLICE_POLICY}-floors").set_value(floors)
    test = checked(button(test, "Put in force").click().run())
    if "/" in name:  # it makes another path
        assert 'role="alert"' in html(test)
    else:
        assert told in html(test)
    assert test.text_area(key=f"field-{SLICE_POLICY}-floors").value == floors
    assert [one.name for one in made.scene.operations.a1.instances(SLICE_POLICY)] == ["chat"]


def test_the_configuration_s_policies_are_shown_and_cannot_be_removed(visit: MakeVisit) -> None:
    made = visit()
    test = made.open(policies_page)
    shown = html(test)
    assert ">llm<" in shown
    assert "of the configuration" in shown
    assert made.scene.operations.configured in shown
    keys = {one.key for one in test.button}
    assert f"remove-{SLICE_POLICY}-chat" in keys
    assert [one for one in keys if one and one.startswith("remove-")] == [
        f"remove-{SLICE_POLICY}-chat"]


def test_limits_are_shown(visit: MakeVisit) -> None:
    assert "most guaranteed" in html(visit().open(policies_page))
