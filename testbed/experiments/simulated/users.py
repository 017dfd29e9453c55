"""Who uses a cell in simulated time: phones in bursts, and split models that wait for their tokens.

    users = make_users(settings, gap_ns, seed)
    run_window(mac, users, first, count, slot_ns, skip)     # compiled, without Python's lock

A split model's next row goes up when the last token came down: so what the scheduler makes packets
wait is what its user waits. A burst's packets come at a rate, whoever waits. Packets have sizes and
no bytes; what a failed radio link throws away of a model's row is sent again, as TCP would.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from testbed.experiments.simulated.settings import SimulatedSettings
from testbed.ran.mac.kernel import enqueue, run_slot
from testbed.ran.mac.state import Bearer, Mac, N
from testbed.ran.plane.compiled import compiled

DOWN, UP = 0, 1
PACKET = 1400  # bytes of an IP packet at most
HEADERS = 40  # of each, IP's and TCP's
WINDOW = 64_000  # bytes that a model's sender has in the queue at most, as TCP's small queues
NEVER = 1 << 62  # nanoseconds
AGAIN_NS = 200_000_000  # after which what was lost is sent again: TCP's least time-out
SECOND = 1_000_000_000
OTHERS = -1  # in place of a user's number, on packets that nobody waits for
MOST_TOKENS = 1000  # that a user gets in a second, surely


class User(enum.IntEnum):
    """Columns of a split model's user."""

    STATE = 0
    UNTIL = 1  # ns: when the state ends by itself
    LEFT = 2  # tokens of this answer
    PENDING = 3  # bytes of the row that are not in the queue yet
    ASKED = 4  # ns: when this answer's prompt was sent
    LAST = 5  # ns of the last token, or of the prompt
    FIRST = 6  # 1: the next token is the answer's first
    BEGAN = 7  # ns of the first packet of all, or -1


class State(enum.IntEnum):
    """In the order in which they follow each other; after PHONE comes SENDS, at the end THINKS."""

    THINKS = 0
    SENDS = 1  # a prompt's or a token's rows go up
    EDGE = 2  # works
    RECEIVES = 3  # a token comes down
    PHONE = 4  # works


class K(enum.IntEnum):
    """Single numbers of a cell's users."""

    SEED = 0
    TOKENS = 1  # records that there are
    SLOTS = 2  # that were run
    SKIPPED = 3  # in which nothing happened
    IDLE = 4  # slots in a row with nothing inside
    CROWD_ON = 5  # ns from which the others load the cell
    DUE = 6  # ns: the others' next event
    LOST = 7  # rows of models that were sent again
    OFFERED = 8  # bytes that the others brought
    CHANGED = 9  # 1: a bearer became active


class Users(NamedTuple):
    """A cell's."""

    numbers: NDArray[np.int64]  # [K]
    llm: NDArray[np.int64]  # [user, User]; a user's number is its bearer's
    crowd: NDArray[np.int64]  # [phone, 3]: next packet down, up, and end of its burst or silence
    on: NDArray[np.int64]  # [phone]: 1 in a burst
    gap: NDArray[np.int64]  # [2]: ns between packets of a burst, down and up
    plan: NDArray[np.int64]  # [6]: bytes of prompt, row, token; ns of edge, phone; tokens
    mean: NDArray[np.float64]  # [3]: ns of a burst, a silence, thinking
    active: NDArray[np.int8]  # [bearer]: 1 where the scheduler has to look at it
    at: NDArray[np.int64]  # [record]: ns of a token
    wait: NDArray[np.int64]  # [record]: ns since the one before, or since the prompt
    first: NDArray[np.int8]  # [record]: 1 for an answer's first


def make_users(settings: SimulatedSettings, gap_ns: tuple[int, int], seed: int) -> Users:
    """All of them, at rest; the others begin after the calm."""
    people, others = settings.llm_users, settings.ues - settings.llm_users
    chance = np.random.default_rng(seed)
    llm = np.zeros((people, len(User)), np.int64)
    llm[:, User.BEGAN] = -1
    llm[:, User.UNTIL] = chance.uniform(0, settings.calm_seconds / 4, people) * SECOND
    numbers = np.zeros(len(K), np.int64)
    numbers[K.SEED] = chance.integers(1, 1 << 62)
    begins = round(settings.calm_seconds * SECOND)
    numbers[K.CROWD_ON] = numbers[K.DUE] = begins if settings.load > 0 else NEVER
    crowd = np.full((others, 3), NEVER, np.int64)
    on_share = settings.on_seconds / (settings.on_seconds + settings.off_seconds)
    on = (chance.random(others) >= on_share).astype(np.int64)  # turned over at the first event
    if settings.load > 0:
        crowd[:, 2] = begins
    records = max(1000, round(people * settings.total * MOST_TOKENS / 10))
    return Users(
        numbers, llm, crowd, on, np.array(gap_ns, np.int64), np.array([
            settings.prompt_bytes, settings.token_bytes, settings.answer_bytes,
            round(settings.edge_seconds * SECOND), round(settings.phone_seconds * SECOND),
            settings.tokens], np.int64),
        np.array([settings.on_seconds, settings.off_seconds, settings.think_seconds]) * SECOND,
        np.zeros(settings.ues, np.int8),
        np.zeros(records, np.int64), np.zeros(records, np.int64), np.zeros(records, np.int8))


