"""The side bar's part on the link, without a browser: choices act, and what cannot be is told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from testbed.cli import BUNDLED_MODEL, EDGE_COMMAND
from tests.conftest import START_SECONDS, MakeCheckpoint, RunEdge
from tests.ue_app.test_page import checked, html
from tests.ue_app.test_phone_app import closed_port
from tests.ue_app.test_recorder import Packets
from ue_app import phone_app
from ue_app.phone_app import AppConfig, PhoneApp, install


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, running_edge: RunEdge
        ) -> Iterator[PhoneApp]:
    made = PhoneApp(AppConfig(
        BUNDLED_MODEL, tmp_path / "data", tmp_path / "settings.json", EDGE_COMMAND,
        {"max_new_tokens": 8, "seed": 5, "edges": (running_edge(BUNDLED_MODEL).url,)}),
        time.monotonic, time.time, Packets)
    monkeypatch.setattr(phone_app, "_installed", None)
    install(made)
    made.connect().join(START_SECONDS)
    yield made
    made.close()


def link_page() -> None:
    from ue_app.page_link import link_settings
    from ue_app.phone_app import current

    link_settings(current())


def visit() -> AppTest:
    return checked(AppTest.from_function(link_page, default_timeout=START_SECONDS).run())


def answer(app: PhoneApp) -> str:
    number = app.ask(None, "Tell me a story.")
    job = app.runner.job(number)
    assert job is not None
    assert job.ended.wait(START_SECONDS)
    assert job.error is None
    return job.text


def test_choices_hold_from_the_next_answer_on_and_are_kept(app: PhoneApp) -> None:
    service, expected = app.service, answer(app)
    assert app.strip().guesses is None
    test = visit()
    assert (test.radio(key="guess").value, test.selectbox(key="link-encoding").value) == (
        "off", "raw")
    for guess, encoding in (("exit", "lossless"), ("auto", "raw"), ("lookup", "lossless"),
                            ("off", "raw")):
        checked(test.radio(key="guess").set_value(guess).run())
        checked(test.selectbox(key="link-encoding").set_value(encoding).run())
        assert (app.settings.speculate, app.settings.encoding) == (guess, encoding)
        assert answer(app) == expected
        view = app.strip()
        assert (view.guesses is None) == (guess == "off")
        assert ("guessing ahead" in view.place) == (guess != "off")
        if view.guesses is not None:
            assert view.guesses.round_trips
            assert view.guesses.per_trip is not None
    assert app.service is service  # and its phone with it
    assert app.problem is None
    checked(test.radio(key="guess").set_value("exit").run())
    assert app._file.load().speculate == "exit"


def test_auto_asks_what_it_may_cost(app: PhoneApp) -> None:
    test = visit()
    assert not test.number_input
    checked(test.selectbox(key="link-encoding").set_value("auto").run())
    assert choice(app) == ("auto", 1.0)
    checked(test.number_input(key="link-budget").set_value(2.5).run())
    assert app.settings.max_ppl_increase == 2.5
    checked(test.selectbox(key="link-encoding").set_value("int8").run())
    assert choice(app) == ("int8", None)
    assert not test.number_input


def choice(app: PhoneApp) -> tuple[str, float | None]:
    return app.settings.encoding, app.settings.max_ppl_increase


def test_another_window_is_followed_and_what_cannot_be_kept_is_told(app: PhoneApp) -> None:
    test = visit()
    app.apply(vars(app.settings) | {"speculate": "lookup", "encoding": "topk:64"})
    test = checked(test.run())
    assert test.radio(key="guess").value == "lookup"
    assert test.selectbox(key="link-encoding").value == "topk:64"
    app.config.settings_file.unlink()
    app.config.settings_file.mkdir()  # it cannot be written any more
    test = checked(test.radio(key="guess").set_value("exit").run())
    assert "cannot be kept" in html(test)
    assert app.settings.speculate == "exit"  # until the app ends, as it says


def test_what_is_not_to_be_had_cannot_be_chosen(
    app: PhoneApp, checkpoint_folder: MakeCheckpoint
) -> None:
    app.offers = None
    assert "Looking at the model" in visit().caption[0].value
    app.apply(vars(app.settings) | {"edges": closed_port(),
                                    "models": str(checkpoint_folder("gemma3"))})
    for thread in app._background:
        thread.join(START_SECONDS)
    test = visit()
    assert test.radio(key="guess").options == ["Off", "Prompt lookup"]
    assert "auto" not in test.selectbox(key="link-encoding").options
    assert "Exit head and Both</b>: not available" in html(test)
    assert "Nobody has measured" in html(test)
