"""OAI's carrier in numbers: where its blocks begin, its SSB and CORESET 0, and what the UE is told.

    carrier = carrier_of(site.gnb)
    carrier.point_a, carrier.ssb, carrier.location_and_bandwidth    # of gnb.conf
    carrier.hertz, carrier.ssb_subcarrier                           # -C, --ssb of the UE

srsRAN works these out by itself, OAI does not. Band 78 with 30 kHz, and those widths that OAI's own
configurations have; for another it says what to give. Frequencies are NR-ARFCNs, which are 15 kHz
apart above 3 GHz (38.104, 5.4.2.1). It opens nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from testbed.deploy.site import GnbConfig
from xapp.errors import ConfigurationError

BAND, SPACING_KHZ = 78, 30
BLOCKS: Mapping[int, int] = {20: 51, 40: 106, 100: 273}  # by MHz
LOWEST, HIGHEST = 620_000, 653_333  # of the band: 3300 to 3800 MHz
RASTER = 96  # between places of SSBs, counted from 3 GHz: 1.44 MHz
ZERO = 600_000  # at 3 GHz
BLOCK = 24  # a resource block's width, as 12 subcarriers of 30 kHz
SSB_SUBCARRIERS = 240
# CORESET 0 by index, in 38.213's table 13-4 and in OAI's configurations: 48 blocks, one symbol, and
# so many blocks from its first to the SSB's first. The usual one comes first.
CORESET0: Mapping[int, int] = {12: 16, 11: 14}
CORESET0_BLOCKS = 48
GRID = 275  # what 38.214 counts a bandwidth part's place in


@dataclass(frozen=True)
class Fault:
    """Why there is no such carrier."""

    key: str
    problem: str
    remedy: str


@dataclass(frozen=True)
class OaiCarrier:
    """One that fits."""

    blocks: int
    point_a: int  # of its lowest subcarrier
    ssb: int  # of the SSB's middle
    coreset0: int  # index

    @property
    def hertz(self) -> int:
        """Its middle."""
        return 3_000_000_000 + (self.point_a + BLOCK // 2 * self.blocks - ZERO) * 15_000

    @property
    def ssb_subcarrier(self) -> int:
        """The SSB's first, counted from the carrier's first."""
        return (self.ssb - self.point_a) // 2 - SSB_SUBCARRIERS // 2

    @property
    def location_and_bandwidth(self) -> int:
        """Of a bandwidth part that is the whole carrier (38.214, 5.1.2.2.2)."""
        if self.blocks - 1 <= GRID // 2:
            return GRID * (self.blocks - 1)
        return GRID * (GRID - self.blocks + 1) + GRID - 1


def carrier_of(gnb: GnbConfig) -> OaiCarrier:
    """A ConfigurationError where there is none."""
    for fault in faults(gnb):
        raise ConfigurationError(f"{fault.key}: {fault.problem}", fault.remedy)
    blocks = BLOCKS[gnb.bandwidth_mhz]
    point_a = gnb.arfcn - BLOCK // 2 * blocks
    ssb = _nearest(gnb) if gnb.ssb_arfcn is None else gnb.ssb_arfcn
    index = _coreset0(point_a, blocks, ssb)
    assert index is not None  # for which `faults` looked
    return OaiCarrier(blocks, point_a, ssb, index)


def faults(gnb: GnbConfig) -> Iterator[Fault]:
    """What is wrong first of all; nothing where all fits."""
    if gnb.band != BAND:
        yield Fault("gnb.band", f"OAI's file is rendered for band {BAND} only.", f"Give {BAND}, or "
                    "edit the file: every frequency in it is the band's.")
    elif gnb.spacing_khz != SPACING_KHZ:
        yield Fault("gnb.spacing_khz", f"OAI's file is rendered for {SPACING_KHZ} kHz only.",
                    f"Give {SPACING_KHZ}.")
    elif gnb.bandwidth_mhz not in BLOCKS:
        widths = ", ".join(map(str, BLOCKS))
        yield Fault("gnb.bandwidth_mhz", f"OAI's file is rendered for {widths} MHz, and not for "
                    f"{gnb.bandwidth_mhz}.", f"Give one of {widths}.")
    else:
        yield from _place(gnb)


def _place(gnb: GnbConfig) -> Iterator[Fault]:
    half = BLOCK // 2 * BLOCKS[gnb.bandwidth_mhz]
    least, most = LOWEST + half, HIGHEST - half
    if gnb.arfcn % 2:
        yield Fault("gnb.arfcn", f"{gnb.arfcn} is odd: band {BAND} has carriers every 30 kHz.",
                    f"Give {gnb.arfcn - 1} or {gnb.arfcn + 1}.")
    elif not least <= gnb.arfcn <= most:
        yield Fault("gnb.arfcn", f"{gnb.arfcn} in the middle puts a carrier of {gnb.bandwidth_mhz} "
                    f"MHz beyond band {BAND}.", f"Give {least + least % 2} to {most - most % 2}.")
    elif gnb.ssb_arfcn is not None:
        yield from _ssb(gnb, gnb.ssb_arfcn)


def _ssb(gnb: GnbConfig, ssb: int) -> Iterator[Fault]:
    blocks = BLOCKS[gnb.bandwidth_mhz]
    places = _places(gnb)
    advice = f"Leave it out, or give {places[0]} to {places[-1]} in steps of {RASTER}."
    if (ssb - ZERO) % RASTER:
        yield Fault("gnb.ssb_arfcn", f"{ssb} is no place for an SSB: UEs look every 1.44 MHz.",
                    advice)
    elif _coreset0(gnb.arfcn - BLOCK // 2 * blocks, blocks, ssb) is None:
        yield Fault("gnb.ssb_arfcn", f"at {ssb} the SSB and its CORESET 0 are not within the "
                    f"carrier's {blocks} blocks.", advice)


def _places(gnb: GnbConfig) -> list[int]:
    """Where the SSB can be; a carrier of 20 MHz has two places or one, a wider one has more."""
    blocks = BLOCKS[gnb.bandwidth_mhz]
    point_a = gnb.arfcn - BLOCK // 2 * blocks
    first = ZERO + (point_a - ZERO) // RASTER * RASTER
    return [one for one in range(first, point_a + BLOCK * blocks, RASTER)
            if _coreset0(point_a, blocks, one) is not None]


def _nearest(gnb: GnbConfig) -> int:
    return min(_places(gnb), key=lambda one: (abs(one - gnb.arfcn), one))


def _coreset0(point_a: int, blocks: int, ssb: int) -> int | None:
    """The first index whose blocks are all within the carrier."""
    block = ((ssb - point_a) // 2 - SSB_SUBCARRIERS // 2) // 12
    return next((index for index, offset in CORESET0.items()
                 if 0 <= block - offset <= blocks - CORESET0_BLOCKS), None)
