"""The script that Streamlit runs for each visitor: look, pages and the way between them.

`airsplit app` starts it. Widgets only; see `phone_app` for what they show.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from ue_app import page_chat, page_recordings, page_settings
from ue_app.page_parts import CHAT, RECORDINGS, SETTINGS
from ue_app.page_style import CSS
from ue_app.phone_app import PhoneApp, current

# Drawn here: an icon named from Streamlit's set would be fetched from another host.
ICON = ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" '
        'rx="8" fill="#0f766e"/><path d="M16 26V17M16 17L8 8M16 17l8-9" stroke="#fff" '
        'stroke-width="3.2" stroke-linecap="round" fill="none"/></svg>')
ABOUT = ("**airsplit**: one language model in two halves. The first layers run on this device, the "
         "others at the edge.")


def main() -> None:
    """Draw the page that the address names."""
    st.set_page_config(page_title="airsplit", page_icon=ICON, layout="centered",
                       initial_sidebar_state="auto", menu_items={"About": ABOUT})
    st.html(CSS)
    pages = pages_of(current())
    st.session_state["pages"] = pages
    st.navigation(list(pages.values()), position="hidden").run()


def pages_of(app: PhoneApp) -> dict[str, Any]:
    """The pages by name, for the way to them."""
    return {
        CHAT: st.Page(lambda: page_chat.show(app), title="Chat", url_path="chat", default=True),
        RECORDINGS: st.Page(lambda: page_recordings.show(app), title="Recordings",
                            url_path="recordings"),
        SETTINGS: st.Page(lambda: page_settings.show(app), title="Settings", url_path="settings"),
    }


if __name__ == "__main__":
    main()
