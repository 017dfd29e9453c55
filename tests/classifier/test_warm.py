"""After set-up nothing of the models is left to compile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from classifier import kpi_features, masks, openset, trees
from classifier.bundle import load
from classifier.command import BUNDLED
from classifier.judge import Judge
from classifier.kpi import KpiClassifier, load_kpi
from classifier.kpi_features import LONGEST, KpiRow
from classifier.labeller import Labeller
from classifier.tap import NO_FRAMES
from classifier.warm import warm
from pcap_tools.compiled import UNCOMPILED
from pcap_tools.flow_engine import FlowEngine
from pcap_tools.flows import FlowConfig
from tests.classifier.traffic import capture

CALLED: list[Any] = [trees._walk, trees._finish, masks._add, openset._distances,
                     kpi_features._features, kpi_features._quiet]


@pytest.mark.skipif(UNCOMPILED, reason="nothing is compiled")
def test_every_use_finds_its_code_compiled() -> None:
    warm()
    before = [set(function.signatures) for function in CALLED]
    assert all(before)
    packets = capture("one", "a", 1).packets
    engine, bundle = FlowEngine(FlowConfig(windows=True)), load(BUNDLED)
    labeller = Labeller(engine, bundle, windows=True)
    labeller.warm()
    engine.feed_packets(packets[np.argsort(packets["time"], kind="stable")])
    labeller.take(NO_FRAMES, int(packets["time"].max()) + 60 * 10**9)
    assert labeller.judged > 0
    judge = Judge(bundle)
    judge.begin("one")
    judge.feed(packets)
    judge.end()
    assert judge.flows > 0
    classifier = KpiClassifier(load_kpi())
    for number in range(2 * LONGEST):
        classifier.update("ue", KpiRow(1.0, 2.0), number * 0.25)
    assert [set(function.signatures) for function in CALLED] == before
