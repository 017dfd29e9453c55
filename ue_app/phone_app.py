"""The app behind the page: settings, conversations, the phone, the recorder, an edge of its own.

One for the process; pages come and go. It is put together here and used by the page's widgets,
which hold nothing themselves. Clocks and everything that reaches outside are passed in.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edge_server.encodings.registry import RAW
from edge_server.engine.parts import open_folders
from edge_server.errors import EdgeError
from ue_app.drafts.registry import OFF
from ue_app.errors import PhoneError, SettingsError
from ue_app.link import LinkState, LinkStatus
from ue_app.measure import Cost, cost_of
from ue_app.meter import Meter, rate_now
from ue_app.offers import Offers, offers_of
from ue_app.options import DEFAULT_EDGE
from ue_app.own_edge import OwnEdge
from ue_app.phone import PhoneConfig
from ue_app.prompt import generation_defaults
from ue_app.recorder import OpenCapture, Recorder, default_folder
from ue_app.runner import Job, Problem, Runner, Stage
from ue_app.service import Question, Service
from ue_app.settings import (
    ModelFacts,
    Settings,
    SettingsFile,
    check_model,
    from_values,
    manner_of,
    model_folders,
    phone_config,
    sampling_of,
    without_token,
)
from ue_app.strip import Guesses, StripView, Tone
from ue_app.talks import Talks, turns_for_model
from ue_app.wire import edge_uri

logger = logging.getLogger("ue_app.app")
BARS = 90  # of the plot over the last minute
PROBE_SECONDS = 0.5  # to see whether an edge answers on this machine
CLOSE_SECONDS = 5.0  # an answer gets to end when the app ends


@dataclass(frozen=True)
class AppConfig:
    """What the app is started with."""

    default_model: Path
    data: Path  # folder of history and recordings
    settings_file: Path
    edge_command: tuple[str, ...]  # starts an edge on this machine; options are added
    overrides: Mapping[str, Any] = field(default_factory=dict)  # settings from the command line
    default_edge: str = DEFAULT_EDGE  # asked before an edge of our own is started


class PhoneApp:
    """Everything the pages show and do."""

    def __init__(
        self, config: AppConfig, clock: Callable[[], float], wall_clock: Callable[[], float],
        open_capture: OpenCapture,
    ) -> None:
        self.config = config
        self.clock, self._wall_clock = clock, wall_clock
        self.talks = Talks(config.data / "history.sqlite3")
        self.meter = Meter()
        self.recorder = Recorder(default_folder(config.data), clock, wall_clock, open_capture)
        self.runner = Runner(self.talks, clock, wall_clock, (self.meter, self.recorder))
        self.own_edge = OwnEdge(config.edge_command)
        self.problem: Problem | None = None  # why the phone is not ready
        self._file = SettingsFile(config.settings_file)
        self.settings_problem: Problem | None = None
        self.settings = self._first_settings()
        self.service = self._new_service()
        self.offers: Offers | None = None  # what the model allows; None until it was looked at
        self._edge: str | None = None  # in use, or last tried
        self._background: list[threading.Thread] = []

    # What a person does.

    def ask(self, conversation: int | None, text: str) -> int:
        """Ask `text` in a conversation, or in a new one; returns which."""
        now = self._wall_clock()
        if conversation is None:
            conversation = self.talks.begin(text, now)
        self.talks.add(conversation, "user", text, now)
        self._answer(conversation)
        return conversation

    def regenerate(self, conversation: int) -> None:
        """Answer the last question anew: its answer, if there is one, is given up."""
        turns = self.talks.turns(conversation)
        if turns and turns[-1].role == "assistant":
            self.talks.forget_from(conversation, turns[-1].id)
        if any(turn.role == "user" for turn in turns):
            self._answer(conversation)

    def clear(self, conversation: int) -> None:
        """Empty a conversation, which keeps its name, and stop what is written in it."""
        turns = self.talks.turns(conversation)
        self.runner.forget(conversation)
        if turns:
            self.talks.forget_from(conversation, turns[0].id)

    def delete(self, conversation: int) -> None:
        """Remove a conversation, and stop what is written in it."""
        self.talks.delete(conversation)
        self.runner.forget(conversation)

    def apply(self, values: Mapping[str, Any]) -> ModelFacts:
        """Take over settings from a form; raises what is wrong with them and keeps the old ones."""
        settings = from_values(values)
        facts = check_model(settings, self.config.default_model)
        sampling_of(settings, facts.sampling, 0)
        needs_phone = _of_phone(settings) != _of_phone(self.settings)
        before = manner_of(self.settings)
        self.settings, self.settings_problem = settings, None
        if needs_phone:
            old = self.service
            self.service, self.offers = self._new_service(), None
            self._in_background("retire", old.retire)
            self.connect()
        elif manner_of(settings) != before:
            self.service.prefer(manner_of(settings))
            self.connect()
        self._file.save(self._without_given_token(settings))
        return facts

    def record(self, conversation: int | None) -> None:
        """Start a recording of this session, or end the one that runs."""
        if self.recorder.since is not None:
            self.recorder.stop()
            return
        session = "app" if conversation is None else f"chat-{abs(conversation)}"
        self.recorder.start(session, self.edges(), without_token(self.settings))

    def connect(self) -> threading.Thread:
        """Open the phone in the background, so that the first question need not wait for it."""
        return self._in_background("connect", self._connect, self.service)

    def close(self) -> None:
        """End answers, link, recording and our own edge."""
        self.runner.close(CLOSE_SECONDS)
        try:
            self.recorder.stop()
        except PhoneError as error:
            logger.error("%s", error)
        self.service.end()
        self.own_edge.close()
        for thread in self._background:
            thread.join(CLOSE_SECONDS)  # what they open meanwhile is theirs to close
        self.talks.close()

    def _in_background(self, name: str, work: Callable[..., None], *about: Any) -> threading.Thread:
        thread = threading.Thread(target=work, args=about, name=name, daemon=True)
        self._background = [one for one in self._background if one.is_alive()] + [thread]
        thread.start()
        return thread

    # What a person sees.

    def facts(self) -> ModelFacts | None:
        """What is known of the model in use; None where it cannot be read."""
        try:
            return check_model(self.settings, self.config.default_model)
        except (PhoneError, EdgeError):
            return None

    def model_name(self) -> str:
        return model_folders(self.settings, self.config.default_model)[0].resolve().name

    def edges(self) -> tuple[str, ...]:
        """The edges whose traffic is this app's: those set, else the one in use."""
        if self.settings.edges:
            return self.settings.edges
        return (self._edge,) if self._edge is not None else ()

    def busy(self) -> bool:
        """Whether the strip has something new at every moment."""
        job = self.runner.current()
        return self.service.opening or (job is not None and job.running)

    def strip(self) -> StripView:
        """The live strip, now."""
        job = self.runner.current()
        answer = None if job is None else job.answer
        phone = self.service.phone
        status = None if phone is None else phone.link.status
        traffic = None if phone is None else phone.link.traffic
        cost = None if answer is None else cost_of(answer)
        up = None if cost is None else cost.bytes_up
        down = None if cost is None else cost.bytes_down
        rate = None if cost is None else cost.tokens_per_second
        writing = job is not None and job.running and answer is not None
        if writing and answer is not None:
            rate = rate_now(list(answer.times)) or rate
            if traffic is not None and answer.traffic_before is not None:
                up = traffic.sent - answer.traffic_before.sent
                down = traffic.received - answer.traffic_before.received
        tone, state = self._state(job, status)
        return StripView(
            tone=tone, state=state, place=self._place(),
            time_to_first_token=None if cost is None else cost.time_to_first_token,
            tokens_per_second=rate, bytes_up=up, bytes_down=down,
            round_trip=None if status is None else status.round_trip,
            slice=None if status is None else status.slice,
            minute=self.meter.minute(self.clock(), BARS), guesses=self._guesses(cost))

    def _guesses(self, cost: Cost | None) -> Guesses | None:
        """What guessing brings, where it is switched on or was for the answer that is shown."""
        if self.settings.speculate == OFF and (cost is None or not cost.drafted):
            return None
        return Guesses(None if cost is None else cost.round_trips,
                       None if cost is None else cost.tokens_per_round_trip,
                       None if cost is None else cost.accepted_share)

    def _state(self, job: Job | None, status: LinkStatus | None) -> tuple[Tone, str]:
        """The connection in one word, and how good that is."""
        if self.service.opening:
            starting = not self.settings.edges and self._edge is None
            return Tone.WAIT, "Starting" if starting else "Connecting"
        if status is None or status.state is LinkState.CLOSED:
            return (Tone.BAD, "No connection") if self.problem or (
                job is not None and job.stage is Stage.FAILED) else (Tone.IDLE, "Not connected")
        if status.state is LinkState.RECONNECTING:
            return Tone.WAIT, "Reconnecting"
        if status.state is LinkState.LOCAL:
            return Tone.GOOD, "On this phone"
        return Tone.GOOD, "Connected"

    def _place(self) -> str:
        """Which edge, and where the layers run."""
        phone = self.service.phone
        if self.own_edge.url is not None and self._edge == self.own_edge.url:
            where = "edge started by this app"
        else:
            edge = phone.link.status.edge if phone is not None else self._edge
            where = "" if edge is None else edge.partition("://")[2].rstrip("/")
        layers = "" if phone is None else (
            f"{len(phone.placement.remote)} of "
            f"{sum(len(part) for part in _parts(phone.placement))} layers there")
        encoding = None if phone is None else phone.link.status.encoding
        rows = "" if encoding in (None, RAW) else f"rows in {encoding}"
        ahead = "" if self.settings.speculate == OFF else "guessing ahead"
        return " · ".join(part for part in (where, layers, rows, ahead) if part)

    # How it works.

    def _answer(self, conversation: int) -> None:
        settings = self.settings
        folder = model_folders(settings, self.config.default_model)[0]
        sampling = sampling_of(settings, generation_defaults(folder), secrets.randbits(32))
        turns = turns_for_model(self.talks.turns(conversation))
        question = Question(turns, sampling=sampling, max_new_tokens=settings.max_new_tokens)
        self.problem = None
        self.runner.start(self.service, conversation, question)

    def _new_service(self) -> Service:
        return Service(lambda: self._phone_config(self.settings))

    def _connect(self, service: Service) -> None:
        try:
            if self.offers is None:
                folders = model_folders(self.settings, self.config.default_model)
                self.offers = offers_of(folders, open_folders(folders))
            service.warm()
        except (PhoneError, EdgeError) as error:
            if service is self.service:
                self.problem = Problem(error.problem, error.remedy)
        except Exception:
            # The boundary of this thread: the page tells, and the log says why.
            logger.exception("the phone did not open")
            self.problem = Problem("The app failed to start its model; its log says more.",
                                   "Check the settings.")
        else:
            if service is self.service:
                self.problem = None

    def _phone_config(self, settings: Settings) -> PhoneConfig:
        """The phone that the settings describe; finds or starts the edge where none is named."""
        edges = settings.edges
        if not edges:
            default = self.config.default_edge
            own = self.own_edge
            if own.url is None and answers(default):
                edges = (default,)
            else:
                folders = model_folders(settings, self.config.default_model)
                edges = (own.ensure(folders, settings.precision, settings.backend,
                                    settings.context),)
        self._edge = edges[0]
        # As our own edge does: the two share the processors.
        threads = 1 if edges[0] == self.own_edge.url else 0
        return phone_config(settings, self.config.default_model, edges, threads)

    def _first_settings(self) -> Settings:
        """What was kept, with what the command line says above it."""
        try:
            kept = self._file.load()
        except SettingsError as error:
            self.settings_problem = Problem(error.problem, error.remedy)
            kept = Settings()
        self._kept_token = kept.token
        return from_values(vars(kept) | dict(self.config.overrides))

    def _without_given_token(self, settings: Settings) -> Settings:
        """A token that came by file or environment stays there: the settings keep their own."""
        given = self.config.overrides.get("token")
        return replace(settings, token=self._kept_token) if settings.token == given else settings


