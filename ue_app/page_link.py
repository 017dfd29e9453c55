"""The side bar's part on the link: what is guessed ahead, and how rows are written. Widgets only.

What is chosen here holds from the next answer on. What the model at hand does not allow is named
with the reason, and cannot be chosen.
"""

from __future__ import annotations

import streamlit as st

from edge_server.errors import EdgeError
from ue_app.encoding import AUTO
from ue_app.errors import PhoneError
from ue_app.offers import Offer, missing
from ue_app.page_text import error_html, missing_html
from ue_app.phone_app import PhoneApp

FIRST_BUDGET = 1.0  # percent of perplexity that auto may cost until something else is said


def link_settings(app: PhoneApp) -> None:
    """Draw it."""
    with st.expander("Over the link", key="link"):
        offers = app.offers
        if offers is None:
            st.caption("Looking at the model")
            return
        if told := st.session_state.pop("link-told", None):
            st.html(error_html(*told))
        _guess(app, offers.guesses)
        _encoding(app, offers.encodings)


def _guess(app: PhoneApp, offers: tuple[Offer, ...]) -> None:
    known = {offer.name: offer for offer in offers}
    current = app.settings.speculate
    names = [name for name, offer in known.items() if not offer.problem or name == current]
    st.session_state["guess"] = current  # also where it was changed in another window
    st.radio("Guess ahead", names, key="guess", on_change=_chosen, args=(app, "guess"),
             format_func=lambda name: known[name].label,
             captions=[known[name].words for name in names],
             help="Several tokens are guessed here and checked by the edge in one round trip. The "
                  "answer stays the same, token for token. Holds from the next answer on.")
    _why_not(offers)


def _encoding(app: PhoneApp, offers: tuple[Offer, ...]) -> None:
    known = {offer.name: offer for offer in offers}
    current = app.settings.encoding
    names = [name for name, offer in known.items() if not offer.problem or name == current]
    if current not in known:  # one with a parameter, from the settings
        names.append(current)
    st.session_state["link-encoding"] = current
    st.selectbox("Rows are sent as", names, key="link-encoding", on_change=_chosen,
                 args=(app, "link-encoding"),
                 help="Fewer bytes a token; all but lossless cost some quality. Holds from the "
                      "next answer on.")
    if current in known:
        st.caption(known[current].words)
    if current == AUTO:
        st.session_state["link-budget"] = app.settings.max_ppl_increase
        st.number_input("Quality it may cost, percent", min_value=0.0, max_value=1000.0, step=0.5,
                        format="%g", key="link-budget", on_change=_chosen,
                        args=(app, "link-budget"), help="Growth of perplexity, as measured for "
                                                        "this model.")
    _why_not(offers)


def _why_not(offers: tuple[Offer, ...]) -> None:
    for (problem, remedy), labels in missing(offers).items():
        st.html(missing_html(labels, problem, remedy))


def _chosen(app: PhoneApp, key: str) -> None:
    """Take over what a widget says; what cannot be is told, and the widget goes back."""
    value = st.session_state[key]
    if key == "guess":
        change = {"speculate": value}
    elif key == "link-encoding":
        change = {"encoding": value,
                  "max_ppl_increase": FIRST_BUDGET if value == AUTO else None}
    else:
        change = {"max_ppl_increase": value}
    try:
        app.apply(vars(app.settings) | change)
    except (PhoneError, EdgeError) as error:
        st.session_state["link-told"] = (error.problem, error.remedy)
