"""The app behind the page, over a real edge: asking, settings, recording, an edge of its own."""

from __future__ import annotations

import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_server.errors import EdgeError
from testbed.cli import BUNDLED_MODEL, EDGE_COMMAND
from tests.conftest import START_SECONDS, MakeCheckpoint, RunEdge
from tests.ue_app.test_recorder import Packets
from ue_app.errors import PhoneError
from ue_app.own_edge import OwnEdge
from ue_app.page_live import live_state
from ue_app.phone_app import AppConfig, PhoneApp, answers, current, install, number_of
from ue_app.recording import recordings
from ue_app.runner import Stage
from ue_app.settings import SettingsFile
from ue_app.strip import Tone

MakeApp = Callable[..., PhoneApp]
CHOICES = {"max_new_tokens": 6, "backend": "reference", "context": 256}


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def make_app(tmp_path: Path, checkpoint_folder: MakeCheckpoint) -> Iterator[MakeApp]:
    """`make_app(edges=(url,))` is an app with those settings, closed at the end."""
    made: list[PhoneApp] = []

    def make(folder: Path | None = None, **overrides: Any) -> PhoneApp:
        config = AppConfig(
            folder or checkpoint_folder("gemma3"), tmp_path / "data", tmp_path / "settings.json",
            EDGE_COMMAND, CHOICES | overrides, default_edge=closed_port())
        app = PhoneApp(config, time.monotonic, time.time, Packets)
        made.append(app)
        return app

    yield make
    for app in made:
        app.close()


@pytest.fixture
def app(  # the edge first: it ends last
    running_edge: RunEdge, checkpoint_folder: MakeCheckpoint, make_app: MakeApp
) -> PhoneApp:
    edge = running_edge(checkpoint_folder("gemma3"), "--backend", "reference", "--sessions", "2")
    return make_app(edges=(edge.url,))


def answered(app: PhoneApp, conversation: int) -> str:
    job = app.runner.job(conversation)
    assert job is not None
    assert job.ended.wait(START_SECONDS)
    assert job.error is None
    return job.text


def test_a_question_is_answered_kept_and_shown(app: PhoneApp) -> None:
    number = app.ask(None, "who are you?")
    text = answered(app, number)
    turns = app.talks.turns(number)
    assert [(turn.role, turn.text) for turn in turns] == [
        ("user", "who are you?"), ("assistant", text)]
    view = app.strip()
    assert (view.tone, view.state) == (Tone.GOOD, "Connected")
    assert view.place.startswith("127.0.0.1:")
    assert None not in (view.time_to_first_token, view.tokens_per_second, view.bytes_up,
                        view.bytes_down)
    assert view.bytes_up == turns[1].figures["bytes_up"]
    assert app.ask(number, "and then?") == number
    answered(app, number)
    assert len(app.talks.turns(number)) == 4


def test_regenerate_replaces_the_answer(app: PhoneApp) -> None:
    number = app.ask(None, "who are you?")
    answered(app, number)
    before = app.talks.turns(number)[1].id
    app.regenerate(number)
    answered(app, number)
    turns = app.talks.turns(number)
    assert [turn.role for turn in turns] == ["user", "assistant"]
    assert turns[1].id != before


def test_a_fixed_seed_gives_the_same_answer_again(app: PhoneApp) -> None:
    app.apply(vars(app.settings) | {"temperature": 1.0, "seed": 5})
    number = app.ask(None, "who are you?")
    first = answered(app, number)
    app.regenerate(number)
    assert answered(app, number) == first


def test_deleting_stops_and_removes(app: PhoneApp) -> None:
    number = app.ask(None, "who are you?")
    job = app.runner.job(number)
    assert job is not None
    app.delete(number)
    assert job.ended.wait(START_SECONDS)
    assert app.talks.find(number) is None
    assert app.talks.turns(number) == []


def test_clearing_stops_and_empties(app: PhoneApp) -> None:
    number = app.ask(None, "who are you?")
    answered(app, number)
    app.regenerate(number)
    job = app.runner.job(number)
    assert job is not None
    app.clear(number)
    assert job.ended.wait(START_SECONDS)
    assert app.talks.find(number) is not None
    assert app.talks.turns(number) == []
    app.clear(number)  # nothing is left, and that is no error


def test_bad_settings_are_refused_and_the_old_ones_stay(app: PhoneApp) -> None:
    before, service = app.settings, app.service
    for change in ({"split": 99}, {"edges": "nowhere"}, {"temperature": -1.0},
                   {"models": "/no/such/folder"}):
        with pytest.raises((PhoneError, EdgeError)):
            app.apply(vars(app.settings) | change)
        assert app.settings is before
        assert app.service is service


