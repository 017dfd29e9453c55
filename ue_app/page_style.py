"""How the page looks: colours of both themes, and the style of what the app draws itself.

Values only. Colours of Streamlit's own widgets come from its theme options; `light-dark()` follows
the scheme that theme sets.
"""

from __future__ import annotations

ACCENT_LIGHT, ACCENT_DARK = "#0f766e", "#2dd4bf"
THEME: dict[str, object] = {
    "theme.light.primaryColor": ACCENT_LIGHT,
    "theme.light.backgroundColor": "#ffffff",
    "theme.light.secondaryBackgroundColor": "#f4f5f6",
    "theme.light.textColor": "#16191d",
    "theme.light.borderColor": "#e3e6e9",
    "theme.light.sidebar.backgroundColor": "#f7f8f8",
    "theme.light.sidebar.secondaryBackgroundColor": "#eceeef",
    "theme.dark.primaryColor": ACCENT_DARK,
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

CSS = """
<style>
:root {
  --as-accent: light-dark(#0f766e, #2dd4bf);
  --as-amber: light-dark(#b45309, #fbbf24);
  --as-red: light-dark(#b91c1c, #f87171);
  --as-text: light-dark(#16191d, #e8ebed);
  --as-soft: light-dark(#5b6670, #98a4ad);
  --as-line: light-dark(#e3e6e9, #2b3237);
  --as-page: light-dark(#ffffff, #101315);
  --as-raised: light-dark(#f4f5f6, #1b2023);
}
/* Updates in place, several times a second: nothing may fade meanwhile. */
[data-stale="true"], .stale-element { opacity: 1 !important; transition: none !important; }
[data-testid="stStatusWidget"], [data-testid="stDecoration"] { display: none; }
[data-testid="stMainBlockContainer"] {
  max-width: 50rem; padding: 0 1.25rem 1rem; margin: 0 auto;
}
[data-testid="stBottomBlockContainer"] { max-width: 50rem; padding: .25rem 1.25rem 1.1rem; }
[data-testid="stHeader"] { background: transparent; height: 3rem; }
.stApp:not(:has(.st-key-strip)) [data-testid="stHeader"] { background: var(--as-page); }
/* It lies over the strip's first line and holds buttons only at its ends. */
[data-testid="stHeader"], [data-testid="stHeader"] div { pointer-events: none; }
[data-testid="stHeader"] button, [data-testid="stHeader"] [role="button"] { pointer-events: auto; }

/* The strip stays in view while the conversation scrolls beneath it. */
[data-testid="stLayoutWrapper"]:has(> .st-key-strip) {
  position: sticky; top: 0; z-index: 20; background: var(--as-page);
}
.st-key-strip { padding: 1rem 0 .4rem; border-bottom: 1px solid var(--as-line); gap: 0; }
.st-key-record { position: absolute; right: 0; top: 1rem; width: auto !important; }
.st-key-record button {
  min-height: 1.75rem; padding: .05rem .65rem; border-radius: 99px; font-size: .8rem;
}
.st-key-record p { font-size: .8rem !important; white-space: nowrap; }
.st-key-record-on button { color: var(--as-red); border-color: var(--as-red); }
.as-strip { color: var(--as-text); font-variant-numeric: tabular-nums; }
.as-head {
  display: flex; align-items: center; gap: .5rem; min-height: 1.75rem; padding-right: 9.5rem;
  white-space: nowrap;
}
.as-head strong { font-weight: 600; font-size: .95rem; }
.as-head em {
  width: .6rem; height: .6rem; border-radius: 50%; flex: none; background: var(--as-soft);
}
[data-tone="good"] .as-head em {
  background: var(--as-accent);
  box-shadow: 0 0 0 .25rem color-mix(in srgb, var(--as-accent) 18%, transparent);
}
[data-tone="wait"] .as-head em { background: var(--as-amber); animation: as-pulse 1s infinite; }
[data-tone="bad"] .as-head em {
  background: var(--as-red);
  box-shadow: 0 0 0 .25rem color-mix(in srgb, var(--as-red) 18%, transparent);
}
@keyframes as-pulse { 50% { opacity: .25; } }
.as-place {
  color: var(--as-soft); font-size: .8rem; overflow: hidden; text-overflow: ellipsis; min-width: 0;
}
.as-cells {
  display: grid; grid-template-columns: repeat(6, 1fr); gap: .5rem; margin: .55rem 0 .35rem;
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
.as-guesses {
  display: flex; flex-wrap: wrap; gap: 0 1.1rem; font-size: .76rem; color: var(--as-soft);
  margin: 0 0 .35rem;
}
.as-guesses span { white-space: nowrap; }
.as-guesses b { color: var(--as-text); font-weight: 600; }
.as-plot { display: flex; align-items: flex-end; gap: 2px; height: 2.1rem; }
.as-plot u {
  position: relative; flex: 1 1 0; min-width: 0; height: 100%; text-decoration: none;
}
.as-plot u::before, .as-plot u::after {
  content: ""; position: absolute; left: 0; right: 0; bottom: 0; border-radius: 2px;
  height: max(2px, calc(var(--w, 0) * 100%)); background: var(--as-line);
}
.as-plot u[style]::before {
  background: color-mix(in srgb, var(--as-accent) 30%, transparent);
}
.as-plot u[style]::after {
  height: max(2px, calc(var(--h, 0) * 100%)); background: var(--as-accent);
}
.as-plot u.as-slow::before { background: var(--as-amber); opacity: .75; }
.as-legend {
  display: flex; justify-content: space-between; gap: 1rem; font-size: .7rem;
  color: var(--as-soft); margin-top: .2rem; white-space: nowrap; overflow: hidden;
}

/* The conversation. */
.as-question { display: flex; justify-content: flex-end; margin: .9rem 0 .3rem; }
.as-question div {
  background: var(--as-raised); color: var(--as-text); border-radius: 1.1rem 1.1rem .3rem 1.1rem;
  padding: .6rem .95rem; max-width: 85%; white-space: pre-wrap; overflow-wrap: anywhere;
  line-height: 1.5;
}
.as-answer { overflow-wrap: anywhere; color: var(--as-text); font-size: 1rem; }
.as-answer p, .as-answer li { line-height: 1.65; margin: 0 0 .65rem; font-size: 1rem; }
.as-answer ul, .as-answer ol { padding-left: 1.4rem; margin: 0 0 .65rem; }
.as-answer h1, .as-answer h2, .as-answer h3, .as-answer h4 {
  font-size: 1.1rem; font-weight: 650; padding: 0; margin: 1rem 0 .4rem; letter-spacing: -.01em;
}
.as-answer code { background: var(--as-raised); color: inherit; border-radius: .35rem;
  padding: .1rem .35rem; font-size: .88em; }
.as-answer pre { background: var(--as-raised); border: 1px solid var(--as-line);
  border-radius: .75rem; padding: .8rem 1rem; overflow-x: auto; margin: 0 0 .8rem; }
.as-answer pre code { padding: 0; background: none; }
.as-answer table { display: block; overflow-x: auto; border-collapse: collapse; margin: 0 0 .8rem; }
.as-answer th, .as-answer td { border: 1px solid var(--as-line); padding: .3rem .6rem; }
.as-answer blockquote { border-left: 3px solid var(--as-line); color: var(--as-soft);
  margin: 0 0 .65rem; padding: 0 0 0 .9rem; }
.as-cursor { display: inline-block; width: .5rem; height: 1.05rem; border-radius: 2px;
  background: var(--as-accent); vertical-align: -.15rem; margin-left: .15rem;
  animation: as-pulse 1s infinite; }
.as-waiting { display: flex; gap: .35rem; align-items: center; color: var(--as-soft); height: 2rem;
  font-size: .9rem; }
.as-waiting i { width: .42rem; height: .42rem; border-radius: 50%; background: var(--as-accent);
  animation: as-pulse 1s infinite; }
.as-waiting i:nth-child(2) { animation-delay: .15s; }
.as-waiting i:nth-child(3) { animation-delay: .3s; margin-right: .3rem; }
.as-figures { color: var(--as-soft); font-size: .76rem; font-variant-numeric: tabular-nums; }
[class*="st-key-answer-"] { gap: .2rem; }
.st-key-tools-talk { margin-bottom: -1.4rem; }
.st-key-turns { gap: .6rem; }
[class*="st-key-tools"] button { padding: .1rem .5rem; min-height: 1.9rem; color: var(--as-soft); }
.as-error {
  border: 1px solid color-mix(in srgb, var(--as-red) 45%, transparent); color: var(--as-text);
  background: color-mix(in srgb, var(--as-red) 8%, transparent);
  border-radius: .75rem; padding: .7rem .95rem; font-size: .92rem; line-height: 1.45;
  overflow-wrap: anywhere;
}
.as-error b { display: block; font-weight: 600; margin-bottom: .1rem; }
.as-error code, .as-note code { background: none; color: inherit; padding: 0; font-size: .9em; }
.as-note {
  border: 1px solid color-mix(in srgb, var(--as-amber) 45%, transparent); color: var(--as-text);
  background: color-mix(in srgb, var(--as-amber) 8%, transparent);
  border-radius: .75rem; padding: .55rem .95rem; font-size: .85rem; line-height: 1.4;
  overflow-wrap: anywhere;
}
.as-hello { text-align: center; margin: 13vh auto 1.4rem; max-width: 30rem; }
.as-hello h1 {
  font-size: 1.9rem; letter-spacing: -.03em; padding: 0; color: var(--as-text); font-weight: 650;
}
.as-hello p { color: var(--as-soft); margin: .4rem 0 0; line-height: 1.5; }
.st-key-stop button { border-radius: 99px; }

/* The list of conversations. */
.as-brand { font-size: 1.15rem; font-weight: 680; letter-spacing: -.03em; color: var(--as-text); }
.as-brand span { color: var(--as-accent); }
[data-testid="stSidebarUserContent"] { padding-bottom: 1.5rem; }
[data-testid="stSidebarHeader"] { height: 2.5rem; margin-bottom: 0; }
.st-key-place { display: none; }
.st-key-link [data-testid="stExpanderDetails"] > div { gap: .5rem; }
.st-key-link [data-testid="stExpanderDetails"] { padding: .7rem .8rem; }
.st-key-link [data-testid="stCaptionContainer"] p { font-size: .78rem; line-height: 1.35; }
.as-missing { font-size: .76rem; line-height: 1.4; color: var(--as-soft); overflow-wrap: anywhere; }
.as-missing b { font-weight: 600; }
.st-key-new a { background: transparent !important; }
.st-key-new p { font-weight: 400; }
.st-key-talks, .st-key-talks > div { gap: .1rem; }
.st-key-talks a { background: transparent !important; padding: .3rem .6rem !important;
  min-height: 2.1rem; }
.st-key-talks [data-testid="stElementContainer"] { margin: 0; }
.st-key-talks a:hover { background: light-dark(#eef0f1, #1e2427) !important; }
.st-key-talks p { overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
  font-weight: 400 !important; }
.st-key-talk-current a, .st-key-talk-current a:hover {
  background: light-dark(#e6e9ea, #262d31) !important;
}
.st-key-talk-current p { font-weight: 600 !important; }

@media (max-width: 640px) {
  [data-testid="stMainBlockContainer"] { padding: 0 1rem 1rem; }
  [data-testid="stBottomBlockContainer"] { padding: .25rem 1rem .8rem; }
  .stApp:not(:has(.st-key-strip)) [data-testid="stMainBlockContainer"] { padding-top: 3rem; }
  .as-head { padding-left: 2.4rem; padding-right: 6.6rem; }
  .as-place { display: none; }
  .st-key-record { right: 2.4rem; }
  .as-cells { grid-template-columns: repeat(3, 1fr); gap: .4rem .5rem; }
  .as-cell b { font-size: 1.35rem; }
  .as-plot { gap: 1px; height: 1.8rem; }
  .as-legend span:last-child { display: none; }
  .as-hello { margin-top: 8vh; }
}
</style>
"""


def html_class(text: str) -> str:
    """`text` as a key's tail: letters and digits alone."""
    return "".join(letter if letter.isalnum() else "-" for letter in text)
