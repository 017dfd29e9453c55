"""Base stations as they come, are asked, report and go; and what they send that nobody can read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.xapp.core_scene import (
    CELL,
    NODE,
    RC_OID,
    Gnb,
    Scene,
    ccc_function,
    cu_cp,
    kpm_function,
    ran,
    rc_function,
)
from tests.xapp.e2.e2ap_examples import CU_UP, DU
from tests.xapp.steering_scene import LLM
from xapp.actuators.base import E2Control
from xapp.base_stations import MOST_BAD
from xapp.base_stations_config import NodeConfig
from xapp.core_config import CoreConfig
from xapp.e2.common import RC_OIDS
from xapp.e2.e2ap_identities import GnbNodeId
from xapp.e2.e2ap_types import RanFunction
from xapp.errors import ConfigurationError
from xapp.events import Code, Level
from xapp.observations import CellKey, UeKey


def auto(kind: str, cells: dict[str, int | None] | None = None) -> CoreConfig:
    return CoreConfig(ran=replace(ran(kind, "auto"), nodes=(NodeConfig("*", "auto", cells or {}),)))


@pytest.mark.parametrize(("kind", "functions", "guessed", "level"), [
    ("oai", (kpm_function("oai"), rc_function("oai")), "oai", Level.INFO),
    ("srsran", (kpm_function("srsran"), rc_function("srsran")), "srsran", Level.WARNING),
    ("spec", (kpm_function("spec"),), "spec", Level.WARNING)])
def test_a_kind_is_guessed_from_what_is_announced(
    kind: str, functions: tuple[RanFunction, ...], guessed: str, level: Level
) -> None:
    scene = Scene(config=auto(kind))
    scene.open(Gnb(kind, functions=functions))
    station = scene.core.stations.stations[0]
    assert station.profile.name == guessed
    told = [event for event in scene.said if event.code is Code.NODE_KIND]
    assert [event.level for event in told] == [level]
    assert ("Say what it is" in told[0].sentence) is (level is Level.WARNING)


def test_what_the_operator_says_goes_before_a_guess() -> None:
    scene = Scene(config=CoreConfig(ran=ran("srsran", "ocudu")))
    scene.open(Gnb("srsran"))
    assert scene.core.stations.stations[0].profile.name == "ocudu"
    assert Code.NODE_KIND not in scene.codes()


@pytest.mark.parametrize("kind", ["spec", "oai", "srsran"])
def test_reports_become_observations(kind: str) -> None:
    scene = Scene(kind)
    scene.open(Gnb(kind))
    scene.wait(1.0)
    seen = scene.core.observations
    first = UeKey(NODE, "oai:1" if kind == "oai" else "du:1")
    assert seen.ues[first].load.down_prbs == 4.0
    assert seen.ues[first].cell == CELL
    assert seen.ues[first].slice == (None if kind == "srsran" else LLM)
    assert seen.cells[CELL].load.down_prbs == 100.0
    assert seen.cells[CELL].prbs == 106


def test_cells_without_a_word_of_the_operator_are_those_of_ccc_or_one_without_a_name() -> None:
    for functions, wanted in (
            ((kpm_function("spec"), ccc_function()), "00066c000"), ((kpm_function("spec"),), "")):
        scene = Scene(config=CoreConfig(ran=replace(ran(), nodes=())))
        scene.open(Gnb(functions=functions))
        scene.wait(1.0)
        assert list(scene.core.observations.cells) == [CellKey(NODE, wanted)]


def test_a_function_that_cannot_be_read_is_told_and_the_rest_is_used() -> None:
    scene = Scene()
    gnb = Gnb(functions=(kpm_function("spec"), RanFunction(3, b"\xff" * 9, 1, RC_OID)))
    scene.open(gnb)
    assert len(scene.sentences(Code.FUNCTION_UNKNOWN)) == 1
    assert gnb.subscriptions


def test_reports_that_cannot_be_read_are_told_a_few_times_and_counted() -> None:
    scene = Scene()
    gnb = Gnb()
    number = scene.open(gnb)
    for bad in range(MOST_BAD + 5):
        for one in gnb.end.subscriptions:
            scene.receive(number, gnb.end.indicate(one.request, 1, b"\xff" * 7, b"\xfe" * 40, bad))
    station = scene.core.stations.stations[0]
    assert scene.codes().count(Code.GARBAGE) == MOST_BAD
    assert station.bad == (MOST_BAD + 5) * len(gnb.end.subscriptions)
    gnb.reports = True
    scene.wait(1.0)
    assert scene.core.observations.ues


def test_what_is_no_e2_is_told_a_few_times() -> None:
    scene = Scene()
    number = scene.open(Gnb())
    for _ in range(MOST_BAD + 5):
        scene.receive(number, b"GET / HTTP/1.1\r\n\r\n")
    assert scene.codes().count(Code.GARBAGE) == MOST_BAD
    assert scene.sentences(Code.GARBAGE)[0].startswith(f"{NODE} sent what is no E2AP")


def test_a_stranger_that_never_sets_up_is_dropped() -> None:
    scene = Scene()
    number = scene.nodes.opened(scene.now)
    scene.peers[number] = Gnb()
    scene.receive(number, b"\0" * 20)
    assert scene.sentences(Code.GARBAGE)[0].startswith("A stranger")
    scene.now += 31.0
    scene.apply(scene.nodes.tick(scene.now))
    assert scene.dropped == ["no E2 setup within 30 s"]
    assert scene.core.stations.stations == ()


def test_a_network_that_is_none_takes_nothing_down() -> None:
    scene = Scene()
    scene.open(Gnb(identity=GnbNodeId(replace(DU.gnb, plmn=b"\xff\xff\xff"), du_id=0)))
    scene.open(Gnb())
    assert len([one for one in scene.core.stations.stations if one.there]) == 2
    scene.wait(1.0)
    assert CELL in scene.core.observations.cells


def test_a_subscription_that_is_refused_is_told_and_asked_again_seldom() -> None:
    scene = Scene()
    gnb = Gnb(accepts=False)
    scene.open(gnb)
    station = scene.core.stations.stations[0]
    assert scene.sentences(Code.NO_REPORTS) == [
        f"{NODE} refuses to report: action not supported; it is asked again in 60 s."] * 3
    assert not any(station.reports(unit) for unit in station.handles)
    scene.wait(59.0)
    assert len(scene.sentences(Code.NO_REPORTS)) == 3
    gnb.accepts = True
    scene.wait(3.0)
    assert len(gnb.subscriptions) == 3
    assert all(station.reports(unit) for unit in station.handles)
    assert scene.sentences(Code.REPORTS_GRANTED) == [f"{NODE} reports what it refused before."] * 3
    assert len(scene.core.observations.ues) == 2


def test_what_a_unit_refused_is_asked_at_once_when_it_is_back() -> None:
    scene = Scene()
    number = scene.open(Gnb(accepts=False))
    scene.close(number)
    gnb = Gnb()
    scene.open(gnb)
    assert len(gnb.subscriptions) == 3
    scene.wait(1.0)
    assert len(scene.core.observations.ues) == 2


def test_what_is_asked_is_asked_again_when_a_base_station_is_back_with_other_numbers() -> None:
    scene = Scene()
    number = scene.open(Gnb())
    scene.wait(1.0)
    scene.close(number)
    assert scene.core.stations.facts(NODE) is None
    gnb = Gnb(functions=(kpm_function("spec", 12), rc_function("spec", 13)), ues={8: LLM})
    scene.open(gnb)
    assert [one.function for one in gnb.subscriptions] == [12, 12, 12]
    scene.wait(1.0)
    assert [key.ue for key in scene.core.observations.ues] == ["du:8"]
    assert scene.sentences(Code.NODE_UP)[-1] == f"{NODE} is back."
    assert len(scene.core.stations.stations) == 1


def test_units_come_and_go_one_by_one() -> None:
    scene = Scene()
    scene.open(Gnb())
    second = scene.open(cu_cp())
    facts = scene.core.stations.facts(NODE)
    assert facts is not None
    assert {one.unit for one in facts.functions} == {"du", "cu_cp"}
    scene.close(second)
    facts = scene.core.stations.facts(NODE)
    assert facts is not None
    assert {one.unit for one in facts.functions} == {"du"}
    assert len(scene.sentences(Code.UNIT_LOST)) == 1
    assert Code.NODE_LOST not in scene.codes()


@pytest.mark.parametrize("du_first", [True, False], ids=["DU first", "CU-CP first"])
@pytest.mark.parametrize("profile", ["srsran", "auto"])
def test_the_order_in_which_its_units_come_makes_no_difference(
    profile: str, du_first: bool
) -> None:
    """A CU-CP names no cell and measures nothing: what it leaves open is settled by the DU."""
    scene = Scene(config=CoreConfig(ran=replace(ran("srsran"), nodes=(NodeConfig("*", profile),))))
    du = Gnb("srsran", functions=(kpm_function("srsran"), rc_function("srsran"), ccc_function()))
    for one in (du, cu_cp("srsran")) if du_first else (cu_cp("srsran"), du):
        scene.open(one)
    scene.wait(1.0)
    seen = scene.core.observations
    assert list(seen.cells) == [CELL]
    assert {one.cell for one in seen.ues.values()} == {CELL}
    scene.report()
    # Its figures are renewed once a second, so that the same ones sooner are no new ones.
    assert scene.core.observer.counters.repeated > 0


def test_a_unit_that_reported_of_a_cell_without_a_name_is_asked_anew_once_it_has_one() -> None:
    scene = Scene(config=CoreConfig(ran=replace(ran(), nodes=())))
    scene.open(Gnb(identity=CU_UP, functions=(kpm_function("spec", 7),), ppid=71))
    number = scene.open(Gnb(functions=(kpm_function("spec"), ccc_function())))
    for _ in range(2):
        scene.wait(1.0)
        assert list(scene.core.observations.cells) == [CELL]
        scene.close(number)  # the other goes on to report
        number = scene.open(Gnb(functions=(kpm_function("spec"), ccc_function())))


def test_that_figures_are_renewed_seldom_is_said_once_of_all_slices() -> None:
    scene = Scene("srsran")
    scene.open(Gnb("srsran"))
    assert len(scene.sentences(Code.STALE_REPORTS)) == 1


def test_functions_that_come_later_are_used() -> None:
    scene = Scene()
    gnb = Gnb(functions=(rc_function("spec"),))
    number = scene.open(gnb)
    assert gnb.subscriptions == []
    update = gnb.end.update_functions(scene.now, added=(kpm_function("spec"),))
    scene.receive(number, update.data)
    scene.pump()
    assert len(gnb.subscriptions) == 3


def test_a_node_that_is_not_there_cannot_be_controlled() -> None:
    scene = Scene()
    step = E2Control(NODE, "du", RC_OIDS[0], 3, b"", b"", ())
    with pytest.raises(ConfigurationError, match="not connected"):
        scene.core.stations.control(step, scene.now)
    scene.open(Gnb(functions=(kpm_function("spec"),)))
    with pytest.raises(ConfigurationError, match="No unit"):
        scene.core.stations.control(step, scene.now)
