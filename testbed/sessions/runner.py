"""Runs one scenario: link, servers, clients and phones as processes; keeps capture and labels.

A capture appears under its name only when it is whole; its JSON file, written last, says that it
is done. Processes are forked from one that has loaded the heavy libraries already.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from testbed import namespaces
from testbed.errors import TestbedFailure
from testbed.forwarder import Recording, ShapedLink, end_with_parent, shaped_link
from testbed.sessions import ends
from testbed.sessions.catalogue import GATEWAY, SPLIT
from testbed.sessions.flow_labels import CAPTURES, rows_of, write_whole
from testbed.sessions.gateway import serve_gateway
from testbed.sessions.models import MODELS, folder_of
from testbed.sessions.scenarios import Activity, Scenario
from testbed.sessions.split import Service, run_phone, serve_edge

SNAP = 128  # bytes kept of a packet: all headers, and nothing of what is said
READY_SECONDS = 60.0
READY_MARK = " on http"  # in the line by which an edge or a gateway says where it listens
LAST_SECONDS = 0.4  # for the ends of connections to cross the link
GRACE_SECONDS = 6.0  # beyond its time that a client has to say goodbye over a slow link


class ScenarioFailed(TestbedFailure):
    """A process of a scenario did not do its part."""


@dataclass(frozen=True)
class Place:
    """Where results go and what is needed to make them."""

    out: Path
    bundled: Path  # checkpoint folder
    cache: Path  # of random models


def context() -> Any:
    """How processes are started: forked from one in which the heavy libraries are loaded."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(["testbed.sessions.preloaded"])
    return made


def is_done(out: Path, scenario: Scenario) -> bool:
    return (out / CAPTURES / f"{scenario.name}.json").exists()


def run(scenario: Scenario, place: Place, starter: Any) -> dict[str, Any]:
    """Record `scenario`; returns what its JSON file says."""
    captures = place.out / CAPTURES
    captures.mkdir(parents=True, exist_ok=True)
    unfinished = captures / f"{scenario.name}.pcap.part"
    try:
        with shaped_link(scenario.link, scenario.seed, scenario.near_address,
                         scenario.far_address, starter) as link:
            phones, found = _Cast(scenario, place, link, starter).play(unfinished)
        flows = rows_of(scenario, found.pop("flows"))
        if not flows:
            raise ScenarioFailed(f"Nothing of {scenario.name} was recorded.")
        os.replace(unfinished, captures / f"{scenario.name}.pcap")
    finally:
        unfinished.unlink(missing_ok=True)
    record = asdict(scenario) | {"flows": flows, "phones": phones, "recorded": found}
    write_whole(captures / f"{scenario.name}.json", json.dumps(record, indent=1))
    return record


