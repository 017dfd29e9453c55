"""Which base station an emulated one is: its kind, numbers, associations and components."""

from __future__ import annotations

from dataclasses import dataclass, field

from testbed.ran.e2_profiles import BEHAVIOURS, CU_UP, Behaviour, UnitBehaviour
from testbed.ran.faults import FaultConfig
from xapp.e2.aper import BitString
from xapp.e2.common import plmn_octets
from xapp.e2.e2ap_components import (
    Component,
    Configuration,
    E1Component,
    F1Component,
    Interface,
    NgComponent,
)
from xapp.e2.e2ap_identities import GlobalGnbId, GnbNodeId
from xapp.errors import ConfigurationError

# Setups of F1, NG and E1 (request and response) with hardly more in them than there has to be:
# they say that such an interface is there, and not what this base station is like.
F1_SETUP = Configuration(
    bytes.fromhex("00010014000003004e00020000002a0002000000ab000170"),
    bytes.fromhex("4001000e000002004e0002000000aa000170"))
NG_SETUP = Configuration(
    bytes.fromhex("00150025000003001b00080000f1100000066c006600"
                  "0d00000000070000f110000000080015400160"),
    bytes.fromhex("2015002a000004000100060180616d6630006000080000"
                  "00f11002004000564001ff005000080000f11000000008"))
E1_SETUP = Configuration(
    bytes.fromhex("0003001d000004003900020000000700020001000a000120000b0005000000f110"),
    bytes.fromhex("20030009000001003900020000"))


@dataclass(frozen=True)
class NodeConfig:
    """What is said of it; what its kind says is in `e2_profiles`."""

    profile: str = "spec"
    gnb_id: int = 411
    gnb_id_bits: int = 22
    du_id: int = 0
    cu_up: bool = False  # a third association
    test_mode: bool = False  # reports of UEs are accepted and never come, as in srsRAN's test mode
    report_period: float | None = None  # seconds; du_report_period (srsran, ocudu alone)
    restart_seconds: float = 3.0  # until it is back after it ended itself
    faults: FaultConfig = field(default_factory=FaultConfig)

    def __post_init__(self) -> None:
        if self.profile not in BEHAVIOURS:
            raise ConfigurationError(f"There is no kind of base station {self.profile!r}.",
                                     f"There are {', '.join(BEHAVIOURS)}.")
        if not 22 <= self.gnb_id_bits <= 32 or not 0 <= self.gnb_id < 1 << self.gnb_id_bits:
            raise ConfigurationError(f"gNB {self.gnb_id} of {self.gnb_id_bits} bits cannot be.",
                                     "A gNB's number has 22 to 32 bits.")
        if self.report_period is not None and not 0.01 <= self.report_period <= 3600:
            raise ConfigurationError("report_period is 0.01 to 3600 s.", "Leave it out for 1 s.")
        if self.restart_seconds < 0:
            raise ConfigurationError("restart_seconds is not below 0.", "Leave it out for 3.")


def node_name(config: NodeConfig, plmn: str) -> str:
    """As an xApp of ours names it."""
    return f"gnb_{plmn}_{config.gnb_id:0{(config.gnb_id_bits + 3) // 4}x}"


def units_of(config: NodeConfig, behaviour: Behaviour) -> tuple[UnitBehaviour, ...]:
    """Its associations."""
    if config.cu_up and len(behaviour.units) == 1:
        raise ConfigurationError(f"A base station of kind {behaviour.name} has one association.",
                                 "Leave out the CU-UP.")
    return (*behaviour.units, *((CU_UP,) if config.cu_up else ()))


def identity(config: NodeConfig, unit: UnitBehaviour, plmn: str) -> GnbNodeId:
    """What a unit calls itself: all of them name the same gNB."""
    gnb = GlobalGnbId(plmn_octets(plmn), BitString(config.gnb_id, config.gnb_id_bits))
    return GnbNodeId(gnb, du_id=config.du_id if unit.name == "du" else None,
                     cu_up_id=0 if unit.name == "cu_up" else None)


def components(config: NodeConfig, unit: UnitBehaviour) -> tuple[Component, ...]:
    """What a unit is connected to."""
    if unit.name == "du":
        return (Component(Interface.F1, F1Component(config.du_id), F1_SETUP),)
    if unit.name == "cu_up":
        return (Component(Interface.E1, E1Component(0), E1_SETUP),)
    return (Component(Interface.NG, NgComponent("amf0"), NG_SETUP),)
