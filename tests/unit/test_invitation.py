"""Calendar entries: what changes a calendar and what does not, read with another library than the one that writes."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ical.calendar import Calendar
from ical.calendar_stream import IcsCalendarStream
from ical.event import Event

from duologue.activities import invitation
from duologue.activities.invitation import GIVEN, Invitation
from duologue.practice import texts
from duologue.practice.asks import CALENDAR_CLEARED, Message

START = datetime(2027, 3, 27, 18, 30, tzinfo=UTC)
DECIDED = datetime(2027, 3, 20, 9, tzinfo=UTC)

MESSAGE = Message(
    key="c1:s3:invitation:a:1",
    programme="c1",
    to="a",
    ref="person-1",
    template="invitation",
    session=3,
    revision=1,
    start=START,
    at=DECIDED,
)


def written(message: Message, **given: str) -> Invitation:
    entry = invitation(message, **given)
    assert entry is not None
    return entry


def read(entry: Invitation) -> tuple[Calendar, Event]:
    """The one event, as the second library reads it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        calendar = IcsCalendarStream.calendar_from_ics(entry.ics)
    [event] = calendar.events
    return calendar, event


def test_an_invitation_is_read_by_another_library() -> None:
    entry = written(MESSAGE.with_(minutes=45))
    calendar, event = read(entry)
    assert (calendar.method, event.uid, event.sequence) == ("REQUEST", "c1.3@duologue", 0)
    assert (event.dtstart, event.dtend) == (START, START + timedelta(minutes=45))
    assert event.dtstamp == DECIDED
    assert event.summary == "A time for your dialogue"
    assert event.status == "CONFIRMED"
    assert event.classification == "PRIVATE"
    assert (entry.method, entry.uid, entry.sequence) == ("REQUEST", event.uid, event.sequence)


def test_times_are_written_in_utc() -> None:
    lines = written(MESSAGE).ics.split("\r\n")
    assert "DTSTART:20270327T183000Z" in lines
    assert "DTEND:20270327T193000Z" in lines, "an hour, unless the message says otherwise"
    assert "METHOD:REQUEST" in lines


def test_of_the_two_only_the_recipient_is_in_it() -> None:
    _, event = read(
        written(MESSAGE, organizer="mailto:no-reply@example.org", attendee="mailto:a@example.org")
    )
    assert event.organizer is not None
    assert str(event.organizer.uri) == "mailto:no-reply@example.org"
    assert [str(a.uri) for a in event.attendees] == ["mailto:a@example.org"]
    assert event.description is None
    assert event.location is None


def test_without_addresses_references_stand_there() -> None:
    _, event = read(written(MESSAGE))
    assert [str(a.uri) for a in event.attendees] == ["urn:duologue:person:person-1"]
    assert "@" not in written(MESSAGE).ics.replace("@duologue", "")


@pytest.mark.parametrize("template", sorted(CALENDAR_CLEARED))
def test_what_takes_a_session_back_cancels_its_entry(template: str) -> None:
    calendar, event = read(written(MESSAGE.with_(template=template)))
    assert (calendar.method, event.status, event.uid) == ("CANCEL", "CANCELLED", "c1.3@duologue")
    assert event.sequence == 1
    assert event.dtstart == START


@pytest.mark.parametrize("template", sorted(set(texts.TEMPLATES) - GIVEN - CALENDAR_CLEARED))
def test_no_other_message_touches_a_calendar(template: str) -> None:
    assert invitation(MESSAGE.with_(template=template)) is None


@pytest.mark.parametrize("changes", [{"session": None}, {"start": None}, {"to": "facilitator"}])
def test_nor_one_without_a_session_or_to_staff(changes: dict[str, object]) -> None:
    assert invitation(MESSAGE.with_(template="paused", **changes)) is None


@pytest.mark.parametrize("language", texts.languages())
def test_the_summary_is_in_the_recipients_language_and_the_same_in_every_change(language: str) -> None:
    said = {
        read(written(MESSAGE.with_(template=t, language=language)))[1].summary
        for t in GIVEN | CALENDAR_CLEARED
    }
    assert said == {texts.message("invitation", language).subject}


@given(st.lists(st.sampled_from(("moved", "taken back")), max_size=8))
def test_each_change_comes_with_a_higher_sequence(changes: list[str]) -> None:
    # As the core counts: a time that is given raises the revision, and so does one that is taken back, after the fact.
    revision, at, entries = 1, DECIDED, [written(MESSAGE)]
    for change in changes:
        at += timedelta(minutes=1)
        if change == "moved":
            revision += 1
            entries.append(written(MESSAGE.with_(template="moved", revision=revision, at=at)))
        else:
            entries.append(written(MESSAGE.with_(template="paused", revision=revision, at=at)))
            revision += 1
    found = [read(entry)[1] for entry in entries]
    assert {event.uid for event in found} == {"c1.3@duologue"}
    for before, after in pairwise(found):
        assert before.sequence is not None
        assert after.sequence is not None
        assert before.sequence < after.sequence


def test_the_same_message_makes_the_same_bytes() -> None:
    assert written(MESSAGE) == written(MESSAGE.with_())
