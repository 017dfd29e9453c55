"""A site as one file: network, slices, core, gNB, radio, RIC, UEs and the tap, with units.

    site = load(Path("site.yaml"))

The dataclasses are the schema. Here a single value is refused that can be nothing of its kind; what
contradicts something else is for `check_site` to find, all of it at once. It opens that one file.
"""

from __future__ import annotations

import enum
import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path

from testbed.deploy.errors import DeployError
from xapp.config_reading import build, yaml_document
from xapp.errors import ConfigurationError
from xapp.observations import Quota, Snssai

INSTALLED = "/etc/airsplit"  # where a rendered folder is copied to, under the site's name
_NAME = re.compile(r"[a-z][a-z0-9-]{0,14}")  # of namespaces, units, containers
_DEVICE = re.compile(r"[A-Za-z0-9._-]{1,15}")  # what the kernel takes
_DNN = re.compile(r"[A-Za-z0-9-]{1,63}")
_PLMN = re.compile(r"\d{5,6}")
_HEX = re.compile(r"[0-9a-fA-F]{32}")
_ARGUMENTS = re.compile(r"[A-Za-z0-9_.,:=/*-]*")
_IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._/:@-]*")


class GnbKind(enum.Enum):
    """Whose gNB."""

    SRSRAN = "srsran"
    OCUDU = "ocudu"  # goes on where srsRAN Project ended
    OAI = "oai"


class Radio(enum.Enum):
    """What is in the place of the air."""

    ZMQ = "zmq"  # srsRAN's virtual radio, through `airsplit radio`
    USRP = "usrp"
    RFSIM = "rfsim"  # OAI's own
    DUMMY = "dummy"  # none; the gNB's test UEs


class UeKind(enum.Enum):
    """What a UE is."""

    SRSUE = "srsue"  # one PDU session each
    OAI = "oai"
    PHONE = "phone"  # a real one, with a SIM card: a subscriber, and nothing else here


class RicKind(enum.Enum):
    """Who ends E2."""

    XAPP = "xapp"  # `airsplit xapp` itself
    OSC = "osc"
    FLEXRIC = "flexric"


class Place(enum.Enum):
    """Where the tap listens."""

    N6 = "n6"  # the UPF's TUN devices: plain IP
    N3 = "n3"  # between gNB and UPF: GTP-U with TEID and QFI


@dataclass(frozen=True)
class SliceConfig:
    """A slice, its DNN, and what the UPF does for it."""

    slice: Snssai
    dnn: str
    subnet: ipaddress.IPv4Network | ipaddress.IPv6Network  # of UEs' addresses
    device: str = "ogstun"  # the UPF's TUN device
    minimum: int = 0  # percent of PRBs that it gets whenever it asks
    maximum: int = 100  # percent that it never exceeds
    dedicated: int = 0  # percent that is kept free for it
    priority: int = 0  # 0 to 254, of the gNB's scheduler
    five_qi: int = 9  # of its default QoS flow

    def __post_init__(self) -> None:
        _matches(_DNN, "dnn", self.dnn, "letters, digits and -")
        _matches(_DEVICE, "device", self.device, "a device's name of at most 15 characters")
        _within("priority", self.priority, 0, 254)
        _within("five_qi", self.five_qi, 1, 255)

    @property
    def quota(self) -> Quota:
        return Quota(self.minimum, self.maximum, self.dedicated)

    @property
    def sst(self) -> int:
        return self.slice.sst

    @property
    def sd(self) -> str | None:
        """Six hexadecimal digits, as Open5GS writes it; None without a differentiator."""
        return None if self.slice.sd is None else f"{self.slice.sd:06x}"

    @property
    def gateway(self) -> str:
        return str(self.subnet.network_address + 1)


