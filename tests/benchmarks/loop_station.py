"""A base station for the benchmark of the xApp's loop: it sends reports, and times the control.

It speaks E2AP with the project's own codecs, over any association, and has one slice of the model's
user and one of everybody else. It moves no packets.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from tests.xapp.e2.e2ap_examples import F1
from xapp.e2.aper import BitString
from xapp.e2.common import FunctionName, Snssai, plmn_octets
from xapp.e2.connection_events import ControlAsked, Event, Send, SubscriptionAsked
from xapp.e2.connection_node import NodeConnection
from xapp.e2.connection_table import State
from xapp.e2.e2ap_identities import GlobalGnbId, GnbNodeId
from xapp.e2.e2ap_messages import ControlRequest, SubscriptionRequest
from xapp.e2.e2ap_types import RanFunction, RequestId
from xapp.e2.kpm import (
    FUNCTION,
    KPM_V3,
    CommonConditionAction,
    EventStyle,
    FunctionDefinition,
    IndicationHeader,
    Report,
    ReportStyle,
    UeReport,
    UeReports,
    ntp_octets,
)
from xapp.e2.kpm_requests import slice_condition
from xapp.e2.measurements import Announced, Measurement, Values
from xapp.e2.profiles import PROFILES
from xapp.e2.rc_function import (
    RC_FUNCTION,
    ControlAction,
    ControlStyle,
    RcFunctionDefinition,
)
from xapp.e2.ue_id import GnbDuUe
from xapp.ric.transport import PPID_DU, Association

LLM_CONDITION = slice_condition(PROFILES["spec"], Snssai(1, 1))
PLMN = plmn_octets("00101")
METRICS = ("DRB.UEThpDl", "DRB.UEThpUl", "RRU.PrbTotDl", "RRU.PrbTotUl")
GOOD, POOR = 2.0, 25.0  # percent of PRBs that 500 kbit/s take
# Percent that all take: so many that guarantees are worth asking for, and so few that nobody has
# to be seen to be held back, since this base station has no packets that a quota could help.
TAKEN = 82.5
SECONDS_A_TURN = 5.0  # in which the control has to come; else it counts as missing
BETWEEN = 0.02  # seconds between reports
REPORTS_TO_CONFIRM = 60  # after a control, until the next turn: an effect has to be seen


class Station:
    """A base station's DU with so many UEs, the first of which uses the model."""

    def __init__(self, association: Association, ues: int) -> None:
        self.association, self.ues = association, ues
        self.connection = NodeConnection(
            GnbNodeId(GlobalGnbId(PLMN, BitString(0x19B, 32)), du_id=0), functions(),
            (F1,), PPID_DU)
        self.prbs, self.number = GOOD, 0
        self.of_model: set[RequestId] = set()  # subscriptions to the model's slice
        self.controlled = asyncio.Event()
        self.control_at = 0.0

    async def set_up(self) -> None:
        command = self.connection.set_up(time.monotonic())
        self.association.send(command.data, PPID_DU)
        self._task = asyncio.get_running_loop().create_task(self._receive())
        deadline = time.monotonic() + 30
        while len(self.connection.subscriptions) < 2:
            if time.monotonic() > deadline:
                raise TimeoutError("the xApp did not ask for reports of both slices")
            await asyncio.sleep(0.01)
        assert self.connection.state is State.READY

    async def turn(self, prbs: float) -> float | None:
        """The channel changes; how long until the control."""
        self.prbs = prbs
        self.controlled.clear()
        deadline = time.monotonic() + SECONDS_A_TURN
        began = None
        while not self.controlled.is_set() and time.monotonic() < deadline:
            reports = self.encoded()
            self.send(reports[:-1])
            if began is None:  # where the xApp was still busy, the first one's time counts
                began = time.perf_counter()
            self.send(reports[-1:])
            with suppress(TimeoutError):
                await asyncio.wait_for(self.controlled.wait(), BETWEEN)
        return self.control_at - began if self.controlled.is_set() and began is not None else None

    async def settle(self) -> None:
        """Reports that show the effect."""
        for _ in range(REPORTS_TO_CONFIRM // 20):
            self.send(self.encoded())
            await asyncio.sleep(BETWEEN)

    def send(self, reports: list[bytes]) -> None:
        for one in reports:
            self.association.send(one, PPID_DU)

    def encoded(self) -> list[bytes]:
        """A report of each slice's UEs: all others in the other, then one in the model's."""
        self.number += 1
        found = []
        header = KPM_V3.header.encode(IndicationHeader(ntp_octets(time.time_ns())))
        for request in sorted(self.connection.subscriptions,
                              key=lambda one: one.request in self.of_model):
            numbers = range(1) if request.request in self.of_model else range(1, self.ues)
            message = KPM_V3.message.encode(UeReports(tuple(
                self._report(number) for number in numbers)))
            found.append(self.connection.indicate(
                request.request, request.details.actions[0].id, header, message,
                self.number & 0xFFFF))
        return found

    def _report(self, number: int) -> UeReport:
        others = (TAKEN - self.prbs) / (self.ues - 1) if self.ues > 1 else 0.0
        prbs = self.prbs if number == 0 else others
        kbps = 500 if number == 0 else 50 + self.number % 7
        values = (kbps, kbps + self.number % 3, prbs, prbs)
        return UeReport(GnbDuUe(number), Report(
            (Values(values),), tuple(Measurement(name) for name in METRICS), 20))

    async def _receive(self) -> None:
        while (message := await self.association.receive()) is not None:
            arrived = time.perf_counter()
            for event in self.connection.receive(message.payload, message.ppid,
                                                 time.monotonic()):
                self._happened(event, arrived)

    def _happened(self, event: Event, arrived: float) -> None:
        if isinstance(event, Send):
            self.association.send(event.data, PPID_DU)
        elif isinstance(event, SubscriptionAsked):
            self._accept(event.message)
        elif isinstance(event, ControlAsked):
            self._control(event.message, arrived)

    def _accept(self, message: SubscriptionRequest) -> None:
        action = KPM_V3.action.decode(message.details.actions[0].definition or b"").action
        assert isinstance(action, CommonConditionAction)  # all that is announced
        if action.conditions[0].condition == LLM_CONDITION:
            self.of_model.add(message.request)
        self.association.send(self.connection.accept_subscription(message.request), PPID_DU)

    def _control(self, message: ControlRequest, arrived: float) -> None:
        self.control_at = arrived
        self.controlled.set()
        self.association.send(self.connection.acknowledge_control(message), PPID_DU)


def functions() -> tuple[RanFunction, ...]:
    """KPM with style 4 alone, and RC with slice quotas."""
    kpm = FunctionDefinition(
        FunctionName("ORAN-E2SM-KPM", "1.3.6.1.4.1.53148.1.2.2.2", "KPM Monitor", 0),
        (EventStyle(1, "Periodic Report", 1),),
        (ReportStyle(4, "Common Condition-based, UE-level Measurement", 4,
                     tuple(Announced(name) for name in METRICS), 1, 3),))
    control = RcFunctionDefinition(
        FunctionName("ORAN-E2SM-RC", "1.3.6.1.4.1.53148.1.1.2.3", "RAN Control", 0),
        controls=(ControlStyle(2, "Radio Resource Allocation Control",
                               (ControlAction(6, "Slice-level PRB quota"),), 1, 1, None, 1),))
    return (RanFunction(2, FUNCTION.encode(kpm), 0, "1.3.6.1.4.1.53148.1.2.2.2"),
            RanFunction(3, RC_FUNCTION.encode(control), 0, "1.3.6.1.4.1.53148.1.1.2.3"))
