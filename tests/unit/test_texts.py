"""What people read: there is a text for everything, in every language, and none tells on the other partner."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from duologue.practice import texts
from duologue.practice.grammar import Act, Kind
from duologue.practice.kinds import KINDS
from duologue.practice.policy import Policy
from duologue.practice.state import CHOICES, SCREEN

STAFF = {
    "wants_to_talk",
    "second_miss",
    "third_miss",
    "undecided",
    "unreachable",
    "concern",
    "pause_unanswered",
}
"""Templates that go to a facilitator or the safeguarding contact, and never to a partner."""

every_language = pytest.mark.parametrize("language", texts.languages())
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
every_template = pytest.mark.parametrize("template", texts.TEMPLATES)


def acts_of(kind: Kind) -> list[tuple[str, str | None, Act]]:
    """Every act of a kind with the movement and the stem at which it is done."""
    found: list[tuple[str, str | None, Act]] = []
    for movement in kind.movements:
        for stem in movement.stems or (None,):
            acts = {*movement.instead, *movement.finish, *movement.also}
            acts |= {movement.says} if movement.says else set()
            acts |= (
                {Act.MIRROR, Act.HOLD_ON, Act.CONFIRM, Act.CORRECT, Act.NO_MORE}
                if movement.mirrored
                else set()
            )
            acts |= {Act.CONFIRM, Act.CORRECT} if movement.checked else set()
            acts |= {Act.DEFER_SWITCH} if movement.again else set()
            acts |= {Act.READY, Act.TIME_OUT, Act.EXTEND, Act.STOP}
            found += [(movement.name, stem, act) for act in sorted(acts)]
    return found


@every_language
@every_kind
def test_every_act_of_every_kind_has_a_sentence_to_begin_with_and_a_hint(kind: Kind, language: str) -> None:
    for movement, stem, act in acts_of(kind):
        found = texts.prompt(kind.name, movement, act, stem, language)
        assert found.stem, (movement, stem, act)
        assert found.guidance, (movement, stem, act)


@every_language
def test_every_act_there_is_has_a_prompt_wherever_it_is_done(language: str) -> None:
    for act in Act:
        assert texts.prompt("a_new_kind", "a_new_movement", act, None, language).stem


@every_language
@every_kind
def test_every_sentence_stem_of_a_kind_is_a_sentence_of_its_own(kind: Kind, language: str) -> None:
    said = [
        texts.prompt(kind.name, m.name, m.says, stem, language).stem
        for m in kind.movements
        if m.says
        for stem in m.stems
    ]
    plain = texts.prompt("a_new_kind", "a_new_movement", Act.SEND, None, language).stem
    assert len({*said, plain}) == len(said) + 1


def test_no_prompt_is_for_an_act_a_movement_or_a_stem_that_does_not_exist() -> None:
    places = {(k.name, m, s, str(a)) for k in KINDS.values() for m, s, a in acts_of(k)}
    places |= {(k, m, None, a) for k, m, _, a in places}
    reachable = set()
    for kind, movement, stem, act in places:
        reachable |= {f"{kind}.{movement}.{stem}.{act}", f"{kind}.{movement}.{act}", f"{kind}.{act}"}
        reachable |= {f"{movement}.{act}", act}
    assert set(texts.LANGUAGES["en"].prompts) <= reachable


@every_language
def test_every_language_has_the_same_texts_as_english(language: str) -> None:
    own, english = texts.LANGUAGES[language], texts.LANGUAGES["en"]
    for group in ("kinds", "prompts", "screen", "questions", "choices", "messages"):
        assert getattr(own, group).keys() == getattr(english, group).keys(), group
    for template, text in own.messages.items():
        assert texts.fields_of(text.body) == texts.fields_of(english.messages[template].body), template


def test_the_most_specific_prompt_wins() -> None:
    def stem(kind: str, movement: str, act: str, of: str | None = None) -> str:
        return texts.prompt(kind, movement, act, of, "en").stem

    assert stem("trigger", "stems", "send", "hurt") == "What hurt me about it was…"
    assert stem("story", "summary", "summarise").startswith("If I got all of it, as a child")
    assert stem("full", "frame", "mirror").startswith("So you would like to talk about")
    assert stem("full", "sending", "mirror").startswith("What I heard you say is")


def test_a_language_falls_back_to_its_base_and_then_to_english() -> None:
    assert texts.kind_title("caring", "de-AT") == texts.kind_title("caring", "de") == "Was uns guttut"
    assert texts.kind_title("caring", "fr") == texts.kind_title("caring", "en") == "What does us good"


def test_what_does_not_exist_is_a_lookup_error() -> None:
    for look in (
        lambda: texts.message("nonsense", "en"),
        lambda: texts.prompt("full", "frame", "shout", None, "en"),
    ):
        with pytest.raises(LookupError):
            look()


@every_language
def test_every_question_its_choices_and_the_suitability_questions_are_there(language: str) -> None:
    for kind, choices in CHOICES.items():
        assert texts.question(kind, language).endswith(("?", "."))
        assert all(texts.choice(kind, choice, language) for choice in choices)
    assert all(
        texts.choice(kind, a, language) for kind in ("intake", "midpoint") for a in ("yes", "no", "unsure")
    )
    assert set(texts.screen(language)) == set(SCREEN)
    assert all(question.endswith("?") for question in texts.screen(language).values())
    assert all(texts.kind_title(kind, language) for kind in KINDS)


def test_every_step_of_the_default_ladder_has_its_text() -> None:
    for step in (step for rung in Policy().ladder for step in rung if step.text):
        assert step.text in texts.TEMPLATES
        assert step.do != "ask" or step.text in texts.LANGUAGES["en"].questions


def test_staff_have_messages_of_their_own_and_the_two_have_all_others() -> None:
    assert texts.FOR_STAFF == STAFF
    assert set(texts.TEMPLATES) - STAFF - {texts.PADDING} == texts.FOR_PARTNERS


# --- messages ---------------------------------------------------------------------------------------------------------


@every_language
@every_template
def test_a_message_is_whole_with_and_without_its_times(template: str, language: str) -> None:
    text = texts.message(template, language)
    full = text.filled(start="Monday", zone="UTC", session="3", programme="p-1")
    bare = text.filled(programme="p-1")
    for filled in (full, bare):
        assert "{" not in filled.body
        assert bool(filled.body) == (template != "none")
    assert text.subject or template == "none"


@every_language
@every_template
def test_a_message_is_filled_with_times_and_references_only(template: str, language: str) -> None:
    text = texts.message(template, language)
    allowed = texts.FIELDS - {"reason"} if template in STAFF else texts.FIELDS - {"programme", "reason"}
    allowed |= {"reason"} if template == "concern" else set()
    assert texts.fields_of(text.body) <= allowed
    assert texts.fields_of(text.subject) == set()


@every_language
@every_template
def test_a_time_is_never_told_without_its_zone(template: str, language: str) -> None:
    for line in texts.message(template, language).body.splitlines():
        assert ("{start}" in line) == ("{zone}" in line)


TELLTALE = {
    "en": [
        r"partner|other|they|he|she|him|her|them|someone|somebody|nobody|each",
        r"absent|late|alone|waiting for you|did not (come|show|answer)|missed|fail\w*",
        r"has (not )?(answered|paused|raised|left|declined|withdrawn)",
        r"concern|safe\w*|violence|streak|well done|must|should have",
        r"only one|one of (you|us)|one person|chair|empty|turned up|showed up|we (were waiting|waited)",
    ],
    "de": [
        r"partner\w*|gegenüber|sie hat|er hat|ihn|ihm|ihnen|jemand|niemand",
        r"abwesend|verspätet|zu spät|allein\w*|wartet auf dich|nicht (gekommen|erschienen|geantwortet)",
        r"versäumt|verpasst|versagt|abgelehnt|ausgestiegen",
        r"sorge|sicher\w*|gewalt|gut gemacht|musst|hättest",
        r"nur (ein\w*|du)|eine?r? von (euch|uns)|stuhl|leer|gewartet",
    ],
}
"""Words of a third person, of absence, of blame, of praise and of a concern: in no message to a partner.

