"""The smallest real E2 peer: a gNB with no core, no radio and test UEs of its own, as a site.

    site = e2_lab(GnbKind.SRSRAN, "127.0.0.1", 36421, ues=2)

Its text is the one source, so that the folder's site.yaml is what was rendered. It writes nothing.
"""

from __future__ import annotations

import ipaddress

from testbed.deploy.errors import DeployError
from testbed.deploy.site import GnbConfig, GnbKind, Radio, RicConfig, SiteConfig, SliceConfig
from xapp.observations import Snssai

_TEXT = """\
# A gNB with no core, dummy radio and test UEs: the smallest real E2 peer.
name: {site.name}
plmn: "{site.plmn}"
tac: {site.tac}
slices:                   # dedicated is 1 or more, as E2SM-CCC refuses 0
{slices}
gnb: {{kind: {site.gnb.kind.value}, radio: dummy, address: {site.gnb.address}, \
test_ues: {site.gnb.test_ues}{remote}}}
ric: {{kind: xapp, address: {site.ric.address}, port: {site.ric.port}}}
metrics_ms: {site.metrics_ms}
loop_ms: {site.loop_ms}
"""


def e2_lab(kind: GnbKind, address: str, port: int, ues: int,
           own: str | None = None) -> SiteConfig:
    """The site of a gNB for the RIC at `address`. `own` is where an xApp there finds the gNB's
    remote control, which is off where nobody says so."""
    try:
        here = ipaddress.IPv4Address(address).is_loopback
    except ValueError:
        raise DeployError(f"--ric {address!r} is no IPv4 address.") from None
    slices = (
        SliceConfig(Snssai(1), "internet", ipaddress.IPv4Network("10.45.0.0/16"),
                    minimum=1, dedicated=1),
        SliceConfig(Snssai(1, 1), "llm", ipaddress.IPv4Network("10.46.0.0/16"), "ogstun-llm",
                    minimum=1, dedicated=1))
    gnb = GnbConfig(
        kind, Radio.DUMMY, test_ues=ues, remote=here or own is not None,
        # Any where it is not said: the kernel picks the way to the RIC.
        address=own or ("127.0.0.1" if here else "0.0.0.0"))
    return SiteConfig(slices, name="e2-lab", ric=RicConfig(address=address, port=port), gnb=gnb)


def site_text(site: SiteConfig) -> str:
    """It as a file."""
    lines = [f'  - {{slice: "{one.slice}", dnn: {one.dnn}, subnet: {one.subnet}, '
             f"device: {one.device}, minimum: {one.minimum}, dedicated: {one.dedicated}}}"
             for one in site.slices]
    return _TEXT.format(site=site, slices="\n".join(lines),
                        remote="" if site.gnb.remote else ", remote: false")
