"""How the console shows a decision: what was changed, why, what was expected and what was seen.

HTML and words; pure functions.
"""

from __future__ import annotations

from xapp.api_decisions import ChangeModel, DecisionModel, EffectModel
from xapp.console_style import STATE_TONES
from xapp.console_text import escaped, milliseconds, moment, percent, rate, short, span

STATE_WORDS = {
    "planned": "planned", "sent": "sent", "acknowledged": "waiting for its effect",
    "confirmed": "confirmed", "unproven": "kept, not proven",
    "rolled_back": "rolled back", "failed": "failed",
    "recorded": "dry run: not sent", "superseded": "superseded"}
METRIC_WORDS = {"down_kbps": "traffic down", "up_kbps": "traffic up", "down_prbs": "PRBs down",
                "up_prbs": "PRBs up", "down_delay_ms": "waiting down", "up_delay_ms": "waiting up"}
OPEN_ENDED = 1.35  # a track ends this much above its largest figure


def decision_html(one: DecisionModel) -> str:
    """A decision: what was changed, why, what was expected and what was seen."""
    tone = STATE_TONES.get(one.state, "quiet")
    steps = "".join(
        f"<li>{moment(step.at)} · {escaped(step.what)}"
        f"{f' by {escaped(step.actuator)}' if step.actuator else ''} "
        f"{escaped(step.detail)}</li>" for step in one.steps)
    by = f" · {escaped(one.actuator)}" if one.actuator else ""
    return (f'<div class="as-decision" data-tone="{tone}"><header><b>{escaped(title_text(one))}'
            f'</b><span class="as-chip" data-tone="{tone}">'
            f"{escaped(STATE_WORDS.get(one.state, one.state))}</span>"
            f"<time>{moment(one.at)}</time><small>no. {one.number} · policy "
            f"{escaped(one.policy)}{by}</small>"
            f"</header><p>{escaped(one.reason)}</p>"
            f'<div class="as-changes">{"".join(_change(change) for change in one.changes)}</div>'
            f'<div class="as-effects">{"".join(_effect(effect) for effect in one.effects)}</div>'
            + (f"<details><summary>Steps</summary><ol>{steps}</ol></details>" if steps else "")
            + "</div>")


def title_text(one: DecisionModel) -> str:
    if one.kind == "hand_over":
        return f"Move {short(one.ues[0] if one.ues else '')} to {short(one.target)}"
    if one.kind == "map_flows":
        return f"Single flows in {short(one.cell)}"
    return f"Quotas of {short(one.cell)}"


def effect_text(one: DecisionModel) -> str:
    """Expected against seen, in one line."""
    return "; ".join(
        f"{METRIC_WORDS.get(effect.metric, effect.metric)} {bound_text(effect)}, seen "
        f"{figure(effect.metric, effect.seen)}" for effect in one.effects)


def bound_text(effect: EffectModel) -> str:
    least = [] if effect.at_least is None else [f"≥ {figure(effect.metric, effect.at_least)}"]
    most = [] if effect.at_most is None else [f"≤ {figure(effect.metric, effect.at_most)}"]
    beside = ([] if effect.beside is None else
              [f"≤ {effect.beside * 100:.0f} % of the longest wait beside it"])
    return " and ".join(least + most + beside)


def figure(metric: str, value: float | None) -> str:
    """A value with the unit of its metric."""
    if metric.endswith("_ms"):
        return milliseconds(value)
    return percent(value) if metric.endswith("_prbs") else rate(value, 1000)


def _change(change: ChangeModel) -> str:
    before = "" if change.before is None else (
        f"<del>{span(change.before)}</del> → ")
    return f"<span><b>{escaped(change.snssai)}</b> {before}{span(change.after)}</span>"


def _effect(effect: EffectModel) -> str:
    """Three cells: what, a track with the bound, before and seen, and the same in words."""
    tone = {None: "wait", True: "good", False: "bad" if effect.needed else "wait"}[effect.met]
    word = "expected" if effect.needed else "would prove it:"
    known = [value for value in (effect.before, effect.seen, effect.at_least, effect.at_most)
             if value is not None]
    full = max(known, default=0.0) * OPEN_ENDED or 1.0

    def place(value: float) -> float:
        return min(max(value / full, 0.0), 1.0) * 100

    low = 0.0 if effect.at_least is None else place(effect.at_least)
    high = 100.0 if effect.at_most is None else place(effect.at_most)
    dots = "".join(
        f'<i{name} style="left: {place(value):.1f}%"></i>' for name, value in
        (("", effect.before), (' class="as-seen"', effect.seen)) if value is not None)
    subject = short(effect.subject)
    words = METRIC_WORDS.get(effect.metric, effect.metric)
    return (f"<span>{escaped(subject)} <small>{escaped(words)}</small></span>"
            f'<span class="as-track" data-tone="{tone}"><mark style="left: {low:.1f}%; '
            f'width: {max(high - low, 0.0):.1f}%"></mark>{dots}</span>'
            f"<span>{figure(effect.metric, effect.before)} → <b>"
            f"{figure(effect.metric, effect.seen)}</b> <small>{word} {bound_text(effect)} "
            f"within {effect.within:g} s</small></span>")
