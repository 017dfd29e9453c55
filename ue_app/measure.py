"""What an answer cost, from what the loop and the link recorded. Unmeasured is None, never 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ue_app.generate import Answer


@dataclass(frozen=True)
class Cost:
    """Figures of one answer. A step is every token after the first."""

    prompt_tokens: int
    reused_tokens: int  # of the prompt, not sent again
    tokens: int
    time_to_first_token: float | None  # seconds from asking; the connection stood already
    tokens_per_second: float | None  # over the steps
    bytes_up: int | None  # on the socket, prompt and steps
    bytes_down: int | None
    bytes_up_per_token: float | None  # on the socket, over the steps
    bytes_down_per_token: float | None
    round_trips: int = 0  # after the first token
    tokens_per_round_trip: float | None = None  # over the steps
    drafted: int = 0  # tokens guessed on the phone
    accepted: int = 0  # of them, what the model said too

    @property
    def accepted_share(self) -> float | None:
        """Of what was guessed."""
        return self.accepted / self.drafted if self.drafted else None

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))


def cost_of(answer: Answer) -> Cost:
    """The figures of `answer`."""
    steps = len(answer.times) - 1
    before, prompt, after = (
        answer.traffic_before, answer.traffic_after_prompt, answer.traffic_after)
    counted = before is not None and prompt is not None and after is not None
    up = down = None
    if before is not None and after is not None:
        up, down = after.sent - before.sent, after.received - before.received
    return Cost(
        prompt_tokens=answer.prompt_tokens,
        reused_tokens=answer.reused_tokens,
        tokens=len(answer.ids),
        time_to_first_token=answer.times[0] - answer.started if answer.times else None,
        tokens_per_second=steps / (answer.times[-1] - answer.times[0])
        if steps > 0 and answer.times[-1] > answer.times[0] else None,
        bytes_up=up,
        bytes_down=down,
        bytes_up_per_token=(after.sent - prompt.sent) / steps
        if counted and steps > 0 and after and prompt else None,
        bytes_down_per_token=(after.received - prompt.received) / steps
        if counted and steps > 0 and after and prompt else None,
        round_trips=answer.trips,
        tokens_per_round_trip=(answer.trips + answer.accepted) / answer.trips
        if answer.trips else None,
        drafted=answer.drafted,
        accepted=answer.accepted,
    )


def sentence(cost: Cost, place: str) -> str:
    """One line for a person."""
    parts = [f"{cost.tokens} tokens"]
    if cost.time_to_first_token is not None:
        parts.append(f"first after {cost.time_to_first_token * 1000:,.0f} ms")
    if cost.tokens_per_second is not None:
        parts.append(f"{cost.tokens_per_second:,.1f} tokens/s")
    if cost.bytes_up_per_token is not None and cost.bytes_down_per_token is not None:
        parts.append(f"{cost.bytes_up_per_token:,.0f} B up and "
                     f"{cost.bytes_down_per_token:,.0f} B down a token")
    if cost.drafted and cost.tokens_per_round_trip is not None:
        parts.append(f"{cost.tokens_per_round_trip:.2f} tokens a round trip "
                     f"({cost.accepted} of {cost.drafted} guesses came true)")
    if cost.reused_tokens:
        parts.append(f"{cost.reused_tokens} of {cost.prompt_tokens} prompt tokens not sent again")
    return " · ".join([*parts, place])
