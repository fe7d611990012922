"""The specification of a dialogue, row by row of the table in the reference, as the machine must run it.

A scene is told as `who act`, one after the other; everything that is not told as refused must be allowed.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from duologue.practice import grammar
from duologue.practice.grammar import Act, Dialogue, NotAllowed, Turn
from duologue.practice.kinds import KINDS
from duologue.practice.plan import KindName
from duologue.practice.shapes import MOST_LINES
from duologue.practice.values import LINE_BYTES, Partner, Words, other

NOON = datetime(2027, 1, 4, 12, tzinfo=UTC)


def turn(by: Partner, act: str, **fields: object) -> Turn:
    given: dict[str, object] = {"words": Words(text=act)}
    if act in ("time_out", "extend"):
        given = {"until": NOON + timedelta(minutes=30)}
    if act == "request":
        given["within_days"] = 7
    return Turn.model_validate({"by": by, "act": act, **given, **fields})


def act(dialogue: Dialogue, by: Partner, name: str, **fields: object) -> Dialogue:
    made = turn(by, name, **fields)
    grammar.check(dialogue, made)
    return grammar.take(dialogue, made)


def scene(dialogue: Dialogue, *told: str) -> Dialogue:
    """The dialogue after `told`, such as `a send`, several in one string apart by commas."""
    for line in (part.strip() for lines in told for part in lines.split(",")):
        by, name = line.split()
        dialogue = act(dialogue, "a" if by == "a" else "b", name)
    return dialogue


def opened(kind: KindName, sender: Partner = "a") -> Dialogue:
    return scene(grammar.begin(kind, sender), "a ready, b ready")


def refusal(dialogue: Dialogue, by: Partner, name: str, **fields: object) -> str:
    with pytest.raises(NotAllowed) as refused:
        grammar.check(dialogue, turn(by, name, **fields))
    return refused.value.reason


def may(dialogue: Dialogue) -> dict[Partner, set[str]]:
    """What each may do, apart from what is always possible."""
    always = {Act.STOP, Act.TIME_OUT}
    return {by: {str(a) for a in acts if a not in always} for by, acts in grammar.options(dialogue).items()}


def where(dialogue: Dialogue) -> tuple[str, str]:
    return dialogue.movement, dialogue.step


FRAMED = "a frame, b mirror, a confirm"
SENT = "a send, b mirror, a confirm"
UP_TO_SWITCH = f"{FRAMED}, {SENT}, a no_more, b summarise, a confirm, b validate, b empathise, a confirm"
OTHER_HALF = (
    "b send, a mirror, b confirm, b no_more, a summarise, b confirm, a validate, a empathise, b confirm"
)


# --- the full dialogue, row by row ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "movement", "step", "a", "b"),
    [
        ("", "opening", "together", {"ready"}, {"ready"}),
        ("b ready", "opening", "together", {"ready"}, set()),
        ("b ready, a ready", "frame", "say", {"frame"}, set()),
        ("a ready, b ready, a frame", "frame", "mirror", set(), {"mirror", "hold_on"}),
        ("a ready, b ready, a frame, b mirror", "frame", "check", {"confirm", "correct"}, set()),
        (f"a ready, b ready, {FRAMED}", "sending", "say", {"send"}, set()),
        (f"a ready, b ready, {FRAMED}, a send", "sending", "mirror", set(), {"mirror", "hold_on"}),
        (f"a ready, b ready, {FRAMED}, a send, b mirror", "sending", "check", {"confirm", "correct"}, set()),
        (f"a ready, b ready, {FRAMED}, {SENT}", "sending", "more", {"send", "no_more"}, {"hold_on"}),
        (f"a ready, b ready, {FRAMED}, {SENT}, a no_more", "summary", "say", set(), {"summarise"}),
        (
            f"a ready, b ready, {FRAMED}, {SENT}, a no_more, b summarise",
            *("summary", "check"),
            *({"confirm", "correct"}, set()),
        ),
        (
            f"a ready, b ready, {FRAMED}, {SENT}, a no_more, b summarise, a confirm",
            *("validation", "say"),
            *(set(), {"validate", "ask_more"}),
        ),
        (
            f"a ready, b ready, {FRAMED}, {SENT}, a no_more, b summarise, a confirm, b validate",
            *("empathy", "say"),
            *(set(), {"empathise"}),
        ),
        (
            f"a ready, b ready, {FRAMED}, {SENT}, a no_more, b summarise, a confirm, b validate, b empathise",
            *("empathy", "check"),
            *({"confirm", "correct"}, set()),
        ),
        (f"a ready, b ready, {UP_TO_SWITCH}", "switch", "together", {"switch"}, {"switch", "defer_switch"}),
        (f"a ready, b ready, {UP_TO_SWITCH}, a switch, b switch", "sending", "say", set(), {"send"}),
        (
            f"a ready, b ready, {UP_TO_SWITCH}, a switch, b switch, {OTHER_HALF}",
            *("closing", "together"),
            *({"appreciate"}, {"appreciate"}),
        ),
    ],
)
def test_the_full_dialogue_row_by_row(told: str, movement: str, step: str, a: set[str], b: set[str]) -> None:
    dialogue = grammar.begin("full", "a")
    dialogue = scene(dialogue, told) if told else dialogue
    assert where(dialogue) == (movement, step)
    assert may(dialogue) == {"a": a, "b": b}


def test_the_whole_full_dialogue_in_both_directions() -> None:
    before = opened("full")
    done = scene(before, UP_TO_SWITCH, "b switch, a switch", OTHER_HALF, "a appreciate, b appreciate")
    assert (done.outcome, done.senders, done.deferred) == ("done", ("a", "b"), False)
    assert grammar.options(done) == {"a": (), "b": ()}


def test_the_roles_swap_and_the_topic_stays() -> None:
    dialogue = scene(opened("full"), UP_TO_SWITCH, "a switch, b switch")
    assert (dialogue.role("a"), dialogue.role("b")) == ("receiver", "sender")
    assert dialogue.topic == Words(text="frame")


def test_a_correction_is_mirrored_again_as_often_as_needed() -> None:
    dialogue = scene(opened("full"), FRAMED, "a send, b mirror")
    for _ in range(5):
        dialogue = scene(dialogue, "a correct")
        assert may(dialogue)["b"] == {"mirror", "hold_on"}
        assert dialogue.said == Words(text="correct")
        dialogue = scene(dialogue, "b mirror")
    assert where(scene(dialogue, "a confirm")) == ("sending", "more")


def test_a_correction_without_words_leaves_what_was_said() -> None:
    dialogue = act(scene(opened("full"), FRAMED, "a send, b mirror"), "a", "correct", words=None)
    assert dialogue.said == Words(text="send")


def test_a_frame_that_is_corrected_names_the_topic_of_both_halves() -> None:
    framed = scene(opened("full"), "a frame, b mirror")
    framed = act(framed, "a", "correct", words=Words(text="what I mean"))
    assert framed.topic == Words(text="what I mean")
    framed = scene(framed, "b mirror, a confirm")
    assert (framed.topic, grammar.other_half(framed).topic) == (Words(text="what I mean"),) * 2
    sent = act(scene(framed, "a send, b mirror"), "a", "correct", words=Words(text="something else"))
    assert sent.topic == Words(text="what I mean")


def test_a_summary_that_is_corrected_is_summarised_again() -> None:
    dialogue = scene(opened("full"), FRAMED, SENT, "a no_more, b summarise, a correct")
    assert where(dialogue) == ("summary", "say")
    assert where(scene(dialogue, "b summarise, a confirm")) == ("validation", "say")


def test_empathy_that_is_corrected_is_guessed_again() -> None:
    dialogue = scene(opened("full"), FRAMED, SENT, "a no_more, b summarise, a confirm, b validate")
    dialogue = scene(dialogue, "b empathise, a correct")
    assert may(dialogue) == {"a": set(), "b": {"empathise"}}
    assert dialogue.movement == scene(dialogue, "b empathise").movement == "empathy"
    assert scene(dialogue, "b empathise, a confirm").movement == "switch"


def test_asking_for_more_leads_back_to_sending_and_through_the_summary_again() -> None:
    dialogue = scene(opened("full"), FRAMED, SENT, "a no_more, b summarise, a confirm, b ask_more")
    assert where(dialogue) == ("sending", "say")
    again = scene(dialogue, SENT, SENT, "a no_more")
    assert again.movement == "summary"
    assert scene(again, "b summarise, a confirm, b ask_more").movement == "sending"


def test_sending_goes_on_until_there_is_no_more() -> None:
    dialogue = scene(opened("full"), FRAMED)
    assert refusal(dialogue, "a", "no_more") == "out_of_turn"
    dialogue = scene(dialogue, *[SENT] * 120, "a no_more")
    assert dialogue.movement == "summary"


def test_the_switch_takes_both_and_only_the_new_sender_may_defer() -> None:
    dialogue = scene(opened("full"), UP_TO_SWITCH)
    assert refusal(dialogue, "a", "defer_switch") == "wrong_role"
    half = scene(dialogue, "a switch")
    assert half.movement == "switch"
    assert refusal(half, "a", "switch") == "out_of_turn"
    assert scene(half, "b switch").movement == "sending"
    deferred = scene(half, "b defer_switch")
    assert (deferred.movement, deferred.deferred, deferred.sender) == ("closing", True, "a")
    assert scene(deferred, "b appreciate, a appreciate").outcome == "done"


def test_the_deferred_half_begins_where_the_other_sends_and_has_no_switch() -> None:
    first = scene(opened("full"), UP_TO_SWITCH, "b defer_switch, a appreciate, b appreciate")
    half = grammar.other_half(first)
    assert (half.sender, half.topic) == ("b", Words(text="frame"))
    held = scene(half, "a ready, b ready", OTHER_HALF)
    assert held.movement == "closing"
    assert scene(held, "a appreciate, b appreciate").outcome == "done"


@pytest.mark.parametrize("kind", [k for k in KINDS.values() if any(m.again for m in k.movements)])
def test_every_kind_with_a_switch_has_another_half(kind: grammar.Kind) -> None:
    switching = next(m for m in kind.movements if m.again)
    half = scene(grammar.other_half(opened(kind.name)), "b ready, a ready")
    assert (half.movement, half.sender) == (switching.again, "b")


# --- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "by", "name", "reason"),
    [
        (FRAMED, "b", "send", "wrong_role"),
        (f"{FRAMED}, a send", "a", "mirror", "wrong_role"),
        (f"{FRAMED}, a send", "a", "send", "out_of_turn"),
        (f"{FRAMED}, a send, b mirror", "b", "confirm", "wrong_role"),
        (f"{FRAMED}, a send, b mirror", "b", "mirror", "out_of_turn"),
        (f"{FRAMED}, {SENT}", "b", "no_more", "wrong_role"),
        (f"{FRAMED}, {SENT}, a no_more", "a", "summarise", "wrong_role"),
        (f"{FRAMED}, {SENT}, a no_more", "b", "validate", "out_of_turn"),
        (FRAMED, "a", "ready", "out_of_turn"),
        (FRAMED, "a", "appreciate", "out_of_turn"),
        (FRAMED, "b", "extend", "out_of_turn"),
    ],
)
def test_an_act_out_of_turn_or_from_the_wrong_role_is_refused(
    told: str, by: Partner, name: str, reason: str
) -> None:
    assert refusal(scene(opened("full"), told), by, name) == reason


def asking_for() -> Dialogue:
    return scene(
        opened("request"),
        FRAMED,
        *["a send, b mirror, a confirm"] * 2,
        "b summarise, a confirm, b validate, b empathise, a confirm",
    )


def test_a_correction_of_what_stays_is_bounded_like_that() -> None:
    long = Words(text="x" * (LINE_BYTES + 1))
    framed = scene(opened("full"), "a frame, b mirror")
    assert refusal(framed, "a", "correct", words=long) == "malformed"
    assert refusal(scene(asking_for(), "a request, b mirror"), "a", "correct", words=long) == "malformed"
    act(scene(framed, "a confirm, a send, b mirror"), "a", "correct", words=long)


def test_what_an_act_carries_is_checked() -> None:
    asking = asking_for()
    assert asking.movement == "requests"
    assert refusal(asking, "a", "request", words=None) == "malformed"
    assert refusal(asking, "a", "request", within_days=None) == "malformed"
    assert refusal(asking, "a", "request", words=Words(text="x" * (LINE_BYTES + 1))) == "malformed"
    assert refusal(opened("vision"), "a", "write", words=None) == "malformed"
    assert refusal(opened("full"), "a", "frame", words=Words(text="x" * (LINE_BYTES + 1))) == "malformed"
    assert refusal(opened("full"), "a", "time_out", until=None) == "malformed"


# --- breaks -----------------------------------------------------------------------------------------------------------


def test_hold_on_holds_the_next_send_until_the_mirror_is_given_and_returns() -> None:
    dialogue = scene(opened("full"), FRAMED, SENT, "b hold_on")
    assert may(dialogue) == {"a": set(), "b": {"mirror"}}
    assert dialogue.said == Words(text="send")
    dialogue = scene(dialogue, "b mirror")
    assert may(dialogue)["a"] == {"confirm", "correct"}
    dialogue = scene(dialogue, "a correct, b mirror, a confirm")
    assert where(dialogue) == ("sending", "more")
    assert dialogue.held is None


def test_hold_on_between_two_stems_returns_to_the_next_stem() -> None:
    dialogue = scene(opened("appreciation"), "a send, b mirror, a confirm")
    assert (dialogue.step, dialogue.stem) == ("say", 1)
    dialogue = scene(dialogue, "b hold_on, b mirror, a confirm")
    assert (dialogue.step, dialogue.stem) == ("say", 1)


def test_hold_on_while_mirroring_changes_nothing_of_the_order() -> None:
    dialogue = scene(opened("full"), FRAMED, "a send, b hold_on")
    assert may(dialogue)["b"] == {"mirror"}
    assert where(scene(dialogue, "b mirror, a confirm")) == ("sending", "more")


def test_a_time_out_lasts_until_its_moment_and_then_both_say_ready() -> None:
    dialogue = scene(opened("full"), FRAMED, "a send, b time_out")
    assert grammar.options(dialogue) == {"a": (Act.STOP,), "b": (Act.EXTEND, Act.STOP)}
    assert grammar.awaited(dialogue) == ()
    assert refusal(dialogue, "a", "extend") == "wrong_role"
    longer = act(dialogue, "b", "extend", until=NOON + timedelta(hours=5))
    assert longer.time_out is not None
    assert longer.time_out.until == NOON + timedelta(hours=5)
    over = grammar.end_time_out(longer)
    assert may(over) == {"a": {"ready"}, "b": {"ready"}}
    assert grammar.awaited(over) == ("a", "b")
    assert refusal(scene(over, "a ready"), "a", "ready") == "out_of_turn"
    assert where(scene(over, "a ready, b ready")) == ("sending", "mirror")


def test_while_they_gather_again_either_may_take_another_time_out() -> None:
    dialogue = grammar.end_time_out(scene(opened("full"), FRAMED, "a time_out"))
    dialogue = scene(dialogue, "b ready, a time_out")
    assert may(dialogue) == {"a": {"extend"}, "b": set()}
    assert may(grammar.end_time_out(dialogue)) == {"a": {"ready"}, "b": {"ready"}}


@pytest.mark.parametrize("told", ["", FRAMED, f"{FRAMED}, a send", "a time_out", UP_TO_SWITCH])
@pytest.mark.parametrize("by", ["a", "b"])
def test_either_may_stop_at_any_point(told: str, by: Partner) -> None:
    dialogue = opened("full")
    dialogue = scene(dialogue, told) if told else dialogue
    stopped = act(dialogue, by, "stop")
    assert stopped.outcome == "stopped"
    assert grammar.options(stopped) == {"a": (), "b": ()}


def test_a_dialogue_that_was_broken_off_goes_on_where_it_stopped() -> None:
    dialogue = scene(opened("full"), FRAMED, "a send, b mirror")
    again = scene(grammar.resume(dialogue), "b ready, a ready")
    assert again == dialogue


@pytest.mark.parametrize("told", [None, "a ready", "b time_out"])
def test_one_broken_off_in_its_opening_begins_once_both_are_ready(told: str | None) -> None:
    opening = grammar.begin("full", "a")
    dialogue = grammar.resume(scene(opening, told) if told else opening)
    assert grammar.both_ready(dialogue) == scene(opening, "a ready, b ready")
    assert scene(dialogue, "a ready, b ready") == scene(opening, "a ready, b ready")


# --- the other kinds --------------------------------------------------------------------------------------------------


def exchanges(count: int, sender: Partner = "a") -> str:
    return ", ".join([f"{sender} send, {other(sender)} mirror, {sender} confirm"] * count)


def test_appreciations_are_one_to_three_each_with_why_it_matters() -> None:
    dialogue = scene(opened("appreciation"), exchanges(2))
    assert where(dialogue) == ("appreciations", "more")
    assert scene(dialogue, "a no_more").movement == "switch"
    three = scene(dialogue, exchanges(4))
    assert three.movement == "switch"


def test_mirroring_is_the_loop_only() -> None:
    assert [m.name for m in KINDS["mirroring"].movements] == [
        "opening",
        "frame",
        "sending",
        "switch",
        "closing",
    ]


def test_the_trigger_dialogue_mirrors_every_stem_and_then_goes_to_the_summary() -> None:
    dialogue = scene(opened("trigger"), FRAMED)
    seen = []
    while dialogue.movement == "stems":
        seen.append(grammar.current(dialogue).stems[dialogue.stem])
        dialogue = scene(dialogue, exchanges(1))
    assert seen == ["happened", "felt", "did", "told_myself", "hurt", "fear", "reminds", "longed"]
    assert dialogue.movement == "summary"
    more = scene(dialogue, "b summarise, a confirm, b ask_more")
    assert more.movement == "more"
    assert scene(more, exchanges(2), "a no_more").movement == "summary"


def test_a_story_is_told_or_role_played() -> None:
    dialogue = opened("story")
    assert may(dialogue) == {"a": {"tell", "role_play"}, "b": set()}
    assert scene(dialogue, "a tell", exchanges(1), "a no_more").movement == "summary"
    scenes = scene(dialogue, "a role_play")
    assert grammar.current(scenes).stems == ("living_with_you", "hard", "best", "needed")
    assert scene(scenes, exchanges(4)).movement == "summary"


def test_one_exit_each_is_named() -> None:
    dialogue = scene(opened("commitment"), exchanges(3))
    assert dialogue.movement == "switch"


def wishes() -> Dialogue:
    return scene(asking_for(), *["a request, b mirror, a confirm"] * 2, "a no_more")


def test_the_receiver_chooses_one_request_freely() -> None:
    dialogue = wishes()
    assert may(dialogue) == {"a": set(), "b": {"choose", "decline"}}
    assert [line.number for line in grammar.visible(dialogue, "b")] == [1, 2]
    assert refusal(dialogue, "b", "choose", lines=(3,)) == "unknown_line"
    assert refusal(dialogue, "b", "choose", lines=(1, 2)) == "malformed"
    assert refusal(dialogue, "b", "choose") == "malformed"
    chosen = act(dialogue, "b", "choose", lines=(2,))
    assert (chosen.chosen, chosen.movement) == ((2,), "switch")


def test_a_request_that_is_corrected_is_chosen_as_it_is_meant() -> None:
    asked = act(asking_for(), "a", "request", words=Words(text="call me daily"))
    asked = scene(asked, "b mirror")
    asked = act(asked, "a", "correct", words=Words(text="call me twice a week"))
    asked = scene(asked, "b mirror")
    asked = act(asked, "a", "correct", words=None)  # the mirror was wrong, not what was said
    asked = scene(asked, "b mirror, a confirm, a no_more")
    [line] = grammar.visible(asked, "b")
    assert (line.number, line.words, line.within_days) == (1, Words(text="call me twice a week"), 7)


def test_after_a_hold_the_request_said_last_is_put_right() -> None:
    asked = scene(asking_for(), *["a request, b mirror, a confirm"] * 2, "b hold_on, b mirror")
    asked = act(asked, "a", "correct", words=Words(text="meant"))
    assert [line.words for line in asked.lines] == [Words(text="request"), Words(text="meant")]


def test_the_receiver_may_decline_all_requests() -> None:
    declined = scene(wishes(), "b decline")
    assert (declined.chosen, declined.movement) == ((), "switch")


def test_requests_are_at_most_three_and_the_second_half_chooses_among_its_own() -> None:
    three = scene(
        opened("request"),
        FRAMED,
        exchanges(2),
        "b summarise, a confirm, b validate, b empathise, a confirm",
        *["a request, b mirror, a confirm"] * 3,
    )
    assert three.movement == "gift"
    back = act(three, "b", "choose", lines=(1,))
    back = scene(
        back,
        "a switch, b switch",
        exchanges(2, "b"),
        "a summarise, b confirm, a validate, a empathise, b confirm, b request, a mirror, b confirm, b no_more",
    )
    assert refusal(back, "a", "choose", lines=(1,)) == "unknown_line"
    assert act(back, "a", "choose", lines=(4,)).chosen == (1, 4)


def written(kind: KindName, lines: Iterable[tuple[Partner, str]]) -> Dialogue:
    dialogue = opened(kind)
    for by, text in lines:
        dialogue = act(dialogue, by, "write", words=Words(text=text))
    return dialogue


def test_each_writes_alone_in_any_order_and_sees_the_other_s_lines_only_once_shared() -> None:
    dialogue = written("vision", [("a", "sea"), ("b", "garden"), ("a", "music")])
    assert [line.number for line in grammar.visible(dialogue, "a")] == [1, 3]
    assert [line.number for line in grammar.visible(dialogue, "b")] == [2]
    dialogue = act(dialogue, "a", "share")
    assert dialogue.movement == "dreams"
    assert [line.number for line in grammar.visible(dialogue, "b")] == [1, 2, 3]
    assert [line.number for line in grammar.visible(dialogue, "a")] == [1, 3]
    assert refusal(dialogue, "a", "write") == "out_of_turn"
    assert act(dialogue, "b", "share").movement == "common"


def test_some_lines_can_be_shared_and_no_one_else_s() -> None:
    dialogue = written("vision", [("a", "sea"), ("b", "garden"), ("a", "music")])
    assert refusal(dialogue, "a", "share", lines=(2,)) == "unknown_line"
    assert refusal(dialogue, "a", "share", lines=(1, 1)) == "unknown_line"
    some = act(dialogue, "a", "share", lines=(3,))
    assert [line.number for line in grammar.visible(some, "b")] == [2, 3]


def test_lines_are_bounded() -> None:
    dialogue = written("vision", [("a", str(n)) for n in range(MOST_LINES)])
    assert refusal(dialogue, "a", "write") == "wrong_role"
    assert may(dialogue)["a"] == {"share"}


def test_common_lines_are_those_that_both_marked_dearest_first() -> None:
    dialogue = written("vision", [("a", "sea"), ("a", "music"), ("b", "garden"), ("b", "children")])
    dialogue = scene(dialogue, "a share, b share")
    dialogue = act(dialogue, "a", "mark", lines=(3, 1, 2))
    assert dialogue.common == ()
    dialogue = act(dialogue, "b", "mark", lines=(3, 4, 1))
    assert dialogue.common == (3, 1)
    assert dialogue.movement == "closing"


def test_ranks_that_tie_stand_in_the_order_of_their_numbers() -> None:
    dialogue = scene(written("vision", [("a", "sea"), ("b", "garden")]), "a share, b share")
    dialogue = act(act(dialogue, "b", "mark", lines=(1, 2)), "a", "mark", lines=(2, 1))
    assert dialogue.common == (1, 2)


def test_what_was_not_shared_cannot_be_marked() -> None:
    dialogue = written("vision", [("a", "sea"), ("a", "secret"), ("b", "garden")])
    dialogue = act(act(dialogue, "a", "share", lines=(1,)), "b", "share")
    assert refusal(dialogue, "b", "mark", lines=(2,)) == "unknown_line"
    assert refusal(dialogue, "a", "mark", lines=(2,)) == "unknown_line"


def test_in_caring_each_marks_among_the_other_s_lines() -> None:
    dialogue = written("caring", [("a", "tea"), ("b", "a note")])
    dialogue = scene(dialogue, "a share, b share, a share, b share, a share, b share")
    assert dialogue.movement == "gifts"
    assert refusal(dialogue, "a", "mark", lines=(1,)) == "unknown_line"
    assert act(dialogue, "a", "mark", lines=(2,)).marks == {"a": (2,)}


def test_private_answers_of_a_review_may_be_kept() -> None:
    dialogue = written("review", [("a", "better"), ("b", "slower")])
    dialogue = scene(dialogue, "a keep, b share")
    assert dialogue.movement == "keeping"
    assert [line.number for line in grammar.visible(dialogue, "b")] == [2]
    assert [line.number for line in grammar.visible(dialogue, "a")] == [1, 2]


def test_a_kind_whose_movements_lead_nowhere_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="leads to one that does not exist"):
        grammar.Kind(name="full", minutes=(1, 2), movements=(grammar.Movement(name="x", then="y"),))
