"""What each kind is asked to report."""

from __future__ import annotations

from dataclasses import replace

from tests.xapp.core_scene import ANNOUNCED, Gnb, Scene, kpm_function, octets, ran
from tests.xapp.steering_scene import LLM, REST
from xapp.base_stations_config import NodeConfig
from xapp.base_stations_reports import wanted
from xapp.core_config import CoreConfig
from xapp.e2.announced import read_functions
from xapp.e2.kpm import CellAction, CommonConditionAction
from xapp.e2.measurements import Aspect, Relation
from xapp.e2.profiles import PROFILES
from xapp.events import Code
from xapp.observations import Snssai


def auto(kind: str) -> CoreConfig:
    return CoreConfig(ran=replace(ran(kind, "auto"), nodes=(NodeConfig("*", "auto"),)))


def test_oai_is_asked_with_one_slice_that_is_equal_in_each_subscription() -> None:
    scene = Scene("oai", auto("oai"))
    gnb = Gnb("oai")
    scene.open(gnb)
    asked = [gnb.action(one).action for one in gnb.subscriptions]
    conditions = [one.conditions for one in asked if isinstance(one, CommonConditionAction)]
    assert [[(each.condition.aspect, each.condition.relation, each.condition.value)
             for each in one] for one in conditions] == [
        [(Aspect.SLICE, Relation.EQUAL, octets(snssai))] for snssai in (LLM, REST)]
    assert all(len(one.details.actions) == 1 for one in gnb.subscriptions)


def test_srsran_is_asked_once_for_all_ues() -> None:
    scene = Scene("srsran")
    gnb = Gnb("srsran")
    scene.open(gnb)
    asked = [gnb.action(one).action for one in gnb.subscriptions]
    assert [type(one) for one in asked] == [CommonConditionAction, CellAction]
    assert Code.STALE_REPORTS in scene.codes()  # asked every 500 ms, renewed every 1000


def test_only_what_is_announced_is_asked_for() -> None:
    scene = Scene("oai")
    gnb = Gnb("oai")
    scene.open(gnb)
    known = set(ANNOUNCED["oai"][0])
    for one in gnb.subscriptions:
        action = gnb.action(one).action
        inner = action.action if isinstance(action, CommonConditionAction) else action
        assert isinstance(inner, CellAction)
        assert {each.name for each in inner.measurements} <= known


def test_slices_of_one_sst_are_asked_for_once_where_only_the_sst_is_told() -> None:
    kpm = read_functions([(1, one.oid, one.definition) for one in (kpm_function("oai"),)])
    (_, function), = kpm.kpm
    config = replace(ran("oai-old"), slices=(Snssai(1), Snssai(1, 1), Snssai(2)))
    found = [one for one in wanted(PROFILES["oai-old"], function, b"\x00\xf1\x10", (), config)
             if one.cell is None]
    assert [one.snssai for one in found] == [None, Snssai(2)]