K_SEED, K_TOKENS, K_SLOTS, K_SKIPPED, K_IDLE, K_CROWD_ON, K_DUE, K_LOST, K_OFFERED, \
    K_CHANGED = (
    int(one) for one in K)
STATE, UNTIL, LEFT, PENDING, ASKED, LAST, FIRST, BEGAN = (int(one) for one in User)
THINKS, SENDS, EDGE, RECEIVES, PHONE = (int(one) for one in State)
BYTES, KNOWN, AGAIN, EARLY, REPORT_AT, REQUEST_AT = (int(one) for one in (
    Bearer.BYTES, Bearer.KNOWN, Bearer.AGAIN, Bearer.LATE, Bearer.REPORT_AT, Bearer.REQUEST_AT))
FIRST_IN, TAIL_OF = int(Bearer.FIRST), int(Bearer.TAIL)
LOOK_SLOTS = 16  # between two looks for bearers that are active no more
INSIDE, HEAD, TAIL = (int(one) for one in (N.INSIDE, N.ORDER_HEAD, N.ORDER_TAIL))


@compiled
def run_window(mac: Mac, users: Users, first: int, count: int, slot_ns: int, skip: bool) -> None:
    """Slots in a row; with `skip` those in which nothing can happen are only counted."""
    slot, end, numbers = first, first + count, users.numbers
    while slot < end:
        now = slot * slot_ns
        if now >= numbers[K_DUE]:
            _others(mac, users, now)
        _models(mac, users, now)
        if skip and numbers[K_CHANGED] == 1:
            _list(mac, users)
        run_slot(mac, slot, now)
        _take(mac, users, now)
        if skip and slot % LOOK_SLOTS == 0:
            _rest(mac, users)
        numbers[K_SLOTS] += 1
        numbers[K_IDLE] = numbers[K_IDLE] + 1 if mac.numbers[INSIDE] == 0 else 0
        slot += 1
        if skip and numbers[K_IDLE] > 0 and slot < end and _at_rest(mac):
            ahead = min(end, max(slot, -(-_next(users) // slot_ns))) - slot
            mac.turns[0, DOWN] += ahead  # it is the base station's only cell
            mac.turns[0, UP] += ahead
            numbers[K_SKIPPED] += ahead
            slot += ahead


@compiled
def _list(mac: Mac, users: Users) -> None:
    """Let the scheduler go through active bearers only, in the order in which it always does.

    One that has nothing to send, nothing on its way and no request is passed over by it anyway.
    """
    count = 0
    for bearer in range(len(users.active)):
        if users.active[bearer] == 1:
            mac.members[0, count] = bearer
            count += 1
    mac.member_count[0] = count
    users.numbers[K_CHANGED] = 0


@compiled
def _rest(mac: Mac, users: Users) -> None:
    """Find bearers that are active no more."""
    for place in range(mac.member_count[0]):
        bearer = mac.members[0, place]
        idle = True
        for direction in range(2):
            row = mac.bearers[bearer, direction]
            if (row[BYTES] > 0 or row[KNOWN] > 0 or row[AGAIN] > 0 or row[EARLY] > 0
                    or row[FIRST_IN] < row[TAIL_OF] or row[REPORT_AT] >= 0
                    or row[REQUEST_AT] >= 0):
                idle = False
        if idle:
            users.active[bearer] = 0
            users.numbers[K_CHANGED] = 1


@compiled
def _bring(mac: Mac, users: Users, bearer: int, direction: int, packet: int, size: int,
           now: int) -> int:
    """A packet comes; 0, or why it is not taken."""
    if users.active[bearer] == 0:
        users.active[bearer] = 1
        users.numbers[K_CHANGED] = 1
    return int(enqueue(mac, bearer, direction, packet, size, now))


@compiled
def _at_rest(mac: Mac) -> bool:
    """Whether no slot can change anything until a packet comes."""
    if mac.numbers[HEAD] != mac.numbers[TAIL]:
        return False
    for count in mac.wheel_count:
        if count > 0:
            return False
    waiting = 0
    for place in range(mac.member_count[0]):
        row = mac.bearers[mac.members[0, place], UP]
        waiting += row[REPORT_AT] >= 0 or row[REQUEST_AT] >= 0 or row[KNOWN] > 0
    return waiting == 0


@compiled
def _next(users: Users) -> int:
    """When anybody does something next."""
    soonest = users.numbers[K_DUE]
    for user in range(users.llm.shape[0]):
        soonest = min(soonest, users.llm[user, UNTIL])
    return int(soonest)


@compiled
def _exponential(users: Users, mean: float) -> int:
    """Nanoseconds by chance."""
    seed = users.numbers[K_SEED]
    seed ^= (seed << 13) & 0x7FFFFFFFFFFFFFFF
    seed ^= seed >> 7
    seed ^= (seed << 17) & 0x7FFFFFFFFFFFFFFF
    users.numbers[K_SEED] = seed
    part = (seed >> 10) / 9007199254740992.0  # of 2^53
    return int(-np.log(max(1e-12, 1.0 - part)) * mean)


@compiled
def _others(mac: Mac, users: Users, now: int) -> None:
    """Bursts begin and end, and their packets come."""
    due = NEVER
    people = users.llm.shape[0]
    for phone in range(users.crowd.shape[0]):
        row = users.crowd[phone]
        while row[2] <= now:
            users.on[phone] = 1 - users.on[phone]
            if users.on[phone] == 1:
                for direction in range(2):
                    # Somewhere within the first gap, so that phones do not march in step.
                    row[direction] = row[2] + _exponential(users, 0.5 * users.gap[direction])
                row[2] += 1 + _exponential(users, users.mean[0])
            else:
                row[0] = NEVER
                row[1] = NEVER
                row[2] += _exponential(users, users.mean[1])
        for direction in range(2):
            while row[direction] <= now:
                _bring(mac, users, people + phone, direction, OTHERS, PACKET, row[direction])
                users.numbers[K_OFFERED] += PACKET
                row[direction] += users.gap[direction]
        due = min(due, min(row[0], min(row[1], row[2])))
    users.numbers[K_DUE] = due


@compiled
def _models(mac: Mac, users: Users, now: int) -> None:
    """Whoever thought, or worked, goes on; rows enter the queue as it has room."""
    plan = users.plan
    for user in range(users.llm.shape[0]):
        row = users.llm[user]
        if row[UNTIL] <= now:
            row[UNTIL] = NEVER
            if row[STATE] == EDGE:
                row[STATE] = RECEIVES
                _bring(mac, users, user, DOWN, user, plan[2] + HEADERS, now)
            elif row[STATE] == RECEIVES:  # it was lost
                _bring(mac, users, user, DOWN, user, plan[2] + HEADERS, now)
            elif row[STATE] == SENDS:
                row[PENDING] = max(row[PENDING], plan[1])
            else:
                if row[STATE] == THINKS:
                    row[LEFT] = plan[5]
                    row[FIRST] = 1
                    row[ASKED] = now
                    row[LAST] = now
                    if row[BEGAN] < 0:
                        row[BEGAN] = now
                row[PENDING] = plan[0] if row[FIRST] == 1 else plan[1]
                row[STATE] = SENDS
        while row[PENDING] > 0 and mac.bearers[user, UP, BYTES] < WINDOW:
            part = min(row[PENDING], PACKET - HEADERS)
            row[PENDING] -= part
            last = user if row[PENDING] == 0 else OTHERS
            if _bring(mac, users, user, UP, last, part + HEADERS, now) != 0:
                row[PENDING] += part
                row[UNTIL] = now + AGAIN_NS
                users.numbers[K_LOST] += 1
                break


@compiled
def _take(mac: Mac, users: Users, now: int) -> None:
    """Rows that have arrived, tokens that have come, and what was lost."""
    plan, numbers = users.plan, users.numbers
    for place in range(mac.ends[0]):
        user = mac.delivered[place]
        if user < 0:
            continue
        row = users.llm[user]
        if row[STATE] == SENDS:
            row[STATE] = EDGE
            row[UNTIL] = now + plan[3]
        elif row[STATE] == RECEIVES:
            at = numbers[K_TOKENS]
            if at < len(users.at):
                users.at[at] = now
                users.wait[at] = now - row[LAST]
                users.first[at] = row[FIRST]
                numbers[K_TOKENS] += 1
            row[LAST] = now
            row[FIRST] = 0
            row[LEFT] -= 1
            row[STATE] = PHONE if row[LEFT] > 0 else THINKS
            row[UNTIL] = now + (plan[4] if row[LEFT] > 0 else _exponential(users, users.mean[2]))
    for place in range(mac.ends[1]):
        user = mac.dropped[place]
        if user >= 0:
            numbers[K_LOST] += 1
            users.llm[user, UNTIL] = now + AGAIN_NS
    mac.ends[0] = 0
    mac.ends[1] = 0
