"""The slow link keeps its rate and leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.benchmarks import link, report


def test_bucket_makes_bytes_wait_for_the_rate() -> None:
    bucket = link.Bucket(rate=1000.0, burst=100.0)
    assert bucket.wait(100, now=0.0) == 0.0
    assert bucket.wait(500, now=0.0) == pytest.approx(0.5)
    assert bucket.wait(500, now=1.0) == pytest.approx(0.4)  # no more than a burst is saved up


@pytest.mark.parametrize("relay_only", [True, False])
def test_transfer_takes_what_the_rate_allows(relay_only: bool) -> None:
    if not relay_only and not link.can_use_namespaces():
        pytest.skip("needs root, ip and tc")
    size, megabits = 200_000, 16.0
    with link.slow_link(megabits, relay_only) as slow:
        times = link.transfer_milliseconds(slow, size, repeats=2, timeout=60)
    expected = size * 8 / megabits / 1e3
    # Never faster; slower by headers and, on a busy machine, by late wake-ups.
    assert expected * 0.95 < min(times) < expected * 3


def test_what_a_killed_run_left_is_removed() -> None:
    if not link.can_use_namespaces():
        pytest.skip("needs root, ip and tc")
    code = ("from tests.benchmarks import link\n"
            "with link.slow_link(10.0) as slow:\n"
            "    print(slow.phone[-1], flush=True)\n"
            "    input()\n")
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, text=True,
                               stdout=subprocess.PIPE, cwd=report.ROOT)
    with process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        assert name in namespaces()
        link.remove_leftovers()
        assert name in namespaces()  # its process lives
        process.kill()
    link.remove_leftovers()
    assert name not in namespaces()


def namespaces() -> str:
    command = ["ip", "netns", "list"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
