"""What the tap says, and when: flows from a made-up engine, labels from a made-up model."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from classifier.bundle import Bundle, Labels
from classifier.labeller import STAGES, Drift, Labeller, address
from classifier.messages import Labelled
from pcap_tools.features import FEATURES, NAMES
from pcap_tools.flow_table import SAMPLE
from pcap_tools.flows import Sampled
from pcap_tools.records import Records
from tests.classifier.bundles import flow_bundle

CLASSES = ("llm_split", "web")
NO_RECORDS = cast(Records, None)


class Engine:
    """Gives the samples that the test lays out."""

    def __init__(self) -> None:
        self.rows: list[NDArray[Any]] = []
        self.now = 0

    def sample(self, flow: int, kind: Sampled, at: int, code: int, sure: float = 0.9) -> None:
        """The first two features tell the made-up model what to say."""
        row = np.zeros(1, SAMPLE)
        row["flow"], row["kind"], row["at"], row["version"] = flow, kind, at, 4
        row["source"][0, :4] = (10, 0, 0, flow)
        row["destination"][0, :4] = (192, 0, 2, 1)
        row["source_port"], row["destination_port"], row["protocol"] = 1000 + flow, 8470, 6
        row["teid_up"], row["qfi"] = 77, 9
        row["vector"][0, :2] = code, sure
        self.rows.append(row)

    def feed(self, records: Records) -> None:
        pass

    def advance(self, now: int) -> None:
        self.now = now

    def samples(self) -> NDArray[Any]:
        rows, self.rows = self.rows, []
        return np.concatenate(rows) if rows else np.zeros(0, SAMPLE)

    def flows(self) -> NDArray[Any]:
        return np.zeros(0)


class Model:
    """Says what the vectors' first feature names: a class, or unknown below 0."""

    hash = "0a1b2c3d4e5f6a7b8c9d"

    def __init__(self) -> None:
        self.decisions = {"WINDOW_10_S": object()}
        self.models = {"": SimpleNamespace(drift=None)}
        self.schema = SimpleNamespace(features=FEATURES)

    def decision(self, kind: object) -> object:
        return SimpleNamespace(model="")

    def stages(self, kinds: Sequence[Sampled]) -> Model:
        self.kinds = kinds
        return self

    def labels(
        self, which: NDArray[np.intp], vectors: NDArray[np.float32], brief: bool = False,
    ) -> Labels:
        assert vectors.shape == (len(which), len(FEATURES))
        assert {self.kinds[place] for place in which} <= STAGES | {Sampled.WINDOW_10_S}
        codes = vectors[:, 0].astype(np.int16)
        return Labels(CLASSES, codes, vectors[:, 1], codes, np.zeros(len(vectors), np.float32),
                      np.zeros((len(vectors), 2), np.float32))


@pytest.fixture
def engine() -> Engine:
    return Engine()


def labeller(engine: Engine, **options: Any) -> Labeller:
    return Labeller(engine, cast(Bundle, Model()), "tap-1", **options)


def said(tap: Labeller, now: int = 0) -> list[tuple[int, str, str, bool]]:
    return [(message.flow, message.label, message.stage, message.ended)
            for message in tap.take(NO_RECORDS, now)]


def test_a_label_is_told_once_until_it_changes_and_when_the_flow_ends(engine: Engine) -> None:
    tap = labeller(engine)
    engine.sample(1, Sampled.PACKETS_5, 10, 1)
    assert said(tap) == [(1, "web", "PACKETS_5", False)]
    engine.sample(1, Sampled.PACKETS_10, 20, 1)
    assert said(tap) == []
    engine.sample(1, Sampled.AFTER_1_S, 30, 0)
    assert said(tap) == [(1, "llm_split", "AFTER_1_S", False)]
    engine.sample(1, Sampled.WHOLE, 40, 1)
    assert said(tap) == [(1, "llm_split", "AFTER_1_S", True)]
    engine.sample(1, Sampled.WHOLE, 50, 1)  # another of that number: nothing was said of it
    assert said(tap) == []


def test_unknown_is_told_only_where_something_else_was(engine: Engine) -> None:
    tap = labeller(engine)
    engine.sample(1, Sampled.PACKETS_5, 10, -1)
    engine.sample(2, Sampled.PACKETS_5, 11, 0)
    engine.sample(2, Sampled.PACKETS_10, 12, -1)
    engine.sample(1, Sampled.WHOLE, 13, -1)
    assert said(tap) == [(2, "llm_split", "PACKETS_5", False), (2, "unknown", "PACKETS_10", False)]


def test_only_the_labels_that_are_wanted(engine: Engine) -> None:
    tap = labeller(engine, wanted=frozenset({"llm_split"}))
    engine.sample(1, Sampled.PACKETS_5, 10, 1)
    engine.sample(2, Sampled.PACKETS_5, 11, 0)
    assert said(tap) == [(2, "llm_split", "PACKETS_5", False)]
    engine.sample(2, Sampled.AFTER_1_S, 12, 1)  # it was told, so the change is told, too
    engine.sample(1, Sampled.WHOLE, 13, 1)
    assert said(tap) == [(2, "web", "AFTER_1_S", False)]


