"""A whole programme's messages at a real mail server: twelve weeks across both changeovers, for two in two zones."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from email.message import EmailMessage
from itertools import pairwise

import pytest
from ical.event import Event
from temporalio.worker import Worker

from duologue import on_server
from duologue.activities import Contact, Post, all_activities, render
from duologue.activities.by_email import EmailChannel, MailServer, letter
from duologue.client import TASK_QUEUE, Client
from duologue.couple import Couple
from duologue.files import load_curriculum
from duologue.habits import Habits, Manner
from duologue.practice.asks import DELIVER, Message
from duologue.practice.plan import People, Person, Plan, Weekly
from duologue.practice.views import Overview
from duologue.worker.runner import sandbox
from duologue.workflows.programme import PracticeProgramme
from tests.support.mail import Mailbox, calendar_of, mail_server, words

BRISK = Habits(exchanges=1, answers_after=timedelta(minutes=5))
MANNER = Manner(a=BRISK.with_(absent={3: 1}), b=BRISK)
"""A misses the third session once; a new time is found, and everything else is held."""

ADDRESSES = {"person-a": "anna@example.org", "person-b": "ben@example.org", "lead": "lead@example.org"}


class AddressBook:
    """Everybody by e-mail."""

    async def of(self, ref: str, programme: str) -> tuple[Contact, ...]:
        return (Contact(channel="email", address=ADDRESSES[ref]),)


@dataclass(frozen=True)
class Course:
    """What became of the programme, and what arrived."""

    overview: Overview
    asked: list[Message]
    """Every message that delivery was given, as the history has it."""
    box: Mailbox


@pytest.fixture(scope="module")
async def course() -> Course:
    """The built-in twelve weeks, from September to December, so that Europe and America change their clocks."""
    plan = Plan(
        programme="twelve-weeks",
        people=People(
            a=Person(ref="person-a", zone="Europe/Berlin", language="de"),
            b=Person(ref="person-b", zone="America/New_York"),
        ),
        facilitators=("lead",),
        zone="Europe/Berlin",
        cadence=Weekly(on=("thursday",), at="19:00"),
        curriculum=load_curriculum("twelve-weeks").with_(tail=None),
    )
    async with on_server.time_skipping() as environment, mail_server() as box:
        clock = on_server.SkippedClock(environment)
        now = await clock.now()
        first = date(now.year, 9, 20)
        first = first if now.date() < first else first.replace(year=now.year + 1)
        begins = datetime.combine(first + timedelta(days=-first.weekday() % 7), time(9), UTC)
        await clock.sleep(begins - now)
        server = MailServer(
            host="localhost", port=box.port, sender="Duologue <no-reply@example.org>", security="none"
        )
        worker = Worker(
            environment.client,
            task_queue=TASK_QUEUE,
            workflows=[PracticeProgramme],
            activities=all_activities(Post(AddressBook(), [EmailChannel(server)])),
            workflow_runner=sandbox(),
        )
        async with worker:
            programme = await Client(environment.client, plain=True, query_patience=on_server.PATIENCE).start(
                plan
            )
            couple = Couple(plan.programme, MANNER, seed=1)
            driver = on_server.Driver(programme, couple, clock, facilitated=True)
            async for _ in driver.practise(begins + timedelta(weeks=20)):
                pass
            overview = await programme.overview()
            history = await programme.handle.fetch_history()
    asked = [
        Message.model_validate_json(event.activity_task_scheduled_event_attributes.input.payloads[0].data)
        for event in history.events
        if event.activity_task_scheduled_event_attributes.activity_type.name == DELIVER
    ]
    return Course(overview=overview, asked=asked, box=box)


def changeovers(year: int) -> tuple[date, date]:
    """The last Sunday of October, when Europe goes back, and the first of November, when America does."""
    europe, america = date(year, 10, 31), date(year, 11, 7)
    return (
        europe - timedelta(days=(europe.weekday() + 1) % 7),
        america - timedelta(days=(america.weekday() + 1) % 7),
    )


def times(course: Course, address: str) -> list[tuple[datetime, str]]:
    """For each letter that tells a time: the session's start, and what its recipient reads."""
    by_id = {own_letter(message)["Message-ID"]: message for message in course.asked}
    return [
        (message.start, words(mail))
        for mail in course.box.to(address)
        if (message := by_id[mail["Message-ID"]]).start is not None and "(" in words(mail)
    ]


