"""One trial: clients by a mode, their questions, and all that was counted meanwhile.

    measured = run_trial(settings, seed, places)

Loading and connecting come before the first question, and are no part of any answer's time.
How several sequences are asked is `asking`'s matter.
"""

from __future__ import annotations

import ctypes
import gc
import math
import os
import random
import resource
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import EngineOptions
from edge_server.logs import alias
from testbed.modes import capture
from testbed.modes.asking import WARM_ID, WARM_TOKENS, Asked, Ready, asking, converse
from testbed.modes.edge_times import edge_offset, edge_steps, joined
from testbed.modes.errors import ModesError
from testbed.modes.figures import Far, Measured, Turn
from testbed.modes.gpu import GpuMeter, GpuUse
from testbed.modes.opening import (
    ModeConfig,
    Offset,
    between,
    estimate_offset,
    open_mode,
    whole_of,
)
from testbed.modes.places import Place, Places
from testbed.modes.policies import Mode
from testbed.modes.programs import Server
from testbed.modes.server import peak_bytes, reset_peak, resident_bytes
from testbed.modes.settings import LinkKind, ModesSettings
from testbed.modes.wire import Kind, Message
from ue_app.link import Traffic

FIRST_ID = 8  # ids below it are special ones in the models that come with this
METRICS_SECONDS = 20.0
# Of an edge's metrics, by the names of `Far`.
EDGE_METRICS = {"airsplit_socket_received_bytes_total": "received",
                "airsplit_socket_sent_bytes_total": "sent",
                "airsplit_processor_seconds": "cpu",
                "airsplit_token_step_seconds_sum": "steps_seconds",
                "airsplit_token_step_seconds_count": "steps_count",
                "airsplit_token_queue_wait_seconds_sum": "steps_waited"}


def prompts(settings: ModesSettings, vocabulary: int, seed: int) -> list[list[list[int]]]:
    """Ids for each sequence and turn."""
    random_ = random.Random(seed)
    low = min(FIRST_ID, vocabulary - 1)
    return [[[random_.randrange(low, vocabulary) for _ in range(settings.prompt())]
             for _ in range(settings.turns)] for _ in range(settings.batch)]


def run_trial(settings: ModesSettings, seed: int, places: Places,
              clock: Callable[[], float] = time.monotonic) -> Measured:
    """What it measured."""
    place = places.place(settings)
    vocabulary = Checkpoint.open(settings.model).architecture.vocabulary
    asked = prompts(settings, vocabulary, seed)
    _load_once(ModeConfig(Mode.NAIVE if settings.mode is Mode.NAIVE else Mode.LOCAL,
                          settings.model, mode_config(settings, None).engine))
    return place.inside(lambda: _at_the_near_end(settings, place, asked, clock))


@cache
def _load_once(config: ModeConfig) -> None:
    """What a process loads and compiles once: the first trial would be charged with all of it."""
    with open_mode(replace(config, mode=Mode.LOCAL)) as opened:
        opened.ask([WARM_ID], WARM_TOKENS)
        whole_of(config, opened.engine)


def unsplit(settings: ModesSettings, seed: int, clock: Callable[[], float] = time.monotonic
            ) -> list[tuple[int, ...]]:
    """What the model answers where nothing is sent."""
    local = replace(settings, mode=Mode.LOCAL)
    vocabulary = Checkpoint.open(settings.model).architecture.vocabulary
    found = []
    with open_mode(mode_config(local, None), clock) as opened:
        for turns in prompts(settings, vocabulary, seed):
            found += [turn.ids for turn in converse(opened, 0, turns, settings.wanted())]
    return found


def _at_the_near_end(settings: ModesSettings, place: Place, asked: Asked,
                     clock: Callable[[], float]) -> Measured:
    far = place.edge if settings.needs_edge else place.server
    _give_back()
    held = resident_bytes()
    with ExitStack() as stack:
        asker = stack.enter_context(asking(
            mode_config(settings, place), settings.batch, settings.together, clock))
        asker.warm_up()
        watch = _Watch(settings, place, far, asker.opened, clock)
        began = clock()
        turns = asker.ask(asked, settings.wanted())
        seconds = clock() - began
        measured = watch.end(turns, seconds)
    measured.peak = over(over(measured.peak, held), watch.listening)
    return measured


