"""Delivery for real: a mail server and an endpoint that take, refuse, fail and echo addresses; a worker is killed."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import structlog
from aiohttp import web
from temporalio import workflow
from temporalio.api.failure.v1 import Failure
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.converter import DataConverter
from temporalio.testing import ActivityEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from duologue.activities import Activities, Channel, Contact, Everyone, Post, TryAgain, Undeliverable, render
from duologue.activities.by_apprise import AppriseChannel
from duologue.activities.by_email import EmailChannel, MailServer
from duologue.activities.by_webhook import WebhookChannel
from duologue.practice.asks import DELIVER, Delivered, Message
from duologue.worker import logs
from tests.support.endpoint import SECRET, endpoint
from tests.support.mail import PASSWORD, USER, Mailbox, calendar_of, mail_server, trusting, words
from tests.support.servers import free_port

# What Apprise brings along for signed mail.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

CANARY = "anna.canary"
ANNA = Contact(channel="email", address=f"{CANARY}@example.org")
WEBHOOK = Contact(channel="webhook")
TEST_SERVERS = ("mail.", "aiohttp.", "asyncio")
"""Loggers of the servers that stand for the providers here; in earnest they are elsewhere."""

INVITATION = Message(
    key="c1:s1:invitation:a:1",
    programme="c1",
    to="a",
    ref="person-1",
    template="invitation",
    language="de",
    zone="Europe/Berlin",
    session=1,
    revision=1,
    minutes=45,
    start=datetime(2027, 3, 29, 17, tzinfo=UTC),
    at=datetime(2027, 3, 22, 17, tzinfo=UTC),
)


def server_at(box: Mailbox, **given: Any) -> MailServer:
    whole: dict[str, Any] = {
        "host": "localhost",
        "port": box.port,
        "sender": "Duologue <no-reply@example.org>",
        "security": "none",
    }
    return MailServer(**(whole | given))


async def deliver(by: Post, message: Message = INVITATION, attempt: int = 1) -> Delivered:
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, attempt=attempt, start_to_close_timeout=timedelta(minutes=1))
    activities = Activities(by, now=lambda: datetime(2027, 3, 22, 17, tzinfo=UTC))
    delivered: Delivered = await environment.run(activities.deliver, message)
    return delivered


@contextmanager
def everything_logged() -> Iterator[list[str]]:
    """Every record at every level of everything but the test servers: as our worker writes it, and as others might."""
    lines: list[str] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not record.name.startswith(TEST_SERVERS):
                lines.append(ours.format(record) + logging.Formatter().format(record) + repr(vars(record)))

    root = logging.getLogger()
    before = root.handlers[:], root.level
    logs.configure("json", "debug", io.StringIO())
    ours = root.handlers[0]
    root.handlers = [Keeper(level=1)]
    root.setLevel(1)
    try:
        yield lines
    finally:
        root.handlers, root.level = before
        structlog.reset_defaults()


async def recorded(error: BaseException) -> str:
    """What Temporal would write into the history."""
    failure = Failure()
    await DataConverter.default.encode_failure(error, failure)
    return str(failure)


async def fails(channel: Channel, to: Contact, message: Message = INVITATION) -> TryAgain | Undeliverable:
    """How the channel fails at a message, and that nothing of it shows anywhere."""
    with everything_logged() as lines:
        with pytest.raises((TryAgain, Undeliverable)) as failed:
            await channel.send(message, render(message), to)
        error = failed.value
        assert isinstance(error, TryAgain | Undeliverable)
        if isinstance(error, TryAgain):
            with pytest.raises(TryAgain) as failed_whole:
                await deliver(Post(Everyone(to), [channel]), message)
            assert CANARY not in await recorded(failed_whole.value)
            assert failed_whole.value.__cause__ is failed_whole.value.__context__ is None
    assert error.__cause__ is error.__context__ is None
    assert CANARY not in "\n".join(lines)
    assert PASSWORD not in "\n".join(lines)
    return error


# --- e-mail -----------------------------------------------------------------------------------------------------------


async def test_a_letter_arrives_with_its_time_in_the_recipients_zone_and_its_calendar_entry() -> None:
    async with mail_server() as box:
        by = Post(Everyone(ANNA), [EmailChannel(server_at(box))])
        delivered = await deliver(by)
        await deliver(by, INVITATION.with_(template="cancelled", key="c1:s1:cancelled:a:1"))
    assert (delivered.outcome, delivered.channel) == ("delivered", "email")
    first, second = box.letters
    assert first["Subject"] == "Eine Zeit für euren Dialog"
    # The clocks had changed the day before.
    assert "Montag, 29. März 2027, 19:00 Uhr (Europe/Berlin)" in words(first)
    given, taken = calendar_of(first), calendar_of(second)
    assert given is not None
    assert taken is not None
    assert (given.method, taken.method) == ("REQUEST", "CANCEL")
    [entry], [gone] = given.events, taken.events
    assert entry.uid == gone.uid == "c1.1@duologue"
    assert (entry.sequence, gone.sequence) == (0, 1)
    assert (entry.dtstart, entry.dtend) == (INVITATION.start, datetime(2027, 3, 29, 17, 45, tzinfo=UTC))
    assert [str(a.uri) for a in entry.attendees] == [f"mailto:{ANNA.address}"]
    assert first["Message-ID"] != second["Message-ID"]


async def test_a_letter_that_goes_out_twice_can_be_told_by_its_id() -> None:
    async with mail_server() as box:
        by = Post(Everyone(ANNA), [EmailChannel(server_at(box))])
        for _ in range(2):
            await deliver(by)
    one, two = box.letters
    assert one["Message-ID"] == two["Message-ID"]
    assert one["Idempotency-Key"] == two["Idempotency-Key"]
    assert one.as_bytes() == two.as_bytes()


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_mail_goes_over_tls_with_a_login(security: str) -> None:
    async with mail_server(starttls=security == "starttls", tls=security == "tls", login=True) as box:
        server = server_at(box, security=security, user=USER, password=PASSWORD, trust=trusting())
        delivered = await deliver(Post(Everyone(ANNA), [EmailChannel(server)]))
    assert delivered.outcome == "delivered"
    assert box.tls == [True]
    assert box.users == [USER]


@pytest.mark.parametrize(
    ("box", "trouble"),
    [
        (Mailbox(refuse_recipient="550 5.1.1"), "refused"),
        (Mailbox(refuse_recipient="451 4.2.1"), "busy"),
        (Mailbox(refuse_letter="554 5.7.1"), "refused"),
        (Mailbox(refuse_letter="452 4.3.1"), "busy"),
    ],
    ids=lambda given: given if isinstance(given, str) else (given.refuse_recipient or given.refuse_letter),
)
async def test_what_a_mail_server_refuses_is_understood_and_not_repeated(box: Mailbox, trouble: str) -> None:
    async with mail_server() as there:
        there.refuse_recipient, there.refuse_letter = box.refuse_recipient, box.refuse_letter
        error = await fails(EmailChannel(server_at(there)), ANNA)
    assert (error.reason if isinstance(error, Undeliverable) else error.trouble) == trouble
    assert isinstance(error, Undeliverable) == (trouble == "refused")


async def test_a_wrong_password_is_ours_to_repair_and_loses_no_message() -> None:
    async with mail_server(starttls=True, login=True) as box:
        server = server_at(box, security="starttls", user=USER, password="canary-not-it", trust=trusting())
        error = await fails(EmailChannel(server), ANNA)
    assert isinstance(error, TryAgain)
    assert error.trouble == "not_admitted"


async def test_without_tls_where_it_is_asked_for_nothing_is_handed_in() -> None:
    async with mail_server() as box:
        error = await fails(EmailChannel(server_at(box, security="starttls", trust=trusting())), ANNA)
        assert isinstance(error, TryAgain)
        assert box.letters == []
    async with mail_server(tls=True) as box:
        # A certificate that nobody vouches for.
        error = await fails(EmailChannel(server_at(box, security="tls")), ANNA)
        assert isinstance(error, TryAgain)
        assert error.trouble == "unreachable"
        assert box.letters == []


async def test_a_mail_server_that_is_not_there_or_says_nothing() -> None:
    nowhere = MailServer(host="localhost", port=free_port(), sender="no-reply@example.org", security="none")
    error = await fails(EmailChannel(nowhere), ANNA)
    assert isinstance(error, TryAgain)
    assert error.trouble == "unreachable"

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with listening:
        slow = replace(
            nowhere, port=listening.sockets[0].getsockname()[1], timeout=timedelta(milliseconds=100)
        )
        error = await fails(EmailChannel(slow), ANNA)
    assert isinstance(error, TryAgain)
    assert error.trouble == "timeout"


# --- webhooks and Apprise ---------------------------------------------------------------------------------------------


def echoing(status: int, **headers: str) -> Any:
    """Answers with that status, quoting the canary wherever an answer can."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, reason=f"No {CANARY}", text=f"{CANARY} unknown", headers=headers)

    return answer