def number_of(text: str | None) -> int | None:
    """The id of a conversation as an address holds it; None for what is none."""
    try:
        return int(text or "")
    except ValueError:
        return None


def answers(url: str) -> bool:
    """Whether somebody listens at `url`."""
    uri = edge_uri(url)
    try:
        socket.create_connection((uri.host, uri.port), timeout=PROBE_SECONDS).close()
    except OSError:
        return False
    return True


def _of_phone(settings: Settings) -> tuple[object, ...]:
    """The settings that need the phone opened anew; the others hold from the next answer on."""
    return (settings.edges, settings.token, settings.models, settings.split, settings.private,
            settings.tail, settings.precision, settings.backend, settings.context,
            settings.timeout, settings.patience, settings.ca)


def _parts(placement: Any) -> Sequence[Any]:
    return [part for part in (placement.first, placement.remote, placement.last)
            if part is not None]


def default_data_folder() -> Path:
    """Where conversations and recordings are kept, by the XDG rules."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "airsplit"


_installed: PhoneApp | None = None


def install(app: PhoneApp) -> None:
    """Make `app` the one that pages of this process show."""
    global _installed
    _installed = app


def current() -> PhoneApp:
    """The app of this process."""
    if _installed is None:
        raise RuntimeError("start the page with `airsplit app`")
    return _installed
