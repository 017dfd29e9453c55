"""What all actuators share: which function is asked, and in which order quotas change."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.xapp.steering_scene import CELL, FREE, LLM, REST, facts
from xapp.actuators.base import Function, functions_of, lowered_first, wished
from xapp.actuators.targets import Settings, SliceTarget
from xapp.e2.announced import Announced
from xapp.e2.ccc import CccFunctionDefinition
from xapp.e2.common import CCC_OIDS, RC_OIDS, FunctionName
from xapp.e2.rc_function import ControlAction, ControlStyle, RcFunctionDefinition
from xapp.observations import Quota, Snssai

NAME = FunctionName("RC", RC_OIDS[0], "control")


def test_functions_are_known_by_their_oid_and_unit_and_never_by_number() -> None:
    node = facts("ocudu")
    assert node.function(RC_OIDS, "du", (2, 6)) == node.functions[0]
    assert node.function(RC_OIDS, "cu_cp", (3, 1)) == node.functions[2]
    assert node.function(RC_OIDS, "du", (3, 1)) is None
    assert node.function(RC_OIDS, "any", (3, 1)) == node.functions[2]
    one = replace(node, functions=(Function("gnb", RC_OIDS[0], 9),))
    assert one.function(RC_OIDS, "du", (2, 6)) == Function("gnb", RC_OIDS[0], 9)


def test_what_a_unit_announced_becomes_functions() -> None:
    controls = (ControlStyle(2, "quotas", (ControlAction(6, "quota"),), 1, 1, None, 1),)
    found = Announced(
        rc=((3, RcFunctionDefinition(NAME, controls=controls)), (7, RcFunctionDefinition(NAME))),
        ccc=((4, CccFunctionDefinition(FunctionName("CCC", CCC_OIDS[0], "cells"))),))
    made = functions_of("du", found, {3: RC_OIDS[0], 7: RC_OIDS[0], 4: CCC_OIDS[0]})
    assert made == (Function("du", RC_OIDS[0], 3, frozenset({(2, 6)})),
                    Function("du", RC_OIDS[0], 7, frozenset()),
                    Function("du", CCC_OIDS[0], 4))


def test_a_wish_puts_back_what_it_does_not_name() -> None:
    node = replace(facts(), touched={SliceTarget(CELL, REST): FREE})
    assert wished(CELL, {LLM: Quota(50, 100, 0)}, node) == {
        SliceTarget(CELL, REST): FREE, SliceTarget(CELL, LLM): Quota(50, 100, 0)}


MINIMUMS = st.dictionaries(st.integers(0, 5), st.integers(0, 20), min_size=1, max_size=5)


@given(MINIMUMS, MINIMUMS)
def test_guarantees_never_add_up_to_more_on_the_way(
        before: dict[int, int], after: dict[int, int]) -> None:
    def settings(minimums: dict[int, int]) -> Settings:
        return {SliceTarget(CELL, Snssai(sst)): Quota(one) for sst, one in minimums.items()}

    def total(quotas: Settings) -> int:
        return sum(one.minimum for one in quotas.values() if isinstance(one, Quota))

    now = dict(settings(before))
    end = total({**now, **settings(after)})
    most = max(total(now), end)
    for target, value in lowered_first(settings(after), now):
        now[target] = value
        assert total(now) <= most
    assert total(now) == end
