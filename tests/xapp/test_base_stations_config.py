"""What an operator says of base stations: which of it counts, and what cannot be meant."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from xapp.base_stations_config import NodeConfig, RanConfig
from xapp.errors import ConfigurationError
from xapp.units import UNITS


@pytest.mark.parametrize("wrong", [
    lambda: NodeConfig(profile="nokia"), lambda: NodeConfig(cells={"1": 5}),
    lambda: NodeConfig(cells={"00066C000": 5}), lambda: RanConfig(period_ms=9),
    lambda: RanConfig(period_ms=60_001), lambda: RanConfig(slices=()),
    lambda: NodeConfig(renewal_ms=9), lambda: NodeConfig(renewal_ms=60_001)])
def test_what_cannot_be_meant_is_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        wrong()
    assert caught.value.remedy


def test_the_first_that_fits_counts() -> None:
    config = RanConfig((NodeConfig("gnb_00101_*", "oai"), NodeConfig("*", "srsran")))
    assert [config.of(name).profile for name in ("gnb_00101_1", "gnb_00102_1")] == [
        "oai", "srsran"]
    assert RanConfig().of("any") == NodeConfig()


def test_a_renewal_of_its_own_is_that_of_kinds_that_have_one() -> None:
    assert NodeConfig(renewal_ms=100).units("srsran").period == 0.1
    assert NodeConfig().units("srsran").period == 1.0
    assert NodeConfig(renewal_ms=100).units("oai").period == 0.0
    assert NodeConfig().units("unheard of") is UNITS["spec"]
