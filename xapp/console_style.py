"""How the console looks: colours of both themes, and the style of what it draws itself.

Values only, in the manner of the phone's page. Colours of Streamlit's own widgets come from its
theme options; `light-dark()` follows the scheme that theme sets.
"""

from __future__ import annotations

# Of slices, in the order in which a cell lists them; told apart without green against red.
SLICES_LIGHT = ("#0f766e", "#4f46e5", "#b45309", "#be185d", "#0369a1", "#4d7c0f")
SLICES_DARK = ("#2dd4bf", "#a5b4fc", "#fbbf24", "#f472b6", "#38bdf8", "#bef264")
GOOD, WAIT, BAD, QUIET = "good", "wait", "bad", "quiet"
TONES_LIGHT = {GOOD: "#0f766e", WAIT: "#b45309", BAD: "#b91c1c", QUIET: "#5b6670"}
TONES_DARK = {GOOD: "#2dd4bf", WAIT: "#fbbf24", BAD: "#f87171", QUIET: "#98a4ad"}
STATE_TONES = {"confirmed": GOOD, "planned": WAIT, "sent": WAIT, "acknowledged": WAIT,
               "unproven": WAIT,
               "rolled_back": BAD, "failed": BAD, "recorded": QUIET, "superseded": QUIET}

THEME: dict[str, object] = {
    "theme.light.primaryColor": TONES_LIGHT[GOOD],
    "theme.light.backgroundColor": "#ffffff",
    "theme.light.secondaryBackgroundColor": "#f4f5f6",
    "theme.light.textColor": "#16191d",
    "theme.light.borderColor": "#e3e6e9",
    "theme.light.sidebar.backgroundColor": "#f7f8f8",
    "theme.light.sidebar.secondaryBackgroundColor": "#eceeef",
    "theme.dark.primaryColor": TONES_DARK[GOOD],
    "theme.dark.backgroundColor": "#101315",
    "theme.dark.secondaryBackgroundColor": "#1b2023",
    "theme.dark.textColor": "#e8ebed",
    "theme.dark.borderColor": "#2b3237",
    "theme.dark.sidebar.backgroundColor": "#15191c",
    "theme.dark.sidebar.secondaryBackgroundColor": "#20262a",
    "theme.baseRadius": "0.75rem",
    "theme.buttonRadius": "0.75rem",
    "theme.showWidgetBorder": True,
    "theme.headingFontSizes": ["1.7rem", "1.35rem", "1.1rem"],
}
_SLICE_COLOURS = "\n".join(
    f"  --as-slice-{number}: light-dark({light}, {dark});"
    for number, (light, dark) in enumerate(zip(SLICES_LIGHT, SLICES_DARK, strict=True)))
_ROOT = f"""
:root {{
  --as-accent: light-dark(#0f766e, #2dd4bf);
  --as-amber: light-dark(#b45309, #fbbf24);
  --as-red: light-dark(#b91c1c, #f87171);
  --as-text: light-dark(#16191d, #e8ebed);
  --as-soft: light-dark(#5b6670, #98a4ad);
  --as-line: light-dark(#e3e6e9, #2b3237);
  --as-page: light-dark(#ffffff, #101315);
  --as-raised: light-dark(#f4f5f6, #1b2023);
{_SLICE_COLOURS}
}}
"""