async def test_an_event_arrives_signed_under_its_key() -> None:
    async with endpoint() as there:
        by = Post(Everyone(WEBHOOK), [WebhookChannel(there.url, [SECRET])])
        delivered = await deliver(by)
    assert (delivered.outcome, delivered.channel) == ("delivered", "webhook")
    [(number, body)] = there.posted
    assert number == INVITATION.key
    told = json.loads(body)["data"]
    assert told["message"]["ref"] == "person-1"
    assert "Montag, 29. März 2027, 19:00 Uhr" in told["body"]
    assert told["invitation"]["uid"] == "c1.1@duologue"


@pytest.mark.parametrize(
    ("status", "headers", "trouble", "after"),
    [
        (400, {}, "refused", None),
        (410, {}, "refused", None),
        (422, {}, "refused", None),
        (401, {}, "not_admitted", None),
        (404, {}, "failed", None),
        (302, {"Location": "http://127.0.0.1:9/elsewhere"}, "failed", None),
        (429, {"Retry-After": "120"}, "busy", timedelta(minutes=2)),
        (503, {"Retry-After": "999999"}, "busy", timedelta(minutes=10)),
        (503, {"Retry-After": CANARY}, "busy", None),
        (500, {}, "busy", None),
    ],
)
async def test_what_an_endpoint_answers_is_understood_and_not_repeated(
    status: int, headers: dict[str, str], trouble: str, after: timedelta | None
) -> None:
    async with endpoint() as there:
        there.answer = echoing(status, **headers)
        error = await fails(WebhookChannel(f"{there.url}?token={CANARY}", [SECRET]), WEBHOOK)
    if isinstance(error, TryAgain):
        assert (error.trouble, error.next_retry_delay) == (trouble, after)
    else:
        assert error.reason == trouble


