"""Draws one page of the console alone: Streamlit's test harness has no way from page to page."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from xapp.console import pages_of
from xapp.console_state import Console, current


def draw(show: Callable[[Console], None]) -> None:
    st.session_state["pages"] = pages_of(current())
    st.navigation(list(st.session_state["pages"].values()), position="hidden")
    show(current())