A list finds no turn of phrase that it does not know. That a message cannot depend on what the other did is held by
`test_interference.py`: the same messages go out whoever came, whoever paused, whatever was answered.
"""


LEAKS = {
    "en": [
        "Your partner did not come on Monday.",
        "Only one of you was there on Monday.",
        "We were waiting, and one chair stayed empty.",
        "Somebody has raised a concern.",
        "They have not answered yet.",
    ],
    "de": [
        "Dein Gegenüber ist nicht gekommen.",
        "Nur eine Person von euch war da.",
        "Ein Stuhl blieb leer.",
        "Jemand hat abgelehnt.",
    ],
}
"""What no message may say."""


def telltale(language: str) -> re.Pattern[str]:
    return re.compile(rf"\b({'|'.join(TELLTALE[language])})\b", re.IGNORECASE)


@every_language
def test_the_check_finds_what_gives_somebody_away(language: str) -> None:
    for leak in LEAKS[language]:
        assert telltale(language).search(leak), leak


@every_language
@pytest.mark.parametrize("template", sorted(set(texts.TEMPLATES) - STAFF))
def test_no_message_to_a_partner_tells_what_the_other_did_or_blames(template: str, language: str) -> None:
    text = texts.message(template, language)
    assert not telltale(language).search(f"{text.subject}\n{text.body}")


@every_language
def test_messages_to_staff_name_the_programme_and_nobody(language: str) -> None:
    for template in STAFF:
        text = texts.message(template, language)
        assert "{programme}" in text.body
        assert "{programme}" not in text.subject


@every_language
def test_a_subject_fits_a_locked_screen(language: str) -> None:
    for template in texts.TEMPLATES:
        assert len(texts.message(template, language).subject) <= 50


@pytest.mark.parametrize(
    ("language", "written"),
    [
        ("en", "Monday, 4 January 2027, 19:00"),
        ("de", "Montag, 4. Januar 2027, 19:00 Uhr"),
        ("fr", "Monday, 4 January 2027, 19:00"),
    ],
)
def test_a_moment_is_written_as_people_write_it(language: str, written: str) -> None:
    assert texts.moment(datetime(2027, 1, 4, 19, 0), language) == written  # noqa: DTZ001 - a wall-clock time


@every_language
def test_no_other_peoples_marks_and_no_promise_of_an_effect(language: str) -> None:
    everything = texts.LANGUAGES[language].model_dump_json().lower()
    for word in ("safe conversations", "zero negativity", "therap", "heal", "heil", "guarantee", "garant"):
        assert word not in everything
