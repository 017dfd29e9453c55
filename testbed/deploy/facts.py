"""What components expect of each other in numbers: carriers, sample rates, ports, names.

Facts of srsRAN, OAI and 38.101-1 in one place, with what a site gives them. It opens nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from testbed.deploy.site import (
    GnbConfig,
    GnbKind,
    Radio,
    RicKind,
    SiteConfig,
    SliceConfig,
    UeConfig,
    UeKind,
)
from testbed.ran.mac.tables import carrier_prbs

# Samples a second that srsRAN and srsUE take, and the widest carrier in MHz of each.
RATES: Mapping[float, int] = {
    5.76e6: 5, 7.68e6: 5, 11.52e6: 10, 15.36e6: 10, 23.04e6: 20, 30.72e6: 20, 46.08e6: 40,
    61.44e6: 50, 92.16e6: 80, 122.88e6: 100}
SRSUE_RATES: Mapping[int, float] = {5: 5.76e6, 10: 11.52e6, 15: 23.04e6, 20: 23.04e6}  # by MHz
SRSUE_CORESET0: Mapping[int, int] = {5: 1, 10: 6, 15: 12, 20: 12}  # by MHz, at 15 kHz
PROFILES: Mapping[GnbKind, str] = {
    GnbKind.SRSRAN: "srsran", GnbKind.OCUDU: "ocudu", GnbKind.OAI: "oai"}
LOCAL = "127.0.0.1"
HERE = f"tcp://{LOCAL}:"
WAYS = ipaddress.IPv4Network("10.201.0.0/16")  # a /30 of each third octet is a UE's way
MOST_WAYS = 255
GNB_PLACES = (f"{HERE}2000", f"{HERE}2001")  # where it transmits, where it receives


def blocks(gnb: GnbConfig) -> int:
    """Resource blocks; a ConfigurationError where 38.101-1 has no such carrier."""
    return carrier_prbs(gnb.bandwidth_mhz, gnb.spacing_khz)


def srsues(site: SiteConfig) -> tuple[UeConfig, ...]:
    return tuple(one for one in site.ues if one.kind is UeKind.SRSUE)


def ue_places(number: int) -> tuple[str, str]:
    """Where the srsUE of that number, from 0, transmits and receives."""
    return f"{HERE}{2101 + 100 * number}", f"{HERE}{2100 + 100 * number}"


def oai_ues(site: SiteConfig) -> tuple[UeConfig, ...]:
    if site.gnb.kind is not GnbKind.OAI:
        return ()
    return tuple(one for one in site.ues if one.kind is UeKind.OAI)


@dataclass(frozen=True)
class Way:
    """Between the gNB and the namespace of an OAI UE that meets it in the RF simulator."""

    namespace: str
    device: str  # on the gNB's side
    gnb: str  # addresses
    ue: str


def ways(site: SiteConfig) -> dict[str, Way]:
    """By the UE's name; the RF simulator of a gNB listens at all of its machine's addresses."""
    if site.gnb.radio is not Radio.RFSIM:
        return {}
    return {one.name: Way(f"{site.name}-{one.name}", f"airsplit-ue{number}",
                          *(str(WAYS[256 * number + end]) for end in (1, 2)))
            for number, one in enumerate(oai_ues(site)[:MOST_WAYS], 1)}


def sessions(site: SiteConfig, ue: UeConfig) -> tuple[SliceConfig, ...]:
    """The slices of its DNNs, as far as there are any."""
    return tuple(one for dnn in ue.dnns if (one := site.slice_of(dnn)) is not None)


def namespaces(site: SiteConfig) -> tuple[str, ...]:
    return tuple(f"{site.name}-{one.name}" for one in site.ues if one.kind is not UeKind.PHONE)


def phones(site: SiteConfig) -> tuple[str, ...]:
    """Namespace and device of each session that the phone's app may be bound to, in words."""
    found = []
    for one in site.ues:
        if site.phone_dnn not in one.dnns or one.kind is UeKind.PHONE:
            continue
        number = one.dnns.index(site.phone_dnn) + 1
        oai = "oaitun_ue1" if number == 1 else f"oaitun_ue1p{number}"
        device = "tun_srsue" if one.kind is UeKind.SRSUE else oai
        found.append(f"{site.name}-{one.name} {device}")
    return tuple(found)


def has_core(site: SiteConfig) -> bool:
    """Test UEs of a gNB with the dummy radio have none."""
    return site.gnb.radio is not Radio.DUMMY


def xapp_elsewhere(site: SiteConfig) -> bool:
    """Whether our xApp is on another machine than the gNB, and reaches nothing of its loopback."""
    if site.ric.kind is RicKind.FLEXRIC:
        return False  # none is rendered
    return site.ric.kind is RicKind.OSC or not (
        loops(site.ric.address) or site.ric.address == site.gnb.address)


def remote_place(site: SiteConfig) -> str | None:
    """HOST:PORT at which the gNB's remote control listens and the xApp asks; None where it is off.

    It asks nobody who they are, so that it is the gNB's own machine's wherever that will do.
    """
    if not (site.gnb.srs and site.gnb.remote):
        return None
    return f"{site.gnb.address if xapp_elsewhere(site) else LOCAL}:{site.gnb.remote_port}"


def loops(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback
