"""The user plane of an emulated base station: sets up, starts and stops the loop, and reads it.

    with UserPlane(simple_plane(ues=2)) as plane:
        plane.namespace("ue1"), plane.n6            # for `ip netns exec`
        plane.set_backhaul(loss=0.01)
        plane.statistics().down.delivered

A thin shell: packets are moved by `loop`, on a thread of its own that holds no lock of Python's.
Without a scheduler everything passes at once.
"""

from __future__ import annotations

import atexit
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np

from testbed import namespaces
from testbed.errors import LinkFailure
from testbed.ran.plane import leftovers, statistics, topology
from testbed.ran.plane.config import PlaneConfig, SessionConfig, UeConfig, check_addresses
from testbed.ran.plane.headers import DOWN, GTP_U_PORT, UP
from testbed.ran.plane.kernel_counts import KernelCounts
from testbed.ran.plane.memory import MOST_RULES, PLACES, Kind, Mark, Of, make
from testbed.ran.plane.obeying import Order, give, has_room
from testbed.ran.plane.rules import flow_words
from testbed.ran.plane.scheduling import ordinary, urgent
from testbed.ran.plane.statistics import PlaneStatistics
from testbed.ran.plane.table import TUNNEL_DOWN, TUNNEL_UP, address_key, put
from xapp.errors import ConfigurationError
from xapp.flow_ends import FlowEnds

START_SECONDS = 180.0  # the first time of all, the loop is compiled
ORDER_SECONDS = 5.0  # for the loop to obey; it does so within two slots
WHOLE = 1 << 31  # a loss of one
CORE_TUNNELS = 1 << 16  # between a bearer's two tunnel numbers


