"""What an OSC RIC is told of how this xApp fares: alarms when it changes, metrics now and then.

    if watch.due <= now:
        messages = watch.look(condition_of(core, now), now, wall)

Metrics are as `ricxappframe.metric` writes them: one report of all figures, by the names that they
have for Prometheus, with their labels behind a dot. A figure that is not known is left out.
"""

from __future__ import annotations

from xapp.ric.osc_alarms import Alarms, Condition
from xapp.ric.osc_config import OscConfig
from xapp.ric.osc_messages import ALARM, METRICS, MOST_PAYLOAD, RmrMessage, written

LOOK_SECONDS = 1.0  # between looks for alarms
REPORTER = "airsplit"
MOST_FIGURES = 400  # in a report, so that it fits into a message


class Watch:
    """When to look, and what to say."""

    def __init__(self, config: OscConfig) -> None:
        self._config = config
        self.alarms = Alarms(config)
        self.due = float("-inf")
        self._report = float("-inf")

    def look(self, condition: Condition, now: float, wall: float) -> list[RmrMessage]:
        self.due = now + LOOK_SECONDS
        out = [] if self._config.alarms is None else self.alarms.look(condition, now, wall)
        if self._config.metrics_seconds and now >= self._report and condition.figures:
            self._report = now + self._config.metrics_seconds
            out.append(report(self._config, condition, wall))
        return out

    def unsent(self, message: RmrMessage, now: float) -> None:
        """A report is lost: the next one says more."""
        if message.type == ALARM:
            self.alarms.unsent(message, now)

    def stop(self, wall: float) -> list[RmrMessage]:
        return [] if self._config.alarms is None else self.alarms.stop(wall)


def report(config: OscConfig, condition: Condition, wall: float) -> RmrMessage:
    """One message with all figures."""
    data = [{"id": name, "type": kind, "value": f"{value:g}" if value % 1 else str(int(value))}
            for name, (kind, value) in list(condition.figures.items())[:MOST_FIGURES]]
    payload = written({"reporter": REPORTER, "generator": config.name,
                       "timestamp": round(wall * 1000), "data": data})
    assert len(payload) <= MOST_PAYLOAD  # by the cap on figures: each has some 80 octets
    return RmrMessage(METRICS, payload)
