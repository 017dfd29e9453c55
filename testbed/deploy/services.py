"""The programs of a site in their order of start, as systemd units and as containers.

    for unit in units(site, "/etc/airsplit/lab"): ...

It knows commands and what comes before what; it renders nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from testbed.deploy.facts import has_core, loops, oai_ues, srsues, ways
from testbed.deploy.oai_carrier import carrier_of
from testbed.deploy.site import FUNCTIONS, GnbKind, Radio, RicKind, SiteConfig, UeConfig

AIRSPLIT = "/usr/local/bin/airsplit"
AIRSPLIT_IMAGE = "airsplit:latest"
MONGO_IMAGE = "mongo:7"
FLEXRIC_IMAGE = "flexric:latest"
GNB_IMAGES = {GnbKind.SRSRAN: "srsran/gnb:latest", GnbKind.OCUDU: "ocudu/gnb:latest",
              GnbKind.OAI: "oai/gnb:latest"}
START_ORDER = tuple(sorted(FUNCTIONS, key=lambda one: (one != "nrf", one != "scp")))


@dataclass(frozen=True)
class Unit:
    """A systemd unit."""

    name: str
    what: str
    start: str
    stop: str | None = None  # of what is done once, and undone
    after: tuple[str, ...] = ()
    state: str | None = None  # its folder under /var/lib
    at: str | None = None  # the machine's address; None: this one, or nobody said which


@dataclass(frozen=True)
class Service:
    """A container."""

    name: str
    image: str
    command: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    caps: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    privileged: bool = False


def units(site: SiteConfig, prefix: str) -> tuple[Unit, ...]:
    """All of them, first started first."""

    def named(what: str) -> str:
        return f"airsplit-{site.name}-{what}.service"

    net = f"{prefix}/net/core-net.sh"
    upf = _machine(site.core.upf) if has_core(site) else None
    found = [Unit(named("net"), f"{site.name}: devices and namespaces", f"{net} up", f"{net} down",
                  at=upf)]
    core: tuple[str, ...] = (named("net"),)
    if has_core(site):
        for name in START_ORDER:
            found.append(Unit(named(name), f"{site.name}: Open5GS {name.upper()}",
                              f"/usr/bin/open5gs-{name}d -c {prefix}/open5gs/{name}.yaml",
                              after=core if name == "nrf" else (*core, named("nrf")),
                              at=_machine(getattr(site.core, name))))
        core = (named("amf"), named("upf"))
    for number, (interface, expression, port) in enumerate(site.taps):
        if not has_core(site):
            break
        networks = " ".join(str(one.subnet) for one in site.slices)
        found.append(Unit(
            named(f"tap{number}"), f"{site.name}: tap at {interface}",
            f"{AIRSPLIT} tap {interface} --filter '{expression}' "
            f"--publish tcp://{site.tap.address}:{port} --rates-of {networks}", after=core,
            at=upf))
    if site.ric.kind is RicKind.XAPP:
        folder = str(site.state)
        state = folder.removeprefix("/var/lib/") if folder.startswith("/var/lib/") else None
        found.append(Unit(named("xapp"), f"{site.name}: xApp",
                          f"{AIRSPLIT} xapp --config {prefix}/xapp/xapp.yaml", state=state,
                          at=_machine(site.ric.address)))
    if site.ric.kind is RicKind.FLEXRIC:
        found.append(Unit(named("ric"), f"{site.name}: FlexRIC",
                          f"/usr/local/bin/nearRT-RIC -c {prefix}/flexric/flexric.conf",
                          at=_machine(site.ric.address)))
    if site.gnb.radio is Radio.ZMQ:
        found.append(Unit(named("radio"), f"{site.name}: virtual radio",
                          f"{AIRSPLIT} radio run --config {prefix}/radio/radio.yaml"))
    found.append(Unit(named("gnb"), f"{site.name}: gNB", gnb_command(site, prefix), after=core,
                      at=_machine(site.gnb.address)))
    for one in srsues(site):
        found.append(Unit(named(f"ue-{one.name}"), f"{site.name}: srsUE {one.name}",
                          f"/usr/local/bin/srsue {prefix}/ue/{one.name}.conf",
                          after=(named("gnb"),)))
    for one in oai_ues(site):
        if one.name in ways(site):  # others have a radio, on a machine of their own as a rule
            found.append(Unit(named(f"ue-{one.name}"), f"{site.name}: OAI's nrUE {one.name}",
                              "/usr/sbin/" + " ".join(oai_ue_command(site, prefix, one)),
                              after=(named("net"), named("gnb"))))
    return tuple(found)


def _machine(address: str) -> str | None:
    return None if loops(address) or address == "0.0.0.0" else address


def gnb_command(site: SiteConfig, prefix: str) -> str:
    if site.gnb.kind is GnbKind.OAI:
        rfsim = " --rfsim --rfsimulator.[0].serveraddr server"
        return (f"/usr/local/bin/nr-softmodem -O {prefix}/gnb/gnb.conf"
                f"{rfsim if site.gnb.radio is Radio.RFSIM else ''} --gNBs.[0].min_rxtxtime 6")
    return f"/usr/local/bin/gnb -c {prefix}/gnb/gnb.yaml"


def oai_ue_command(site: SiteConfig, prefix: str, ue: UeConfig) -> tuple[str, str]:
    """It in two parts, of which the second are its options of the carrier and the radio."""
    carrier, way = carrier_of(site.gnb), ways(site).get(ue.name)
    radio = "" if way is None else f" --rfsim --rfsimulator.[0].serveraddr {way.gnb}"
    return (f"ip netns exec {site.name}-{ue.name} nr-uesoftmodem -O {prefix}/ue/{ue.name}.conf",
            f"-r {carrier.blocks} --numerology 1 --band {site.gnb.band} -C {carrier.hertz} "
            f"--ssb {carrier.ssb_subcarrier}{radio}")


def services(site: SiteConfig, prefix: str) -> tuple[Service, ...]:
    """As containers; UEs stay outside, as their namespaces are the host's."""
    mount = (f"{prefix}:{prefix}:ro",)
    found: list[Service] = []
    if has_core(site):
        found.append(Service("database", MONGO_IMAGE, volumes=("database:/data/db",)))
        for name in START_ORDER:
            up = name == "upf"
            found.append(Service(
                name, site.core.image,
                (f"open5gs-{name}d", "-c", f"{prefix}/open5gs/{name}.yaml"), mount,
                ("/dev/net/tun:/dev/net/tun",) if up else (), ("NET_ADMIN",) if up else (),
                () if name == "nrf" else ("nrf",) if name not in ("udr", "pcf")
                else ("nrf", "database")))
        for number, (interface, expression, port) in enumerate(site.taps):
            found.append(Service(
                f"tap{number}", AIRSPLIT_IMAGE,
                ("airsplit", "tap", interface, "--filter", expression, "--publish",
                 f"tcp://{site.tap.address}:{port}", "--rates-of", *(str(one.subnet)
                                                            for one in site.slices)),
                caps=("NET_RAW", "NET_ADMIN"), after=("upf",)))
    if site.ric.kind is RicKind.XAPP:
        found.append(Service("xapp", AIRSPLIT_IMAGE,
                             ("airsplit", "xapp", "--config", f"{prefix}/xapp/xapp.yaml"),
                             (*mount, f"state:{site.state}")))
    if site.ric.kind is RicKind.FLEXRIC:
        found.append(Service("ric", FLEXRIC_IMAGE, (
            "nearRT-RIC", "-c", f"{prefix}/flexric/flexric.conf"), mount))
    if site.gnb.radio is Radio.ZMQ:
        found.append(Service("radio", AIRSPLIT_IMAGE, (
            "airsplit", "radio", "run", "--config", f"{prefix}/radio/radio.yaml"),
            (*mount, "/tmp:/tmp")))
    command = gnb_command(site, prefix).split()
    image = site.gnb.image or GNB_IMAGES[site.gnb.kind]
    found.append(Service("gnb", image, (command[0].rpartition("/")[2], *command[1:]),
                         (*mount, "/dev/bus/usb:/dev/bus/usb"), after=("amf", "upf")
                         if has_core(site) else (), privileged=True))
    return tuple(found)