@dataclass(frozen=True)
class CoreConfig:
    """Open5GS: the address of each of its functions, all on one machine by default."""

    nrf: str = "127.0.0.10"
    scp: str = "127.0.0.200"
    amf: str = "127.0.0.5"
    smf: str = "127.0.0.4"
    upf: str = "127.0.0.7"
    ausf: str = "127.0.0.11"
    udm: str = "127.0.0.12"
    pcf: str = "127.0.0.13"
    nssf: str = "127.0.0.14"
    bsf: str = "127.0.0.15"
    udr: str = "127.0.0.20"
    sbi_port: int = 7777
    metrics_port: int = 9090  # also of the information APIs that the xApp's UE map asks
    database: str = "mongodb://127.0.0.1/open5gs"
    dns: str = "1.1.1.1"  # told to UEs
    mtu: int = 1400  # bytes, told to UEs: room for GTP-U's headers
    image: str = "gradiant/open5gs:2.7.6"  # of the container form

    def __post_init__(self) -> None:
        for name in FUNCTIONS:
            _address(f"core.{name}", getattr(self, name))
        _address("core.dns", self.dns)
        _within("core.mtu", self.mtu, 576, 9000)
        _port("core.sbi_port", self.sbi_port)
        _port("core.metrics_port", self.metrics_port)
        _matches(_IMAGE, "core.image", self.image, "a container image's name")
        _plain("core.database", self.database)

    def addresses(self) -> dict[str, str]:
        return {name: str(getattr(self, name)) for name in FUNCTIONS}


FUNCTIONS = ("nrf", "scp", "amf", "smf", "upf", "ausf", "udm", "pcf", "nssf", "bsf", "udr")


@dataclass(frozen=True)
class GnbConfig:
    """The gNB and its one cell."""

    kind: GnbKind = GnbKind.SRSRAN
    radio: Radio = Radio.ZMQ
    address: str = "127.0.0.1"  # its own, towards core and RIC
    gnb_id: int = 411
    band: int = 3
    arfcn: int = 368500  # NR-ARFCN of the downlink carrier's middle
    ssb_arfcn: int | None = None  # of the SSB, with OAI; None: the place nearest to the middle
    bandwidth_mhz: int = 20
    spacing_khz: int = 15  # of subcarriers
    sample_rate: float = 23.04e6  # samples a second
    pci: int = 1
    device_args: str = "type=b200"  # of the USRP
    clock: str = "internal"  # of the USRP: internal, external, gpsdo
    tx_gain: float = 75.0  # dB
    rx_gain: float = 75.0  # dB
    e2: bool = True
    ccc: bool | None = None  # E2SM-CCC; None: on OCUDU, where it was seen to work
    remote: bool = True  # the WebSocket remote control
    remote_port: int = 8001
    pcap: bool = True  # write E2AP and NGAP captures
    test_ues: int = 2  # with the dummy radio
    image: str | None = None  # of the container form, which you build; None: a name by its kind

    def __post_init__(self) -> None:
        _address("gnb.address", self.address)
        _within("gnb.gnb_id", self.gnb_id, 0, (1 << 22) - 1)
        _within("gnb.pci", self.pci, 0, 1007)
        _within("gnb.test_ues", self.test_ues, 1, 32)
        _port("gnb.remote_port", self.remote_port)
        _matches(_ARGUMENTS, "gnb.device_args", self.device_args, "NAME=VALUE,NAME=VALUE")
        _matches(_IMAGE, "gnb.image", self.image or self.kind.value, "a container image's name")
        if self.clock not in ("internal", "external", "gpsdo"):
            raise DeployError(f"gnb.clock: {self.clock!r} is none: give internal, external, gpsdo.")

    @property
    def srs(self) -> bool:
        """Whether it reads srsRAN's configuration."""
        return self.kind is not GnbKind.OAI

    @property
    def ccc_on(self) -> bool:
        return self.kind is GnbKind.OCUDU if self.ccc is None else self.ccc


@dataclass(frozen=True)
class RicConfig:
    """Where E2 ends."""

    kind: RicKind = RicKind.XAPP
    address: str = "127.0.0.1"
    port: int = 36421  # of E2AP over SCTP; an OSC RIC in a cluster has a node port
    rans: tuple[str, ...] = ()  # with OSC: RAN names to steer; none: all

    def __post_init__(self) -> None:
        _address("ric.address", self.address)
        _port("ric.port", self.port)


@dataclass(frozen=True)
class UeConfig:
    """A UE and its subscription."""

    name: str
    imsi: str
    key: str  # 128 bits in hexadecimal digits
    opc: str  # the same
    dnns: tuple[str, ...]  # of its PDU sessions, the first one's slice is its default
    kind: UeKind = UeKind.SRSUE
    imei: str = "353490069873319"

    def __post_init__(self) -> None:
        _matches(_NAME, "ue.name", self.name, "a small letter, then letters, digits, -")
        place = f"ue {self.name}"
        _matches(re.compile(r"\d{14,15}"), f"{place}: imsi", self.imsi, "14 or 15 digits in quotes")
        _matches(re.compile(r"\d{15}"), f"{place}: imei", self.imei, "15 digits in quotes")
        for what in ("key", "opc"):
            _matches(_HEX, f"{place}: {what}", getattr(self, what), "32 hexadecimal digits")
        if not self.dnns:
            raise DeployError(f"{place} has no session: name a DNN under `dnns`.")


