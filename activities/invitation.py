"""Sessions as calendar entries: real iCalendar, as one person's calendar takes it.

One entry a session, under a UID that never changes; each change of its time comes with a higher SEQUENCE. Nothing but
the time and our neutral words is in it: no name, and of the two only the recipient. How it travels is the channel's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from icalendar import Calendar, Event, vCalAddress

from duologue.practice import texts
from duologue.practice.asks import CALENDAR_CLEARED, Message
from duologue.practice.values import PARTNERS

GIVEN = frozenset({"invitation", "moved"})
"""Templates that give a session its time."""

MINUTES = 60
"""How long an entry lasts when the message does not say."""

_PRODID = "-//Duologue//Duologue//EN"


@dataclass(frozen=True)
class Invitation:
    """A calendar entry, given or taken back."""

    method: Literal["REQUEST", "CANCEL"]
    uid: str
    sequence: int
    ics: str
    """The iCalendar object, with the line ends of its format."""


def invitation(message: Message, *, organizer: str = "", attendee: str = "") -> Invitation | None:
    """The calendar entry that comes with `message`; None for a message that changes no calendar.

    `organizer` and `attendee` are addresses (`mailto:…` or any URI). Without them opaque references stand there, for a
    platform that puts in its own.
    """
    if message.template not in GIVEN | CALENDAR_CLEARED or message.to not in PARTNERS:
        return None
    if message.session is None or message.start is None:
        return None
    given = message.template in GIVEN
    method: Literal["REQUEST", "CANCEL"] = "REQUEST" if given else "CANCEL"
    uid = f"{message.programme}.{message.session}@duologue"
    # A session's revision rises with each time it is given. Taking back the time of that revision is a change after it.
    sequence = max(message.revision - 1, 0) if given else message.revision

    entry = Event()
    entry.add("uid", uid)
    entry.add("sequence", sequence)
    entry.add("dtstamp", message.at or message.start)
    entry.add("dtstart", message.start)
    entry.add("dtend", message.start + timedelta(minutes=message.minutes or MINUTES))
    entry.add("summary", texts.message("invitation", message.language).subject)
    entry.add("status", "CONFIRMED" if given else "CANCELLED")
    # In a calendar that is shared with colleagues, others see that the time is taken and no more.
    entry.add("class", "PRIVATE")
    entry.add("organizer", vCalAddress(organizer or f"urn:duologue:programme:{message.programme}"))
    invited = vCalAddress(attendee or f"urn:duologue:person:{message.ref}")
    # Nobody reads answers: moving a session is done in the programme.
    invited.params.update({"ROLE": "REQ-PARTICIPANT", "PARTSTAT": "NEEDS-ACTION", "RSVP": "FALSE"})
    entry.add("attendee", invited)

    calendar = Calendar()
    calendar.add("prodid", _PRODID)
    calendar.add("version", "2.0")
    calendar.add("method", method)
    calendar.add_component(entry)
    return Invitation(method=method, uid=uid, sequence=sequence, ics=calendar.to_ical().decode())
