"""The reader against damage: every truncation, random mutations, random bytes; see also
`fuzz_reader`, which looks longer and deeper."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcap_tools.containers.compressed import GZIP
from tests.fuzz import reader_checks
from tests.pcap_tools.captures import pcap, pcapng, read_bytes, some_frames

SEEDS = reader_checks.seeds()
MUTATIONS = 400  # of each seed
FRAMES = some_frames(6, cut=50)


@pytest.mark.parametrize("number", range(len(SEEDS)))
def test_random_mutations_break_no_promise(number: int) -> None:
    source = random.Random(number)
    for _ in range(MUTATIONS):
        reader_checks.check(reader_checks.mutated(SEEDS[number], source))


@pytest.mark.parametrize("number", range(len(SEEDS)))
def test_truncation_anywhere_breaks_no_promise(number: int) -> None:
    for kept in range(0, len(SEEDS[number]), 1 if number in (0, 9) else 7):
        reader_checks.check(SEEDS[number][:kept])


@pytest.mark.parametrize("seed", [seed for seed in SEEDS if seed.startswith(GZIP)])
def test_a_last_byte_of_gz_that_is_wrong_breaks_no_promise(seed: bytes) -> None:
    """It may be found out only once all bytes were given."""
    for kept in range(len(seed)):
        reader_checks.check(seed[:kept] + b"\x03")


@settings(max_examples=300)
@given(st.sampled_from(SEEDS), st.binary(max_size=300), st.integers(0, 200))
def test_noise_after_some_beginning_breaks_no_promise(seed: bytes, noise: bytes, kept: int) -> None:
    reader_checks.check(seed[:kept] + noise)


def test_a_cut_capture_gives_every_whole_record() -> None:
    data = pcap(FRAMES)
    ends = [len(pcap(FRAMES[:count])) for count in range(len(FRAMES) + 1)]
    for kept in range(24, len(data) + 1):
        frames, reader = read_bytes(data[:kept])
        assert frames == FRAMES[:sum(end <= kept for end in ends) - 1]
        assert len(reader.warnings) == (kept not in ends)
        if reader.warnings:
            assert reader.warnings[0].offset == max(end for end in ends if end <= kept)


def test_a_cut_pcapng_gives_every_whole_block() -> None:
    data = pcapng(FRAMES)
    ends = [len(pcapng(FRAMES[:count])) for count in range(len(FRAMES) + 1)]
    for kept in range(ends[0], len(data) + 1):
        frames, reader = read_bytes(data[:kept])
        assert frames == FRAMES[:sum(end <= kept for end in ends) - 1]
        assert len(reader.warnings) == (kept not in ends)


@pytest.mark.parametrize("form", [pcap, pcapng])
def test_a_flipped_bit_costs_nothing_before_it(form: object) -> None:
    make = pcap if form is pcap else pcapng
    data = make(FRAMES)
    ends = [len(make(FRAMES[:count])) for count in range(len(FRAMES) + 1)]
    source = random.Random(5)
    for place in range(ends[0], len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1 << source.randrange(8)
        frames, _ = read_bytes(bytes(damaged))
        before = sum(end <= place for end in ends) - 1
        assert frames[:before] == FRAMES[:before]
        assert len(frames) >= len(FRAMES) - 3  # nor much after it


def test_plain_python_and_compiled_code_agree() -> None:
    """The same on damaged captures, in a process where nothing is compiled."""
    source = random.Random(3)
    cases = [*SEEDS, *(reader_checks.mutated(seed, source) for seed in SEEDS for _ in range(8))]
    script = ("import json, sys\nfrom tests.fuzz.reader_checks import outcome\n"
              "for line in sys.stdin:\n"
              "    frames, warnings, _ = outcome(bytes.fromhex(line), 1 << 16, 1 << 16)\n"
              "    print(json.dumps([[(a, b.hex(), c) for a, b, c in frames], warnings]))\n")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], input="\n".join(map(bytes.hex, cases)),
        capture_output=True, text=True, check=True, env={**os.environ, "AIRSPLIT_UNCOMPILED": "1"})
    for case, line in zip(cases, done.stdout.splitlines(), strict=True):
        frames, warnings, _ = reader_checks.outcome(case, 1 << 16, 1 << 16)
        plain_frames, plain_warnings = json.loads(line)
        assert plain_frames == [[time, kept.hex(), whole] for time, kept, whole in frames]
        assert plain_warnings == warnings