@dataclass(frozen=True)
class TapConfig:
    """The tap beside the UPF."""

    place: Place = Place.N6
    interface: str = "lo"  # at N3: that which GTP-U goes over; at N6 the slices' devices are taken
    address: str = "127.0.0.1"  # where labels are published
    port: int = 5556  # at N6 one port more for each further device

    def __post_init__(self) -> None:
        _matches(_DEVICE, "tap.interface", self.interface, "a device's name")
        _address("tap.address", self.address)
        _port("tap.port", self.port)


@dataclass(frozen=True)
class SiteConfig:
    """All of it."""

    slices: tuple[SliceConfig, ...]
    ues: tuple[UeConfig, ...] = ()
    name: str = "lab"
    plmn: str = "00101"  # MCC and MNC, in quotes
    tac: int = 7  # tracking area code
    core: CoreConfig = field(default_factory=CoreConfig)
    gnb: GnbConfig = field(default_factory=GnbConfig)
    ric: RicConfig = field(default_factory=RicConfig)
    tap: TapConfig = field(default_factory=TapConfig)
    phone_dnn: str = "llm"  # the session that the phone's app is bound to
    phone_user: str = "airsplit"  # whose traffic on a phone that is
    metrics_ms: int = 100  # between the gNB's refreshes of its counters
    loop_ms: int = 500  # between reports to the xApp
    state: Path = Path("/var/lib/airsplit")  # what must survive

    def __post_init__(self) -> None:
        _matches(_NAME, "name", self.name, "a small letter, then letters, digits, -")
        _matches(_PLMN, "plmn", self.plmn, "5 or 6 digits in quotes")
        _matches(_DNN, "phone_dnn", self.phone_dnn, "letters, digits and -")
        _matches(re.compile(r"[a-z_][a-z0-9_-]{0,30}"), "phone_user", self.phone_user, "a user")
        _within("tac", self.tac, 0, (1 << 24) - 1)
        _within("metrics_ms", self.metrics_ms, 10, 60_000)
        _within("loop_ms", self.loop_ms, 10, 60_000)
        _plain("state", str(self.state))
        if not self.slices:
            raise DeployError("A site has a slice or more: name them under `slices`.")

    @property
    def mcc(self) -> str:
        return self.plmn[:3]

    @property
    def mnc(self) -> str:
        return self.plmn[3:]

    def slice_of(self, dnn: str) -> SliceConfig | None:
        return next((one for one in self.slices if one.dnn == dnn), None)

    @property
    def taps(self) -> tuple[tuple[str, str, int], ...]:
        """Interface, BPF filter and port of each tap."""
        if self.tap.place is Place.N3:
            return ((self.tap.interface, "udp port 2152", self.tap.port),)
        found: dict[str, list[str]] = {}
        for one in self.slices:
            found.setdefault(one.device, []).append(f"net {one.subnet}")
        return tuple((device, " or ".join(nets), self.tap.port + number)
                     for number, (device, nets) in enumerate(found.items()))


def load(file: Path) -> SiteConfig:
    """What a file says."""
    if not file.is_file():
        raise DeployError(f"{file} is no file: name a site, such as `airsplit deploy init` writes.")
    try:
        return build(SiteConfig, yaml_document(file))
    except ConfigurationError as error:
        raise DeployError(f"{file}: {error}") from None


def _matches(form: re.Pattern[str], name: str, value: str, wanted: str) -> None:
    if form.fullmatch(value) is None:
        raise DeployError(f"{name}: {value[:60]!r} cannot be meant: give {wanted}.")


def _within(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise DeployError(f"{name}: {value} cannot be meant: give {least} to {most}.")


def _port(name: str, value: int) -> None:
    _within(name, value, 1, 65535)


def _plain(name: str, value: str) -> None:
    """No text that would end a line, or be more than a word, in what is rendered."""
    if not value or not re.fullmatch(r"[A-Za-z0-9_./:@%,?=&+-]+", value):
        raise DeployError(f"{name}: {value[:60]!r} has characters that no file of it may have.")


def _address(name: str, value: str) -> None:
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        raise DeployError(f"{name}: {value[:60]!r} is no IPv4 address.") from None
