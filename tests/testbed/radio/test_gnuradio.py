"""GNU Radio's ZeroMQ blocks at both ends of the broker: what they receive is what was set.

They are an independent implementation of the sockets' protocol. Debian: apt-get install gnuradio.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest

from testbed.radio.broker import Broker
from testbed.radio.settings import PathSettings, RadioSettings, Station
from tests.testbed.radio.peers import running

SYSTEM = "/usr/bin/python3"
PEER = Path(__file__).with_name("gnuradio_peer.py")
RATE = 1.92e6
TONE = 120e3  # Hz: an eighth of half the band


def _there() -> bool:
    try:
        return subprocess.run([SYSTEM, "-c", "from gnuradio import zeromq"],
                              capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


pytestmark = [
    pytest.mark.slow,  # it takes half a minute to begin
    pytest.mark.skipif(not _there(), reason="no GNU Radio: apt-get install gnuradio")]


@contextmanager
def peer(station: Station, out: Path, count: int, *parts: str) -> Iterator[None]:
    process = subprocess.Popen(
        [SYSTEM, str(PEER), str(station.transmits), str(station.receives), str(RATE), str(count),
         str(out), *parts], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert process.stdout.readline() == b"started\n"
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stdin.close()


def received(tmp_path: Path, count: int, down: tuple[str, ...], up: tuple[tuple[str, ...], ...],
             path: PathSettings, snr: float | None = None) -> dict[str, np.ndarray]:
    """What gNB and UEs got, all of them GNU Radio."""
    def station(name: str) -> Station:
        return Station(name, f"ipc://{tmp_path}/{name}.tx", f"ipc://{tmp_path}/{name}.rx", snr)

    ues = tuple(station(f"ue{one}") for one in range(1, len(up) + 1))
    settings = RadioSettings((station("gnb"),), ues, RATE,
                             {f"gnb-{one.name}": path for one in ues},
                             together=True, control=f"ipc://{tmp_path}/control")
    outs = {one.name: tmp_path / f"{one.name}.samples" for one in settings.stations}
    with running(settings) as (broker, _):
        everybody = [peer(settings.cells[0], outs["gnb"], count, *down),
                     *(peer(ue, outs[ue.name], count, *parts)
                       for ue, parts in zip(ues, up, strict=True))]
        _all(everybody, broker, outs, count)
    return {name: np.fromfile(out, np.complex64)[:count] for name, out in outs.items()}


def _all(everybody: Sequence[AbstractContextManager[None]], broker: Broker,
         outs: dict[str, Path], count: int) -> None:
    with ExitStack() as stack:
        for one in everybody:
            stack.enter_context(one)
        deadline = time.monotonic() + 60
        while any(not out.exists() or out.stat().st_size < 8 * count for out in outs.values()):
            assert time.monotonic() < deadline, broker.mixer.tallies
            time.sleep(0.02)


def power_at(samples: np.ndarray, frequency: float) -> float:
    """dB of the tone there, of whole periods."""
    turn = np.exp(-2j * np.pi * frequency / RATE * np.arange(len(samples)))
    return float(20 * np.log10(abs(np.mean(samples * turn))))


def settled(samples: np.ndarray) -> np.ndarray:
    """The last half, when everybody has joined; whole periods of every tone."""
    return samples[len(samples) // 2:]


def test_power_and_spectrum_are_what_was_set(tmp_path: Path) -> None:
    got = received(tmp_path, 960_000, (f"{TONE}:100",),
                   ((f"{2 * TONE}:50",), (f"{-TONE}:20",)), PathSettings(path_loss=6))
    for ue in ("ue1", "ue2"):
        assert power_at(settled(got[ue]), TONE) == pytest.approx(40 - 6, abs=0.1)
        spectrum = np.abs(np.fft.fft(settled(got[ue])[:1920 * 16]))
        assert np.argmax(spectrum) == round(TONE / RATE * 1920 * 16)
    up = settled(got["gnb"])  # the sum of both
    assert power_at(up, 2 * TONE) == pytest.approx(20 * np.log10(50) - 6, abs=0.1)
    assert power_at(up, -TONE) == pytest.approx(20 * np.log10(20) - 6, abs=0.1)
    rest = np.mean(np.abs(up) ** 2) - 10 ** (power_at(up, 2 * TONE) / 10) \
        - 10 ** (power_at(up, -TONE) / 10)
    assert abs(rest) < 1e-3 * np.mean(np.abs(up) ** 2)


@pytest.mark.parametrize("snr", [3.0, 20.0])
def test_noise_is_what_was_set(tmp_path: Path, snr: float) -> None:
    got = received(tmp_path, 960_000, (f"{TONE}:300",), ((f"{TONE}:10",),), PathSettings(), snr)
    samples = settled(got["ue1"])
    signal = 10 ** (power_at(samples, TONE) / 10)
    noise = np.mean(np.abs(samples) ** 2) - signal
    assert 10 * np.log10(signal / noise) == pytest.approx(snr, abs=0.5)
    spectrum = np.abs(np.fft.fft(samples[:480_000])) ** 2
    bands = spectrum.reshape(16, -1)
    floor = np.median(bands, axis=1)  # of each sixteenth of the band: it is white
    assert 10 * np.log10(floor.max() / floor.min()) < 0.5


@pytest.mark.parametrize("delay", [50.0, 104.3])
def test_delay_is_what_was_set(tmp_path: Path, delay: float) -> None:
    # Two UEs hear the same noise of the gNB, one of them over a longer path.
    def station(name: str) -> Station:
        return Station(name, f"ipc://{tmp_path}/{name}.tx", f"ipc://{tmp_path}/{name}.rx")

    count = 400_000
    settings = RadioSettings(
        (station("gnb"),), (station("ue1"), station("ue2")), RATE,
        {"gnb-ue2": PathSettings(delay=delay)}, together=True, control=f"ipc://{tmp_path}/control")
    outs = {one.name: tmp_path / f"{one.name}.samples" for one in settings.stations}
    with running(settings) as (broker, _):
        _all([peer(settings.ues[0], outs["ue1"], count, f"{TONE}:1"),
              peer(settings.ues[1], outs["ue2"], count, f"{TONE}:1"),
              peer(settings.cells[0], outs["gnb"], count, "noise:1")], broker, outs, count)
    one, other = (np.fromfile(outs[name], np.complex64)[:count] for name in ("ue1", "ue2"))
    assert _lag(one[count // 2:], other[count // 2:]) == pytest.approx(delay * 1e-6 * RATE, abs=1)


def _lag(one: np.ndarray, other: np.ndarray) -> int:
    size = 1 << 18
    product = np.fft.ifft(np.fft.fft(other, size) * np.conj(np.fft.fft(one, size)))
    at = int(np.argmax(np.abs(product)))
    return at - size if at > size // 2 else at
