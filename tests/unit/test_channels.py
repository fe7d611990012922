"""The post and its channels: who is tried in which order, how contacts are kept, what channels make of messages."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal

import pytest
import structlog
from ical.calendar_stream import IcsCalendarStream
from pydantic import ValidationError
from standardwebhooks import Webhook
from temporalio.testing import ActivityEnvironment

from duologue.activities import (
    Activities,
    Channel,
    ConsoleChannel,
    Contact,
    Contacts,
    ContactsError,
    ContactsFile,
    Everyone,
    Post,
    TryAgain,
    Undeliverable,
    invitation,
    render,
)
from duologue.activities.by_apprise import AppriseChannel
from duologue.activities.by_email import EmailChannel, MailServer, letter
from duologue.activities.by_webhook import WebhookChannel, webhook_id
from duologue.activities.hush import hushed
from duologue.practice import texts
from duologue.practice.asks import Delivered, Message, To
from duologue.practice.texts import MessageText
from duologue.practice.values import parse_span
from duologue.vault import LocalKeys
from duologue.worker.delivery import post_of
from duologue.worker.errors import SettingsError
from duologue.worker.settings import Settings
from duologue.worker.vaulting import vault_of
from duologue.workflows.programme import DELIVER_RETRY
from tests.support.paces import BRIEF

# What Apprise brings along for signed mail.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAbCdEfGh"
OLD_SECRET = "whsec_" + "A" * 32
SERVER = MailServer(host="localhost", sender="Duologue <no-reply@example.org>")
ANNA = Contact(channel="email", address="anna@example.org")
MESSAGE = Message(
    key="c.1:s1.2:reminder:a:1",
    programme="c.1",
    to="a",
    ref="person-1",
    template="reminder",
    language="en",
    zone="Europe/Berlin",
    session=1,
    revision=1,
    start=datetime(2027, 1, 4, 18, tzinfo=UTC),
    at=datetime(2027, 1, 3, 18, tzinfo=UTC),
)
STAFF: dict[str, To] = {"second_miss": "facilitator", "third_miss": "facilitator", "undecided": "facilitator"}
EVERY_TEMPLATE = [template for template in texts.TEMPLATES if template != "none"]
every_template = pytest.mark.parametrize("template", EVERY_TEMPLATE)


def in_every_language(template: str) -> list[Message]:
    """The message in each language there is, and in one that there is not."""
    to = "safeguarding" if template == "concern" else STAFF.get(template, "a")
    message = MESSAGE.with_(template=template, to=to, key=f"c.1:s1.2:{template}:{to}:1")
    return [message.with_(language=language) for language in (*texts.languages(), "fr")]


class Scripted:
    """A channel that does what it is told, one attempt after the other, and counts."""

    def __init__(self, name: str, *outcomes: Exception | None) -> None:
        self.name = name
        self.outcomes = list(outcomes)
        self.tried = 0

    async def send(self, message: Message, text: MessageText, to: Contact) -> None:
        assert to.channel == self.name
        self.tried += 1
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is not None:
            raise outcome


class Silent(Scripted):
    """A channel whose provider never answers."""

    async def send(self, message: Message, text: MessageText, to: Contact) -> None:
        await super().send(message, text, to)
        await asyncio.Event().wait()


def post(*channels: Channel, **given: Any) -> Post:
    """Everybody is reached by these, in this order."""
    return Post(Everyone(*(Contact(channel=c.name) for c in channels)), channels, **given)


async def deliver(by: Post, attempt: int = 1, message: Message = MESSAGE, seconds: float = 60) -> Delivered:
    environment = ActivityEnvironment()
    environment.info = replace(
        environment.info,
        attempt=attempt,
        start_to_close_timeout=timedelta(seconds=seconds),
        retry_policy=DELIVER_RETRY,
        activity_id="17",
    )
    delivered: Delivered = await environment.run(
        Activities(by, now=lambda: datetime(2027, 1, 3, 18, tzinfo=UTC)).deliver, message
    )
    return delivered


# --- order and patience -----------------------------------------------------------------------------------------------


async def test_the_preferred_channel_is_tried_first_and_no_other_when_it_works() -> None:
    first, second = Scripted("first"), Scripted("second")
    delivered = await deliver(post(first, second))
    assert delivered == Delivered(key=MESSAGE.key, outcome="delivered", channel="first")
    assert (first.tried, second.tried) == (1, 0)


async def test_what_a_channel_will_never_take_goes_by_the_next_at_once() -> None:
    first, second = Scripted("first", Undeliverable("refused")), Scripted("second")
    delivered = await deliver(post(first, second))
    assert (delivered.outcome, delivered.channel, delivered.reason) == ("delivered", "second", "")


async def test_trouble_is_waited_out_and_only_then_the_next_channel_has_its_turn() -> None:
    first = Scripted("first", *[TryAgain(trouble="unreachable")] * 3)
    second = Scripted("second")
    by = post(first, second, patience=3)
    for attempt in (1, 2):
        with pytest.raises(TryAgain, match="unreachable"):
            await deliver(by, attempt)
    assert second.tried == 0
    assert (await deliver(by, 3)).channel == "second"
    assert first.tried == 3


async def test_the_preferred_channel_gets_the_message_when_its_trouble_is_over() -> None:
    first, second = Scripted("first", TryAgain()), Scripted("second")
    by = post(first, second)
    with pytest.raises(TryAgain):
        await deliver(by)
    assert (await deliver(by, 2)).channel == "first"
    assert second.tried == 0


async def test_while_all_are_in_trouble_it_is_tried_again_and_never_given_up_here() -> None:
    minute, hour = timedelta(minutes=1), timedelta(hours=1)
    by = post(Scripted("first", TryAgain(hour)), Scripted("second", TryAgain(minute, "busy")), patience=1)
    with pytest.raises(TryAgain, match="busy") as failed:
        await deliver(by, 5)
    assert failed.value.next_retry_delay == minute
    assert not failed.value.non_retryable


@pytest.mark.parametrize(
    ("attempt", "asked_for", "waited"),
    [
        (1, "1s", "2s"),
        (4, "1s", "16s"),
        (4, "1min", "1min"),
        (100_000, "10min", "30min"),
        (4, None, None),
    ],
)
async def test_nobody_has_it_tried_faster_than_the_server_would_by_itself(
    attempt: int, asked_for: str | None, waited: str | None
) -> None:
    """Else an endpoint that asks for a second again and again would have it tried every second, for two days."""
    by = post(Scripted("first", TryAgain(parse_span(asked_for) if asked_for else None, "busy")))
    with pytest.raises(TryAgain, match="busy") as failed:
        await deliver(by, attempt)
    assert failed.value.next_retry_delay == (parse_span(waited) if waited else None)


async def test_when_none_will_ever_take_it_that_is_on_the_record() -> None:
    by = post(Scripted("first", Undeliverable("refused")), Scripted("second", Undeliverable("bad_address")))
    delivered = await deliver(by)
    assert delivered == Delivered(
        key=MESSAGE.key, outcome="undeliverable", channel="second", reason="bad_address"
    )


async def test_one_that_may_still_work_is_not_given_up_for_one_that_never_will() -> None:
    by = post(Scripted("first", TryAgain()), Scripted("second", Undeliverable()), patience=1)
    with pytest.raises(TryAgain):
        await deliver(by)


async def test_a_person_that_nobody_knows_and_a_channel_that_nobody_set_up() -> None:
    assert (await deliver(Post(Everyone(), [ConsoleChannel()]))).reason == "no_contact"
    delivered = await deliver(Post(Everyone(ANNA, Contact(channel="console")), [ConsoleChannel()]))
    assert delivered.channel == "console"
    delivered = await deliver(Post(Everyone(ANNA), [ConsoleChannel()]))
    assert (delivered.channel, delivered.reason) == ("email", "not_set_up")


@pytest.mark.parametrize("contacts", [(), (ANNA,), (Contact(channel="console"),)])
async def test_padding_gets_the_answer_that_a_message_would_get(contacts: tuple[Contact, ...]) -> None:
    by = Post(Everyone(*contacts), [ConsoleChannel()], pace=BRIEF)
    concern = MESSAGE.with_(template="concern", to="safeguarding")
    assert await deliver(by, message=concern.with_(template="none")) == await deliver(by, message=concern)


async def test_a_channel_that_never_answers_leaves_time_for_the_others() -> None:
    first, second = Silent("first"), Scripted("second")
    delivered = await deliver(post(first, second, patience=1), seconds=0.2)
    assert delivered.channel == "second"
    with pytest.raises(TryAgain, match="timeout"):
        await deliver(post(Silent("first"), timeout=timedelta(milliseconds=20)))


async def test_a_failure_is_logged_in_our_words() -> None:
    by = post(Scripted("first", RuntimeError("550 anna@example.org")))
    with structlog.testing.capture_logs() as lines, pytest.raises(TryAgain):
        await deliver(by)
    [line] = lines
    assert line == {
        "event": "channel failed",
        "log_level": "warning",
        "channel": "first",
        "reason": "failed",
        "for_good": False,
        "programme": MESSAGE.programme,
        "activity": "17",
        "attempt": 1,
        "error": "RuntimeError",
    }


async def test_ops_read_in_no_line_to_whom_of_the_two_something_could_not_be_sent() -> None:
    """Some messages go to one of them only: to who was absent, or has not answered."""

    async def logged(to: To) -> list[Any]:
        key = f"c.1:s1.2:still_on:{to}:1"
        message = MESSAGE.with_(key=key, to=to, ref=f"person-{to}", template="second_miss")
        with structlog.testing.capture_logs() as lines, pytest.raises(TryAgain):
            await deliver(post(Scripted("first", TryAgain())), message=message)
        return lines

    assert await logged("a") == await logged("b")
    [to_staff] = await logged("facilitator")
    assert to_staff["key"] == "c.1:s1.2:still_on:facilitator:1"


def test_a_trouble_is_one_of_ours() -> None:
    with pytest.raises(ValueError, match="a trouble is one of"):
        TryAgain(trouble="550 anna@example.org")  # type: ignore[arg-type]


# --- contacts ---------------------------------------------------------------------------------------------------------

PEOPLE = """\
people:
  person-1:
    - email: anna@example.org
    - apprise: json://localhost:9/?a=b
    - console
  lead:
    - webhook
  nobody: []
