"""The small values that everything else is made of: people, words, instants and spans.

Only value types and their parsing live here: no rules of the practice, and no model of a message or of state.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import MAXYEAR, UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

Partner = Literal["a", "b"]
"""One of the two people who practise."""

By = Literal["a", "b", "facilitator"]
"""Who a command acts for. The platform that sends it has authenticated that person; the engine trusts it."""

PARTNERS: tuple[Partner, Partner] = ("a", "b")

Scope = Literal["ops", "safeguarding"]
"""Whose eyes a value is for that stands in a history: staff who run programmes, or those who look after safety."""

WORDS_BYTES = 4094
"""The most UTF-8 bytes one `Words` may hold: some minutes of speech, and far below what a history minds."""

NOT_BLANK = r"\S"
"""What a text that says something matches."""

LINE_BYTES = 382
"""The most bytes of a text that stays in state for weeks: a line of a list, a request, a note."""

SEALED_PREFIX = 1 + 16 + 12 + 16
"""The bytes that sealing adds to what it seals: version, place, nonce and tag; see `sealed.py`."""

SEALED_STEP = 64
"""What is sealed is filled up to a multiple of this, its length of two bytes included. The bounds above lie two below
one, so that they are the same for what is sealed."""

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def other(person: Partner) -> Partner:
    """The partner of `person`."""
    return "b" if person == "a" else "a"


class Frozen(BaseModel):
    """An immutable value that refuses fields it does not know, and repeats in no error what was sent."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @property
    def scope(self) -> Scope:
        """For whose eyes it is where it stands in a history; said by its type, and never by what somebody wrote."""
        return "ops"

    @property
    def brief(self) -> bool:
        """Whether every value of this type is short: where sizes are hidden, less hides it. Said as `scope` is."""
        return False

    def with_(self, **changes: Any) -> Self:  # noqa: ANN401 - the fields of any subclass
        """A copy with `changes`; unlike `model_copy` it refuses a field that does not exist."""
        if unknown := changes.keys() - type(self).__pydantic_fields__.keys():
            message = f"{type(self).__name__} has no field {', '.join(sorted(unknown))}"
            raise AttributeError(message)
        return self.model_copy(update=changes)

    @property
    def json_bytes(self) -> int:
        """How many bytes it takes in JSON as it is sent and kept, in UTF-8."""
        return len(self.model_dump_json().encode())


