"""The loop: one slot after another, on time where the machine lets it, and honest where not.

    run(plane, air)     # until plane.marks[Mark.STOP]

It runs without Python's lock. What comes late is made up for by slots one after another, but of at
most `MOST_BEHIND`: beyond that the slots that were missed are skipped and counted, so that neither
radio nor processor is asked for seconds' worth of work at once. The radio's slot numbers have no
gaps; its time is the clock's.
"""

from __future__ import annotations

from testbed.ran.plane.compiled import compiled, inner
from testbed.ran.plane.counting import drop_packet, now_ns, sleep_until
from testbed.ran.plane.delivery import deliver_all
from testbed.ran.plane.headers import DOWN
from testbed.ran.plane.histogram import note
from testbed.ran.plane.intake import from_line, offer, take_all
from testbed.ran.plane.memory import MOST_PAUSES, Count, Mark, Plane
from testbed.ran.plane.obeying import obey
from testbed.ran.plane.radio import Radio, enqueue, run_slot

MOST_BEHIND = 10  # slots that are made up for: a burst of as many slots' data
STOP, SLOT, SLOT_NS, SKIPPED, PAUSES, OVERRUNS, BUSY_NS, ORIGIN_NS, UPF, TUNS, OFFERED = (
    int(one) for one in (
        Mark.STOP, Mark.SLOT, Mark.SLOT_NS, Mark.SKIPPED, Mark.PAUSES, Mark.OVERRUNS,
        Mark.BUSY_NS, Mark.ORIGIN_NS, Mark.UPF, Mark.TUNS, Mark.OFFERED))
R_AIR = int(Count.AIR)


@compiled
def run(plane: Plane, air: Radio) -> None:
    """Slots until the mark to stop is set."""
    marks = plane.marks
    due = now_ns(plane)
    marks[ORIGIN_NS] = due
    while marks[STOP] == 0:
        due += marks[SLOT_NS]
        began = sleep_until(plane, due)
        if marks[STOP] != 0:
            break
        note(plane.lateness, began - due)
        due = skip(plane, due, began)
        one_slot(plane, air, began)
        worked = now_ns(plane) - began
        note(plane.work, worked)
        marks[BUSY_NS] += worked
        if worked > marks[SLOT_NS]:
            marks[OVERRUNS] += 1


@compiled
def skip(plane: Plane, due: int, now: int) -> int:
    """The slot that is run now, by its time: a later one where too many were missed."""
    behind = (now - due) // plane.marks[SLOT_NS]
    if behind <= MOST_BEHIND:
        return due
    at = plane.marks[PAUSES] % MOST_PAUSES
    plane.pauses[at, 0] = now - plane.marks[ORIGIN_NS]
    plane.pauses[at, 1] = now - due
    plane.marks[SKIPPED] += behind
    plane.marks[PAUSES] += 1
    return int(due + behind * plane.marks[SLOT_NS])


@compiled
def one_slot(plane: Plane, air: Radio, now: int) -> None:
    """Orders, packets in, the radio's slot, packets out."""
    marks = plane.marks
    obey(plane, now)
    while True:
        packet = from_line(plane, DOWN, now)
        if packet < 0:
            break
        offer(plane, packet)
    # What is read has to be written too; where it is read twice, each time has a part of the slot.
    tunnelled = marks[UPF] >= 0
    take_all(plane, 0, marks[TUNS], now, now + marks[SLOT_NS] * (35 if tunnelled else 40) // 100)
    if tunnelled:  # what the core's side just sent has come by now
        take_all(plane, marks[TUNS], marks[TUNS] + 2, now, now + marks[SLOT_NS] * 65 // 100)
    offer_all(plane, air, now)
    run_slot(air, marks[SLOT], now)
    deliver_all(plane, air, now)
    if tunnelled:
        take_all(plane, marks[TUNS] + 1, marks[TUNS] + 2, now, now + marks[SLOT_NS] * 90 // 100)
    marks[SLOT] += 1


@inner
def offer_all(plane: Plane, air: Radio, now: int) -> None:
    """Hand to the radio what came; what it does not take is dropped by its reason."""
    for place in range(plane.marks[OFFERED]):
        packet = plane.offered[place]
        reason = enqueue(air, plane.bearer[packet], plane.direction[packet], packet,
                         plane.length[packet], now)
        if reason != 0:
            drop_packet(plane, packet, R_AIR + reason)
    plane.marks[OFFERED] = 0
