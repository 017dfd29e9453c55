"""One simulated base station: what E2 sees of it, and what it obeys."""

from __future__ import annotations

from testbed.experiments.simulated.settings import SimulatedSettings, SimulatedSteering
from testbed.experiments.simulated.station import INTERNET, LLM, Station
from testbed.ran.cell_model import Share

SMALL = SimulatedSettings(ues=10, llm_users=2, bandwidth_mhz=5, load=1.5, off_seconds=0,
                          calm_seconds=0.5)


def test_stations_have_names_cells_and_addresses_of_their_own() -> None:
    one, two = Station(SMALL, 0, 1), Station(SMALL, 300, 2)
    assert one.agent.name != two.agent.name
    assert one.ran.cells[0].nci != two.ran.cells[0].nci
    addresses = [session.address for station in (one, two) for ue in station.ran.ues
                 for session in ue.sessions]
    assert len(set(addresses)) == 20
    assert [ue.sessions[0].slice for ue in one.ran.ues][:3] == [LLM, LLM, INTERNET]


def test_a_snapshot_is_of_now() -> None:
    station = Station(SMALL, 0, 1)
    before = station.ran.snapshot()
    assert station.ran.snapshot() is before
    station.advance(1000)
    after = station.ran.snapshot()
    assert after.at == 1.0
    assert sum(counters.down_bits for ue in after.ues.values() for counters in ue.values()) > 0


def test_a_share_is_obeyed() -> None:
    station = Station(SMALL, 0, 1)
    station.advance(2000)
    station.ran.set_share(None, INTERNET, Share(0, 50, 0))
    station.advance(100)
    used = float(station.mac.cell_used[0, 0])
    station.advance(1000)
    assert (float(station.mac.cell_used[0, 0]) - used) / station.mac.cell_prbs[0] < 0.6


def test_static_steering_is_the_cells_own() -> None:
    settings = SimulatedSettings(ues=4, llm_users=1, steering=SimulatedSteering.STATIC)
    assert Station(settings, 0, 1).guarantee == 15
    assert Station(SMALL, 0, 1).guarantee == 0
