"""Where the parts of an OSC near-RT RIC are, and how this xApp is known to them.

The defaults are the names that OSC's charts give its services, and those that its onboarder gives
an xApp called airsplit in the name space ricxapp.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from xapp.e2.connection_table import E2Config
from xapp.errors import ConfigurationError

MOST_NAME = 31  # octets of a RAN name: what RMR's header has room for
RAN_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,31}")
_HOST = re.compile(r"[A-Za-z0-9_.-]{1,253}")  # it stands in URLs and in JSON


@dataclass(frozen=True)
class OscConfig:
    """The RIC as this xApp meets it."""

    rans: tuple[str, ...] = ()  # RAN names, such as gnbd_001_001_00019b_0; none: all that are there
    name: str = "airsplit"  # the xApp's own, as onboarded
    host: str = "service-ricxapp-airsplit-http.ricxapp"  # by which the RIC reaches our HTTP port
    rmr_host: str = "service-ricxapp-airsplit-rmr.ricxapp"  # the same for RMR
    bind: str = "0.0.0.0"  # where our HTTP port listens
    http_port: int = 8080  # for notifications and probes
    rmr_port: int = 4560  # RMR's data; its routes come to 4561
    submgr: str = "http://service-ricplt-submgr-http.ricplt:8088"  # the subscription manager
    e2mgr: str = "http://service-ricplt-e2mgr-http.ricplt:3800"  # the E2 manager
    appmgr: str | None = "http://service-ricplt-appmgr-http.ricplt:8080"  # none: do not register
    requestor: int = 1021  # of our controls' RIC request ids; no other xApp may have it
    # Where the alarm manager takes RMR messages, past all routes; none: no alarms.
    alarms: str | None = "service-ricplt-alarmmanager-rmr.ricplt:4560"
    metrics_seconds: float = 10.0  # between reports of metrics over RMR; 0: none
    poll_seconds: float = 5.0  # between looks at the E2 manager's base stations
    rest_seconds: float = 5.0  # for an answer over REST
    subscription_seconds: float = 10.0  # for a notification; the manager itself tries for some 6 s
    # A base station that reports nothing for so long is subscribed to anew; 0: never.
    quiet_seconds: float = 60.0
    exit_seconds: float = 5.0  # for subscriptions to be deleted when the xApp ends

    def __post_init__(self) -> None:
        for name in self.rans:
            if RAN_NAME.fullmatch(name) is None:
                raise ConfigurationError(f"{name!r} is no RAN name.", "Ask the E2 manager for "
                                         "them: GET :3800/v1/nodeb/states")
        for place in (self.submgr, self.e2mgr, self.appmgr or "http://none"):
            if re.fullmatch(r"https?://[^\s/?#]+", place) is None:
                raise ConfigurationError(f"{place!r} is no address of a service.",
                                         "Write http://HOST:PORT.")
        if self.alarms is not None and re.fullmatch(r"[A-Za-z0-9_.-]{1,253}:\d{1,5}",
                                                    self.alarms) is None:
            raise ConfigurationError(f"{self.alarms!r} is no address of RMR.", "Write HOST:PORT, "
                                     "or leave it out for the alarm manager of OSC's charts.")
        for host in (self.name, self.host, self.rmr_host):
            if _HOST.fullmatch(host) is None:
                raise ConfigurationError(f"{host!r} is no name.", "Use letters, digits, - and .")
        for port in (self.http_port, self.rmr_port):
            if not 0 <= port < 65536:
                raise ConfigurationError(f"{port} is no port.", "Give 0 to 65535.")
        if not 0 <= self.requestor < 65536 or self.requestor == SUBMGR_REQUESTOR:
            raise ConfigurationError(f"{self.requestor} cannot be our requestor id.",
                                     "Give 0 to 65535, and not 123: the subscription manager's.")
        if min(self.poll_seconds, self.rest_seconds, self.subscription_seconds,
               self.exit_seconds) <= 0 or min(self.quiet_seconds, self.metrics_seconds) < 0:
            raise ConfigurationError("Seconds are above 0.", "Leave them out for the defaults.")

    @property
    def e2(self) -> E2Config:
        """How patiently subscriptions are asked for: the manager does its own retries."""
        return E2Config(subscription_seconds=self.subscription_seconds)


SUBMGR_REQUESTOR = 123  # of every subscription's RIC request id
