"""One description of traffic, from which simulated arrivals and real packets are made alike."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path

from xapp.errors import ConfigurationError

MOST_PHONES, MOST_LOAD = 1000, 100.0  # for each UE: more are more UEs
MOST_KBPS, LEAST_SECONDS, MOST_SPEED = 1e8, 1e-4, 1000.0  # more is no cell, and fills the memory
LEAST_PACKET, MOST_PACKET = 28, 9000  # bytes: IP's and UDP's headers, and a jumbo frame


class Kind(enum.Enum):
    """How it comes."""

    SATURATION = "saturation"  # packet after packet at a rate, as iperf3's UDP
    GREEDY = "greedy"  # TCP that takes what it gets; simulated: packet after packet at the rate
    POISSON = "poisson"  # at a mean rate, by chance
    ON_OFF = "on-off"  # bursts at a rate, and silence
    SPLIT_LLM = "split-llm"  # tokens of a split model at an even pace
    REPLAY = "replay"  # a recording, both ways at once: pcap, pcapng or a CSV of packets
    PHONES = "phones"  # as people's phones were recorded, made anew from a model of them


@dataclass(frozen=True)
class TrafficConfig:
    """Traffic of one kind for some UEs, each with its own. All times are in seconds."""

    kind: Kind = Kind.SATURATION
    ues: tuple[str, ...] = ()  # names; none: all of them
    dnn: str | None = None  # of the session that it takes; None: each UE's first
    down_kbps: float = 2000.0  # of IP packets; while on, of an on-off source
    up_kbps: float = 200.0
    packet_bytes: int = 1400  # of IP packets that are made up, and at most
    start: float = 0.0
    stop: float | None = None  # None: it does not
    stagger: float = 0.0  # users begin up to so much later, by chance
    on_seconds: float = 2.0  # mean, of an on-off source
    off_seconds: float = 2.0  # mean
    prompt_bytes: int = 163_840  # a prompt's activations: 40 tokens of 4 KiB
    token_bytes: int = 4160  # one token's activations, up
    answer_bytes: int = 120  # its id and what is around it, down
    token_seconds: float = 0.05  # from token to token
    edge_seconds: float = 0.02  # from a token's activations to its answer
    tokens: int = 60  # of an answer
    think_seconds: float = 3.0  # mean, from an answer to the next prompt
    file: Path | None = None  # of a replay; of phones: their models, None: those that are bundled
    uses: tuple[str, ...] = ()  # models that phones take in turn; none: all of the file's
    phones: int = 1  # so many phones' traffic together for each UE
    load: float = 1.0  # times as many packets as phones have
    user: str | None = None  # the phone's address in it; None: whose packets they mostly are
    header_bytes: int = 0  # of a CSV's lengths, what is before the IP packet: Ethernet has 14
    speed: float = 1.0  # times the original pace
    loop: bool = True  # begin anew at its end
    anywhere: bool = False  # a replay begins somewhere of its own in it for each UE, by chance
    longest_gap: float | None = None  # longer silences of it become so long

    def __post_init__(self) -> None:
        if self.kind is not Kind.PHONES and (self.file is None) == (self.kind is Kind.REPLAY):
            raise ConfigurationError(
                "A replay needs a file." if self.file is None else
                f"Traffic of kind {self.kind.value} has no file.",
                "Give `file` with kind replay or phones, and with them alone.")
        if not 1 <= self.phones <= MOST_PHONES or not 0 < self.load <= MOST_LOAD:
            raise ConfigurationError(
                f"{self.phones} phones of load {self.load:g} cannot be.",
                f"Give 1 to {MOST_PHONES} phones, and a load above 0, at most {MOST_LOAD:g}.")
        rates = (self.down_kbps, self.up_kbps, self.start, self.stagger, self.think_seconds,
                 self.edge_seconds, self.header_bytes, self.prompt_bytes, self.token_bytes,
                 self.answer_bytes)
        times = (self.on_seconds, self.off_seconds, self.token_seconds, self.speed, self.tokens,
                 1.0 if self.longest_gap is None else self.longest_gap)
        if min(rates) < 0 or min(times) <= 0:
            raise ConfigurationError("Traffic has a rate, time or size that cannot be.",
                                     "They are not below 0; lengths and speeds are above.")
        if (max(self.down_kbps, self.up_kbps) > MOST_KBPS or self.speed > MOST_SPEED or min(
                self.on_seconds, self.off_seconds, self.token_seconds) < LEAST_SECONDS):
            raise ConfigurationError(
                "Traffic comes faster than it can be made.",
                f"Give at most {MOST_KBPS:g} kbit/s and {MOST_SPEED:g} times the pace, and "
                f"on_seconds, off_seconds and token_seconds of at least {LEAST_SECONDS:g} s.")
        if not LEAST_PACKET <= self.packet_bytes <= MOST_PACKET:
            raise ConfigurationError(f"packet_bytes is {self.packet_bytes}.",
                                     f"Give {LEAST_PACKET} to {MOST_PACKET}.")
        if self.stop is not None and self.stop <= self.start:
            raise ConfigurationError("Traffic stops before it starts.", "Correct `stop`.")
