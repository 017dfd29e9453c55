"""What is doubted is weighed by how slices fared before; that is looked up once, and kept."""

from __future__ import annotations

from tests.xapp.policy_networks import CELL, LIMITS, LLM, NOW, WEB, cell, flow, network, slice_
from xapp.doubting import Weighing
from xapp.effects import Evidence
from xapp.histories import Histories
from xapp.observations import Observations, Quota
from xapp.slice_policy import SlicePolicy

QUOTAS = {LLM: Quota(30), WEB: Quota(5)}
SINCE = NOW - 5


def full_cell(at: float, own: float) -> Observations:
    """The others wait for 300 ms."""
    return network([cell(slice_(LLM, at=at, up_delay_ms=own, up_prbs=2.0, up_kbps=300.0),
                         slice_(WEB, at=at, up_delay_ms=300.0, up_prbs=96.0),
                         at=at, up_prbs=98.0)], [flow()], now=at)


def said(weighing: Weighing, since: float | None = SINCE) -> Evidence:
    return weighing.weighed({CELL: QUOTAS}, {} if since is None else {CELL: since},
                            full_cell(NOW, 10.0), [SlicePolicy("chat")], LIMITS, NOW)[CELL]


def test_how_it_fared_before_decides_and_is_not_forgotten_with_the_history() -> None:
    histories = Histories()
    for second in range(4):
        histories.take(full_cell(NOW - 9 + second, 290.0))
    weighing = Weighing(histories)
    assert said(weighing, since=None) is Evidence.FAIR  # nobody knows since when
    assert said(weighing) is Evidence.HAS
    histories._rings.clear()
    assert said(weighing) is Evidence.HAS
    assert said(weighing, since=SINCE + 1) is Evidence.FAIR  # of another time
    assert said(weighing) is Evidence.FAIR


def test_nothing_is_weighed_where_nothing_is_doubted() -> None:
    assert Weighing(Histories()).weighed(
        {}, {}, full_cell(NOW, 10.0), [SlicePolicy("chat")], LIMITS, NOW) == {}
