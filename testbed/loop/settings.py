"""What the closed loop is made of: a small cell, a crowd, slices, phases, and what is compared.

    settings = LoopSettings(load=Load.PHONES, channel=RadioChannel.FADING, watch=False)

All that an experiment varies is a field here. Simple words make the cell; where they do not reach,
its parts can be given as its own file has them (`cells`, `slices`, `crowd_groups`, `traffic`), in
their place; and so can the xApp's `policy` and `limits`. That nothing is said twice is checked
here, that cell and xApp take it by `cell_check`. It knows no program's file (`documents`), and
runs nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from testbed.bed.modes import Mode
from testbed.errors import TestbedFailure
from testbed.loop.own_cell import GROUP, count_of, name_of, traffic_of, twice
from testbed.loop.own_policy import elsewhere

INTERNET, LLM = "1", "1-000001"  # the slices
LLM_POOL = "10.46.0.0/16"
EDGE_PORT = 8470
PHASES = ("calm", "congested", "steered", "calm again")
LEAST_SECONDS = 2.0  # of a phase
MOST_NAME = 24  # characters: what is made of it names namespaces
CROWD, MOST_CROWD = 24, 100  # phones that load the cell
BANDWIDTH_MHZ, STATIC_PERCENT = 5, 30
OURS = ("phone", "page")  # UEs that are no crowd
# Of a policy and of limits, what is said by a setting of the loop's.
OWN_POLICY = {one: one for one in ("inter_token_ms", "first_token_ms")}
OWN_LIMITS = {one: one for one in ("grant_ms", "headroom")}
MOST_RECORDINGS, MOST_SPEED = 16, 100.0  # replays at once for each of the crowd, and their pace


class Load(enum.StrEnum):
    """What the crowd does."""

    NONE = "none"
    PHONES = "phones"  # modelled on recorded phones, so many that the cell is full
    SATURATION = "saturation"  # packet after packet, more than the cell can carry
    RECORDING = "recording"  # what a file has recorded of a phone, by many and again and again
    MIX = "mix"  # as `traffic` says, or the crowd's groups


class RadioChannel(enum.StrEnum):
    """The phone's radio; the crowd's stays as it is."""

    GOOD = "good"
    FADING = "fading"
    EDGE = "edge"  # of the cell: weak, and fading
    TRACE = "trace"  # as a file says


class Steering(enum.StrEnum):
    """Who makes room for the phone's tokens."""

    NONE = "none"  # nobody: the xApp watches
    STATIC = "static"  # the cell's own configuration, all along; the xApp watches
    PROPORTIONAL = "proportional"  # the xApp: by what the flow needs, if `policy` says nothing else


class Sessions(enum.StrEnum):
    """PDU sessions of the phone."""

    TWO = "two"  # one in each slice, as cores of today have it
    ONE = "one"  # one alone, in the others' slice, as phones have it; the emulator moves single
    # flows into the other slice when the xApp asks for it, which no real network does


class Arm(enum.StrEnum):
    """The run itself, or a control that must not help."""

    NORMAL = "normal"
    SHUFFLED_LABELS = "shuffled_labels"  # each label is exchanged for another one
    WRONG_SLICE = "wrong_slice"  # the xApp is told that the phone is in the others' slice
    DRY_RUN = "dry_run"  # the xApp decides all along, and sends nothing