def test_settings_that_touch_no_phone_keep_the_link(app: PhoneApp, tmp_path: Path) -> None:
    answered(app, app.ask(None, "who are you?"))
    service = app.service
    app.apply(vars(app.settings) | {"temperature": 0.5})
    assert app.service is service
    app.apply(vars(app.settings) | {"split": 2})
    assert app.service is not service
    number = app.ask(None, "who are you?")
    answered(app, number)
    phone = app.service.phone
    assert phone is not None
    assert phone.placement.first.end == 2
    assert SettingsFile(tmp_path / "settings.json").load() == app.settings


def test_private_mode_can_be_chosen(app: PhoneApp) -> None:
    app.apply(vars(app.settings) | {"private": True})
    answered(app, app.ask(None, "who are you?"))
    phone = app.service.phone
    assert phone is not None
    assert phone.placement.private


def test_no_edge_is_told_and_the_question_can_be_tried_again(
    make_app: MakeApp, running_edge: RunEdge, checkpoint_folder: MakeCheckpoint
) -> None:
    app = make_app(edges=(closed_port(),))
    app.connect().join(START_SECONDS)
    assert app.problem is not None
    assert "No edge answers" in app.problem.problem
    assert app.strip().tone is Tone.BAD
    number = app.ask(None, "who are you?")
    job = app.runner.job(number)
    assert job is not None
    assert job.ended.wait(START_SECONDS)
    assert job.stage is Stage.FAILED
    assert job.error is not None
    assert [turn.role for turn in app.talks.turns(number)] == ["user"]
    edge = running_edge(checkpoint_folder("gemma3"), "--backend", "reference")
    app.apply(vars(app.settings) | {"edges": edge.url})
    app.regenerate(number)
    answered(app, number)
    assert [turn.role for turn in app.talks.turns(number)] == ["user", "assistant"]


def test_a_recording_of_this_app(app: PhoneApp) -> None:
    app.record(7)
    name = app.recorder.name
    assert name is not None
    assert name.endswith("-chat-7")
    answered(app, app.ask(None, "who are you?"))
    app.record(7)
    (found,) = recordings(app.recorder.folder)
    assert found.tokens == 6
    assert found.peers[0].port == int(app.settings.edges[0].rsplit(":", 1)[1])


def test_the_browser_is_told_what_changed(app: PhoneApp) -> None:
    empty = live_state(app, None)
    assert (empty["answer"], "Not connected" in empty["strip"]) == (None, True)
    number = app.ask(None, "who are you?")
    answered(app, number)
    ended = live_state(app, number)
    assert ended["mark"] != empty["mark"]
    assert ended["answer"] is None  # it is in the conversation now
    assert ended["pause"] > 1.0
    assert live_state(app, number)["mark"] == ended["mark"]


def test_kept_settings_stand_below_the_command_line(
    make_app: MakeApp, tmp_path: Path
) -> None:
    (tmp_path / "settings.json").write_text('{"temperature": 0.5, "max_new_tokens": 99}')
    app = make_app()
    assert (app.settings.temperature, app.settings.max_new_tokens) == (0.5, 6)
    (tmp_path / "settings.json").write_text("{")
    app = make_app()
    assert app.settings.temperature is None
    assert app.settings_problem is not None


def test_a_token_from_outside_is_not_written_down(make_app: MakeApp, tmp_path: Path) -> None:
    file = SettingsFile(tmp_path / "settings.json")
    app = make_app(token="given")
    app.apply(vars(app.settings) | {"temperature": 0.5})
    assert app.settings.token == "given"
    assert (file.load().token, file.load().temperature) == ("", 0.5)
    app.apply(vars(app.settings) | {"token": "typed"})
    assert file.load().token == "typed"
    app = make_app(token="given")
    app.apply(vars(app.settings) | {"temperature": 0.25})
    assert (app.settings.token, file.load().token) == ("given", "typed")


def test_a_first_visit_works_with_an_edge_of_our_own(make_app: MakeApp) -> None:
    app = make_app(BUNDLED_MODEL, backend="auto")
    number = app.ask(None, "Tell me a story.")
    assert answered(app, number)
    assert "started by this app" in app.strip().place
    # The edge dies: the conversation goes on at another, at the same address.
    process = app.own_edge._process
    assert process is not None
    process.send_signal(signal.SIGKILL)
    process.wait(START_SECONDS)
    url = app.own_edge.url
    app.ask(number, "Go on.")
    assert answered(app, number)
    assert app.own_edge.url == url
    assert app.own_edge.running
    app.close()
    assert not app.own_edge.running


def test_an_edge_of_our_own_that_does_not_start_says_why() -> None:
    own = OwnEdge((sys.executable, "-c", "print('no such model'); raise SystemExit(1)"))
    with pytest.raises(PhoneError, match="did not start: no such model"):
        own.ensure((Path(),), "auto", "auto", 64)
    own.close()


def test_small_things(make_app: MakeApp) -> None:
    assert [number_of(text) for text in (None, "", "x", "12", "-3")] == [None, None, None, 12, -3]
    assert not answers(closed_port())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert answers(f"http://127.0.0.1:{listener.getsockname()[1]}")
    app = make_app()
    install(app)
    assert current() is app