class _Cast:
    """The processes of one scenario."""

    def __init__(self, scenario: Scenario, place: Place, link: ShapedLink, starter: Any) -> None:
        self._scenario, self._place, self._link, self._starter = scenario, place, link, starter
        self._processes: list[Any] = []
        self._wanted: list[Any] = []  # of these, the ones whose end is the scenario's
        self._stem = place.out / "work" / scenario.name

    def play(self, capture: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """What the phones report, and what the link's process says of the recording."""
        scenario, link = self._scenario, self._link
        self._stem.parent.mkdir(parents=True, exist_ok=True)
        _set_congestion_control(link, scenario.congestion_control)
        authority, certificate = _certificates(self._stem, scenario)
        try:
            self._start_servers(certificate, authority)
            phones = self._load_phones(certificate, authority)
            recording = Recording(capture, scenario.side, SNAP)
            if not scenario.late:
                link.record(recording)
            self._start_clients(phones, authority)
            if scenario.late:
                time.sleep(scenario.late)
                link.record(recording)
            self._wait_until_done(scenario.duration + GRACE_SECONDS)
            time.sleep(LAST_SECONDS)
            return [phone.recv() for phone in phones if phone.poll()], link.finish()
        finally:
            for process in self._processes:
                process.kill()
                process.join()
            for file in self._stem.parent.glob(f"{scenario.name}.*"):
                file.unlink(missing_ok=True)

    def _start_servers(self, certificate: Path, authority: Path) -> None:
        scenario, far = self._scenario, self._link.ends.far
        ours, theirs = self._starter.Pipe(duplex=False)
        self._start(ends.run_servers, scenario, far, certificate, theirs)
        waits: list[tuple[Any, str, int]] = []
        for activity in scenario.activities:
            model = self._model(activity)
            if activity.kind == SPLIT:
                edge = self._start(_quietly, self._stem, serve_edge,
                                   self._service(activity, certificate, authority), model,
                                   activity.parameters, scenario.seed)
                waits.append((edge, scenario.far_address, activity.port))
            elif activity.kind == GATEWAY:
                served = self._start(_quietly, self._stem, serve_gateway, far, ends.GATEWAY_PORT,
                                     model, activity.parameters, scenario.seed)
                waits.append((served, "127.0.0.1", ends.GATEWAY_PORT))
        if not ours.poll(READY_SECONDS):
            raise ScenarioFailed(f"The servers of {scenario.name} did not start.")
        for process, address, port in waits:
            self._wait_for(process, partial(self._has_loaded, process))
            self._wait_for(process, partial(namespaces.inside, far,
                                            partial(_accepts, address, port)))

    def _load_phones(self, certificate: Path, authority: Path) -> list[Connection]:
        """A pipe to each phone; all have loaded what they need and wait for a word."""
        phones = []
        for activity in self._scenario.activities:
            if activity.kind != SPLIT:
                continue
            for index in range(activity.parameters["phones"]):
                ours, theirs = self._starter.Pipe()
                process = self._start(
                    _phone, self._stem, theirs, self._link.ends.near,
                    self._service(activity, certificate, authority), self._model(activity),
                    activity.parameters, self._scenario.seed + index, self._scenario.duration)
                self._wait_for(process, ours.poll)
                ours.recv()
                self._wanted.append(process)
                phones.append(ours)
        return phones

    def _start_clients(self, phones: list[Connection], authority: Path) -> None:
        if any(activity.kind != SPLIT for activity in self._scenario.activities):
            self._wanted.append(self._start(
                ends.run_clients, self._scenario, self._link.ends.near, authority))
        for phone in phones:
            phone.send("go")

    def _service(self, activity: Activity, certificate: Path, authority: Path) -> Service:
        return Service(self._link.ends.far, self._scenario.far_address, activity.port,
                       certificate if activity.tls else None, authority if activity.tls else None)

    def _model(self, activity: Activity) -> Path:
        if not activity.model:
            return self._place.bundled
        return folder_of(MODELS[activity.model], self._place.cache, self._place.bundled)

    def _start(self, function: Callable[..., None], *arguments: Any) -> Any:
        process = self._starter.Process(target=function, args=arguments, daemon=True)
        process.start()
        self._processes.append(process)
        return process

    def _wait_for(self, process: Any, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not is_ready():
            if process.exitcode is not None or time.monotonic() > deadline:
                raise ScenarioFailed(f"A process of {self._scenario.name} did not start.",
                                     self._last_words())
            time.sleep(0.05)

    def _has_loaded(self, process: Any) -> bool:
        """An edge takes connections before it can answer them; it says when that is."""
        with suppress(FileNotFoundError):  # it has only just begun
            return READY_MARK in Path(f"{self._stem}.{process.pid}.log").read_text(
                encoding="utf-8", errors="replace")
        return False

    def _last_words(self) -> str:
        """What the processes said last: each one's last line."""
        logs = sorted(self._stem.parent.glob(f"{self._scenario.name}.*.log"))
        lines = [log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
                 for log in logs]
        return " ".join(line for line in lines if line) or "Its processes said nothing."

    def _wait_until_done(self, seconds: float) -> None:
        ends_at = time.monotonic() + seconds
        for process in self._wanted:
            process.join(max(0.0, ends_at - time.monotonic()))


def _phone(stem: Path, pipe: Connection, *arguments: Any) -> None:
    _quietly(stem, run_phone, *arguments, pipe)


def _quietly(stem: Path, function: Callable[..., None], *arguments: Any) -> None:
    """Run it with what it prints in a file beside its scenario's."""
    end_with_parent()
    with open(f"{stem}.{os.getpid()}.log", "wb") as log:
        for number in (1, 2):
            os.dup2(log.fileno(), number)
    with suppress(KeyboardInterrupt):
        function(*arguments)


def _accepts(address: str, port: int) -> bool:
    with suppress(OSError):
        socket.create_connection((address, port), timeout=1.0).close()
        return True
    return False


def _set_congestion_control(link: ShapedLink, name: str) -> None:
    """For senders on either end; a kernel without it keeps its own."""
    def write() -> None:
        with suppress(OSError):
            Path("/proc/sys/net/ipv4/tcp_congestion_control").write_text(name, encoding="ascii")

    for namespace in (link.ends.near, link.ends.far):
        namespaces.inside(namespace, write)


def _certificates(stem: Path, scenario: Scenario) -> tuple[Path, Path]:
    """An authority's certificate, and a server's with its key."""
    authority, certificate = Path(f"{stem}.ca.pem"), Path(f"{stem}.server.pem")
    if any(activity.tls for activity in scenario.activities):
        try:
            import trustme
        except ImportError:
            raise TestbedFailure("Certificates for TLS are made with trustme, which is missing.",
                                 "Install it: pip install trustme") from None
        made = trustme.CA()
        made.cert_pem.write_to_path(str(authority))
        names = [f"host{index}.example" for index in range(random.Random(scenario.seed).choice(
            (0, 2, 10, 30)))]  # certificates of known services differ in size so
        issued = made.issue_cert(scenario.far_address, *names)
        issued.private_key_and_cert_chain_pem.write_to_path(str(certificate))
    return authority, certificate


@contextmanager
def temporary_files(out: Path) -> Iterator[None]:
    """Removes the folder for what processes print, if nothing is left in it."""
    try:
        yield
    finally:
        with suppress(OSError):
            (out / "work").rmdir()
