"""Wishes are uttered once, and again when they are others, or may be fulfilled by now."""

from __future__ import annotations

from dataclasses import replace

from xapp.decisions import HandOver, SetQuotas
from xapp.observations import CellKey, Quota, Snssai, UeKey
from xapp.wishes import Wishes

CELL, OTHER = CellKey("gnb", "1"), CellKey("gnb", "2")
LLM, REST = Snssai(1, 1), Snssai(1)


def quotas(minimum: int, maximum: int = 100, cell: CellKey = CELL) -> SetQuotas:
    return SetQuotas(cell, {LLM: Quota(minimum, 100), REST: Quota(5, maximum)}, "why", "llm")


def test_what_was_not_fulfilled_is_wished_for_again_after_a_time() -> None:
    wishes = Wishes(10.0, 3)
    assert wishes.is_new(quotas(20), 0.0)
    assert not wishes.is_new(quotas(20), 9.9)
    assert wishes.is_new(quotas(20), 10.0)
    assert wishes.is_new(quotas(21), 10.1)
    assert wishes.is_new(quotas(21, cell=OTHER), 10.2)
    wishes.forget()
    assert wishes.is_new(quotas(21), 10.3)


def test_a_rehearsal_tells_of_another_wish_alone() -> None:
    wishes = Wishes(10.0, 3)
    assert wishes.is_new(quotas(20), 0.0, rehearsed=True)
    for number, same in enumerate((20, 22, 18, 20)):
        assert not wishes.is_new(quotas(same), 100.0 * number, rehearsed=True)
    assert wishes.is_new(quotas(23), 500.0, rehearsed=True)
    assert not wishes.is_new(quotas(21), 501.0, rehearsed=True)  # as compared with the last told
    assert wishes.is_new(quotas(21, maximum=60), 502.0, rehearsed=True)
    fewer = replace(quotas(21, maximum=60), quotas={LLM: Quota(21, 100)})
    assert wishes.is_new(fewer, 503.0, rehearsed=True)


def test_a_handover_is_the_same_whatever_its_reason_says() -> None:
    wishes = Wishes(10.0, 3)
    move = HandOver(UeKey("gnb", "du:1"), CELL, OTHER, "It needs 30 %.", "llm")
    for rehearsed in (False, True):
        wishes.forget()
        assert wishes.is_new(move, 0.0, rehearsed)
        assert not wishes.is_new(replace(move, reason="It needs 31 %."), 1.0, rehearsed)
        assert wishes.is_new(replace(move, ue=UeKey("gnb", "du:2")), 2.0, rehearsed)
        assert wishes.is_new(quotas(20), 3.0, rehearsed)