class UserPlane:
    """One run. Its methods may be called from any thread."""

    def __init__(self, config: PlaneConfig, air: Any = None,
                 reasons: Mapping[int, str] | None = None) -> None:
        self.config = config
        self._reasons = reasons or {}
        self._air = air
        self._plane = make(config.mtu, config.slot_us * 1000, config.most_taken, config.seed,
                           config.places)
        self._lock = threading.Lock()
        self._undo = ExitStack()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._scheduling = "not started"
        self._counts: KernelCounts | None = None
        self._devices: dict[tuple[str, str], int] = {}  # by namespace and name
        self._sessions = {(ue.name, place): session
                          for ue, place, session in config.sessions()}
        self._attached = {ue.name for ue in config.ues}
        self._mapped: dict[FlowEnds, str] = {}  # in second bearers, and whose they are
        # Told of a UE and whether it is there: a scheduler has packets of it inside, too.
        self.attachment: Callable[[str, bool], object] = lambda ue, there: None

    @property
    def n6(self) -> str:
        """The namespace where servers are."""
        return topology.n6_namespace(self.config)

    @property
    def gnb(self) -> str:
        """The namespace of the tunnel's end at the base station."""
        return topology.gnb_namespace(self.config)

    def namespace(self, ue: str) -> str:
        return topology.ue_namespace(self.config, self.config.ue(ue).name)

    def addresses(self, ue: str) -> tuple[str, ...]:
        """All that a UE has now."""
        return tuple(address for (name, _), session in self._sessions.items() if name == ue
                     for address in session.addresses)

    def start(self) -> None:
        """Make everything and run; what was made is taken back where that fails."""
        try:
            self._make()
            self._run()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the loop, then take away what was made. Nothing happens the second time."""
        self._plane.marks[Mark.STOP] = 1
        if self._thread is not None:
            self._thread.join()
        self._undo.close()

    def __enter__(self) -> UserPlane:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _make(self) -> None:
        """Devices and where they are; others may make them of something else."""
        namespaces.require()
        config = self.config
        made = topology.all_namespaces(config)
        leftovers.claim(config.name, made)
        self._undo.callback(leftovers.give_up, config.name)
        for name in made:
            self._undo.callback(namespaces.remove, name)
        topology.make_namespaces(config)
        for ue, place, session in config.sessions():
            device = topology.ue_device(place)
            self._add_tun(self.namespace(ue.name), device, Kind.UE, session.bearer)
            topology.configure_session(config, ue.name, place, session)
        for dnn in config.dnns:
            self._add_tun(self.n6, dnn.device, Kind.N6, -1)
            topology.configure_network(config, dnn)
        self._plane.marks[Mark.TUNS] = len(self._devices)
        if config.tunnel is not None:
            self._add_tunnel(*topology.make_tunnel(config, config.tunnel))
        for ue, place, session in config.sessions():
            self._enter_bearer(ue, place, session)
        self._counts = KernelCounts(made)
        self._undo.callback(self._counts.close)

    def _add_tun(self, namespace: str, device: str, kind: Kind, owner: int) -> None:
        descriptor = topology.open_device(namespace, device)
        self._undo.callback(os.close, descriptor)
        self._add_device(namespace, device, kind, owner, descriptor)

    def _add_device(self, namespace: str, device: str, kind: Kind, owner: int,
                    descriptor: int) -> None:
        number = len(self._devices)
        self._devices[namespace, device] = number
        self._plane.polled[number, 0] = descriptor
        self._plane.kind[number] = kind
        self._plane.owner[number] = owner

    def _add_tunnel(self, gnb: socket.socket, upf: socket.socket) -> None:
        plane = self._plane
        for which, (end, kind, mark, namespace) in enumerate((
                (gnb, Kind.GNB, Mark.GNB, self.gnb), (upf, Kind.UPF, Mark.UPF, self.n6))):
            self._undo.callback(end.close)
            self._add_device(namespace, "tunnel", kind, -1, end.fileno())
            plane.marks[mark] = end.fileno()
            packed = np.frombuffer(_packed_name(*end.getsockname()), np.uint8)
            plane.names[which, :len(packed)] = packed
            plane.name_size[0] = len(packed)

    def _enter_bearer(self, ue: UeConfig, place: int, session: SessionConfig) -> None:
        plane, config, bearer = self._plane, self.config, session.bearer
        row = plane.bearers[bearer]
        row[Of.UE_DEVICE] = self._devices[self.namespace(ue.name), topology.ue_device(place)]
        row[Of.N6_DEVICE] = self._devices[self.n6, config.dnn(session.dnn).device]
        row[Of.QFI], row[Of.ATTACHED] = session.qfi, 1
        if config.tunnel is not None:
            down = config.tunnel.first_teid + bearer
            row[Of.TUNNEL_DOWN], row[Of.TUNNEL_UP] = down, down + CORE_TUNNELS
            put(plane.keys, plane.values, TUNNEL_DOWN | down, bearer)
            put(plane.keys, plane.values, TUNNEL_UP | (down + CORE_TUNNELS), bearer)
        for address in session.addresses:
            put(plane.keys, plane.values, address_key(address), bearer)
        if session.second is not None:  # the session's own but for its queue and its QoS flow
            plane.bearers[session.second] = row
            plane.bearers[session.second, Of.QFI] = session.second_qfi

    def _run(self) -> None:
        """Start the loop's thread, and wait for its first slot."""
        ready = threading.Event()
        # A daemon, so that `stop` at the interpreter's end can run at all.
        self._thread = threading.Thread(target=self._loop, args=(ready,), daemon=True,
                                        name="user-plane")
        atexit.register(self.stop)
        self._undo.callback(atexit.unregister, self.stop)
        self._thread.start()
        self._wait(lambda: bool(self._plane.marks[Mark.SLOT] > 0), START_SECONDS,
                   "The user plane does not start.")

    def _loop(self, ready: threading.Event) -> None:
        from testbed.ran.plane.air import make_air
        from testbed.ran.plane.loop import run

        try:
            if self._air is None:
                self._air = make_air(PLACES)
            config = self.config
            self._scheduling = urgent(config.priority) if config.real_time else ordinary()
            run(self._plane, self._air)
        except BaseException as error:  # whoever waits for the loop is told
            self._failure = error

    def _wait(self, done: Callable[[], bool], seconds: float, problem: str) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            if self._failure is not None:
                raise LinkFailure(f"{problem} {self._failure}") from self._failure
            if time.monotonic() > deadline or self._plane.marks[Mark.STOP]:
                raise LinkFailure(problem, "Is the machine busy with something of higher priority?")
            time.sleep(0.0005)

    def _order(self, kind: Order, *numbers: int) -> int:
        """Give an order; its number. It is obeyed at the begin of the next slot."""
        with self._lock:
            self._wait(lambda: has_room(self._plane), ORDER_SECONDS,
                       "The user plane takes no orders.")
            return give(self._plane, time.monotonic_ns(), kind, *numbers)

    def _obeyed(self, number: int) -> None:
        self._wait(lambda: int(self._plane.marks[Mark.ORDER_TAIL]) >= number, ORDER_SECONDS,
                   "The user plane does not obey.")

    def set_backhaul(self, loss: float = 0.0, delay_ms: float = 0.0,
                     directions: tuple[int, ...] = (DOWN, UP)) -> None:
        """Between base station and core: the share of packets lost, and how long others take."""
        if not 0.0 <= loss <= 1.0 or not 0.0 <= delay_ms <= 10_000.0:
            raise ConfigurationError(f"A loss of {loss} and a delay of {delay_ms} ms cannot be.",
                                     "Give a share from 0 to 1, and 0 to 10000 ms.")
        for direction in directions:
            number = self._order(Order.BACKHAUL, direction, round(loss * WHOLE),
                                 round(delay_ms * 1e6))
        self._obeyed(number)

    def map_flow(self, flow: FlowEnds) -> str:
        """Put one flow into its session's second bearer, both ways; the UE's name.

        What waits of it already stays in the queue where it is.
        """
        for (ue, _), session in self._sessions.items():
            if ue in self._attached and address_key(flow.ue) in map(address_key, session.addresses):
                break
        else:
            raise ConfigurationError(f"No UE has the address {flow.ue} now.",
                                     "Name a flow of a session that is there.")
        if session.second is None:
            raise ConfigurationError(f"{ue} has no second bearer that its flows could be put into.",
                                     "The cell's file gives one to UEs of one session: `remap`.")
        if flow not in self._mapped and len(self._mapped) >= MOST_RULES:
            raise ConfigurationError(f"{MOST_RULES} flows are out of their session's bearer; that "
                                     "is the most.", "Have others put back first.")
        self._mapped[flow] = ue
        self._obeyed(self._order(Order.RULE, *flow_words(flow), session.second))
        return ue

    def unmap_flow(self, flow: FlowEnds) -> bool:
        """Back into the session's own bearer; False where it is there already."""
        if self._mapped.pop(flow, None) is None:
            return False
        self._obeyed(self._order(Order.NO_RULE, *flow_words(flow)))
        return True

    @property
    def mapped(self) -> tuple[FlowEnds, ...]:
        """Flows that are in second bearers."""
        return tuple(self._mapped)

    def detach(self, ue: str) -> None:
        """The UE is gone: its addresses, and packets for it that are still inside."""
        self.config.ue(ue)
        for flow in [flow for flow, name in self._mapped.items() if name == ue]:
            self.unmap_flow(flow)
        for (name, place), session in self._sessions.items():
            if name != ue or ue not in self._attached:
                continue
            for address in session.addresses:
                self._order(Order.NO_ADDRESS, address_key(address))
            if session.second is not None:
                self._order(Order.DETACH, session.second)
            self._obeyed(self._order(Order.DETACH, session.bearer))
            self._withdraw(ue, place)
        if ue in self._attached:
            self._attached.discard(ue)
            self.attachment(ue, False)

    def attach(self, ue: str, addresses: Mapping[int, tuple[str | None, str | None]] | None = None,
               ) -> None:
        """The UE is there, sessions with other addresses where told: IPv4 and IPv6 by place."""
        self.config.ue(ue)
        fresh = {}
        for (name, place), session in self._sessions.items():
            if name == ue:
                four, six = (addresses or {}).get(place, (session.address, session.address6))
                fresh[ue, place] = replace(session, address=four, address6=six)
                check_addresses(self.config, fresh[ue, place])
        self._check_free(fresh)
        self.detach(ue)
        for (_, place), session in fresh.items():
            for address in session.addresses:
                self._order(Order.ADDRESS, address_key(address), session.bearer)
            if session.second is not None:
                self._order(Order.ATTACH, session.second)
            self._obeyed(self._order(Order.ATTACH, session.bearer))
            self._readdress(ue, place, session)
        self._sessions.update(fresh)
        self._attached.add(ue)
        self.attachment(ue, True)

    def _withdraw(self, ue: str, place: int) -> None:
        """A session's device loses its addresses."""
        topology.withdraw(self.config, ue, place)

    def _readdress(self, ue: str, place: int, session: SessionConfig) -> None:
        """A session's device has these addresses from now on."""
        topology.change_addresses(self.config, ue, place, session)

    def _check_free(self, fresh: Mapping[tuple[str, int], SessionConfig]) -> None:
        taken = {address_key(address) for at, session in self._sessions.items()
                 if at not in fresh for address in session.addresses}
        for session in fresh.values():
            for address in session.addresses:
                if address_key(address) in taken:
                    raise ConfigurationError(f"{address} is another session's.",
                                             "Take an address that is free.")
                taken.add(address_key(address))

    def statistics(self) -> PlaneStatistics:
        dropped = {} if self._counts is None else self._counts.dropped(
            {name for _, name in self._devices})
        return statistics.read(self._plane, self._reasons, time.monotonic_ns(), self._scheduling,
                               dropped, self._processor_seconds())

    def _processor_seconds(self) -> float | None:
        """Of the loop's thread; None once that is no more."""
        thread = self._thread
        if thread is None or thread.ident is None or not thread.is_alive():
            return None
        return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))


def _packed_name(address: str, port: int) -> bytes:
    """struct sockaddr_in."""
    assert port == GTP_U_PORT  # both ends have it: TS 29.281, 4.4.2.0
    family = int(socket.AF_INET).to_bytes(2, "little" if np.little_endian else "big")
    return family + port.to_bytes(2, "big") + socket.inet_aton(address) + bytes(8)