def own_letter(message: Message) -> EmailMessage:
    server = MailServer(host="localhost", sender="Duologue <no-reply@example.org>")
    return letter(message, render(message), Contact(channel="email", address="x@example.org"), server)


def entries(course: Course, address: str) -> dict[str, list[tuple[str, Event]]]:
    """By UID, what the recipient's calendar was told: method and event, in the order of arrival."""
    found: dict[str, list[tuple[str, Event]]] = defaultdict(list)
    for mail in course.box.to(address):
        calendar = calendar_of(mail)
        if calendar is not None:
            [event] = calendar.events
            found[str(event.uid)].append((str(calendar.method), event))
    return found


async def test_the_programme_has_come_to_its_end(course: Course) -> None:
    assert (course.overview.stage, course.overview.ending) == ("completed", "completed")


async def test_every_message_has_arrived_once(course: Course) -> None:
    expected = sorted(str(own_letter(m)["Message-ID"]) for m in course.asked if m.template != "none")
    assert sorted(str(mail["Message-ID"]) for mail in course.box.letters) == expected
    assert len(set(expected)) == len(expected)
    told = {m.template for m in course.asked}
    assert {"welcome", "enrolled", "invitation", "reminder", "still_on", "moved", "completed"} <= told
    assert {m.to for m in course.asked if m.template == "still_on"} == {"a"}, "only the one who was absent"


async def test_each_reads_the_time_on_their_own_clock_across_both_changeovers(course: Course) -> None:
    seen = {"between": 0, "apart from that": 0}
    for start, text in times(course, ADDRESSES["person-a"]):
        assert f"{start.day}." in text
        assert "19:00 Uhr (Europe/Berlin)" in text
    for start, text in times(course, ADDRESSES["person-b"]):
        europe, america = changeovers(start.year)
        between = europe < start.date() < america
        seen["between" if between else "apart from that"] += 1
        assert f"{'14' if between else '13'}:00 (America/New_York)" in text
        assert start.hour == (17 if start.date() < europe else 18)
    assert all(seen.values()), seen


async def test_calendars_are_told_of_every_session_and_every_change(course: Course) -> None:
    for address in (ADDRESSES["person-a"], ADDRESSES["person-b"]):
        found = entries(course, address)
        assert set(found) == {f"twelve-weeks.{n}@duologue" for n in range(1, 13)}
        assert [e.sequence for _, e in found["twelve-weeks.3@duologue"]] == [0, 1]
        for told in found.values():
            assert {method for method, _ in told} == {"REQUEST"}
            for (_, before), (_, after) in pairwise(told):
                assert (before.sequence or 0) < (after.sequence or 0)
                assert before.dtstart != after.dtstart
            _, last = told[-1]
            [attendee] = last.attendees
            assert str(attendee.uri) == f"mailto:{address}"
    starts = {m.session: m.start for m in course.asked if m.template in ("invitation", "moved")}
    last_told = {
        int(uid.partition("@")[0].rpartition(".")[2]): told[-1][1].dtstart
        for uid, told in entries(course, ADDRESSES["person-a"]).items()
    }
    assert last_told == starts


async def test_no_letter_tells_of_the_other(course: Course) -> None:
    for ref, other in (("person-a", "person-b"), ("person-b", "person-a")):
        for mail in course.box.to(ADDRESSES[ref]):
            assert ADDRESSES[other] not in mail.as_string()
            assert other not in mail.as_string()
    assert json.dumps([m.model_dump(mode="json") for m in course.asked]).count("example.org") == 0
