"""The chat page: widgets only. What they do is in `phone_app`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from edge_server.errors import EdgeError
from ue_app.errors import PhoneError
from ue_app.page_live import (
    BUSY_PAUSE,
    GROWING_HTML,
    GROWING_JS,
    IDLE_PAUSE,
    LIVE_HTML,
    LIVE_JS,
    PATH,
    growing_html,
    live_state,
    mark_of,
)
from ue_app.page_parts import CHAT, RECORDINGS, copy_button, pages, show_error, sidebar
from ue_app.page_text import (
    answer_html,
    error_html,
    figures_text,
    note_html,
    question_html,
)
from ue_app.phone_app import PhoneApp, number_of
from ue_app.runner import Job

STARTERS = ("Once upon a time there was an old king who", "Tell me a story about a fisherman.",
            "Why did the fox come back?")


def show(app: PhoneApp) -> None:
    """Draw the page."""
    conversation = _conversation(app)
    sidebar(app, CHAT, conversation)
    job = None if conversation is None else app.runner.job(conversation)
    with st.container(key="strip"):
        _strip(app, conversation, job)
        _record_button(app, conversation)
    # What comes and goes has containers that stay: whatever is below keeps its place and its state.
    with st.container(key="notes"):
        _notes(app)
    writing = job if job is not None and job.running else None
    question = _composer(app, writing)
    if conversation is None:
        question = _hello() or question
    else:
        _conversation_tools(app, conversation)
        with st.container(key="turns"):
            _turns(app, conversation, job, writing)
        if writing is not None:
            _growing_answer(writing)
    if question:
        _ask(app, conversation, question)


def _conversation(app: PhoneApp) -> int | None:
    """The conversation that the address names, where there is one.

    A link within the page changes what is shown and leaves the browser's address as it was. The
    address is put right here: from it come a reload and the next question's conversation.
    """
    number = number_of(st.query_params.get("chat"))
    found = None if number is None else app.talks.find(number)
    shown = None if found is None else found.id
    if shown != number or shown != st.session_state.get("chat"):
        if shown is None:
            st.query_params.clear()
        else:
            st.query_params["chat"] = str(shown)
    st.session_state["chat"] = shown
    return shown


def _strip(app: PhoneApp, conversation: int | None, job: Job | None) -> None:
    """The live strip; its script keeps it and the growing answer up to date."""
    mark = mark_of(app, job)  # first of all: what changes after it is noticed
    state = live_state(app, conversation)
    query = "" if conversation is None else f"?chat={conversation}"
    component = st.components.v2.component("airsplit_live", html=LIVE_HTML, js=LIVE_JS,
                                           isolate_styles=False)
    component(key="live", on_changed_change=_nothing, data={
        "url": PATH + query, "strip": state["strip"], "mark": mark, "pause": BUSY_PAUSE,
        "slow": IDLE_PAUSE, "writing": state["answer"] is not None and job is not None
        and not job.text})


def _nothing() -> None:
    """The page is drawn anew because its script runs; there is nothing else to do."""


def _growing_answer(job: Job) -> None:
    component = st.components.v2.component("airsplit_growing", html=GROWING_HTML, js=GROWING_JS,
                                           isolate_styles=False)
    component(key=f"growing-{job.number}", data={"html": growing_html(job)})


def _record_button(app: PhoneApp, conversation: int | None) -> None:
    recording = app.recorder.since is not None
    with st.container(key="record"), st.container(key="record-on" if recording else "record-off"):
        pressed = st.button(
            "Stop recording" if recording else "Record", key="record-button",
            icon=":material/stop_circle:" if recording else ":material/radio_button_checked:",
            help="Writes a capture of this app's own traffic and the time of every token.")
    if pressed:
        try:
            name = app.recorder.name
            app.record(conversation)
            st.session_state["recorded"] = name if recording else None
        except (PhoneError, EdgeError) as error:
            st.session_state["recorded"] = None
            show_error(error)
            return
        st.rerun()


def _notes(app: PhoneApp) -> None:
    """What a person should know now, above the conversation."""
    if app.settings_problem is not None:
        st.html(error_html(app.settings_problem.problem, app.settings_problem.remedy))
    if app.problem is not None and not app.service.opening:
        st.html(error_html(app.problem.problem, app.problem.remedy))
        if st.button("Try again", key="connect", icon=":material/refresh:"):
            app.problem = None
            app.connect()
            st.rerun()
    if app.talks.problem is not None:
        error = app.talks.problem
        st.html(note_html(f"{error.problem} {error.remedy} Until then this conversation is kept "
                          "in memory alone."))
    if app.recorder.since is not None:
        text = f"Recording into {app.recorder.folder / (app.recorder.name or '')}."
        if app.recorder.problem is not None:
            text += f" {app.recorder.problem.problem} {app.recorder.problem.remedy}"
        st.html(note_html(text))
    recorded = st.session_state.get("recorded")
    if recorded and app.recorder.since is None:
        st.html(note_html(f"Recorded into {app.recorder.folder / recorded}."))
        st.page_link(pages()[RECORDINGS], label="Open the recording", icon=":material/monitoring:",
                     query_params={"name": recorded})


def _composer(app: PhoneApp, writing: Job | None) -> str | None:
    """The field at the bottom, with a stop button while an answer is written."""
    with st.bottom:
        if writing is not None:
            with st.container(key="stop", horizontal_alignment="center"):
                st.button("Stop", key="stop-button", icon=":material/stop:", on_click=writing.stop,
                          disabled=writing.cancelled.is_set())
        text = st.chat_input(
            f"Message {app.model_name()}" if writing is None else "The answer is being written",
            key="composer", disabled=writing is not None)
    return text.strip() or None if isinstance(text, str) else None


def _hello() -> str | None:
    """An empty conversation, with something to begin with."""
    where = ("The first layers run on this device, the others at the edge. "
             "Your text stays here; activations travel.")
    st.html(f'<div class="as-hello"><h1>What shall we write?</h1><p>{where}</p></div>')
    with st.container(key="starters", horizontal=True, horizontal_alignment="center"):
        for index, text in enumerate(STARTERS):
            if st.button(text, key=f"starter-{index}"):
                return text
    return None


def _ask(app: PhoneApp, conversation: int | None, question: str) -> None:
    try:
        asked = app.ask(conversation, question)
    except (PhoneError, EdgeError) as error:
        show_error(error)
        return
    st.query_params["chat"] = str(asked)
    st.rerun()


def _conversation_tools(app: PhoneApp, conversation: int) -> None:
    talk = app.talks.find(conversation)
    if talk is None:
        return
    with st.container(key="tools-talk", horizontal=True, horizontal_alignment="right"), \
            st.popover("Conversation", icon=":material/more_horiz:", type="tertiary"):
        with st.form("rename", border=False):
            title = st.text_input("Name", value=talk.title, max_chars=48)
            if st.form_submit_button("Rename"):
                with _told():
                    app.talks.rename(conversation, title)
                st.rerun()
        if st.button("Clear it", key="clear", icon=":material/mop:",
                     help="Remove what was said; the conversation and its name stay."):
            with _told():
                app.clear(conversation)
            st.rerun()
        if st.button("Delete this conversation", key="delete", icon=":material/delete:"):
            with _told():
                app.delete(conversation)
                del st.query_params["chat"]
            st.rerun()


@contextmanager
def _told() -> Iterator[None]:
    """An error of an action that is followed by a rerun is shown after it."""
    try:
        yield
    except (PhoneError, EdgeError) as error:
        st.session_state["told"] = (error.problem, error.remedy)


def _turns(
    app: PhoneApp, conversation: int, job: Job | None, writing: Job | None
) -> None:
    if told := st.session_state.pop("told", None):
        st.html(error_html(*told))
    turns = app.talks.turns(conversation)
    for turn in turns:
        if turn.role == "user":
            st.html(question_html(turn.text))
            continue
        with st.container(key=f"answer-{turn.id}"):
            text = answer_html(turn.text) or "<p><em>The model said nothing.</em></p>"
            st.html(f'<div class="as-answer">{text}</div>')
            if turn.figures.get("problem"):
                st.html(error_html(turn.figures["problem"], turn.figures.get("remedy", "")))
            with st.container(key=f"tools-{turn.id}", horizontal=True, gap="xsmall",
                              vertical_alignment="center"):
                copy_button(turn.text, f"copy-{turn.id}")
                if turn is turns[-1] and writing is None:
                    _again(app, conversation, "Regenerate")
                st.html(f'<span class="as-figures">{figures_text(turn.figures)}</span>')
    if turns and turns[-1].role == "user" and writing is None:
        if job is not None and job.error is not None:
            st.html(error_html(job.error.problem, job.error.remedy))
        _again(app, conversation, "Try again")


def _again(app: PhoneApp, conversation: int, label: str) -> None:
    if st.button(label, key="regenerate", icon=":material/refresh:", type="tertiary"):
        with _told():
            app.regenerate(conversation)
        st.rerun()
