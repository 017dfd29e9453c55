"""What a simulated network is: cells, phones, who uses a split model, load, phases, steering."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from testbed.loop.own_policy import elsewhere, read
from testbed.loop.settings import INTERNET, Arm
from testbed.ran.e2_profiles import BEHAVIOURS
from testbed.ran.mac.tables import carrier_prbs
from xapp.e2.nodes import MOST_ASSOCIATIONS
from xapp.e2.profiles import PROFILES
from xapp.errors import ConfigurationError
from xapp.limits import Limits
from xapp.slice_policy import SlicePolicy

MOST_UES = 200
LIMITS = Limits()  # the xApp's own
# Of a policy and of limits, what is said by a setting of its own.
OWN_POLICY = {"inter_token_ms": "inter_token_ms", "floors": "floor"}
OWN_LIMITS = {one: one for one in ("air_share", "grant_ms")}


class SimulatedSteering(enum.Enum):
    """Who makes room for tokens."""

    NONE = "none"  # nobody: the xApp watches
    STATIC = "static"  # the cells' own configuration; the xApp watches
    XAPP = "xapp"  # by what flows need, if `policy` says nothing else


@dataclass(frozen=True)
class SimulatedSettings:
    """All of it. Each cell is a gNB of its own, with an E2 association."""

    cells: int = 1
    ues: int = 100  # in each cell, all of them connected
    llm_users: int = 3  # of these, that use a split model
    profile: str = "oai"  # the base stations' kind: spec's whole percents say little of 100 UEs
    bandwidth_mhz: int = 20
    snr_db: float = 14.0  # mean; each UE has its own, within `snr_spread_db` of it
    snr_spread_db: float = 6.0
    fading: bool = False  # channels of pedestrians in place of constant ones
    load: float = 0.5  # that all others offer, of what a cell can carry, each way
    on_seconds: float = 1.0  # mean, of a phone's burst
    off_seconds: float = 9.0  # mean silence; 0: it never is silent
    calm_seconds: float = 8.0  # without the others' load, at first
    settle_seconds: float = 8.0  # with it, until figures count
    seconds: float = 20.0  # of which figures are
    steering: SimulatedSteering = SimulatedSteering.XAPP
    arm: Arm = Arm.NORMAL  # or a control, as the loop has them, which must not help
    static_percent: int = 15  # of the model's slice, where steering is static
    floor: int = 10  # percent that the others keep
    inter_token_ms: float = 60.0  # what the policy wants
    air_share: float = LIMITS.air_share  # of that, which the xApp is told that the air may take
    grant_ms: float = LIMITS.grant_ms  # of that in turn, which no share shortens
    # As an entry of `policies` of the xApp's file, such as a strategy with what it needs.
    policy: Mapping[str, object] = field(default_factory=dict)
    limits: Mapping[str, object] = field(default_factory=dict)  # as `limits` of that file
    period_ms: int = 500  # between a base station's reports
    look_every_ms: float = 1.0  # the xApp's evaluate_every: its pause for every 64 UEs
    label_seconds: float = 0.6  # from first packet to label: no packets, so none are classified
    prompt_bytes: int = 40_960  # activations of a prompt: 40 rows
    token_bytes: int = 1024  # of one row, up
    answer_bytes: int = 120  # of a token, down
    edge_seconds: float = 0.010  # the edge's work for a token
    phone_seconds: float = 0.010  # the phone's
    tokens: int = 120  # of an answer
    think_seconds: float = 4.0  # mean, from an answer to the next prompt
    threads: int = 2  # that cells are simulated in
    skip_idle: bool = True  # slots of cells in which nothing happens

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise ConfigurationError(f"There is no kind of base station {self.profile!r}.",
                                     f"There are {', '.join(PROFILES)}.")
        # One xApp has so many associations, and a base station one for each of its units.
        most = MOST_ASSOCIATIONS // len(BEHAVIOURS[self.profile].units)
        if not 1 <= self.cells <= most or not 1 <= self.ues <= MOST_UES:
            raise ConfigurationError(f"{self.cells} cells of {self.ues} UEs cannot be.",
                                     f"Give 1 to {most} cells, which is what one xApp takes of "
                                     f"kind {self.profile}, and 1 to {MOST_UES} UEs.")
        if not 1 <= self.llm_users <= self.ues:
            raise ConfigurationError(f"llm_users is {self.llm_users}.", "Give 1 to `ues`.")
        lengths = (self.calm_seconds, self.settle_seconds, self.seconds, self.on_seconds,
                   self.label_seconds, self.edge_seconds, self.phone_seconds, self.think_seconds)
        if min(lengths) <= 0 or self.off_seconds < 0 or not 0 <= self.load <= 10:
            raise ConfigurationError("A time or the load cannot be.",
                                     "Times are above 0, the load 0 to 10.")
        if min(self.prompt_bytes, self.token_bytes, self.answer_bytes, self.tokens) < 1:
            raise ConfigurationError("A size is below 1.", "Give bytes and tokens of 1 or more.")
        if not 1 <= self.threads <= 64 or not 50 <= self.period_ms <= 60_000 or (
                not 0.1 <= self.look_every_ms <= 1000):
            raise ConfigurationError("threads, period_ms or look_every_ms cannot be.",
                                     "Give 1 to 64 threads, 50 to 60000 ms, 0.1 to 1000 ms.")
        if not 0 <= self.static_percent <= 90 or not 0 <= self.floor <= 90:
            raise ConfigurationError("static_percent or floor cannot be.", "Give 0 to 90.")
        for place, words, own in (("policy", self.policy, OWN_POLICY),
                                  ("limits", self.limits, OWN_LIMITS)):
            if (wrong := elsewhere(place, words, own)) is not None:
                raise ConfigurationError(*wrong)
        # A bandwidth, a policy or a limit that is none says so now.
        carrier_prbs(self.bandwidth_mhz, 15)
        self.policy_and_limits()

    def policy_and_limits(self) -> tuple[SlicePolicy, Limits]:
        """Of the xApp."""
        return read({"inter_token_ms": self.inter_token_ms, **self.policy,
                     "floors": {INTERNET: self.floor}},
                    {"air_share": self.air_share, "grant_ms": self.grant_ms, **self.limits})

    @property
    def total(self) -> float:
        """Simulated seconds."""
        return self.calm_seconds + self.settle_seconds + self.seconds

    @property
    def counted_from(self) -> float:
        return self.calm_seconds + self.settle_seconds
