"""Everything compiled that a mixer calls is compiled at set-up."""

from __future__ import annotations

from testbed.radio import kernel
from testbed.radio.settings import PathSettings
from testbed.radio.warm import warm
from tests.testbed.radio.test_mixer import radio, turn


def test_a_mixer_needs_no_further_compilation() -> None:
    from pcap_tools.compiled import UNCOMPILED
    from testbed.radio.mixer import Mixer

    warm()
    functions = [kernel.take_in, kernel.add_path, kernel.turn_taps, kernel.add_noise,
                 kernel.active_power]
    if UNCOMPILED:
        return
    before = [list(one.signatures) for one in functions]  # type: ignore[attr-defined]  # numba's
    mixer = Mixer(radio(1, snr=3, gnb_ue1=PathSettings(profile="epa")))
    mixer.offer("ue1", memoryview(bytearray(8)))
    mixer.offer("ue1", memoryview(bytes(9))[1:])
    turn(mixer, gnb=1, ue1=1)
    assert [list(one.signatures) for one in functions] == before  # type: ignore[attr-defined]  # as above
