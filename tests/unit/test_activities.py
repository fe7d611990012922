"""The two activities: what is resolved, what is delivered, and that nothing of a provider's answer gets out."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from temporalio import activity
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from duologue import calendar
from duologue.activities import (
    Activities,
    Channel,
    ConsoleChannel,
    Contact,
    Post,
    TryAgain,
    Undeliverable,
    all_activities,
    render,
)
from duologue.activities.deliver import free_from
from duologue.practice.asks import DELIVER, RESOLVE, Delivered, Message, Resolution, Resolve
from duologue.practice.plan import People, Person, QuietHours, Weekly
from duologue.practice.texts import MessageText
from tests.support.paces import BRIEF

NOW = datetime(2027, 1, 4, 12, tzinfo=UTC)
CANARY = "550 mailbox of anna.canary@example.org is full"

ASK = Resolve(
    key="s1",
    want="slot",
    zone="Europe/Berlin",
    people=People(a=Person(ref="p1"), b=Person(ref="p2")),
    cadence=Weekly(on=("monday",), at="19:00"),
    anchor=NOW,
    after=NOW,
    since=NOW,
)
MESSAGE = Message(
    key="c1:s1:reminder:a:0",
    programme="c1",
    to="a",
    ref="p1",
    template="reminder",
    language="de",
    zone="Asia/Tokyo",
    session=1,
    start=datetime(2027, 1, 4, 18, tzinfo=UTC),
)


class Remembering:
    """A channel that keeps what it was given, or raises what it was told to."""

    name = "test"

    def __init__(self, error: Exception | None = None) -> None:
        self.sent: list[tuple[Message, MessageText]] = []
        self.error = error

    async def send(self, message: Message, text: MessageText, to: Contact) -> None:
        if self.error is not None:
            raise self.error from OSError(CANARY)  # as a channel does that lets its provider's library speak
        self.sent.append((message, text))


async def deliver(message: Message, channel: Channel) -> Delivered:
    return await ActivityEnvironment().run(
        Activities(Post.through(channel, BRIEF), now=lambda: NOW).deliver, message
    )


async def test_resolve_is_what_the_calendar_says() -> None:
    answer: Resolution = await ActivityEnvironment().run(Activities().resolve, ASK)
    assert answer == calendar.resolve(ASK)


async def test_what_the_calendar_cannot_answer_fails_for_good_with_the_remedy() -> None:
    with pytest.raises(ApplicationError, match="did you mean Europe/Berlin") as failed:
        await ActivityEnvironment().run(Activities().resolve, ASK.with_(zone="Europe/Berln"))
    assert (failed.value.type, failed.value.non_retryable) == ("CalendarError", False)


async def test_a_message_goes_out_with_its_times_in_the_recipients_zone_and_language() -> None:
    channel = Remembering()
    delivered = await deliver(MESSAGE, channel)
    assert delivered == Delivered(key=MESSAGE.key, outcome="delivered", channel="test")
    [(message, text)] = channel.sent
    assert message.with_(at=None) == MESSAGE
    assert message.at is not None, "a message that does not say when it was decided has its activity's time"
    assert "Dienstag, 5. Januar 2027, 03:00 Uhr (Asia/Tokyo)" in text.body


async def test_a_message_whose_purpose_has_passed_is_not_sent_any_more() -> None:
    channel = Remembering()
    delivered = await deliver(MESSAGE.with_(until=NOW), channel)
    assert (delivered.outcome, delivered.reason, channel.sent) == ("expired", "too_late", [])
    delivered = await deliver(MESSAGE.with_(until=NOW + timedelta(seconds=1)), channel)
    assert delivered.outcome == "delivered"


async def test_padding_is_answered_as_a_message_is_and_reaches_nobody() -> None:
    channel = Remembering()
    padding = await deliver(MESSAGE.with_(template="none", to="safeguarding"), channel)
    assert channel.sent == []
    assert padding == await deliver(MESSAGE.with_(template="concern", to="safeguarding"), channel)


async def test_a_text_that_does_not_exist_is_on_the_record_and_not_tried_for_ever() -> None:
    delivered = await deliver(MESSAGE.with_(template="nonsense"), Remembering())
    assert (delivered.outcome, delivered.reason) == ("undeliverable", "no_such_text")


async def test_what_a_channel_will_never_take_is_an_outcome_with_our_word_for_it() -> None:
    delivered = await deliver(MESSAGE, Remembering(Undeliverable("refused")))
    assert (delivered.outcome, delivered.channel, delivered.reason) == ("undeliverable", "test", "refused")


def test_a_reason_is_one_of_ours() -> None:
    with pytest.raises(ValueError, match="a reason is one of"):
        Undeliverable(CANARY)  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [TryAgain(timedelta(minutes=5)), RuntimeError(CANARY)])
async def test_a_failure_is_tried_again_and_repeats_nothing_of_the_provider(error: Exception) -> None:
    with pytest.raises(TryAgain) as failed:
        await deliver(MESSAGE, Remembering(error))
    assert not failed.value.non_retryable
    assert failed.value.next_retry_delay == getattr(error, "next_retry_delay", None)
    # What a log would show, and what Temporal would write into the history.
    shown = "".join(traceback.format_exception(failed.value))
    failure = await recorded(failed.value)
    assert "canary" not in shown
    assert "canary" not in failure
    assert "TryAgain" in failure


async def recorded(error: BaseException) -> str:
    failure = Failure()
    await DataConverter.default.encode_failure(error, failure)
    return str(failure)


def test_who_is_in_no_known_zone_reads_times_and_has_quiet_hours_in_the_couple_s() -> None:
    """One rule for both, and the one by which windows are resolved: `calendar.zone_of`."""
    lost = MESSAGE.with_(zone="Mars/Phobos", home="Europe/Berlin", language="en", quiet=QuietHours())
    assert "Monday, 4 January 2027, 19:00 (Europe/Berlin)" in render(lost).body
    people = People(a=Person(ref="p1", zone="Mars/Phobos"), b=Person(ref="p2"))
    windows = calendar.resolve(ASK.with_(people=people)).windows.a
    for hours in range(48):
        at = NOW + timedelta(hours=hours)
        allowed = [window for window in windows if window.start <= at < window.end]
        assert (free_from(lost, at) == at) == (allowed != [])
    nowhere = lost.with_(home="Mars/Deimos")
    assert "Monday, 4 January 2027, 18:00 (UTC)" in render(nowhere).body


def test_staff_read_references_only() -> None:
    text = render(MESSAGE.with_(template="third_miss", to="facilitator", language="en"))
    assert "Programme c1:" in text.body


async def test_the_console_writes_one_plain_line_a_message() -> None:
    with structlog.testing.capture_logs() as lines:
        await deliver(MESSAGE.with_(language="en"), ConsoleChannel())
    [line] = lines
    assert line == {
        "event": "message",
        "log_level": "info",
        "to": "a",
        "programme": "c1",
        "template": "reminder",
        "session": 1,
        "key": "c1:s1:reminder:a:0",
        "subject": "Your dialogue is coming up",
        "says": (
            "Your dialogue is on Tuesday, 5 January 2027, 03:00 (Asia/Tokyo). Choose a quiet place and put "
            "everything else aside. Should the time not suit you after all, you can move it."
        ),
    }


async def test_the_console_does_not_tell_its_readers_of_a_concern() -> None:
    concern = MESSAGE.with_(template="concern", to="safeguarding", key="c1:p3:concern:safeguarding:0")
    with structlog.testing.capture_logs() as lines:
        await deliver(concern, ConsoleChannel())
    [line] = lines
    assert "concern" not in str(line)


def test_a_worker_registers_them_by_the_names_of_the_contract() -> None:
    names = [activity._Definition.must_from_callable(fn).name for fn in all_activities()]
    assert names == [RESOLVE, DELIVER]