@dataclass(frozen=True)
class LoopSettings:
    """All of it."""

    name: str = "airsplit-loop"  # that namespaces begin with
    mode: Mode = Mode.ROOT  # what carries packets here; `user` and `relay` need no privilege
    load: Load = Load.SATURATION  # what the crowd does; recording and mix need more, see below
    channel: RadioChannel = RadioChannel.GOOD  # the phone's; trace needs a file, see below
    steering: Steering = Steering.PROPORTIONAL
    sessions: Sessions = Sessions.TWO
    arm: Arm = Arm.NORMAL
    watch: bool = True  # the xApp only watches until the third phase; else it may act all along
    split: int = 1  # layers of the model that run on the phone; the edge has the others
    crowd: int = CROWD  # phones that load the cell
    bandwidth_mhz: int = BANDWIDTH_MHZ
    down_kbps: float = 1500.0  # of each of the crowd, in the mean; a mix has its own
    up_kbps: float = 1000.0  # where load is saturation; phones send as they were recorded
    calm_seconds: float = 15.0  # of the first phase
    congested_seconds: float = 20.0  # loaded, while the xApp only watches
    steered_seconds: float = 25.0  # loaded, and the xApp may act
    after_seconds: float = 15.0  # the crowd is gone
    rest_seconds: float = 0.0  # then the phone is put away, and it is waited for quotas to return
    inter_token_ms: float = 40.0  # what the policy wants; a phone alone has some 30
    first_token_ms: float | None = None  # likewise, from the prompt; a phone alone has some 40
    grant_ms: float = 20.0  # that the xApp is told an uplink's grant takes, as in an empty cell
    headroom: float = 1.3  # of the xApp's limits
    floor: int = 10  # percent that each slice but the model's keeps
    static_percent: int = STATIC_PERCENT  # that the model's slice has where steering is static
    ric_port: int = 36421
    udp_port: int = 9899  # of SCTP in UDP
    map_port: int = 8002
    pcf_port: int = 8004  # where the xApp asks for single flows; only with one session
    api_port: int = 8480
    page: bool = False  # a second phone with the app's page, and the operator's console
    page_port: int = 8501
    console_port: int = 8502
    doors: str | None = None  # folder of sockets by which pages are reached from outside a user
    # namespace; None: they are at the machine's own ports
    new_flow: bool = True  # the phone begins anew under congestion, so that labels are timed there
    # File that the crowd replays where load is recording: pcap, pcapng, or a CSV of packets as
    # Wireshark exports them. Files are looked for where the command runs.
    recording: str | None = None
    # Replays of it at once for each of the crowd, each from somewhere of its own in it; None: so
    # many that each of the crowd has about down_kbps.
    recording_phones: int | None = None
    recording_speed: float | None = None  # times its pace; None: what is still wanting to down_kbps
    # File that is the phone's radio where channel is trace, over and over: a CSV of seconds and
    # cqi, snr_db or MCS, or a base station's log of KPIs.
    channel_trace: str | None = None
    # In the place of bandwidth_mhz: as `cells` of an emulated cell's file, where each may leave
    # out `nci`. The phone is in the first.
    cells: tuple[Mapping[str, object], ...] = ()
    # As `mac` of that file, such as a TDD pattern; it goes before the loop's own.
    mac: Mapping[str, object] = field(default_factory=dict)
    # In the place of static_percent: as `slices` of that file, the quotas to begin with.
    slices: tuple[Mapping[str, object], ...] = ()
    # In the place of crowd: as `ues` of that file, each with a name of its own and a count; where
    # load is mix, with a list `traffic`.
    crowd_groups: tuple[Mapping[str, object], ...] = ()
    # What the crowd sends where load is mix: as `traffic` of that file. Its `ues` are the crowd's
    # groups; all of them where it is left out.
    traffic: tuple[Mapping[str, object], ...] = ()
    # As an entry of `policies` of the xApp's file: a strategy with what it needs, floors of single
    # slices, which go before `floor`, and more.
    policy: Mapping[str, object] = field(default_factory=dict)
    # As `limits` of that file; they go before the loop's own.
    limits: Mapping[str, object] = field(default_factory=dict)
    seed: int = 1  # of all that is by chance

    def __post_init__(self) -> None:
        if not 1 <= self.crowd <= MOST_CROWD:
            raise TestbedFailure(f"A crowd of {self.crowd} cannot be.",
                                 f"Give 1 to {MOST_CROWD}.")
        if self.split < 1:
            raise TestbedFailure(f"A split after layer {self.split} cannot be.",
                                 "Give 1 or more: the model's first layers are the phone's.")
        if min(self.lengths) < LEAST_SECONDS:
            raise TestbedFailure("A phase is too short to show anything.",
                                 f"Give each {LEAST_SECONDS:g} seconds at least.")
        if not 0 <= self.rest_seconds <= 600:
            raise TestbedFailure(f"A rest of {self.rest_seconds:g} s cannot be.",
                                 "Give 0 to 600 seconds.")
        if not 0 <= self.grant_ms <= 1000 or not 1 <= self.headroom <= 100:
            raise TestbedFailure("What the xApp is told of grants or headroom cannot be.",
                                 "Give a grant_ms of 0 to 1000, and a headroom of 1 or more.")
        if not 0 <= self.floor <= 90 or not 0 <= self.static_percent <= 90:
            raise TestbedFailure("A floor or a static share cannot be.", "Give 0 to 90 percent.")
        if self.remaps and self.steering is Steering.STATIC:
            raise TestbedFailure("With one session, nobody moves its flow into a static slice.",
                                 "Give `sessions: two`, or another `steering`.")
        ports = (self.ric_port, self.udp_port, self.map_port, self.pcf_port, self.api_port,
                 self.page_port, self.console_port)
        if not all(0 < one < 65536 for one in ports) or len(set(ports)) < len(ports):
            raise TestbedFailure(f"Ports {', '.join(map(str, ports))} cannot be.",
                                 "Give different ones, 1 to 65535.")
        if not 1 <= len(self.name) <= MOST_NAME:
            raise TestbedFailure(f"{self.name!r} cannot name namespaces.",
                                 f"Give 1 to {MOST_NAME} characters.")
        _check_pairs(self)
        _check_recording(self)
        _check_groups(self)
        for place, words, own in (("policy", self.policy, OWN_POLICY),
                                  ("limits", self.limits, OWN_LIMITS)):
            if (wrong := elsewhere(place, words, own)) is not None:
                raise TestbedFailure(*wrong)

    @property
    def lengths(self) -> tuple[float, float, float, float]:
        """Of the phases, in seconds."""
        return (self.calm_seconds, self.congested_seconds, self.steered_seconds,
                self.after_seconds)

    @property
    def seconds(self) -> float:
        return sum(self.lengths)

    @property
    def ends(self) -> tuple[float, ...]:
        """When each phase ends, in seconds since the first began."""
        return tuple(sum(self.lengths[:place + 1]) for place in range(len(PHASES)))

    @property
    def acts(self) -> bool:
        """Whether the xApp may send anything at any time."""
        return self.steering is Steering.PROPORTIONAL and self.arm is not Arm.DRY_RUN

    @property
    def acts_from(self) -> float | None:
        """Seconds since the first phase began from which the xApp may act; None: it never may."""
        if not self.acts:
            return None
        return self.ends[1] if self.watch else 0.0

    @property
    def groups(self) -> dict[str, int]:
        """The crowd: names of its groups, and of how many phones each is."""
        return {GROUP: self.crowd} if not self.crowd_groups else {
            name_of(one): count_of(one) for one in self.crowd_groups}

    @property
    def crowd_phones(self) -> int:
        """In all its groups."""
        return sum(self.groups.values())

    @property
    def crowd_names(self) -> list[str]:
        """Each phone's, as the cell numbers them."""
        return [f"{name}{1 + n}" for name, count in self.groups.items() for n in range(count)]

    @property
    def slice_names(self) -> list[str]:
        """Of the cell, as reports have them."""
        return [str(one.get("slice")).lower() for one in self.slices] or [INTERNET, LLM]

    @property
    def floors(self) -> dict[str, int]:
        """Percent that each slice but the model's keeps."""
        named = self.policy.get("floors")
        given = {str(name).lower(): value for name, value in named.items()
                 if isinstance(value, int)} if isinstance(named, Mapping) else {}
        return {one: given.get(one, self.floor) for one in self.slice_names if one != LLM}

    @property
    def base_percent(self) -> int:
        """That the model's slice is guaranteed by the cell's own configuration."""
        if self.slices:
            least = [one.get("minimum", 0) for one in self.slices if str(one.get("slice")) == LLM]
            return least[0] if least and isinstance(least[0], int) else 0
        return self.static_percent if self.steering is Steering.STATIC else 0

    @property
    def remaps(self) -> bool:
        """Whether single flows leave their session's slice: in an emulator alone."""
        return self.sessions is Sessions.ONE

    @property
    def ric(self) -> str:
        return f"usrsctp://127.0.0.1:{self.ric_port}?udp={self.udp_port}"

    @property
    def edge_address(self) -> str:
        """Of the core's device in the network that the edge is in."""
        return "10.46.0.1" if self.sessions is Sessions.TWO else "10.45.0.1"

    @property
    def phone_address(self) -> str:
        """Of the session that the phone talks to the edge over."""
        return "10.46.0.2" if self.sessions is Sessions.TWO else "10.45.0.2"

    @property
    def page_address(self) -> str:
        """Of the second phone's."""
        return "10.46.0.3" if self.sessions is Sessions.TWO else "10.45.0.3"

    @property
    def edge_device(self) -> str:
        """In the core's namespace, of that network."""
        return "n6-llm" if self.sessions is Sessions.TWO else "n6-internet"


