"""Who an emulated base station is, and what cannot be."""

from __future__ import annotations

import pytest

from testbed.ran.e2_profiles import BEHAVIOURS
from testbed.ran.node_config import NodeConfig, components, identity, node_name, units_of
from xapp.base_stations_names import name_of
from xapp.e2.e2ap_components import Interface
from xapp.e2.node import Unit, key_of, unit_of
from xapp.errors import ConfigurationError


@pytest.mark.parametrize(("number", "bits"), [(411, 22), (1, 32), (2**22 - 1, 22), (5, 25)])
def test_its_name_is_the_one_that_the_xapp_gives_it(number: int, bits: int) -> None:
    config = NodeConfig("srsran", number, bits, cu_up=True)
    units = units_of(config, BEHAVIOURS["srsran"])
    nodes = [identity(config, one, "00101") for one in units]
    assert {name_of(key_of(one)) for one in nodes} == {node_name(config, "00101")}
    assert [unit_of(node, unit.ppid).unit for node, unit in zip(nodes, units, strict=True)] == [
        Unit.DU, Unit.CU_CP, Unit.CU_UP]
    assert [components(config, one)[0].interface for one in units] == [
        Interface.F1, Interface.NG, Interface.E1]


@pytest.mark.parametrize("wrong", [
    {"profile": "nokia"}, {"gnb_id": 1 << 22}, {"gnb_id_bits": 21}, {"report_period": 0.001},
    {"report_period": float("nan")}, {"restart_seconds": -1.0}])
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        NodeConfig(**wrong)  # type: ignore[arg-type]  # each is right but for its value


def test_who_has_one_association_has_no_cu_up() -> None:
    with pytest.raises(ConfigurationError, match="one association"):
        units_of(NodeConfig("oai", cu_up=True), BEHAVIOURS["oai"])
