"""Small cells for tests: some UEs with a bearer in each slice, all with one kind of radio."""

from __future__ import annotations

from testbed.ran.cell_model import CellFacts, Session
from testbed.ran.mac.cell import SlotCell
from testbed.ran.mac.channel import ChannelConfig, make_channel
from testbed.ran.mac.config import Bearer, Layout, MacConfig
from testbed.ran.mac.simulated import Simulated
from testbed.ran.mac.state import Mac, make
from testbed.ran.traffic.arrivals import Arrivals, User, arrivals
from xapp.observations import Snssai

SLICES = (Snssai(1), Snssai(1, 1))


class Listed:
    """Arrivals that are written down."""

    def __init__(self, rows: list[tuple[int, int, int, int, int]]) -> None:
        """Each with its nanosecond, UE, session, direction and size."""
        self._rows = arrivals(len(rows))
        for name, column in zip(("time", "ue", "session", "direction", "size"),
                                zip(*rows, strict=True), strict=False):
            self._rows[name] = column
        self._given = 0

    def until(self, end: int) -> Arrivals:
        first = self._given
        self._given += int((self._rows["time"][first:] < end).sum())
        return self._rows[first:self._given]


def small(ues: int = 2, cells: int = 1, prbs: int = 52, config: MacConfig | None = None,
          shares: tuple[tuple[int, int, int], ...] = ((0, 100, 0), (0, 100, 0)),
          snr_db: float = 20.0, packets: int = 1 << 16, seed: int = 1) -> tuple[Mac, Layout]:
    """UEs in turn in each cell; each has a bearer in each slice."""
    channel = make_channel(ChannelConfig(snr_db=snr_db), seed)
    layout = Layout((prbs,) * cells, tuple(one % cells for one in range(ues)),
                    tuple(Bearer(ue, place) for ue in range(ues) for place in range(len(shares))),
                    shares, (channel,) * ues)
    return make(config or MacConfig(), layout, 1000, seed, packets), layout


def bearers_of(layout: Layout) -> dict[User, int]:
    return {(one.ue, one.slice): number for number, one in enumerate(layout.bearers)}


def simulated(mac: Mac, layout: Layout,
              rows: list[tuple[int, int, int, int, int]]) -> tuple[Simulated, SlotCell]:
    run = Simulated(mac, Listed(rows), bearers_of(layout), 1000)
    cell = SlotCell(
        mac, [CellFacts(100 + place, prbs) for place, prbs in enumerate(layout.prbs)],
        SLICES[:len(layout.shares)],
        [tuple(Session(SLICES[place], f"10.{45 + place}.0.{2 + ue}", "internet")
               for place in range(len(layout.shares))) for ue in range(len(layout.ue_cells))],
        "00101", now=lambda: run.now)
    return run, cell