def mode_config(settings: ModesSettings, place: Place | None) -> ModeConfig:
    """A client's; without a place it reaches nobody."""
    server = None if place is None else place.server
    edge = None if place is None else place.edge
    return ModeConfig(
        settings.mode, settings.model,
        EngineOptions(settings.backend, settings.precision, 1, settings.context,
                      settings.threads),
        settings.split, settings.tail, settings.encoding, settings.likeliest,
        None if server is None else (server.host, server.port),
        None if edge is None else edge.url, max_ppl_increase=settings.max_ppl_increase)


@dataclass
class _Before:
    """Counts when the first question is asked."""

    sent: int | None
    received: int | None
    cpu: float
    far_cpu: float | None
    metrics: dict[str, float]


class _Watch:
    """From the first question to the last answer."""

    def __init__(self, settings: ModesSettings, place: Place, far: Server | None,
                 opened: Sequence[Ready], clock: Callable[[], float]) -> None:
        self._far, self._opened, self._clock = far, opened, clock
        self._accounts = [_account(one, reset=True) for one in opened]
        self._edge = place.edge if settings.needs_edge else None
        self._prompt = settings.prompt()
        metrics = _metrics(self._edge)
        self._edge_clock = None if self._edge is None else edge_offset(self._edge, clock)
        self._capture, held = None, resident_bytes()
        if settings.capture and far is not None:
            self._capture = capture.begin(place.ends.device, far.port)
        # Bytes of the capture's, above all those it shares with the kernel.
        self.listening = 0 if self._capture is None else over(resident_bytes(), held)
        self._peaks = reset_peak()  # else a peak is that of earlier trials
        if far is not None and far.process is not None:
            reset_peak(str(far.process))
        # Another host's GPU is not this one's.
        self._gpu = None if settings.link is LinkKind.HOST else GpuMeter()
        sent, received = _traffic(opened)
        self._before = _Before(sent, received, self._cpu(), self._far_cpu(), metrics)

    def end(self, turns: list[Turn], seconds: float) -> Measured:
        sent, received = _traffic(self._opened)
        cpu, far_cpu, peak = self._cpu(), self._far_cpu(), peak_bytes() if self._peaks else None
        captured = None if self._capture is None else self._capture.end()
        use = GpuUse() if self._gpu is None else self._gpu.end()
        before, first = self._before, self._opened[0]
        counted = self._counted(_less(far_cpu, before.far_cpu))
        return Measured(
            self._timed(turns), seconds, _less(sent, before.sent), _less(received, before.received),
            counted, captured, self._offset(), first.load_seconds, first.connect_seconds,
            cpu - before.cpu, peak, use.percent, use.mib)

    def _timed(self, turns: list[Turn]) -> list[Turn]:
        """With what an edge tells of its steps: all of it is asked when nothing counts any more."""
        sessions = [getattr(one.link, "welcome", None) for one in self._opened]
        if self._edge is None or self._edge_clock is None or None in sessions:
            return turns
        return joined(turns, self._prompt, [
            edge_steps(self._edge, alias(one.session)) for one in sessions if one is not None])

    def _offset(self) -> Offset | None:
        """The clocks', after everything was counted: asking for it takes bytes."""
        if self._edge is not None:
            after = edge_offset(self._edge, self._clock) if self._edge_clock else None
            return between(self._edge_clock, after) if self._edge_clock and after else None
        first = self._opened[0]
        if first.offset is None or first.channel is None:
            return None
        return between(first.offset, estimate_offset(first.channel, self._clock))

    def _cpu(self) -> float:
        """Of this process, without what listens beside the sockets."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        listening = 0.0 if self._capture is None else self._capture.cpu_seconds
        return usage.ru_utime + usage.ru_stime - listening

    def _far_cpu(self) -> float | None:
        return None if self._far is None else cpu_of(self._far.process)

    def _counted(self, cpu: float | None) -> Far:
        peak = None
        if self._far is not None and self._far.process is not None:
            peak = peak_bytes(str(self._far.process))
        if self._edge is not None:
            after, before = _metrics(self._edge), self._before.metrics
            gained: dict[str, Any] = {name: after[key] - before[key] for key, name in
                                      EDGE_METRICS.items() if key in after and key in before}
            if cpu is not None:
                gained["cpu"] = cpu  # of this machine: without what it took to ask for these
            return Far(peak=_known(after, "airsplit_peak_memory_bytes") if peak is None else peak,
                       load=_known(after, "airsplit_load_seconds"), pinged=True, **gained)
        accounts = [_account(one) for one in self._opened]
        if not accounts or None in accounts:
            return Far(cpu=cpu, peak=peak)
        return _of_accounts(self._accounts, accounts, self._opened, cpu, peak)


def _of_accounts(before: Sequence[Any], after: Sequence[Any], opened: Sequence[Ready],
                 cpu: float | None, peak: int | None) -> Far:
    def gained(name: str) -> Any:
        return sum(now[name] - then[name] for now, then in zip(after, before, strict=True))

    # The accounts themselves crossed the sockets: the first answer after the server had counted,
    # the last question before it did.
    sent = gained("sent") - sum(one["bytes"] for one in before)
    received = gained("received") - sum(one["asked"] for one in after)
    return Far(received, sent, packing=gained("packing"), load=opened[0].server_load,
               cpu=after[0]["cpu_seconds"] - before[0]["cpu_seconds"] if cpu is None else cpu,
               peak=after[0]["peak_bytes"] if peak is None else peak)


def _account(opened: Ready, reset: bool = False) -> dict[str, Any] | None:
    """What the server counted, and what asking for it cost."""
    channel = opened.channel
    if channel is None:
        return None
    sent, received = channel.sent, channel.received
    channel.send(Message(Kind.ACCOUNT, {"reset": reset}))
    meta = dict(channel.expect(Kind.ACCOUNT).meta)
    for name in ("sent", "received", "packing", "cpu_seconds"):
        if not isinstance(meta.get(name), int | float):
            raise ModesError("The server's account is none.", "Use the same version on both sides.")
    return meta | {"bytes": channel.received - received, "asked": channel.sent - sent}


def _traffic(opened: Sequence[Ready]) -> tuple[int | None, int | None]:
    counts = [one.link.traffic for one in opened]
    known = [Traffic(one.sent, one.received) for one in counts if one is not None]
    if len(known) < len(counts):
        return None, None
    return sum(one.sent for one in known), sum(one.received for one in known)


def _metrics(edge: Server | None) -> dict[str, float]:
    """An edge's counters; none where it lets nobody see them."""
    if edge is None:
        return {}
    try:
        with urllib.request.urlopen(f"{edge.url}/metrics", timeout=METRICS_SECONDS) as answer:
            text = answer.read().decode()
    except OSError:
        return {}
    return {sample.name: sample.value for family in text_string_to_metric_families(text)
            for sample in family.samples if not sample.labels}


def _known(metrics: dict[str, float], name: str) -> float | None:
    value = metrics.get(name, math.nan)
    return None if math.isnan(value) else value


def _give_back() -> None:
    """What earlier trials left in this process: a client that took it over would seem small."""
    gc.collect()
    with suppress(AttributeError, OSError):  # another C library keeps it
        ctypes.CDLL(None).malloc_trim(0)


def over(peak: int | None, held: int | None) -> int | None:
    """What a peak is over what was held before; None where either is unknown, or it fell."""
    return None if peak is None or held is None or peak < held else peak - held


def cpu_of(process: int | None) -> float | None:
    """Processor seconds that a process has used; None of none."""
    if process is None:
        return None
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _less(now: Any, before: Any) -> Any:
    return None if now is None or before is None else now - before