class Words(Frozen):
    """Free text by a partner: the only type of every free-text field of every message.

    Either `text` in the clear, or `sealed` by a content key (`key`) that the workflow never has. The engine carries
    words and never reads them: no rule depends on their content.
    """

    # Shown by no `repr`, and so in no log or traceback of a platform's.
    text: Annotated[str, WithJsonSchema({"type": "string", "pattern": NOT_BLANK})] | None = Field(
        default=None, repr=False
    )
    sealed: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9+/=_-]*$", json_schema_extra={"minLength": 1}
    )
    key: str | None = Field(default=None, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")

    @model_validator(mode="before")
    @classmethod
    def _a_bare_string_is_text(cls, given: Any) -> Any:  # noqa: ANN401 - whatever was sent
        return {"text": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _one_form_and_bounded(self) -> Self:
        if (self.text is None) == (self.sealed is None):
            message = "words are either 'text' or 'sealed'"
            raise ValueError(message)
        if not (self.text or self.sealed or "").strip():
            message = "words say something; leave them out instead of sending blanks"
            raise ValueError(message)
        if self.size > WORDS_BYTES:
            message = f"words may hold at most {WORDS_BYTES} bytes; say it in smaller pieces"
            raise ValueError(message)
        return self

    @property
    def size(self) -> int:
        """How many bytes the text takes in JSON; sealed, with what fills it up."""
        if self.text is None:
            # Most languages end base64 with one or two of these; they hold nothing.
            return max(len((self.sealed or "").rstrip("=")) * 3 // 4 - SEALED_PREFIX - 2, 0)
        return text_bytes(self.text)


def text_bytes(text: str) -> int:
    """How many bytes a text takes in JSON as it is sent and kept: UTF-8, with what is escaped."""
    return len(json.dumps(text, ensure_ascii=False).encode()) - 2


def _in_utc(value: datetime) -> datetime:
    # Instants in one zone are compared without asking it for its offset; what is at time's end cannot be converted.
    instant = value.astimezone(UTC) if 1 < value.year < MAXYEAR else value
    if not _EARLIEST <= instant <= _LATEST:
        message = "an instant lies between the years 2000 and 2200"
        raise ValueError(message)
    return instant


Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""An absolute moment, always UTC inside; refuses a time without an offset."""

_UNITS = {"w": 604_800, "d": 86_400, "h": 3600, "min": 60, "m": 60, "s": 1}
_SPAN = re.compile(
    r"(?:([0-9]{1,6})w)?(?:([0-9]{1,6})d)?(?:([0-9]{1,6})h)?(?:([0-9]{1,6})(?:min|m))?(?:([0-9]{1,9})s)?"
)
_LONGEST_WRITTEN = len("999999w999999d999999h999999min999999999s")
_LONGEST_SPAN = timedelta(days=3660)


def parse_span(given: object) -> timedelta:
    """A length of time from `24h`, `7d`, `1h30min`, `20s`. Raises `ValueError` with the remedy."""
    span = given if isinstance(given, timedelta) else None
    if isinstance(given, str) and 0 < len(given) <= _LONGEST_WRITTEN:
        span = _read_span(given)
    if span is None:
        message = "write a length of time as in 24h, 7d, 15min, 1h30min or 20s"
        raise ValueError(message)
    if not timedelta(0) <= span <= _LONGEST_SPAN or span.microseconds:
        message = "a length of time is in whole seconds, and at most ten years"
        raise ValueError(message)
    return span


@lru_cache(maxsize=256)  # a plan has dozens, and every state that is read has them all
def _read_span(written: str) -> timedelta | None:
    match = _SPAN.fullmatch(written)
    if match is None:
        return None
    w, d, h, m, s = (int(n) if n else 0 for n in match.groups())
    return timedelta(weeks=w, days=d, hours=h, minutes=m, seconds=s)


@lru_cache(maxsize=256)  # and every state writes them all
def format_span(span: timedelta) -> str:
    """The shortest writing that `parse_span` reads back; whole seconds only."""
    seconds, parts = int(span.total_seconds()), []
    for unit in ("d", "h", "min", "s"):
        count, seconds = divmod(seconds, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


Span = Annotated[
    timedelta,
    BeforeValidator(parse_span),
    PlainSerializer(format_span, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+(min|m))?([0-9]+s)?$",
            "examples": ["24h", "7d", "15min", "20s"],
        }
    ),
]
"""A length of time in whole seconds, written `24h`, `7d`, `15min`, `20s`."""

_ID = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$"
_ZONE = r"^[A-Za-z][A-Za-z0-9_+/-]{0,63}$"
_CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
_LANGUAGE = r"^[a-z]{2}(-[A-Z]{2})?$"

WRITTEN: Mapping[str, str] = {
    _ID: "write up to 64 letters, digits and . _ : - only, with a letter or a digit first",
    _ZONE: "name a zone of the tz database, such as Europe/Berlin",
    _CLOCK: "write a time as in 19:00",
    _LANGUAGE: "write a language as in en or de-AT",
}
"""How a text is written that has to fit a pattern, in words."""

Ref = Annotated[str, StringConstraints(pattern=_ID)]
"""An opaque reference to a person, programme or tenant: never a name, address or number (`@` cannot occur)."""

CommandId = Annotated[str, StringConstraints(pattern=_ID)]
"""The sender's own id of a command; a repeat with the same id changes nothing."""

ZoneName = Annotated[str, StringConstraints(pattern=_ZONE)]
"""A name of the tz database, such as `Europe/Berlin`. Whether it exists is for the calendar to say."""

ClockTime = Annotated[str, StringConstraints(pattern=_CLOCK)]
"""A wall-clock time `HH:MM`, in the zone that stands beside it."""

Language = Annotated[str, StringConstraints(pattern=_LANGUAGE)]
"""A language, such as `en` or `de-AT`."""