async def test_an_endpoint_that_is_not_there_hangs_up_or_says_nothing() -> None:
    error = await fails(WebhookChannel(f"http://127.0.0.1:{free_port()}/{CANARY}", [SECRET]), WEBHOOK)
    assert isinstance(error, TryAgain)
    assert error.trouble == "unreachable"
    async with endpoint() as there:

        async def hang_up(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

        async def wait(request: web.Request) -> web.StreamResponse:
            await asyncio.Event().wait()
            return web.Response()

        for answer, trouble in ((hang_up, "unreachable"), (wait, "timeout")):
            there.answer = answer
            error = await fails(
                WebhookChannel(there.url, [SECRET], timeout=timedelta(milliseconds=200)), WEBHOOK
            )
            assert isinstance(error, TryAgain)
            assert error.trouble == trouble


async def test_apprise_reaches_a_service_and_keeps_quiet_about_its_answer() -> None:
    async with endpoint() as there:
        to = Contact(channel="apprise", address=there.url.replace("http:", "json:") + f"/{CANARY}")
        delivered = await deliver(Post(Everyone(to), [AppriseChannel()]))
        assert (delivered.outcome, delivered.channel) == ("delivered", "apprise")
        told = json.loads(there.posted[0][1])
        assert told["title"] == "Eine Zeit für euren Dialog"
        assert "Montag, 29. März 2027" in told["message"]
        there.answer = echoing(500)
        error = await fails(AppriseChannel(), to)
    assert isinstance(error, TryAgain)


# --- through a real server --------------------------------------------------------------------------------------------


@workflow.defn
class Tell:
    """Sends messages as a programme does, only less patiently, from a worker that has no part in delivering them."""

    @workflow.run
    async def run(self, messages: list[Message], task_queue: str) -> list[Delivered]:
        return list(await asyncio.gather(*(self._deliver(message, task_queue) for message in messages)))

    async def _deliver(self, message: Message, task_queue: str) -> Delivered:
        delivered: Delivered = await workflow.execute_activity(
            DELIVER,
            message,
            result_type=Delivered,
            task_queue=task_queue,
            start_to_close_timeout=timedelta(seconds=2),
            retry_policy=RetryPolicy(
                initial_interval=timedelta(milliseconds=50), maximum_interval=timedelta(milliseconds=500)
            ),
        )
        return delivered


@asynccontextmanager
async def told(
    client: Client, messages: list[Message], task_queue: str
) -> AsyncIterator[WorkflowHandle[Tell, list[Delivered]]]:
    """A workflow that sends `messages` by whoever delivers on `task_queue`."""
    number = f"tell-{uuid4().hex[:12]}"
    async with Worker(
        client, task_queue=number, workflows=[Tell], workflow_runner=UnsandboxedWorkflowRunner()
    ):
        yield await client.start_workflow(
            Tell.run,
            args=[messages, task_queue],
            id=number,
            task_queue=number,
            execution_timeout=timedelta(seconds=90),
        )


async def test_what_providers_say_is_in_no_history_and_in_no_log(embedded_client: Client) -> None:
    messages = [INVITATION.with_(key=f"c1:s1:invitation:{to}:1", to=to) for to in ("a", "b")]
    async with mail_server() as box, endpoint() as there:
        box.refuse_recipient = "550 5.1.1"
        there.answer = echoing(500)
        to_apprise = Contact(channel="apprise", address=there.url.replace("http:", "json:") + f"/{CANARY}")
        by = Post(
            Everyone(ANNA, to_apprise, WEBHOOK),
            [EmailChannel(server_at(box)), AppriseChannel(), WebhookChannel(there.url, [SECRET])],
            patience=2,
        )
        activities = Activities(by, now=lambda: datetime(2027, 3, 22, 17, tzinfo=UTC))
        queue = f"deliver-{uuid4().hex[:12]}"
        with everything_logged() as lines:
            async with (
                told(embedded_client, messages, queue) as handle,
                Worker(embedded_client, task_queue=queue, activities=[activities.deliver]),
            ):
                deadline = time.monotonic() + 30
                while len(there.posted) < 12:
                    assert time.monotonic() < deadline, there.posted
                    await asyncio.sleep(0.02)
                there.answer = None
                delivered = await handle.result()
                history = (await handle.fetch_history()).to_json()
                pending = str(await handle.describe())
    assert {d.outcome for d in delivered} == {"delivered"}
    assert "email" not in {d.channel for d in delivered}
    shown = "\n".join(lines)
    assert "TryAgain" in history, "failures are in it"
    assert "Completing activity as failed" in shown
    assert "channel failed" in shown
    for text in (history, pending, shown):
        assert CANARY not in text
        assert "5.1.1" not in text
