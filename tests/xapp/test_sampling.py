"""What is kept for the history: every figure of all that has one, and gaps."""

from __future__ import annotations

from dataclasses import replace

from tests.xapp.policy_networks import CELL, LLM, WEB, cell, flow, network, slice_, ue
from xapp.observations import Quota
from xapp.operations import METRICS, Kind, slice_subject
from xapp.sampling import samples


def test_everything_has_a_sample_with_the_figures_that_the_history_knows() -> None:
    shown = network([cell(slice_(LLM, Quota(10, 60, 5), down_prbs=12.0), slice_(WEB))],
                    [flow(up_bytes_per_second=7.0)], [ue()])
    found = list(samples(shown))
    assert [(kind, subject) for kind, subject, _ in found] == [
        ("cell", str(CELL)), ("slice", slice_subject(CELL, LLM)),
        ("slice", slice_subject(CELL, WEB)), ("ue", "gnb/du:1"), ("flow", "a")]
    for kind, _, figures in found:
        assert set(figures) == set(METRICS[Kind(kind)])
    figures = found[1][2]
    assert (figures["down_prbs"], figures["up_prbs"]) == (12.0, None)
    assert (figures["quota_minimum"], figures["quota_maximum"], figures["quota_dedicated"]) == (
        10, 60, 5)
    assert found[2][2]["quota_minimum"] is None
    assert found[4][2]["up_bytes_per_second"] == 7.0


def test_nothing_is_no_sample() -> None:
    assert list(samples(replace(network([]), flows={}))) == []