everyone_else:
  - console
"""


@pytest.fixture
def contacts_file(tmp_path: Path) -> Path:
    path = tmp_path / "contacts.yaml"
    path.write_text(PEOPLE)
    return path


async def test_a_file_says_who_is_reached_how_in_order(contacts_file: Path) -> None:
    contacts: Contacts = ContactsFile(contacts_file)
    assert await contacts.of("person-1", "c1") == (
        ANNA,
        Contact(channel="apprise", address="json://localhost:9/?a=b"),
        Contact(channel="console"),
    )
    assert await contacts.of("lead", "c1") == (Contact(channel="webhook"),)
    assert await contacts.of("nobody", "c1") == ()
    assert await contacts.of("somebody", "c1") == (Contact(channel="console"),)


async def test_without_a_line_for_everyone_else_nobody_is_known(contacts_file: Path) -> None:
    contacts_file.write_text(PEOPLE.partition("everyone_else")[0])
    assert await ContactsFile(contacts_file).of("somebody", "c1") == ()


async def test_a_changed_file_is_read_again(contacts_file: Path) -> None:
    contacts = ContactsFile(contacts_file)
    await contacts.of("person-1", "c1")
    contacts_file.write_text(PEOPLE.replace("anna@", "anna.new@"))
    assert (await contacts.of("person-1", "c1"))[0].address == "anna.new@example.org"


async def test_while_the_file_is_broken_or_gone_messages_wait(contacts_file: Path) -> None:
    contacts = ContactsFile(contacts_file)
    by = Post(contacts, [ConsoleChannel(), Scripted("email")])
    assert (await deliver(by)).channel == "email"
    contacts_file.write_text(PEOPLE + "  - - [")
    with pytest.raises(TryAgain, match="contacts_unreadable"):
        await deliver(by)
    contacts_file.unlink()
    with pytest.raises(TryAgain, match="contacts_unreadable"):
        await deliver(by)
    contacts_file.write_text(PEOPLE)
    assert (await deliver(by)).channel == "email"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("people:\n  p1: [email: canary@x.org", "line 2: this is not YAML"),
        ("- canary@x.org", "write 'people:'"),
        ("people: canary@x.org", "write 'people:'"),
        ("people:\n  p1: canary@x.org", "line 2: write a list"),
        ("people:\n  p1:\n    - email", "line 3: 'email' needs an address"),
        ("people:\n  p1:\n    - email: canary", "line 3: this is no e-mail address"),
        ("people:\n  p1:\n    - console\n    - email: canary@x.org,other@x.org", "line 4: this is no e-mail"),
        ("people:\n  p1:\n    - e-mail: canary@x.org", "line 3: String should match"),
        ("people:\n  p1:\n    - email: canary@x.org\n      sms: '1'", "line 3: an entry is a channel"),
        ("people:\n  p1:\n    - email: 'canary@x.org\\n bcc'", "line 3: String should match"),
        ("poeple: {}", "line 1: only 'people' and 'everyone_else'"),
        ("people: {}\nonly: {}", "line 2: only 'people' and 'everyone_else'"),
        ("a: *canary", "line 1: this is not YAML"),
        ("people:\n  p1: []\n  p1:\n    - email: canary@x.org", "line 3: this is there twice"),
    ],
)
def test_a_file_that_cannot_be_used_names_the_line_and_repeats_no_address(
    contacts_file: Path, text: str, says: str
) -> None:
    contacts_file.write_text(text)
    with pytest.raises(ContactsError) as failed:
        ContactsFile(contacts_file).check()
    assert says in str(failed.value)
    assert "canary" not in str(failed.value)
    assert failed.value.__cause__ is None


def test_a_contact_shows_its_address_to_nobody_in_passing() -> None:
    assert "anna" not in repr(ANNA)
    assert "anna" not in str(ANNA)
    with pytest.raises(ValidationError) as failed:
        Contact(channel="email", address="anna")
    assert "anna" not in str(failed.value)


class Leaking:
    """Contacts whose keeper fails and quotes one."""

    async def of(self, ref: str, programme: str) -> tuple[Contact, ...]:
        raise RuntimeError("anna@example.org")


async def test_a_keeper_of_contacts_that_fails_makes_messages_wait_and_leaks_nothing() -> None:
    with structlog.testing.capture_logs() as lines, pytest.raises(TryAgain) as failed:
        await deliver(Post(Leaking(), [ConsoleChannel()]))
    assert "anna" not in str(lines)
    assert failed.value.__context__ is None
    assert failed.value.__cause__ is None


# --- every message on every channel -----------------------------------------------------------------------------------


@every_template
def test_every_message_makes_a_letter(template: str) -> None:
    for message in in_every_language(template):
        check_letter(message)


def check_letter(message: Message) -> None:
    sent = letter(message, render(message), ANNA, SERVER).as_bytes()
    mail = email.message_from_bytes(sent, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    text = render(message)
    assert (mail["From"], mail["To"], mail["Subject"]) == (SERVER.sender, ANNA.address, text.subject)
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Content-Language"] == message.language
    assert mail["Message-ID"].endswith("@example.org>")
    assert message.template not in str(mail["Message-ID"])
    body = mail.get_body(("plain",))
    assert body is not None
    assert body.get_content().strip().splitlines() == text.body.splitlines()
    entry = invitation(message, organizer="mailto:no-reply@example.org", attendee=f"mailto:{ANNA.address}")
    parts = [p for p in mail.walk() if p.get_content_type() == "text/calendar"]
    assert bool(parts) == (entry is not None)
    if entry is not None:
        [part] = parts
        assert part.get_param("method") == entry.method
        calendar = IcsCalendarStream.calendar_from_ics(part.get_content())
        assert calendar.method == entry.method
        assert calendar.events[0].uid == entry.uid
    # A second attempt is the same letter, to the byte.
    assert letter(message, render(message), ANNA, SERVER).as_bytes() == sent


@every_template
def test_every_message_makes_a_signed_event(template: str) -> None:
    for message in in_every_language(template):
        check_event(message)


def check_event(message: Message) -> None:
    channel = WebhookChannel("https://platform.example", [SECRET, OLD_SECRET])
    text = render(message)
    request = channel.request(message, text)
    for secret in (SECRET, OLD_SECRET):
        told = Webhook(secret).verify(request.body, request.headers)
        assert told["type"] == "duologue.message"
        assert told["timestamp"] == "2027-01-03T18:00:00+00:00"
        assert Message.model_validate_json(json.dumps(told["data"]["message"])) == message
        assert (told["data"]["subject"], told["data"]["body"]) == (text.subject, text.body)
        entry = invitation(message)
        assert told["data"]["invitation"] == (None if entry is None else vars(entry))
    assert request.headers["webhook-id"] == message.key.replace(".", "~")


def test_a_later_attempt_has_another_time_and_the_same_id_and_body() -> None:
    moments = iter([datetime(2027, 1, 3, 18, tzinfo=UTC), datetime(2027, 1, 3, 19, tzinfo=UTC)])
    channel = WebhookChannel("https://platform.example", [SECRET], now=lambda: next(moments))
    first, second = (channel.request(MESSAGE, render(MESSAGE)) for _ in range(2))
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 3600
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


def test_an_id_has_no_full_stop_and_stays_a_name_of_its_own() -> None:
    keys = [f"{programme}:s1{dot}1:reminder:a:1" for programme in ("c.1", "c-1") for dot in (".", ":")]
    assert len({webhook_id(key) for key in keys}) == len(keys)
    assert not any("." in webhook_id(key) for key in keys)


@every_template
async def test_every_message_makes_a_line_on_the_console_but_what_may_be_padding(template: str) -> None:
    for message in in_every_language(template):
        with structlog.testing.capture_logs() as lines:
            await ConsoleChannel().send(message, render(message), Contact(channel="console"))
        assert [line["says"] for line in lines] == (
            [] if message.discreet else [render(message).body.replace("\n", " ")]
        )


class Heard:
    """What a service that Apprise reaches has been given."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self.answer = True


