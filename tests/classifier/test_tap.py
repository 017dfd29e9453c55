"""The tap as a whole: frames on an interface in, labels at a subscriber out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classifier.bundle import Bundle, Decision, flow_schema, save
from classifier.export import flatten
from classifier.messages import Labelled, Message, TapStatus
from classifier.model import Model
from classifier.openset import learn_drift
from classifier.publisher import Subscriber
from classifier.tap import Tap, TapConfig
from pcap_tools.records import Counters, Records, Warning
from tests.classifier.bundles import boosting
from tests.pcap_tools import network
from tests.pcap_tools.frames import ethernet, gtp, records_of, tcp

WAIT = 120.0  # seconds; nobody may have compiled the kernels yet
SECOND = 10**9


class Source:
    """Frames that the test laid out, one run at a time, once it lets them go."""

    def __init__(self, runs: list[Records]) -> None:
        self.counters, self.warnings = Counters(dropped=3), list[Warning]()
        self._runs = runs
        self.subscribed = threading.Event()
        self.closed = False

    def __iter__(self) -> Iterator[Records]:
        while not self.subscribed.is_set():
            yield records_of([])
            time.sleep(0.01)
        for records in self._runs:
            self.counters.packets += len(records)
            yield records

    def close(self) -> None:
        self.closed = True


@pytest.fixture(scope="module")
def model() -> Bundle:
    """Trained on noise as wide as the schema: what it says means nothing, but it says something."""
    random, schema = np.random.default_rng(1), flow_schema()
    vectors = random.normal(size=(300, len(schema.features))).astype(np.float32)
    codes = random.integers(0, 3, 300)
    return Bundle(schema, ("llm_split", "web", "bulk"),
                  {"all": Model(flatten(boosting(vectors, codes)), None, learn_drift(vectors))},
                  {"": Decision("all")})


def conversation(count: int, tunnel: bool = False) -> Records:
    """Both ways in turn, a millisecond apart."""
    frames = []
    for number in range(count):
        ends = ("10.0.0.2", "192.0.2.1", (4000, 8470))
        if number % 2:
            ends = ("192.0.2.1", "10.0.0.2", (8470, 4000))
        packet = tcp(*ends, bytes(40 + 500 * (number % 2 == 0)))
        frames.append(ethernet(0x0800, gtp(0xCAFE + number % 2, packet) if tunnel else packet))
    now = time.time_ns()
    return records_of(frames, [now + number * 10**6 for number in range(count)])


@pytest.mark.parametrize("tunnel", [False, True])
def test_frames_become_labels(model: Bundle, tunnel: bool, tmp_path: Path) -> None:
    source = Source([conversation(12, tunnel), records_of([])])
    tap = Tap(source, model, TapConfig(f"ipc://{tmp_path}/labels", status_every=0.02,
                                       wanted=frozenset({*model.classes, "unknown"})))
    subscriber = Subscriber(tap.publisher.address)
    runner = threading.Thread(target=lambda: list(tap.run()))
    runner.start()
    messages: list[Message] = []
    while not any(isinstance(message, TapStatus) for message in messages):
        message = subscriber.receive(WAIT)
        assert message is not None
        messages.append(message)
    source.subscribed.set()
    runner.join(WAIT)
    while (message := subscriber.receive(0.5)) is not None:
        messages.append(message)
    subscriber.close()
    labels = [message for message in messages if isinstance(message, Labelled)]
    first, status = labels[0], messages[-1]
    assert (first.source, first.source_port, first.protocol) == ("10.0.0.2", 4000, 6)
    assert first.stage == "PACKETS_5"
    assert (first.teid_up, first.teid_down) == ((0xCAFE, 0xCAFF) if tunnel else (0, 0))
    assert isinstance(status, TapStatus)
    assert (status.packets, status.dropped, status.flows) == (12, 3, 1)
    assert status.labels == len(labels)
    assert status.judged >= 2  # after five packets, and after ten
    assert subscriber.gaps.missed == 0
    assert source.closed


def command(*arguments: object, inside: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*inside, sys.executable, "-m", "testbed.cli", "tap", *map(str, arguments)], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ)


def test_on_a_real_interface_until_it_is_told_to_end(model: Bundle, tmp_path: Path) -> None:
    if (reason := network.missing()) is not None:
        pytest.skip(reason)
    from pcap_tools.sending import Sender

    save(model, tmp_path / "model")
    address = f"ipc://{tmp_path}/labels"
    with network.namespace() as made:
        tap = command(made.far, "--bundle", tmp_path / "model", "--publish", address, "--json",
                      "--labels", *model.classes, "unknown",
                      inside=("ip", "netns", "exec", made.name))
        try:
            assert tap.stdout is not None
            tap.stdout.readline()  # it listens
            subscriber = Subscriber(address, ("label.",))
            time.sleep(0.5)  # until it is known there, too
            with made.inside():
                sender = Sender(made.near)
            records = conversation(12)
            sender.send(records.data, records.start, records.captured)
            sender.close()
            message = subscriber.receive(WAIT)
            tap.send_signal(signal.SIGTERM)
            rest, errors = tap.communicate(timeout=WAIT)
            subscriber.close()
        finally:
            tap.kill()
    assert isinstance(message, Labelled)
    assert message.source == "10.0.0.2"
    assert 0 <= time.time_ns() - message.at < 60 * SECOND
    assert tap.returncode == 0, errors
    last: dict[str, Any] = json.loads(rest.splitlines()[-1])
    assert (last["packets"], last["dropped"], last["flows"]) == (12, 0, 1)


@pytest.mark.parametrize(("arguments", "said"), [
    (["nowhere0"], "nowhere0"), (["lo", "--labels", "cats"], "cats"),
    (["lo", "--bundle", "nothing"], "nothing"), (["lo", "--publish", "udp:99"], "publish"),
    (["lo", "--curve", "nothing.key"], "nothing.key"), (["lo", "--filter", "tcp prt 5"], "prt")])
def test_what_cannot_be_is_one_line(arguments: list[str], said: str, model: Bundle,
                                    tmp_path: Path) -> None:
    save(model, tmp_path / "model")
    if "--bundle" not in arguments:
        arguments = [*arguments, "--bundle", str(tmp_path / "model")]
    process = command(*arguments)
    out, errors = process.communicate(timeout=WAIT)
    assert process.returncode == 1
    assert out == ""
    assert said in errors or "CAP_NET_RAW" in errors
    assert "Traceback" not in errors


def test_vectors_are_as_wide_as_the_schema(model: Bundle) -> None:
    width = len(model.schema.features)
    assert len(model.predict("PACKETS_5", np.full((2, width), np.nan, np.float32))) == 2
