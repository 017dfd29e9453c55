"""OAI's carriers: numbers of configurations and commands that others run, and what is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.deploy.check_folder import folder_findings
from testbed.deploy.check_radio import radio_findings
from testbed.deploy.findings import Severity
from testbed.deploy.oai_carrier import BLOCKS, OaiCarrier, carrier_of, faults
from testbed.deploy.site import GnbConfig, GnbKind, Radio
from tests.testbed.deploy.sites import TEXTS, edited, example, lab
from xapp.errors import ConfigurationError

# Blocks, SSB, point A, initial bandwidth part, -C, --ssb: of OAI's configurations for band 78, and
# of commands that go with them.
KNOWN = [
    (106, 641280, 640008, 28875, 3619200000, 516),
    (106, 630048, 628776, 28875, 3450720000, 516),
    (51, 641280, 640656, 13750, 3619020000, 192),
    (51, 620736, 620020, 13750, 3309480000, 238),
    (51, 640704, 639996, 13750, 3609120000, 234),
    (51, 640704, 640008, 13750, 3609300000, 228),
    (51, 631296, 630684, 13750, 3469440000, 186),
    (273, 630048, 626772, 1099, 3450720000, 1518),
    (273, 641280, 640008, 1099, 3649260000, 516)]
MHZ = {blocks: mhz for mhz, blocks in BLOCKS.items()}


def gnb(mhz: int, arfcn: int, ssb: int | None = None, **more: int) -> GnbConfig:
    return GnbConfig(GnbKind.OAI, Radio.RFSIM, arfcn=arfcn, ssb_arfcn=ssb, bandwidth_mhz=mhz,
                     **{"band": 78, "spacing_khz": 30, **more})  # type: ignore[arg-type]  # a test's


@pytest.mark.parametrize(("blocks", "ssb", "point_a", "place", "hertz", "subcarrier"), KNOWN)
def test_numbers_are_those_of_known_carriers(blocks: int, ssb: int, point_a: int, place: int,
                                             hertz: int, subcarrier: int) -> None:
    found = carrier_of(gnb(MHZ[blocks], point_a + 12 * blocks, ssb))
    assert found == OaiCarrier(blocks, point_a, ssb, found.coreset0)
    assert found.location_and_bandwidth == place
    assert found.hertz == hertz
    assert found.ssb_subcarrier == subcarrier


@pytest.mark.parametrize(("mhz", "arfcn", "ssb", "index"), [
    (40, 641280, 641280, 12), (40, 630048, 630048, 12), (100, 630048, 630048, 12),
    (20, 641268, 641280, 12), (20, 631296, 631296, 11)])
def test_an_ssb_that_is_not_given_is_nearest_to_the_middle(mhz: int, arfcn: int, ssb: int,
                                                           index: int) -> None:
    found = carrier_of(gnb(mhz, arfcn))
    assert (found.ssb, found.coreset0) == (ssb, index)


@given(st.sampled_from(sorted(BLOCKS)), st.integers(0, 33_333))
def test_every_place_in_the_band_has_an_ssb_within_the_carrier(mhz: int, step: int) -> None:
    config = gnb(mhz, 620_000 + step)
    if list(faults(config)):
        half = 12 * BLOCKS[mhz]
        assert step % 2 or not half <= step <= 33_333 - half
        return
    found = carrier_of(config)
    assert (found.ssb - 600_000) % 96 == 0
    assert 0 <= found.ssb_subcarrier <= 12 * found.blocks - 240
    first = found.ssb_subcarrier // 12 - {12: 16, 11: 14}[found.coreset0]
    assert 0 <= first <= found.blocks - 48
    assert 620_352 <= found.ssb <= 652_992  # the band's places of SSBs: GSCN 7711 to 8051
    assert found == carrier_of(gnb(mhz, config.arfcn, found.ssb))


@pytest.mark.parametrize(("config", "key", "words", "remedy"), [
    (gnb(80, 641280), "gnb.bandwidth_mhz", "not for 80", "Give one of 20, 40, 100."),
    (gnb(15, 641280), "gnb.bandwidth_mhz", "not for 15", "Give one of 20, 40, 100."),
    (gnb(40, 641280, band=77), "gnb.band", "band 78 only", "Give 78"),
    (gnb(40, 641280, spacing_khz=15), "gnb.spacing_khz", "30 kHz only", "Give 30."),
    (gnb(40, 641281), "gnb.arfcn", "is odd", "641280 or 641282"),
    (gnb(40, 620000), "gnb.arfcn", "beyond band 78", "Give 621272 to 652060."),
    (gnb(100, 653332), "gnb.arfcn", "beyond band 78", "Give 623276 to 650056."),
    (gnb(40, 641280, 641281), "gnb.ssb_arfcn", "no place", "in steps of 96"),
    (gnb(40, 641280, 640032), "gnb.ssb_arfcn", "not within the carrier's 106", "Leave it out"),
    (gnb(20, 641268, 640992), "gnb.ssb_arfcn", "not within the carrier's 51", "641280 to 641280"),
])
def test_another_carrier_is_refused_with_what_to_give(config: GnbConfig, key: str, words: str,
                                                      remedy: str) -> None:
    (found,) = faults(config)
    assert found.key == key
    assert words in found.problem
    assert remedy in found.remedy
    with pytest.raises(ConfigurationError, match=re.escape(key)):
        carrier_of(config)


def carriers_lab(folder: Path, blocks: int, ssb: int, point_a: int) -> Path:
    place = f"arfcn: {point_a + 12 * blocks}, ssb_arfcn: {ssb}"
    text = TEXTS["oai"].replace("arfcn: 641280", place)
    return lab(folder, text.replace("bandwidth_mhz: 40", f"bandwidth_mhz: {MHZ[blocks]}"))


@pytest.mark.parametrize(("blocks", "ssb", "point_a", "place", "hertz", "subcarrier"), KNOWN)
def test_both_files_have_the_carrier(tmp_path: Path, blocks: int, ssb: int, point_a: int,
                                     place: int, hertz: int, subcarrier: int) -> None:
    folder = carriers_lab(tmp_path, blocks, ssb, point_a)
    written = (folder / "gnb" / "gnb.conf").read_text()
    for name, value in (("absoluteFrequencySSB", ssb), ("dl_absoluteFrequencyPointA", point_a),
                        ("dl_carrierBandwidth", blocks), ("ul_carrierBandwidth", blocks),
                        ("initialDLBWPlocationAndBandwidth", place),
                        ("initialULBWPlocationAndBandwidth", place)):
        assert f"{name} = {value};" in written
    told = (folder / "ue" / "phone.conf").read_text()
    assert (f"-r {blocks} --numerology 1 --band 78 -C {hertz} --ssb {subcarrier} --rfsim "
            in told)
    assert not [str(one) for one in folder_findings(folder) if one.severity is Severity.ERROR]


@pytest.mark.parametrize(("file", "old", "new", "words"), [
    ("gnb/gnb.conf", "absoluteFrequencySSB = 641280", "absoluteFrequencySSB = 641376", "SSB: 6413"),
    ("gnb/gnb.conf", "PointA = 640008", "PointA = 640000", "point A: 640000"),
    ("gnb/gnb.conf", "dl_carrierBandwidth = 106", "dl_carrierBandwidth = 273", "blocks: 273"),
    ("gnb/gnb.conf", "ul_carrierBandwidth = 106", "ul_carrierBandwidth = 51", "blocks: 51"),
    ("gnb/gnb.conf", "DLBWPlocationAndBandwidth = 28875", "DLBWPlocationAndBandwidth = 1099",
     "initial BWP: 1099"),
    ("gnb/gnb.conf", "ResourceSetZero = 12", "ResourceSetZero = 6", "CORESET 0: 6"),
    ("gnb/gnb.conf", "ul_frequencyBand = 78", "ul_frequencyBand = 77", "band: 77"),
    ("ue/phone.conf", "-r 106", "-r 51", "resource blocks: 51"),
    ("ue/phone.conf", "-C 3619200000", "-C 3450720000", "carrier frequency: 3450720000"),
    ("ue/phone.conf", "--ssb 516 ", "", "SSB's subcarrier: nothing"),
])
def test_a_carrier_that_was_edited_is_told(tmp_path: Path, file: str, old: str, new: str,
                                           words: str) -> None:
    found = edited(lab(tmp_path, "oai"), file, old, new)
    assert [one for one in found if words in one.problem and one.file == file], \
        [str(one) for one in found]


def test_a_folder_of_a_carrier_that_is_refused_says_so(tmp_path: Path) -> None:
    found = edited(lab(tmp_path, "oai"), "site.yaml", "bandwidth_mhz: 40", "bandwidth_mhz: 80")
    assert [one.key for one in found if one.severity is Severity.ERROR] == ["gnb.bandwidth_mhz"]


def test_srsran_is_told_of_no_ssb() -> None:
    found = example()
    given_one = replace(found, gnb=replace(found.gnb, ssb_arfcn=368640))
    assert "gnb.ssb_arfcn" in [one.key for one in radio_findings(given_one)]