@pytest.fixture(scope="module")
def heard() -> Iterator[Heard]:
    """A service of our own, `duologuetest://`, in Apprise."""
    from apprise import decorators  # noqa: PLC0415 - loaded by who uses it
    from apprise.manager_plugins import NotificationManager  # noqa: PLC0415

    heard, services = Heard(), NotificationManager()  # type: ignore[no-untyped-call]

    @decorators.notify(on="duologuetest")  # type: ignore[no-untyped-call, untyped-decorator]
    def _service(body: str, title: str, notify_type: str, *args: object, **kwargs: object) -> bool:
        heard.said.append((title, body))
        logging.getLogger("apprise").warning("the service says: anna@example.org")
        return heard.answer

    yield heard
    services.remove("duologuetest")  # type: ignore[no-untyped-call]


@every_template
async def test_every_message_goes_through_apprise(template: str, heard: Heard) -> None:
    for message in in_every_language(template):
        text = render(message)
        await AppriseChannel().send(message, text, Contact(channel="apprise", address="duologuetest://anna"))
        assert heard.said[-1] == (text.subject, text.body)


async def test_apprise_says_whether_and_what_it_logs_stays_out(
    heard: Heard, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(1)
    monkeypatch.setattr(heard, "answer", False)
    channel, to = AppriseChannel(), Contact(channel="apprise", address="duologuetest://anna")
    with pytest.raises(TryAgain) as failed:
        await channel.send(MESSAGE, render(MESSAGE), to)
    assert failed.value.trouble == "failed"
    for address in ("nonsense", "nosuchservice://anna", "mailtos://"):
        with pytest.raises(Undeliverable, match="bad_address"):
            await channel.send(MESSAGE, render(MESSAGE), Contact(channel="apprise", address=address))
    assert "anna" not in caplog.text


# --- silence ----------------------------------------------------------------------------------------------------------


async def test_libraries_are_silent_while_a_message_is_under_way_and_we_are_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    library, ours = logging.getLogger("some.library"), logging.getLogger("duologue.delivery")
    with hushed():
        library.error("anna@example.org")
        await asyncio.to_thread(library.error, "anna@example.org")
        ours.info("ours")
    library.info("afterwards")
    assert [r.message for r in caplog.records] == ["ours", "afterwards"]


async def test_what_others_do_meanwhile_is_logged_as_ever(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    there, done = asyncio.Event(), asyncio.Event()

    async def under_way() -> None:
        with hushed():
            there.set()
            await done.wait()

    task = asyncio.create_task(under_way())
    await there.wait()
    logging.getLogger("some.library").info("elsewhere")
    done.set()
    await task
    assert [r.message for r in caplog.records] == ["elsewhere"]


# --- settings ---------------------------------------------------------------------------------------------------------


def the_post(settings: Settings) -> Post:
    return post_of(settings, vault_of(settings))


def channels_of(**given: object) -> set[str]:
    return set(the_post(Settings.load(vault_keys=LocalKeys.new(), **given))._channels)


def test_settings_say_which_channels_there_are() -> None:
    assert channels_of() == {"console", "apprise"}
    assert channels_of(smtp_host="mail.example.org", smtp_from="no-reply@example.org") == {
        "console",
        "apprise",
        "email",
    }
    assert channels_of(webhook_url="https://platform.example/hook", webhook_secret=SECRET) == {
        "console",
        "apprise",
        "webhook",
    }


@pytest.mark.parametrize("way", ["console", "webhook"])
async def test_without_a_file_everybody_is_on_the_webhook_if_there_is_one_else_on_the_console(
    way: Literal["console", "webhook"], tmp_path: Path
) -> None:
    hook = {"webhook_url": "https://platform.example/hook", "webhook_secret": SECRET}
    by = the_post(Settings.load(data_dir=tmp_path, **(hook if way == "webhook" else {})))
    assert await by._contacts.of("person-1", "c1") == (Contact(channel=way),)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            {"smtp_host": "mail.example.org"},
            "DUOLOGUE_SMTP_FROM: Value error, with DUOLOGUE_SMTP_HOST, say whom",
        ),
        ({"smtp_from": "nobody"}, "DUOLOGUE_SMTP_FROM"),
        ({"webhook_url": "ftp://x"}, "DUOLOGUE_WEBHOOK_URL"),
        ({"webhook_url": "https://x"}, "DUOLOGUE_WEBHOOK_SECRET.*go together"),
        ({"webhook_secret": SECRET}, "DUOLOGUE_WEBHOOK_SECRET.*go together"),
        ({"webhook_url": "https://x", "webhook_secret": "whsec_canary"}, "24 to 64 random bytes"),
    ],
)
def test_settings_that_do_not_go_together_say_so_and_repeat_no_secret(
    given: dict[str, str], says: str
) -> None:
    with pytest.raises(SettingsError, match=says) as failed:
        Settings.load(**given)
    assert "canary" not in str(failed.value)


def test_secrets_are_not_shown_with_the_settings() -> None:
    settings = Settings.load(
        webhook_url="https://x", webhook_secret=SECRET, smtp_password="canary", smtp_user="duologue"
    )
    assert SECRET not in repr(settings)
    assert "canary" not in repr(settings)
    assert "canary" not in repr(MailServer(host="h", sender="a@b", password="canary"))
    assert EmailChannel(SERVER).name == "email"


def test_a_contacts_file_that_cannot_be_used_is_said_at_the_start(contacts_file: Path) -> None:
    contacts_file.write_text("people:\n  p1:\n    - email: canary")
    with pytest.raises(SettingsError, match=r"line 3: this is no e-mail address.*unset DUOLOGUE_CONTACTS"):
        the_post(Settings.load(vault_keys=LocalKeys.new(), contacts=contacts_file))
    with pytest.raises(SettingsError, match=r"cannot be read"):
        the_post(Settings.load(vault_keys=LocalKeys.new(), contacts=contacts_file.with_name("none.yaml")))
