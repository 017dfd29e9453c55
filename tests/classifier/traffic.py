"""Made-up packets and samples for tests: talks between two ends, and flows of several sources."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from classifier.captures import Capture, Key, address, key
from classifier.dataset import STAGES, Origin, Samples
from classifier.labels import CLASSES
from pcap_tools.features import FEATURES
from pcap_tools.packets import PACKET, Status

PHONE, SERVER = address("10.1.0.1"), address("10.1.0.2")


def flow(
    times: Sequence[float], sizes: Sequence[int], port: int = 5000, protocol: int = 6,
) -> NDArray[np.void]:
    """Packets at `times` in seconds; `sizes` of payload, negative ones come down."""
    packets = np.zeros(len(times), PACKET)
    up = np.array(sizes) >= 0
    ends = [np.frombuffer(host, np.uint8) for host in (PHONE, SERVER)]
    packets["source"] = np.where(up[:, None], ends[0], ends[1])
    packets["destination"] = np.where(up[:, None], ends[1], ends[0])
    packets["source_port"], packets["destination_port"] = (
        np.where(up, port, 443), np.where(up, 443, port))
    packets["time"] = (np.array(times) * 1e9).astype(np.int64)
    packets["payload"] = np.abs(sizes)
    packets["length"] = packets["payload"] + (40 if protocol == 6 else 28)
    packets["protocol"], packets["version"], packets["qfi"] = protocol, 4, 255
    packets["status"] = Status.FLOW
    return packets


def flow_key(port: int = 5000, protocol: int = 6) -> Key:
    return key(protocol, (PHONE, port), (SERVER, 443))


def metronome(rows: int, size: int, period: float, random: np.random.Generator,
              ) -> tuple[list[float], list[int]]:
    """A row of `size` up in segments, a token down, and so on."""
    times, sizes, now = [], [], 0.0
    for _ in range(rows):
        for part in range(0, size, 1400):
            times.append(now)
            sizes.append(min(1400, size - part))
            now += 1e-4
        now += period * random.uniform(0.4, 0.6)
        times.append(now)
        sizes.append(-60)
        now += period * random.uniform(0.4, 0.6)
    return times, sizes


def download(count: int, gap: float, random: np.random.Generator) -> tuple[list[float], list[int]]:
    """A request, and full segments down."""
    gaps = random.exponential(gap, count)
    return [0.0, *np.cumsum(gaps)], [300] + [-1400] * count


def capture(name: str, source: str, seed: int, conditions: dict[str, str] | None = None,
            ) -> Capture:
    """Two split sessions, two transfers and two calls."""
    random = np.random.default_rng(seed)
    parts, truth = [], {}
    for number in range(6):
        label = ("llm_split", "bulk", "realtime")[number % 3]
        port, protocol = 5000 + number, 17 if label == "realtime" else 6
        if label == "llm_split":
            talk = metronome(30, int(random.integers(600, 5000)), random.uniform(0.02, 0.2), random)
        elif label == "bulk":
            talk = download(120, random.uniform(0.001, 0.01), random)
        else:
            count = 150
            talk = (list(np.arange(count) * 0.02), list(np.where(
                np.arange(count) % 2, 1, -1) * random.integers(80, 200, count)))
        packets = flow(*talk, port, protocol)
        packets["time"] += round(1e9 * (1000 + random.uniform(0, 1)))
        parts.append(packets)
        truth[flow_key(port, protocol)] = label
    packets = np.concatenate(parts)
    return Capture(name, source, packets[np.argsort(packets["time"], kind="stable")], truth,
                   conditions or {})


def samples(
    captures: int = 24, seed: int = 1, sources: Sequence[str] = ("a", "b", "c"),
    labels: Sequence[str] = CLASSES, flows: int = 6, variants: int = 1,
) -> Samples:
    """Vectors that two features tell the class of, each flow at every stage; no packets behind."""
    random = np.random.default_rng(seed)
    origins, rows = [], []
    number = 0
    for place in range(captures):
        origins.append(Origin(f"capture {place}", sources[place % len(sources)], {
            "model": f"model {place % 5}", "link_profile": f"link {place % 4}"}, f"{place:02x}"))
        for each in range(flows):
            label = CLASSES.index(labels[(place * flows + each) % len(labels)])
            for variant in range(variants + 1):
                for age, kind in enumerate(STAGES):
                    rows.append((label, int(kind), age / 4, number, place, variant))
            number += 1
    codes, kinds, ages, flow_, origin, variant_ = (np.array(column)
                                                   for column in zip(*rows, strict=True))
    vectors = random.normal(size=(len(rows), len(FEATURES))).astype(np.float32)
    vectors[:, 0] += 20 + 5 * codes  # packets up: always enough to be asked
    vectors[:, 11] += 5 * (codes % 3)
    vectors[random.random(vectors.shape) < 0.1] = np.nan
    vectors[:, 5] = np.nan  # a feature that nobody has
    return Samples(vectors, codes.astype(np.int16), kinds.astype(np.uint8), ages.astype(np.float32),
                   flow_.astype(np.int64), origin.astype(np.int32), variant_.astype(np.uint8),
                   tuple(origins))