def test_windows_judge_flows_that_last(engine: Engine) -> None:
    for windows in (False, True):
        tap = labeller(engine, windows=windows)
        engine.sample(1, Sampled.AFTER_10_S, 10, 0)
        assert len(said(tap)) == 1
        engine.sample(1, Sampled.WINDOW_10_S, 20, 1)
        engine.sample(1, Sampled.WINDOW_1_S, 21, -1)
        assert said(tap) == ([(1, "web", "WINDOW_10_S", False)] if windows else [])


@pytest.mark.parametrize("beside", [Sampled.AFTER_10_S, Sampled.WHOLE])
def test_no_flow_is_judged_by_its_first_window_or_by_a_cut_off_one(
    engine: Engine, beside: Sampled,
) -> None:
    tap = labeller(engine, windows=True)
    engine.sample(1, Sampled.PACKETS_5, 10, 0)
    said(tap)
    engine.sample(1, beside, 20, 0)
    engine.sample(1, Sampled.WINDOW_10_S, 20, 1)
    engine.sample(2, Sampled.WINDOW_10_S, 20, 1)
    told = said(tap)
    assert (2, "web", "WINDOW_10_S", False) in told
    assert not any(flow == 1 and stage == "WINDOW_10_S" for flow, _, stage, _ in told)


def test_of_one_batch_the_last_sample_of_a_flow_holds(engine: Engine) -> None:
    tap = labeller(engine)
    engine.sample(1, Sampled.AFTER_100_MS, 10, 0)
    engine.sample(1, Sampled.PACKETS_20, 11, 1)
    engine.sample(2, Sampled.PACKETS_20, 12, 1)
    engine.sample(2, Sampled.WHOLE, 13, 1)
    assert said(tap) == [(1, "llm_split", "AFTER_100_MS", False), (1, "web", "PACKETS_20", False),
                         (2, "web", "PACKETS_20", False), (2, "web", "PACKETS_20", True)]


def test_drift_is_the_share_of_features_that_training_had_not() -> None:
    bundle = flow_bundle()
    drift = Drift(bundle, [Sampled.PACKETS_5, Sampled.PACKETS_10])
    usual = np.zeros((3000, len(FEATURES)), np.float32)
    which = np.arange(3000) % 2
    drift.saw(which, usual)
    assert drift.share == 0
    for part in range(0, 3000, 7):  # in pieces of any size
        drift.saw(which[part:part + 7], usual[part:part + 7] + 1e6)
    pieces, drift = drift.share, Drift(bundle, [Sampled.PACKETS_5, Sampled.PACKETS_10])
    drift.saw(which, usual + 1e6)
    assert 0.3 < pieces < 0.35
    assert drift.share == pytest.approx(pieces)
    drift.saw(which, np.full_like(usual, np.nan))
    assert drift.share == pytest.approx(pieces * Drift.MEMORY ** (3000 // Drift.EACH))


def test_messages_say_whose_flow_it_is(engine: Engine) -> None:
    tap = labeller(engine)
    engine.sample(3, Sampled.AFTER_1_S, 30, 0, 0.75)
    engine.sample(2, Sampled.PACKETS_5, 40, 1)
    first, second = tap.take(NO_RECORDS, 99)
    assert first == Labelled(3, "llm_split", 0.75, "AFTER_1_S", 30, "10.0.0.3", "192.0.2.1", 1003,
                             8470, 6, False, 77, 0, 9, "tap-1", "0a1b2c3d4e5f")
    assert second.at == 40  # in the order of time, whatever the stage
    assert engine.now == 99


def test_addresses() -> None:
    octets = np.arange(16, dtype=np.uint8)
    assert address(octets, 4) == "0.1.2.3"
    assert address(octets, 6) == "1:203:405:607:809:a0b:c0d:e0f"


def test_messages_tell_what_a_flow_sends(engine: Engine) -> None:
    tap = labeller(engine)
    engine.sample(1, Sampled.AFTER_1_S, 30, 0)
    for name, value in (("byte_rate_up", 40_000.4), ("byte_rate_down", np.nan),
                        ("turn_repeat_bytes_up", 4096.0), ("period_mean", 0.05)):
        engine.rows[-1]["vector"][0, NAMES.index(name)] = value
    message, = tap.take(NO_RECORDS, 99)
    assert (message.up_rate, message.down_rate) == (40_000, 0)
    assert (message.step_bytes, message.step_us) == (4096, 50_000)


def test_a_split_models_flow_is_spoken_of_while_it_lasts(engine: Engine) -> None:
    tap = labeller(engine, windows=True)
    for flow, code in ((1, 0), (2, 1)):
        engine.sample(flow, Sampled.PACKETS_5, 5, code)
        engine.sample(flow, Sampled.PACKETS_10, 6, code)
        engine.sample(flow, Sampled.AFTER_1_S, 10, code)
    assert said(tap) == [(1, "llm_split", "PACKETS_5", False), (2, "web", "PACKETS_5", False),
                         (1, "llm_split", "AFTER_1_S", False)]
    for flow, code in ((1, 0), (2, 1)):
        engine.sample(flow, Sampled.WINDOW_10_S, 20, code)
    assert said(tap) == [(1, "llm_split", "WINDOW_10_S", False)]