def _check_pairs(settings: LoopSettings) -> None:
    """Words that mean nothing without each other, and those that would contradict each other."""
    mixed = bool(settings.traffic) or any(map(traffic_of, settings.crowd_groups))
    for needs, word, given, what in (
            (settings.load is Load.MIX, f"load: {Load.MIX}", mixed,
             "`traffic`, here or in `crowd_groups`"),
            (settings.load is Load.RECORDING, f"load: {Load.RECORDING}",
             settings.recording is not None, "`recording: FILE`"),
            (settings.channel is RadioChannel.TRACE, f"channel: {RadioChannel.TRACE}",
             settings.channel_trace is not None, "`channel_trace: FILE`")):
        if needs and not given:
            raise TestbedFailure(f"`{word}` does not say which.", f"Give {what} with it.")
        if given and not needs:
            raise TestbedFailure(f"There is {what}, without `{word}`.",
                                 f"Give `{word}` with it, or leave it out.")
    for whole, there, simple, told in (
            ("cells", settings.cells, "bandwidth_mhz", settings.bandwidth_mhz != BANDWIDTH_MHZ),
            ("slices", settings.slices, "static_percent",
             settings.static_percent != STATIC_PERCENT),
            ("crowd_groups", settings.crowd_groups, "crowd", settings.crowd != CROWD)):
        if there and told:
            raise twice(whole, simple)


