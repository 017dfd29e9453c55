"""The xApp's configuration: one dataclass, read from one YAML file, with units.

Nothing said is a one-box lab: base stations connect to port 36421, a tap on this machine speaks at
port 5556, and split-LLM traffic is steered for. It opens nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xapp.actuators.registry import ActuatorConfig
from xapp.base_stations_config import RanConfig
from xapp.config_reading import build, yaml_document
from xapp.core_config import CoreConfig
from xapp.e2.common import plmn_octets
from xapp.errors import ConfigurationError, ProtocolError
from xapp.flows import FlowsConfig
from xapp.limits import Limits
from xapp.observing import ObservingConfig
from xapp.ric.address import Address
from xapp.ric.osc_config import OscConfig
from xapp.slice_policy import SlicePolicy
from xapp.steering_types import SteeringConfig
from xapp.store import StoreConfig
from xapp.ue_map import MapConfig
from xapp.urgency import SchedulingConfig


@dataclass(frozen=True)
class TapSource:
    """A tap that is listened to."""

    address: str = "tcp://127.0.0.1:5556"  # where it publishes
    server_key: Path | None = None  # file with its public CURVE key; none: in the clear
    keys: Path | None = None  # folder with our own pair; none: one is made up

    def __post_init__(self) -> None:
        scheme, _, rest = self.address.partition("://")
        host, _, port = rest.rpartition(":")
        if not (rest if scheme == "ipc" else scheme == "tcp" and host and port.isdecimal()):
            raise ConfigurationError(f"{self.address!r} is no address of a tap.",
                                     "Write the one that the tap printed, such as "
                                     "tcp://127.0.0.1:5556.")


@dataclass(frozen=True)
class UeMapSources:
    """Who says which address is which UE."""

    file: Path | None = None  # a map that the operator wrote
    smf: str | None = None  # Open5GS's SMF, such as http://127.0.0.4:9090
    amf: str | None = None  # and its AMF
    emulator: str | None = None  # URL of an emulated cell's map
    every: float = 5.0  # seconds between two questions
    keep: MapConfig = field(default_factory=MapConfig)

    def __post_init__(self) -> None:
        if self.amf is not None and self.smf is None:
            raise ConfigurationError("`ue_map.amf` is of no use without `ue_map.smf`.",
                                     "Name both, or neither.")
        if self.every <= 0:
            raise ConfigurationError("`ue_map.every` is seconds above 0.", "Leave it out for 5.")


@dataclass(frozen=True)
class ApiConfig:
    """The REST API."""

    host: str = "127.0.0.1"
    port: int = 8480  # 0: a free one
    token_file: Path | None = None  # the operator's token; made at the first start
    on: bool = True


@dataclass(frozen=True)
class XappConfig:
    """All of it."""

    listen: tuple[Address, ...] = (Address("auto", "0.0.0.0", 36421, 9899),)
    osc: OscConfig | None = None  # an OSC RIC in the place of `listen`; {} has all defaults
    plmn: str = "00101"  # of the RIC's identity
    ric_id: int = 1  # 20 bits
    store: Path = Path("xapp.db")  # what must survive
    taps: tuple[TapSource, ...] = (TapSource(),)
    ue_map: UeMapSources = field(default_factory=UeMapSources)
    kpi_labels: bool = True  # label UEs that no tap covers by their counters
    correlate: bool = False  # match addresses to UEs by throughput
    ran: RanConfig = field(default_factory=RanConfig)
    observing: ObservingConfig = field(default_factory=ObservingConfig)
    flows: FlowsConfig = field(default_factory=FlowsConfig)
    limits: Limits = field(default_factory=Limits)
    policies: tuple[SlicePolicy, ...] = (SlicePolicy("llm"),)
    steering: SteeringConfig = field(default_factory=SteeringConfig)
    actuators: ActuatorConfig = field(default_factory=ActuatorConfig)
    keeping: StoreConfig = field(default_factory=StoreConfig)
    api: ApiConfig = field(default_factory=ApiConfig)
    scheduling: SchedulingConfig = field(default_factory=SchedulingConfig)
    exit_seconds: float = 20.0  # for quotas to be put back when the xApp ends

    def __post_init__(self) -> None:
        try:
            plmn_octets(self.plmn)
        except ProtocolError as error:
            raise ConfigurationError(f"plmn: {error.problem}", "Write such as 00101.") from None
        if not 0 <= self.ric_id < 1 << 20:
            raise ConfigurationError("ric_id has 20 bits.", "Give 0 to 1048575.")
        if not self.listen:
            raise ConfigurationError("`listen` names no address.", "Leave it out for port 36421.")

    @property
    def core(self) -> CoreConfig:
        return CoreConfig(self.ran, self.observing, self.flows, self.limits, self.policies,
                          self.steering, self.actuators, self.ue_map.keep, bool(self.taps),
                          self.correlate)


def load(path: Path | None) -> XappConfig:
    """The configuration in a file; the defaults where there is none."""
    if path is None:
        return XappConfig()
    document = yaml_document(path)
    if "xapp_name" in document:  # a RIC's descriptor, which has it among more
        document = document.get("controls", {})
        if not isinstance(document, Mapping):
            raise ConfigurationError(f"{path}: `controls` is no mapping.",
                                     "Write the configuration into it.")
    return build(XappConfig, document)
