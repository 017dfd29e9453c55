"""The settings page: a form, its checks' words, nothing else. What values mean is in `settings`."""

from __future__ import annotations

from typing import Any

import streamlit as st

from edge_server.encodings.registry import NAMES
from edge_server.engine.options import BACKENDS, PRECISIONS
from edge_server.errors import EdgeError
from ue_app.drafts.registry import CHOICES
from ue_app.errors import PhoneError
from ue_app.page_parts import SETTINGS, show_error, sidebar
from ue_app.page_text import error_html
from ue_app.phone_app import PhoneApp
from ue_app.settings import ModelFacts, Settings

PRECISION_NAMES = {"auto": "As the model is stored", "fp32": "fp32, exact, 4 bytes a number",
                   "bf16": "bf16, half the bytes", "fp16": "fp16, reference backend only",
                   "int8": "int8 weights, bf16 on the link"}
BACKEND_NAMES = {"auto": "The fastest there is", "fast": "Compiled kernel",
                 "reference": "transformers"}
GUESS_NAMES = {"off": "Off", "lookup": "Prompt lookup: what the conversation repeats",
               "exit": "The model's exit head", "auto": "The best there is"}


def show(app: PhoneApp) -> None:
    """Draw the page."""
    sidebar(app, SETTINGS, None)
    st.title("Settings")
    if app.settings_problem is not None:
        st.html(error_html(app.settings_problem.problem, app.settings_problem.remedy))
    with st.form("settings", border=False):
        values = _fields(app.settings, app.facts(), app.model_name())
        verdict = st.container()  # above the button, where one looks
        saved = st.form_submit_button("Save", type="primary", key="save")
    if saved:
        with verdict:
            _save(app, values)
    st.caption(f"Kept in {app.config.settings_file}, readable by you alone.")


def _save(app: PhoneApp, values: dict[str, Any]) -> None:
    try:
        facts = app.apply(values)
    except (PhoneError, EdgeError) as error:
        show_error(error)
    else:
        st.success(f"Saved. The model has {facts.layers} layers; answers use these settings "
                   "from now on.", icon=":material/check:")


def _fields(settings: Settings, facts: ModelFacts | None, model: str) -> dict[str, Any]:
    return {**_edge_fields(settings), **_model_fields(settings, facts, model),
            **_sampling_fields(settings, facts)}


def _edge_fields(settings: Settings) -> dict[str, Any]:
    values: dict[str, Any] = {}
    st.subheader("Edge")
    values["edges"] = st.text_area(
        "Edge address", "\n".join(settings.edges), key="edges", height=80,
        placeholder="empty: an edge on this machine, started by the app if none runs",
        help="Such as https://edge.example:8470. Several, one a line: the next is used when one "
             "does not answer.")
    values["token"] = st.text_input(
        "Token", settings.token, key="token", type="password", autocomplete="off",
        placeholder="empty where the edge asks for none",
        help="From `airsplit edge token add`.")
    values["ca"] = st.text_input(
        "Certificates", settings.ca, key="ca", placeholder="empty: those of the system",
        help="A file in PEM with what to trust for https besides, such as an edge's own.")
    left, right = st.columns(2)
    values["timeout"] = left.number_input(
        "Longest silence, seconds", value=settings.timeout, format="%g", key="timeout",
        help="How long the edge may say nothing while an answer is due.")
    values["patience"] = right.number_input(
        "Patience, seconds", value=settings.patience, format="%g", key="patience",
        help="How long to try to take an answer up again after the link broke.")
    return values


def _model_fields(settings: Settings, facts: ModelFacts | None, model: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    st.subheader("Model")
    values["models"] = st.text_area(
        "Model folder", "\n".join(settings.models), key="models", height=80,
        placeholder=f"empty: the bundled model ({model})" if not settings.models
        else "empty: the bundled model",
        help="A checkpoint folder, or the head that `airsplit split` wrote; several parts one a "
             "line.")
    most = None if facts is None else facts.layers
    left, right = st.columns(2)
    values["split"] = left.number_input(
        "Layers on this device", value=settings.split, step=1, key="split",
        placeholder="1, or what the part holds",
        help=None if most is None else f"0 to {most}. More here is less at the edge.")
    values["context"] = right.number_input(
        "Longest conversation, tokens", value=settings.context, step=1, key="context")
    values["private"] = st.toggle(
        "Private mode", settings.private, key="private",
        help="The last layers and the choice of words run here too: the edge sees neither "
             "question nor answer. It costs bytes and time.")
    values["tail"] = st.number_input(
        "Last layers on this device, in private mode", value=settings.tail, step=1, key="tail",
        placeholder="1, or what the part holds")
    left, right = st.columns(2)
    values["precision"] = left.selectbox(
        "Number format", PRECISIONS, PRECISIONS.index(settings.precision), key="precision",
        format_func=lambda name: PRECISION_NAMES[name],
        help="Of the weights, and with them of the activations that are sent. The edge must run "
             "one that exchanges the same rows.")
    values["backend"] = right.selectbox(
        "Backend", BACKENDS, BACKENDS.index(settings.backend), key="backend",
        format_func=lambda name: BACKEND_NAMES[name])
    values["encoding"] = left.text_input(
        "Encoding of activations", settings.encoding, key="encoding",
        help=f"What is sent a token: {', '.join(NAMES)}; or auto, which chooses by the link.")
    values["speculate"] = left.selectbox(
        "Guess ahead", CHOICES, CHOICES.index(settings.speculate), key="speculate",
        format_func=lambda name: GUESS_NAMES[name],
        help="Several tokens are guessed here and checked by the edge in one round trip. The "
             "answer stays the same, token for token.")
    values["max_ppl_increase"] = right.number_input(
        "Quality that auto may cost, percent", value=settings.max_ppl_increase, format="%g",
        min_value=0.0, key="max_ppl_increase", placeholder="only with auto",
        help="Growth of perplexity, as measured for this model.")
    return values


def _sampling_fields(settings: Settings, facts: ModelFacts | None) -> dict[str, Any]:
    values: dict[str, Any] = {}
    st.subheader("Sampling")
    st.caption("What is left empty follows the model's own generation settings.")
    own = {} if facts is None else facts.sampling
    left, right = st.columns(2)
    for index, (name, label, neutral) in enumerate((
            ("temperature", "Temperature", "0, greedy"), ("top_k", "Top-k", "0, all"),
            ("top_p", "Top-p", "1, all"), ("min_p", "Min-p", "0, all"),
            ("repetition_penalty", "Repetition penalty", "1, none"))):
        values[name] = (right if index % 2 else left).number_input(
            label, value=getattr(settings, name), key=name,
            step=1 if name == "top_k" else 0.05,
            placeholder=f"the model's own: {own.get(name, neutral)}")
    values["seed"] = right.number_input("Seed", value=settings.seed, step=1, key="seed",
                                        placeholder="another each time")
    values["max_new_tokens"] = st.number_input(
        "Longest answer, tokens", value=settings.max_new_tokens, step=1, key="max_new_tokens")
    return values