def _check_recording(settings: LoopSettings) -> None:
    phones, speed = settings.recording_phones, settings.recording_speed
    if settings.recording is None and (phones, speed) != (None, None):
        raise TestbedFailure("How a recording is replayed is said, and not which.",
                             "Give `recording: FILE`.")
    if not 1 <= (phones or 1) <= MOST_RECORDINGS or phones == 0 or not 0 < (
            1.0 if speed is None else speed) <= MOST_SPEED:
        raise TestbedFailure(
            f"A recording by {phones} phones for each, at {speed} times its pace, cannot be.",
            f"Give recording_phones of 1 to {MOST_RECORDINGS}, and a recording_speed above 0, at "
            f"most {MOST_SPEED:g}; or leave them out.")


def _check_groups(settings: LoopSettings) -> None:
    names = [name_of(one) for one in settings.crowd_groups]
    for name in names:
        if name in OURS or names.count(name) > 1:
            raise TestbedFailure(f"No group of the crowd can be called {name!r}, or no second one.",
                                 f"Give each a `name` of its own, not {' nor '.join(OURS)}.")
    if settings.crowd_phones > MOST_CROWD:
        raise TestbedFailure(f"A crowd of {settings.crowd_phones} cannot be.",
                             f"Let its groups' counts add up to {MOST_CROWD} at most.")
