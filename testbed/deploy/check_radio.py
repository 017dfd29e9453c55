"""What contradicts what in a site's gNB, radio and RIC: carriers, rates, kinds that do not fit.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from testbed.deploy import facts, oai_carrier
from testbed.deploy.findings import Finding, error, warning
from testbed.deploy.site import GnbKind, Radio, RicKind, SiteConfig, UeKind
from xapp.errors import ConfigurationError
from xapp.ric.address import E2AP_PORT

_RADIOS = {GnbKind.SRSRAN: (Radio.ZMQ, Radio.USRP, Radio.DUMMY),
           GnbKind.OCUDU: (Radio.ZMQ, Radio.USRP, Radio.DUMMY),
           GnbKind.OAI: (Radio.RFSIM, Radio.USRP)}
_NO_PLACES = ("0.0.0.0", "127.0.0.1")  # where nobody else finds the gNB
_UES = {Radio.ZMQ: (UeKind.SRSUE,), Radio.USRP: tuple(UeKind), Radio.RFSIM: (UeKind.OAI,),
        Radio.DUMMY: ()}


def radio_findings(site: SiteConfig) -> Iterator[Finding]:
    yield from _kinds(site)
    if site.gnb.kind is GnbKind.OAI:
        yield from _oai(site)
    elif site.gnb.radio is not Radio.DUMMY:
        yield from _carrier(site)
    if site.gnb.srs and site.gnb.ssb_arfcn is not None:
        yield error("gnb.ssb_arfcn", "is OAI's: srsRAN finds the SSB's place by itself.",
                    "Leave it out.")
    yield from _ric(site)


def _kinds(site: SiteConfig) -> Iterator[Finding]:
    gnb = site.gnb
    if gnb.radio not in _RADIOS[gnb.kind]:
        fits = ", ".join(one.value for one in _RADIOS[gnb.kind])
        yield error("gnb.radio", f"a gNB of kind {gnb.kind.value} has no radio {gnb.radio.value}.",
                    f"Give {fits}.")
        return
    for ue in site.ues:
        if ue.kind not in _UES[gnb.radio]:
            fits = ", ".join(one.value for one in _UES[gnb.radio]) or "no UEs: the gNB has its own"
            yield error(f"ues: {ue.name}: kind", f"a {ue.kind.value} has no part in radio "
                        f"{gnb.radio.value}.", f"Give {fits}.")
        elif ue.kind is UeKind.OAI and gnb.srs:
            yield error(f"ues: {ue.name}: kind", "OAI's UE has to be told where the SSB is, and "
                        "srsRAN finds that by itself.", "Take a phone, or gnb.kind oai.")


def _carrier(site: SiteConfig) -> Iterator[Finding]:
    gnb = site.gnb
    try:
        facts.blocks(gnb)
    except ConfigurationError as wrong:
        yield error("gnb.bandwidth_mhz", wrong.problem, wrong.remedy)
        return
    widest = facts.RATES.get(gnb.sample_rate)
    millions = f"{gnb.sample_rate / 1e6:g}e6"
    needed = min((rate for rate, mhz in facts.RATES.items() if mhz >= gnb.bandwidth_mhz),
                 default=None)
    advice = "Take a narrower carrier." if needed is None else f"Give {needed / 1e6:g}e6."
    if widest is None:
        rates = ", ".join(f"{rate / 1e6:g}e6" for rate in facts.RATES)
        yield error("gnb.sample_rate", f"{millions} is no rate of srsRAN's.",
                    f"Give one of {rates}.")
    elif widest < gnb.bandwidth_mhz:
        yield error("gnb.sample_rate", f"{millions} is too low for {gnb.bandwidth_mhz} MHz.",
                    advice)
    if not facts.srsues(site):
        return
    exact = facts.SRSUE_RATES.get(gnb.bandwidth_mhz)
    if exact is None or gnb.spacing_khz != 15:
        yield error("gnb.bandwidth_mhz", f"srsUE takes no carrier of {gnb.bandwidth_mhz} MHz with "
                    f"{gnb.spacing_khz} kHz between subcarriers.",
                    "Give 5, 10, 15 or 20 MHz with 15 kHz.")
    elif widest is not None and gnb.sample_rate != exact:
        yield error("gnb.sample_rate", f"srsUE has {exact / 1e6:g}e6 samples a second for "
                    f"{gnb.bandwidth_mhz} MHz, and the gNB {millions}: the cell is not found.",
                    f"Give {exact / 1e6:g}e6.")


def _oai(site: SiteConfig) -> Iterator[Finding]:
    gnb = site.gnb
    for one in oai_carrier.faults(gnb):
        yield error(one.key, one.problem, one.remedy)
    if facts.ways(site):
        for its in site.slices:
            if its.subnet.version == 4 and its.subnet.overlaps(facts.WAYS):
                yield error(f"slices: {its.dnn}", f"{its.subnet} overlaps {facts.WAYS}, by which "
                            "UEs reach the RF simulator.", "Take another, as 10.45.0.0/16.")
    if len(facts.oai_ues(site)) > facts.MOST_WAYS:
        yield error("ues", f"{len(facts.oai_ues(site))} of OAI's UEs are more than "
                    f"{facts.MOST_WAYS}.", "Describe fewer.")
    if gnb.e2 and site.ric.port != E2AP_PORT:
        yield error("ric.port", f"OAI's E2 agent goes to port {E2AP_PORT} and to no other.",
                    f"Give {E2AP_PORT}, and forward it where the RIC has another.")
    if any(one.slice.sd is None for one in site.slices) and len(site.slices) > 1:
        yield warning("slices", "OAI writes a slice without SD as ffffff; mixed with others it was "
                      "seen to be refused.", "Give each slice an SD.")


def _ric(site: SiteConfig) -> Iterator[Finding]:
    gnb, ric = site.gnb, site.ric
    if not gnb.e2:
        yield error("gnb.e2", "is off: no RIC sees this gNB.", "Leave it out.")
    if gnb.kind is GnbKind.SRSRAN and gnb.ccc_on:
        yield warning("gnb.ccc", "valid CCC controls were seen to hang srsRAN's DU.",
                      "Leave it out; the xApp then takes the remote control.")
    if ric.kind is RicKind.FLEXRIC:
        yield warning("ric.kind", "airsplit's xApp ends E2 itself and is no xApp of FlexRIC: "
                      "nothing steers here.", "Take xapp where it is to steer.")
        if ric.port != E2AP_PORT:
            yield error("ric.port", f"FlexRIC listens at {E2AP_PORT}.", f"Give {E2AP_PORT}.")
    if ric.kind is RicKind.OSC and ric.port == E2AP_PORT:
        yield warning("ric.port", "an OSC RIC's E2 termination is behind a node port as a rule.",
                      "Look: kubectl -n ricplt get svc | grep e2term-sctp")
    if gnb.kind is GnbKind.SRSRAN and not gnb.remote and not gnb.ccc_on:
        yield warning("gnb.remote", "is off, and with E2 alone srsRAN has quotas for UEs, none for "
                      "slices.", "Set remote: true.")
    if facts.xapp_elsewhere(site) and facts.remote_place(site) is not None:
        if gnb.address in _NO_PLACES:
            yield error("gnb.address", f"{gnb.address} does not say where the xApp finds the "
                        "gNB's remote control.", "Give the gNB's address, or remote: false.")
        yield warning("gnb.remote", f"listens at {gnb.address}, as the xApp is on another machine: "
                      "whoever reaches it may set quotas.",
                      "Let nobody else into that network, or set remote: false.")
