"""Everything compiled that a mixer calls is compiled at set-up."""

from __future__ import annotations

from testbed.radio import kernel
from testbed.radio.warm import warm
from tests.testbed.radio.test_mixer import radio, turn


def test_a_mixer_needs_no_further_compilation() -> None:
    from pcap_tools.compiled import UNCOMPILED
    from testbed.radio.mixer import Mixer

    warm()
    functions = [kernel.add_path, kernel.add_noise, kernel.active_power]
    if UNCOMPILED:
        return
    before = [list(one.signatures) for one in functions]  # type: ignore[attr-defined]  # numba's
    turn(Mixer(radio(1, snr=3)), gnb=1, ue1=1)
    assert [list(one.signatures) for one in functions] == before  # type: ignore[attr-defined]  # as above
