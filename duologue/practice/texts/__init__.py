"""Everything that a person reads, by language: prompts, messages, questions, and how a moment is written.

The words are data, in one file a language beside this module; a new language is one file more. They are read
once, while this module is imported, and never again: the one thing that the pure core reads. No rule of the
practice lives here, and no text may say what the other partner did or did not do (tests/unit/test_texts.py).
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib.resources import files
from string import Formatter
from typing import Annotated, TypeVar

from pydantic import Field

from duologue.practice.values import Frozen

FIELDS = frozenset({"start", "zone", "session", "programme", "reason"})
"""What a message may be filled in with: times and references; words of a person in that of a concern alone."""

FALLBACK = "en"
"""The language of whoever's own we do not have."""

_Found = TypeVar("_Found")


class Prompt(Frozen):
    """What helps a partner with one act."""

    stem: str
    """The sentence to begin with."""
    guidance: str


class MessageText(Frozen):
    """A message before its times are filled in."""

    subject: str
    body: str
    """A sentence or two a line. A line whose times the message does not carry is left out."""

    def filled(self, **fields: str | None) -> MessageText:
        """The text with `fields` in place."""
        present = {name: value for name, value in fields.items() if value is not None}
        lines = [n.format(**present) for n in self.body.split("\n") if fields_of(n) <= present.keys()]
        return self.with_(body="\n".join(lines).strip())


class _Dates(Frozen):
    format: str
    weekdays: Annotated[tuple[str, ...], Field(min_length=7, max_length=7)]
    months: Annotated[tuple[str, ...], Field(min_length=12, max_length=12)]


class Language(Frozen):
    """All texts of one language, as its file has them."""

    dates: _Dates
    kinds: Mapping[str, str]
    prompts: Mapping[str, tuple[str, str]]
    screen: Mapping[str, str]
    questions: Mapping[str, str]
    choices: Mapping[str, str]
    messages: Mapping[str, MessageText]


LANGUAGES: Mapping[str, Language] = {
    file.name.removesuffix(".toml"): Language.model_validate(tomllib.loads(file.read_text("utf-8")))
    for file in sorted(files(__name__).iterdir(), key=lambda file: file.name)
    if file.name.endswith(".toml")
}
"""Every language there is, by its tag."""

TEMPLATES: tuple[str, ...] = tuple(LANGUAGES[FALLBACK].messages)
"""The names of all messages."""

PADDING = "none"
"""The message that reaches nobody: it is there so that the absence of a message tells nothing."""


def languages() -> tuple[str, ...]:
    """The languages there are texts in."""
    return tuple(LANGUAGES)


def covers(language: str) -> bool:
    """Whether there are texts in it, or in the one it is a variety of; else they are in English."""
    return not LANGUAGES.keys().isdisjoint((language, language.partition("-")[0]))


def prompt(kind: str, movement: str, act: str, stem: str | None, language: str) -> Prompt:
    """What helps with `act`: the most specific text there is for where it is done."""
    keys = [f"{kind}.{movement}.{act}", f"{kind}.{act}", f"{movement}.{act}", f"{act}"]
    if stem is not None:
        keys.insert(0, f"{kind}.{movement}.{stem}.{act}")
    begin, guidance = _find(language, lambda texts: texts.prompts, *keys)
    return Prompt(stem=begin, guidance=guidance)


def message(template: str, language: str) -> MessageText:
    """The text of a message. Raises `LookupError` for a template that does not exist."""
    return _find(language, lambda texts: texts.messages, template)


def screen(language: str) -> dict[str, str]:
    """The private suitability questions by id; "yes" to each means suitable."""
    return {name: _find(language, lambda texts: texts.screen, name) for name in LANGUAGES[FALLBACK].screen}


def question(kind: str, language: str) -> str:
    """The text of a question of that kind."""
    return _find(language, lambda texts: texts.questions, kind)


def choice(kind: str, choice: str, language: str) -> str:
    """What a choice of a question is called. Suitability questions are answered yes, no or unsure."""
    group = "screen" if kind in ("intake", "midpoint") else kind
    return _find(language, lambda texts: texts.choices, f"{group}.{choice}")


def kind_title(kind: str, language: str) -> str:
    """What a kind of dialogue is called."""
    return _find(language, lambda texts: texts.kinds, kind)


def moment(local: datetime, language: str) -> str:
    """A wall-clock time as people write it, such as `Monday, 4 January 2027, 19:00`."""
    dates = _chain(language)[0].dates
    return dates.format.format(
        weekday=dates.weekdays[local.weekday()],
        day=local.day,
        month=dates.months[local.month - 1],
        year=local.year,
        time=f"{local:%H:%M}",
    )


def fields_of(text: str) -> set[str]:
    """The fields that a text is filled in with."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def _of_staff(template: str) -> bool:
    """Whether a message is for staff: only those name the programme."""
    return "programme" in fields_of(message(template, FALLBACK).body)


def _chain(language: str) -> list[Language]:
    """The language itself, its base (`de` for `de-AT`), and the fallback: those of them that there are."""
    tags = dict.fromkeys((language, language.partition("-")[0], FALLBACK))
    return [LANGUAGES[tag] for tag in tags if tag in LANGUAGES]


def _find(language: str, group: Callable[[Language], Mapping[str, _Found]], *names: str) -> _Found:
    """The first of `names` that there is, in the nearest language that has any of them."""
    for texts in map(group, _chain(language)):
        for name in names:
            if name in texts:
                return texts[name]
    raise LookupError(f"there is no text '{names[-1]}' in any language")


FOR_STAFF = frozenset(filter(_of_staff, TEMPLATES))
"""The messages to a facilitator or the safeguarding contact: never told to a partner."""

FOR_PARTNERS = frozenset(TEMPLATES) - FOR_STAFF - {PADDING}
"""The messages to the two: never told to staff."""
