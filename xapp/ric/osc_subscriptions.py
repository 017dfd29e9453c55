"""Subscriptions at OSC's subscription manager, and whose indications are whose.

The manager asks base stations with request ids of its own: an E2 instance id, which it tells in a
notification after it has answered, or before. What is wanted here has a request id of ours; this
keeps which is which, and says what a base station would have said itself (`Reply`). Retries are
`Nodes`' business: what is asked again here is the same question, with the manager's id of it where
that is known. It sends nothing.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from xapp.e2.e2ap_causes import RicRequestCause
from xapp.e2.e2ap_messages import (
    Indication,
    Message,
    SubscriptionDeleteRequest,
    SubscriptionDeleteRequired,
    SubscriptionDeleteResponse,
    SubscriptionFailure,
    SubscriptionRequest,
    SubscriptionResponse,
)
from xapp.e2.e2ap_types import SubscriptionCause
from xapp.errors import ProtocolError
from xapp.events import Code, error, warning
from xapp.ric.osc_config import OscConfig
from xapp.ric.osc_messages import (
    MOST_NOTIFICATION,
    Answer,
    Ask,
    Call,
    Instance,
    Tell,
    instances,
    read_object,
    rest_id,
    subscription_body,
)

MOST_SUBSCRIPTIONS = 1024  # of all base stations; the ids of ours have 16 bits
MOST_EARLY = 64  # indications that came before it was told whose they are
EARLY_SECONDS = 5.0  # that such a one is kept
MOST_LEFT = 256  # of subscriptions that nobody wants and that could not be deleted yet
LEFT_SECONDS = 10.0  # before these are tried again
_CAUSE = RicRequestCause.UNSPECIFIED


@dataclass(frozen=True, slots=True)
class Reply:
    """What the base station of an association would have sent, if it spoke to us itself."""

    association: int
    message: Message


Said = Reply | Call | Tell


@dataclass
class Sub:
    """One subscription."""

    serial: int
    association: int
    ran: str
    asked: SubscriptionRequest
    event: int  # our id of it, in notifications
    rest: str | None = None  # the manager's id of the question
    e2: int | None = None  # the E2 instance id: it is in force
    posting: bool = False  # the manager has not answered yet
    deleting: bool = False
    complained: bool = False


class Subscriptions:
    """All of them."""

    def __init__(self, config: OscConfig) -> None:
        self._config = config
        self._url = f"{config.submgr}/ric/v1/subscriptions"
        self._subs: dict[int, Sub] = {}
        self._by_e2: dict[int, list[Sub]] = {}  # the manager may give two the same
        self._early: deque[tuple[float, str, Indication]] = deque(maxlen=MOST_EARLY)
        self._left: dict[str, float] = {}  # the manager's ids of what nobody wants; when to try
        self._heard: dict[int, float] = {}  # when an association last indicated something
        self._serial = 0
        self.repeated = 0  # notifications that said what was known
        self.strays = 0  # notifications and indications of what is not known

    def __len__(self) -> int:
        return len(self._subs)

    # What is wanted.

    def ask(self, association: int, ran: str, asked: SubscriptionRequest) -> list[Said]:
        """Want it; a question that is there already is the one that was given up."""
        sub = next((one for one in self._subs.values() if one.association == association
                    and not one.deleting and one.asked.function == asked.function
                    and one.asked.details == asked.details), None)
        if sub is None:
            if len(self._subs) >= MOST_SUBSCRIPTIONS:
                return [Tell(error(Code.NO_REPORTS, f"{ran}: there are {MOST_SUBSCRIPTIONS} "
                                   "subscriptions already.", ran))]
            self._serial += 1
            sub = Sub(self._serial, association, ran, asked, self._event(ran, asked))
            self._subs[sub.serial] = sub
        sub.asked = asked
        if sub.e2 is not None:
            return [self._admitted(sub)]
        if sub.posting:
            return []
        sub.posting = True
        return [Call(Ask.SUBSCRIBE, "POST", self._url, f"{sub.serial}/{sub.event}",
                     subscription_body(self._config, ran, asked, sub.event, sub.rest))]

    def _event(self, ran: str, asked: SubscriptionRequest) -> int:
        """The same for the same question, in another run too: the manager knows it again then."""
        digest = hashlib.sha256(repr((ran, asked.function, asked.details)).encode()).digest()
        used = {one.event for one in self._subs.values()}
        event = int.from_bytes(digest[:2]) or 1
        while event in used:
            event = event % 65535 + 1
        return event

    def delete(self, association: int, asked: SubscriptionDeleteRequest) -> list[Said]:
        """Want it no longer."""
        sub = next((one for one in self._subs.values() if one.association == association
                    and one.asked.request == asked.request), None)
        if sub is None:
            return [Reply(association, SubscriptionDeleteResponse(asked.request, asked.function))]
        self._unindex(sub)
        sub.deleting = True
        if sub.posting:
            return []  # what is to be deleted is known when that is answered
        if sub.rest is None:
            return self._deleted(sub)
        return [self._deletion(sub.rest)]

    def lost(self, association: int, now: float) -> list[Said]:
        """Its base station is gone: the manager may keep what it has no use for."""
        calls: list[Said] = []
        self._heard.pop(association, None)
        for sub in [one for one in self._subs.values() if one.association == association]:
            self._forget(sub)
            if sub.rest is not None:
                calls += self._leave(sub.rest, now)
        return calls

    def stop(self) -> list[Call]:
        """Delete everything."""
        names = [one.rest for one in self._subs.values() if one.rest is not None]
        return [self._deletion(name) for name in dict.fromkeys([*names, *self._left])]

    def stopped(self, answer: Answer) -> list[Call]:
        """A question is answered after `stop`: what it began is deleted too."""
        if not answer.good:
            return []
        try:
            name = rest_id(read_object(answer.body, "An answer"))
        except ProtocolError:
            return []
        known = name in self._left or any(one.rest == name for one in self._subs.values())
        return [] if known else [self._deletion(name)]

    # What the manager says.

    def answered(self, call: Call, answer: Answer, now: float) -> list[Said]:
        """To a question or a deletion."""
        if call.ask is Ask.DELETE:
            return self._deletion_answered(call.about, answer, now)
        serial, event = (int(one) for one in call.about.split("/"))
        sub = self._subs.get(serial)
        if sub is None:
            return self._unwanted(event, answer, now)
        sub.posting = False
        if not answer.good:
            return self._not_taken(sub, answer, now)
        try:
            fields = read_object(answer.body, "What the subscription manager answered")
            sub.rest = rest_id(fields)
            known = [one for one in instances(fields) if one.ours == sub.event]
        except ProtocolError as problem:
            return self._complain(sub, problem.problem)
        if sub.deleting:
            return [self._deletion(sub.rest)]
        return [said for one in known if one.e2 or one.cause for said in self._told(sub, one, now)]

    def _unwanted(self, event: int, answer: Answer, now: float) -> list[Said]:
        """The answer came after the end of what was asked for."""
        if not answer.good or any(one.event == event for one in self._subs.values()):
            return []  # who asked the same again gets the same id
        try:
            return self._leave(rest_id(read_object(answer.body, "An answer")), now)
        except ProtocolError:
            return []

    def _not_taken(self, sub: Sub, answer: Answer, now: float) -> list[Said]:
        if answer.status == 404:
            sub.rest = None  # it does not know its own id any more
        if sub.deleting:
            return self._deleted(sub) if sub.rest is None else [self._deletion(sub.rest)]
        if answer.status == 400:
            return self._refuse(sub, answer.said(), now)
        return self._complain(sub, answer.said())

    def _deletion_answered(self, name: str, answer: Answer, now: float) -> list[Said]:
        gone = answer.good or answer.status == 404
        if name in self._left:
            del self._left[name]
            if not gone:
                self._left[name] = now + LEFT_SECONDS
        sub = next((one for one in self._subs.values() if one.rest == name and one.deleting), None)
        # Where it is not gone, `Nodes` asks again.
        return self._deleted(sub) if gone and sub is not None else []

    def notified(self, data: bytes, now: float) -> list[Said]:
        """A notification, in whatever order; ProtocolError where it is none."""
        if len(data) > MOST_NOTIFICATION:
            raise ProtocolError("A notification of more than 64 KiB.")
        fields = read_object(data, "A notification")
        name, said = rest_id(fields), []
        for one in instances(fields):
            sub = next((sub for sub in self._subs.values() if sub.event == one.ours), None)
            if sub is None or (sub.rest != name and (sub.rest is not None or not sub.posting)):
                self.strays += 1
                continue
            sub.rest = name  # before the response that tells it, as may be
            said += self._told(sub, one, now)
        return said

    def _told(self, sub: Sub, one: Instance, now: float) -> list[Said]:
        if sub.deleting:
            return []
        if one.failed:
            return self._failed(sub, one, now)
        if sub.e2 == one.e2:
            self.repeated += 1
            return []
        first = sub.e2 is None
        self._unindex(sub)
        sub.e2, sub.complained = one.e2, False
        self._by_e2.setdefault(one.e2, []).append(sub)
        self._heard.setdefault(sub.association, now)
        return [*([self._admitted(sub)] if first else []), *self._late(sub, now)]

    def _failed(self, sub: Sub, one: Instance, now: float) -> list[Said]:
        why = one.cause or one.timeout or "no reason"
        if one.source or one.timeout:
            why += f" ({' '.join(filter(None, (one.source, one.timeout)))})"
        if sub.e2 is not None:
            self._unindex(sub)
            return [Reply(sub.association, _ended(sub))]
        return self._refuse(sub, why, now) if one.final else self._complain(sub, why)

    def _refuse(self, sub: Sub, why: str, now: float) -> list[Said]:
        """`Nodes` asks for it again, after a long while."""
        self._forget(sub)
        said: list[Said] = [
            Tell(error(Code.NO_REPORTS, f"{sub.ran}: the RIC refuses a subscription: {why}.",
                       sub.ran)),
            Reply(sub.association, SubscriptionFailure(sub.asked.request, sub.asked.function,
                                                       _CAUSE))]
        return said if sub.rest is None else [*said, *self._leave(sub.rest, now)]

    def _complain(self, sub: Sub, why: str) -> list[Said]:
        """It will be asked for again; said once."""
        if sub.complained:
            return []
        sub.complained = True
        return [Tell(warning(Code.NO_REPORTS, f"{sub.ran}: a subscription is not in force yet: "
                             f"{why}.", sub.ran))]

    # Indications.

    def indicated(self, indication: Indication, ran: str, now: float) -> list[Said]:
        """With our request ids, or kept for a moment where it is not known yet whose it is."""
        found = [one for one in self._by_e2.get(indication.request.instance, ())
                 if ran in ("", one.ran)]
        if not found:
            self.strays += 1
            self._early.append((now, ran, indication))
        return [self._ours(sub, indication, now) for sub in found]

    def _ours(self, sub: Sub, indication: Indication, now: float) -> Reply:
        self._heard[sub.association] = now
        return Reply(sub.association, replace(indication, request=sub.asked.request))

    def _late(self, sub: Sub, now: float) -> Iterator[Said]:
        """What came before it was known whose it is."""
        waiting = list(self._early)
        self._early.clear()
        for came, ran, indication in waiting:
            if now - came > EARLY_SECONDS:
                continue
            if indication.request.instance == sub.e2 and ran in ("", sub.ran):
                yield self._ours(sub, indication, now)
            else:
                self._early.append((came, ran, indication))

    # Time.

    def tick(self, now: float) -> list[Said]:
        said: list[Said] = []
        for name in [one for one, due in self._left.items() if due <= now]:
            if any(sub.rest == name for sub in self._subs.values()):
                del self._left[name]  # it was asked for again, and is the same to the manager
            else:
                said += self._leave(name, now)
        for association, heard in list(self._heard.items()):
            if self._config.quiet_seconds and now - heard >= self._config.quiet_seconds:
                self._heard[association] = now
                said += self._renew(association)
        return said

    def _renew(self, association: int) -> list[Said]:
        """Nothing is reported: whoever lost the subscriptions is asked for them anew."""
        subs = [one for one in self._subs.values()
                if one.association == association and one.e2 is not None]
        if not subs:
            return []
        for sub in subs:
            self._unindex(sub)
        return [Tell(warning(Code.NO_REPORTS, f"{subs[0].ran} reported nothing for "
                             f"{self._config.quiet_seconds:g} s: it is subscribed to anew.",
                             subs[0].ran)),
                *(Reply(association, _ended(sub)) for sub in subs)]

    def next_deadline(self) -> float | None:
        times = list(self._left.values())
        if self._config.quiet_seconds:
            times += [one + self._config.quiet_seconds for one in self._heard.values()]
        return min(times, default=None)

    # Bookkeeping.

    def _admitted(self, sub: Sub) -> Reply:
        actions = tuple(one.id for one in sub.asked.details.actions)
        return Reply(sub.association, SubscriptionResponse(sub.asked.request, sub.asked.function,
                                                           actions))

    def _deleted(self, sub: Sub) -> list[Said]:
        self._forget(sub)
        return [Reply(sub.association, SubscriptionDeleteResponse(sub.asked.request,
                                                                  sub.asked.function))]

    def _deletion(self, name: str) -> Call:
        return Call(Ask.DELETE, "DELETE", f"{self._url}/{name}", name)

    def _leave(self, name: str, now: float) -> list[Said]:
        """Delete what nobody wants, again and again."""
        self._left.pop(name, None)
        while len(self._left) >= MOST_LEFT:
            del self._left[next(iter(self._left))]
        self._left[name] = now + LEFT_SECONDS
        return [self._deletion(name)]

    def _unindex(self, sub: Sub) -> None:
        if sub.e2 is not None:
            others = [one for one in self._by_e2.pop(sub.e2, ()) if one is not sub]
            if others:
                self._by_e2[sub.e2] = others
            sub.e2 = None

    def _forget(self, sub: Sub) -> None:
        self._unindex(sub)
        del self._subs[sub.serial]


def _ended(sub: Sub) -> SubscriptionDeleteRequired:
    return SubscriptionDeleteRequired((SubscriptionCause(sub.asked.request, sub.asked.function,
                                                         _CAUSE),))