CSS = "<style>" + _ROOT + """
/* Updates in place, every second or two: nothing may fade meanwhile. */
[data-stale="true"], .stale-element { opacity: 1 !important; transition: none !important; }
[data-testid="stStatusWidget"], [data-testid="stDecoration"] { display: none; }
[data-testid="stMainBlockContainer"] { max-width: 72rem; padding: 0 1.5rem 3rem; margin: 0 auto; }
[data-testid="stHeader"] { background: transparent; height: 3rem; }
[data-testid="stHeader"], [data-testid="stHeader"] div { pointer-events: none; }
[data-testid="stHeader"] button, [data-testid="stHeader"] [role="button"] { pointer-events: auto; }
[data-testid="stSidebarHeader"] { height: 2.5rem; margin-bottom: 0; }
.as-brand { font-size: 1.15rem; font-weight: 680; letter-spacing: -.03em; color: var(--as-text); }
.as-brand span { color: var(--as-accent); }
.as-brand small { font-weight: 500; color: var(--as-soft); letter-spacing: 0; margin-left: .35rem; }

/* The strip stays in view while the page scrolls beneath it. */
[data-testid="stLayoutWrapper"]:has(> .st-key-strip) {
  position: sticky; top: 0; z-index: 20; background: var(--as-page);
}
.st-key-strip { padding: 1rem 0 .6rem; border-bottom: 1px solid var(--as-line); gap: 0; }
.st-key-switches { position: absolute; right: 2.2rem; top: .85rem; width: auto !important; }
.st-key-switches button {
  min-height: 1.9rem; padding: .05rem .75rem; border-radius: 99px;
}
.st-key-switches button p { font-size: .82rem !important; white-space: nowrap; }
.st-key-kill button { color: var(--as-red); border-color: var(--as-red); }
.st-key-kill button:hover { color: #fff; background: light-dark(#b91c1c, #991b1b); }
.st-key-dry-on button, .st-key-release button {
  color: var(--as-amber); border-color: var(--as-amber); }
.as-strip { color: var(--as-text); font-variant-numeric: tabular-nums; }
.as-head {
  display: flex; align-items: center; gap: .5rem; min-height: 1.75rem; padding-right: 17rem;
  white-space: nowrap;
}
.as-head strong { font-weight: 600; font-size: .95rem; }
.as-head em, .as-dot {
  width: .6rem; height: .6rem; border-radius: 50%; flex: none; background: var(--as-soft);
  display: inline-block;
}
[data-tone="good"] { --as-tone: var(--as-accent); }
[data-tone="wait"] { --as-tone: var(--as-amber); }
[data-tone="bad"] { --as-tone: var(--as-red); }
[data-tone="quiet"] { --as-tone: var(--as-soft); }
.as-head em, .as-dot { background: var(--as-tone);
  box-shadow: 0 0 0 .25rem color-mix(in srgb, var(--as-tone) 18%, transparent); }
.as-place {
  color: var(--as-soft); font-size: .8rem; overflow: hidden; text-overflow: ellipsis; min-width: 0;
}
.as-cells {
  display: grid; grid-template-columns: repeat(6, 1fr); gap: .5rem; margin: .55rem 0 0;
}
.as-cell { min-width: 0; }
.as-cell b {
  display: block; font-size: 1.4rem; line-height: 1.15; font-weight: 600; letter-spacing: -.02em;
  white-space: nowrap; overflow: hidden; text-overflow: ellipsis;
}
.as-cell i {
  font-style: normal; font-weight: 500; font-size: .75rem; color: var(--as-soft);
  margin-left: .2rem; letter-spacing: 0;
}
.as-cell span { font-size: .72rem; color: var(--as-soft); white-space: nowrap; }

[data-testid^="stBaseButton-primary"] { color: light-dark(#ffffff, #06201d); }
.st-key-confirm-pull button { background: var(--as-red); border-color: var(--as-red);
  color: light-dark(#ffffff, #2a0808); }
.as-strip + .as-error { margin-top: .6rem; }

/* Sections and boxes. */
.as-section { font-size: .95rem; font-weight: 650; margin: .4rem 0 .1rem; color: var(--as-text);
  letter-spacing: -.01em; }
.as-section small { font-weight: 400; color: var(--as-soft); font-size: .8rem; margin-left: .4rem; }
.as-error, .as-note {
  border: 1px solid color-mix(in srgb, var(--as-box) 45%, transparent); color: var(--as-text);
  background: color-mix(in srgb, var(--as-box) 8%, transparent); overflow-wrap: anywhere;
  border-radius: .75rem; padding: .65rem .95rem; font-size: .9rem; line-height: 1.45;
}
.as-error { --as-box: var(--as-red); }
.as-note { --as-box: var(--as-amber); }
.as-error b, .as-note b { display: block; font-weight: 600; margin-bottom: .1rem; }
.as-error code, .as-note code, .as-hello code { background: none; color: inherit; padding: 0;
  font-size: .9em; }
.as-hello { text-align: center; margin: 9vh auto 1.4rem; max-width: 34rem; }
.as-hello h1 {
  font-size: 1.8rem; letter-spacing: -.03em; padding: 0; color: var(--as-text); font-weight: 650;
}
.as-hello p { color: var(--as-soft); margin: .5rem 0 0; line-height: 1.55; }
.as-hello pre { text-align: left; background: var(--as-raised); border: 1px solid var(--as-line);
  color: var(--as-text); border-radius: .75rem; padding: .8rem 1rem; margin: 1rem 0 0;
  overflow-x: auto; font-size: .85rem; line-height: 1.6; }
.as-empty { color: var(--as-soft); font-size: .9rem; padding: .6rem 0; }

/* A cell: what its slices use now, and what they may. */
.as-usage { color: var(--as-text); font-variant-numeric: tabular-nums; }
.as-bar { position: relative; display: flex; height: 1.5rem; border-radius: .5rem; overflow: hidden;
  background: var(--as-raised); margin: .35rem 0 .55rem; }
.as-bar u { height: 100%; transition: width .6s ease; background: var(--as-colour); }
.as-bar u + u { border-left: 2px solid var(--as-page); }
.as-slices { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr));
  gap: .5rem 1.2rem; }
.as-slice { display: flex; align-items: baseline; gap: .45rem; min-width: 0; font-size: .85rem; }
.as-slice s { width: .65rem; height: .65rem; border-radius: .2rem; background: var(--as-colour);
  flex: none; text-decoration: none; }
.as-slice b { font-weight: 600; }
.as-slice span { color: var(--as-soft); font-size: .78rem; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; }
.as-legend { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; font-size: .74rem;
  color: var(--as-soft); }
.as-legend span { display: inline-flex; align-items: center; gap: .35rem; white-space: nowrap; }
.as-legend i { width: 1.1rem; height: .7rem; border-radius: .2rem; background: var(--as-soft); }
.as-legend i.as-range { opacity: .25; }
.as-legend i.as-least { width: 1.5rem; border-radius: 0; height: 0; background: none;
  border-top: 2px dashed var(--as-soft); }
.as-legend i.as-mark { width: .6rem; height: .6rem; border-radius: 0; transform: rotate(45deg);
  background: var(--as-tone); }

/* Rows of flows, UEs, events. */
.as-rows { color: var(--as-text); font-variant-numeric: tabular-nums; font-size: .86rem; }
.as-row { display: grid; gap: .2rem .9rem; align-items: center; padding: .5rem 0;
  border-top: 1px solid var(--as-line); }
.as-row:first-child { border-top: 0; }
.as-row > * { min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.as-row small { color: var(--as-soft); font-size: .76rem; }
.as-titles { color: var(--as-soft); font-size: .74rem; padding-bottom: .3rem; }
.as-flow { grid-template-columns: 7.5rem 7.5rem minmax(6rem, 1.4fr) 5.5rem 6rem 1fr; }
.as-ue { grid-template-columns: 6rem 8rem 7rem 6rem minmax(6rem, 1fr) minmax(6rem, 1fr); }
.as-node { grid-template-columns: 1rem minmax(12rem, 1fr) 1.4fr; }
.as-node > div { white-space: normal; }
.as-limit { grid-template-columns: minmax(9rem, 18rem) 1fr; padding: .3rem 0; }
.as-limit span:first-child { color: var(--as-soft); }
.as-event { grid-template-columns: 1rem 8.5rem 1fr; align-items: baseline; }
.as-event > div { white-space: normal; }
.as-chip { display: inline-block; border-radius: 99px; padding: .08rem .6rem; font-size: .78rem;
  font-weight: 600; background: color-mix(in srgb, var(--as-soft) 14%, transparent);
  color: var(--as-text); max-width: 100%; overflow: hidden; text-overflow: ellipsis;
  vertical-align: bottom; }
.as-chip[data-tone] { color: var(--as-tone);
  background: color-mix(in srgb, var(--as-tone) 13%, transparent); }
.as-sure { display: flex; align-items: center; gap: .45rem; }
.as-sure u { flex: 1 1 auto; height: .4rem; border-radius: 99px; overflow: hidden;
  background: var(--as-line); text-decoration: none; max-width: 5rem; }
.as-sure u::after { content: ""; display: block; height: 100%; width: var(--w);
  border-radius: 99px; background: var(--as-tone); transition: width .6s ease; }

/* A decision. */
.as-decision { border: 1px solid var(--as-line); border-left: 3px solid var(--as-tone);
  border-radius: .75rem; padding: .65rem .95rem; color: var(--as-text); font-size: .87rem;
  font-variant-numeric: tabular-nums; line-height: 1.45; overflow-wrap: anywhere; }
.as-decision header { display: flex; flex-wrap: wrap; gap: .2rem .6rem; align-items: baseline; }
.as-decision header b { font-weight: 650; }
.as-decision time, .as-decision small { color: var(--as-soft); font-size: .76rem; }
.as-decision p { margin: .3rem 0 .4rem; font-size: .87rem; color: var(--as-text); }
.as-changes { display: flex; flex-wrap: wrap; gap: .25rem .9rem; font-size: .82rem; }
.as-changes span { white-space: nowrap; }
.as-changes del { color: var(--as-soft); text-decoration: none; }
.as-effects { display: grid; grid-template-columns: minmax(7rem, auto) minmax(5rem, 11rem) 1fr;
  gap: .25rem .8rem; align-items: center; margin-top: .45rem; font-size: .8rem; }
.as-effects > * { min-width: 0; }
.as-track { position: relative; height: .9rem; }
.as-track::before { content: ""; position: absolute; inset: .4rem 0 auto; height: .15rem;
  border-radius: 99px; background: var(--as-line); }
.as-track mark { position: absolute; top: .1rem; height: .75rem; border-radius: .15rem;
  background: color-mix(in srgb, var(--as-accent) 20%, transparent); }
.as-track i { position: absolute; top: .15rem; width: .62rem; height: .62rem; border-radius: 50%;
  margin-left: -.31rem; border: 2px solid var(--as-soft); background: var(--as-page); }
.as-track i.as-seen { background: var(--as-tone); border-color: var(--as-tone); }
.as-decision details { margin-top: .4rem; font-size: .8rem; }
.as-decision summary { color: var(--as-soft); cursor: pointer; }
.as-decision ol { margin: .3rem 0 0; padding-left: 1.2rem; }

/* Policies. */
[class*="st-key-a1-"] { border: 1px solid var(--as-line); border-radius: .75rem;
  padding: .65rem .95rem; gap: .3rem; }
.as-policy { color: var(--as-text); font-size: .87rem; overflow-wrap: anywhere; }
.as-policy header { display: flex; flex-wrap: wrap; gap: .3rem .6rem; align-items: baseline; }
.as-policy code { display: block; margin-top: .35rem; background: none; padding: 0;
  color: var(--as-soft); font-size: .8rem; white-space: pre-wrap; }

@media (max-width: 640px) {
  [data-testid="stMainBlockContainer"] { padding: 0 1rem 2rem; }
  [data-testid="stLayoutWrapper"]:has(> .st-key-strip) { position: static; }
  .st-key-strip { padding-top: .7rem; }
  .st-key-switches { position: static; margin-top: .55rem; }
  .as-head { padding-left: 2.4rem; padding-right: 2.4rem; }
  .as-place { display: none; }
  .as-cells { grid-template-columns: repeat(3, 1fr); gap: .35rem .5rem; }
  .as-cell b { font-size: 1.2rem; }
  .as-slices { grid-template-columns: 1fr; gap: .25rem; }
  .as-titles, .as-none { display: none; }
  .as-flow { grid-template-columns: 1fr 1fr; }
  .as-ue { grid-template-columns: 1fr 1fr; }
  .as-node { grid-template-columns: 1rem minmax(12rem, 1fr) 1.4fr; }
.as-node > div { white-space: normal; }
.as-limit { grid-template-columns: minmax(9rem, 18rem) 1fr; padding: .3rem 0; }
.as-limit span:first-child { color: var(--as-soft); }
.as-event { grid-template-columns: 1rem 1fr; }
  .as-event small { grid-column: 2; grid-row: 2; }
  .as-effects { grid-template-columns: 1fr 5rem; }
  .as-effects > :nth-child(3n) { grid-column: 1 / -1; }
}
</style>
"""


def colour_of(place: int) -> str:
    """The style that gives the slice at `place` of its cell its colour."""
    return f"--as-colour: var(--as-slice-{place % len(SLICES_LIGHT)})"
