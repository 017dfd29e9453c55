"""Old history made thin, and its size kept within bounds. The audit log is never touched."""

from __future__ import annotations

import sqlite3

MOST_DELETED = 50_000  # rows of one transaction, so that intents need not wait long


def prune(connection: sqlite3.Connection, now: float, fine: float, coarse: float, keep: float,
          most_samples: int, most_events: int) -> int:
    """Delete what is too old or too much; how many rows.

    Within `fine` seconds everything is kept, then the first sample of each subject in every
    `coarse` seconds, and nothing after `keep` seconds.
    """
    deleted = 0
    connection.execute("BEGIN IMMEDIATE")
    deleted += connection.execute(
        "DELETE FROM samples WHERE rowid IN (SELECT rowid FROM samples WHERE time < ? LIMIT ?)",
        (now - keep, MOST_DELETED)).rowcount
    # Only the span that became old since the last few looks: what is older was made thin then.
    until, since = now - fine, now - 2 * fine
    deleted += connection.execute(
        "DELETE FROM samples WHERE time >= ? AND time < ? AND rowid NOT IN ("
        "SELECT min(rowid) FROM samples WHERE time >= ? AND time < ? "
        "GROUP BY kind, subject, CAST(time / ? AS INTEGER))",
        (since, until, since, until, coarse)).rowcount
    count = connection.execute("SELECT count(*) FROM samples").fetchone()[0]
    if count > most_samples:
        deleted += connection.execute(
            "DELETE FROM samples WHERE rowid IN (SELECT rowid FROM samples ORDER BY time LIMIT ?)",
            (min(count - most_samples, MOST_DELETED),)).rowcount
    deleted += connection.execute(
        "DELETE FROM events WHERE number <= (SELECT max(number) FROM events) - ?",
        (most_events,)).rowcount
    connection.execute("COMMIT")
    return deleted
