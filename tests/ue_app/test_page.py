"""What the page does when its widgets are used, without a browser: Streamlit's own test harness."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from testbed.cli import EDGE_COMMAND
from tests.conftest import START_SECONDS, MakeCheckpoint, RunEdge
from tests.ue_app.test_phone_app import CHOICES, closed_port
from tests.ue_app.test_recorder import Packets
from ue_app import page, phone_app
from ue_app.errors import HistoryError
from ue_app.phone_app import AppConfig, PhoneApp, install
from ue_app.recording import recordings

OpenPage = Callable[..., AppTest]
PAGE = Path(page.__file__)


@pytest.fixture
def make_app(
    tmp_path: Path, checkpoint_folder: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., PhoneApp]]:
    """`make_app(url)` is the app that pages show."""
    made: list[PhoneApp] = []

    def make(edge: str) -> PhoneApp:
        app = PhoneApp(AppConfig(
            checkpoint_folder("gemma3"), tmp_path / "data", tmp_path / "settings.json",
            EDGE_COMMAND, CHOICES | {"edges": (edge,)}), time.monotonic, time.time, Packets)
        monkeypatch.setattr(phone_app, "_installed", None)
        install(app)
        made.append(app)
        return app

    yield make
    for app in made:
        app.close()


@pytest.fixture
def app(  # the edge first: it ends last
    running_edge: RunEdge, checkpoint_folder: MakeCheckpoint, make_app: Callable[..., PhoneApp]
) -> PhoneApp:
    return make_app(running_edge(checkpoint_folder("gemma3"), "--backend", "reference").url)


def visit(**query: str) -> AppTest:
    test = AppTest.from_file(str(PAGE), default_timeout=START_SECONDS)
    for name, value in query.items():
        test.query_params[name] = value
    return checked(test.run())


def checked(test: AppTest) -> AppTest:
    assert not test.exception, test.exception
    return test


def html(test: AppTest) -> str:
    """All that the app draws itself."""
    return "\n".join(str(part.proto.body) for part in test.get("html")
                     if "<style>" not in part.proto.body)


def answered(app: PhoneApp, test: AppTest) -> AppTest:
    (number,) = (int(value) for value in test.query_params["chat"])
    job = app.runner.job(number)
    assert job is not None
    assert job.ended.wait(START_SECONDS)
    return checked(test.run())


def button(test: AppTest, label: str) -> Any:
    (found,) = [one for one in test.button if one.label == label]
    return found


def test_an_empty_app_says_hello_and_offers_a_beginning(app: PhoneApp) -> None:
    test = visit()
    assert "What shall we write?" in html(test)
    starter = next(one for one in test.button if one.key == "starter-0")
    test = answered(app, checked(starter.click().run()))
    assert starter.label in html(test)
    assert "as-answer" in html(test)


def test_a_question_is_answered_and_found_again(app: PhoneApp) -> None:
    test = visit()
    test = answered(app, checked(test.chat_input[0].set_value("who are <you>?").run()))
    (number,) = test.query_params["chat"]
    assert "who are &lt;you&gt;?" in html(test)
    again = visit(chat=number)
    assert html(again).count('class="as-question"') == 1
    assert [one.label for one in again.button if one.key == "regenerate"] == ["Regenerate"]
    assert not again.chat_input[0].disabled


def test_a_conversation_that_is_gone_is_an_empty_page(app: PhoneApp) -> None:
    for chat in ("99", "x", ""):
        assert "What shall we write?" in html(visit(chat=chat))


def test_regenerate_renames_and_deletes(app: PhoneApp) -> None:
    test = answered(app, checked(visit().chat_input[0].set_value("who?").run()))
    test = answered(app, checked(button(test, "Regenerate").click().run()))
    assert html(test).count('class="as-question"') == 1
    test.text_input[0].set_value("Kings")
    test = checked(button(test, "Rename").click().run())
    assert [one.title for one in app.talks.conversations()] == ["Kings"]
    test = checked(button(test, "Delete this conversation").click().run())
    assert app.talks.conversations() == []
    assert "What shall we write?" in html(test)


def test_clearing_keeps_the_conversation_and_empties_it(app: PhoneApp) -> None:
    test = answered(app, checked(visit().chat_input[0].set_value("who?").run()))
    (number,) = test.query_params["chat"]
    test = checked(button(test, "Clear it").click().run())
    assert [str(one.id) for one in app.talks.conversations()] == [number]
    assert 'class="as-question"' not in html(test)
    test = answered(app, checked(test.chat_input[0].set_value("and now?").run()))
    assert list(test.query_params["chat"]) == [number]
    assert html(test).count('class="as-question"') == 1


def test_no_edge_is_told_with_a_remedy(make_app: Callable[..., PhoneApp]) -> None:
    app = make_app(closed_port())
    test = answered(app, checked(visit().chat_input[0].set_value("who?").run()))
    assert "No edge answers at" in html(test)
    assert "Start one with" in html(test)
    assert html(test).count("who?") >= 1
    test = answered(app, checked(button(test, "Try again").click().run()))
    assert html(test).count('class="as-question"') == 1


def test_an_answer_stays_on_the_screen_when_the_disk_is_full(
    app: PhoneApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = visit()

    def full(*_: object) -> int:
        raise HistoryError("The history cannot be written: disk is full.", "Free some space.")

    monkeypatch.setattr("ue_app.history.History.add", full)
    test = answered(app, checked(test.chat_input[0].set_value("who?").run()))
    assert "as-answer" in html(test)
    assert "disk is full" in html(test)
    assert "in memory alone" in html(test)
    monkeypatch.undo()


def test_record_and_stop(app: PhoneApp) -> None:
    test = visit()
    test = checked(button(test, "Record").click().run())
    assert "Recording into" in html(test)
    test = answered(app, checked(test.chat_input[0].set_value("who?").run()))
    test = checked(button(test, "Stop recording").click().run())
    assert "Recorded into" in html(test)
    (found,) = recordings(app.recorder.folder)
    assert found.tokens == CHOICES["max_new_tokens"]


def settings_page() -> None:
    import streamlit as st

    from ue_app import page_settings
    from ue_app.page import pages_of
    from ue_app.phone_app import current

    st.session_state["pages"] = pages_of(current())
    st.navigation(list(st.session_state["pages"].values()), position="hidden")
    page_settings.show(current())


def recordings_page() -> None:
    import streamlit as st

    from ue_app import page_recordings
    from ue_app.page import pages_of
    from ue_app.phone_app import current

    st.session_state["pages"] = pages_of(current())
    st.navigation(list(st.session_state["pages"].values()), position="hidden")
    page_recordings.show(current())


def test_settings_are_saved(app: PhoneApp) -> None:
    test = checked(AppTest.from_function(settings_page, default_timeout=START_SECONDS).run())
    test.number_input(key="temperature").set_value(0.5)
    test.text_input(key="token").set_value("secret")
    test = checked(button(test, "Save").click().run())
    assert (app.settings.temperature, app.settings.token) == (0.5, "secret")
    assert [one.value for one in test.success]


def test_bad_settings_are_told_and_change_nothing(app: PhoneApp) -> None:
    before = app.settings
    test = checked(AppTest.from_function(settings_page, default_timeout=START_SECONDS).run())
    test.number_input(key="split").set_value(99)
    test = checked(button(test, "Save").click().run())
    assert "cannot be split at 99" in html(test)
    assert "Give --split" in html(test)
    assert app.settings is before
    assert not test.success


def test_recordings_are_listed_shown_and_deleted(app: PhoneApp) -> None:
    test = checked(AppTest.from_function(recordings_page, default_timeout=START_SECONDS).run())
    assert "There is none yet" in test.markdown[0].value
    app.record(None)
    number = app.ask(None, "who?")
    job = app.runner.job(number)
    assert job is not None
    assert job.ended.wait(START_SECONDS)
    app.record(None)
    test = checked(AppTest.from_function(recordings_page, default_timeout=START_SECONDS).run())
    assert len(test.selectbox[0].options) == 1
    assert test.get("vega_lite_chart") or test.get("arrow_vega_lite_chart")
    checked(button(test, "Delete it").click().run())
    assert recordings(app.recorder.folder) == []
