"""The script that Streamlit runs for each visitor of the console: look, pages, way between them.

`airsplit xapp-console` starts it. Widgets only; see `console_state` for what the pages share.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from xapp import console_network, console_policies, console_records, console_traffic
from xapp.console_parts import DECISIONS, EVENTS, NETWORK, POLICIES, TITLES, TRAFFIC
from xapp.console_state import Console, current
from xapp.console_style import CSS

# Drawn here: an icon named from Streamlit's set would be fetched from another host.
ICON = ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" '
        'rx="8" fill="#0f766e"/><path d="M7 24h18M10 24V14m6 10V8m6 16v-6" stroke="#fff" '
        'stroke-width="3.2" stroke-linecap="round" fill="none"/></svg>')
ABOUT = ("**airsplit xApp**: recognises split-LLM traffic, steers slices for it, and checks that "
         "it worked.")


def main() -> None:
    """Draw the page that the address names."""
    st.set_page_config(page_title="airsplit xApp", page_icon=ICON, layout="wide",
                       initial_sidebar_state="auto", menu_items={"About": ABOUT})
    st.html(CSS)
    pages = pages_of(current())
    st.session_state["pages"] = pages
    st.navigation(list(pages.values()), position="hidden").run()


def pages_of(console: Console) -> dict[str, Any]:
    """The pages by name, for the way to them."""
    shows = {NETWORK: console_network.show, TRAFFIC: console_traffic.show,
             DECISIONS: console_records.show_decisions, EVENTS: console_records.show_events,
             POLICIES: console_policies.show}
    return {name: st.Page(partial(show, console), title=TITLES[name], url_path=name,
                          default=name == NETWORK) for name, show in shows.items()}


if __name__ == "__main__":
    main()
