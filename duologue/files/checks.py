"""What a programme's fields must be beyond their shape: zones that exist, texts that exist, days in order.

Each check looks at the data as it was written, so that everything wrong is told at once; whatever has the wrong shape
is passed over here, since the models tell of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from duologue.calendar import CalendarError, zone
from duologue.files.problems import Path, did_you_mean
from duologue.files.source import Source, inside
from duologue.practice.plan import OPT_IN
from duologue.practice.policy import STEP_TEXTS, Policy
from duologue.practice.values import format_span, parse_span


def check_programme(source: Source) -> None:
    """Reports what is wrong with a programme."""
    _check_zones(source)
    _check_people(source)
    _check_cadence(source, ("cadence",))
    _check_notice(source)
    _check_staff(source)
    _check_ladder(source)


def check_curriculum(source: Source, at: Path = ()) -> None:
    """Reports what is wrong with a curriculum that stands at `at`."""
    _check_cadence(source, (*at, "tail", "cadence"))


def _entries(source: Source, path: Path) -> Iterator[tuple[Path, Any]]:
    values = inside(source.data, *path)
    if isinstance(values, list):
        yield from (((*path, n), value) for n, value in enumerate(values))


def _check_zones(source: Source) -> None:
    for path in (("zone",), ("people", "a", "zone"), ("people", "b", "zone")):
        name = inside(source.data, *path)
        try:
            if isinstance(name, str):
                zone(name)
        except CalendarError as error:
            what, _, remedy = str(error).partition("; ")
            source.report(path, what, remedy)


def _check_people(source: Source) -> None:
    for who in ("a", "b"):
        quiet = inside(source.data, *("people", who, "quiet"))
        if isinstance(quiet, dict) and quiet.get("start", "22:00") == quiet.get("end", "07:00"):
            remedy = "for messages at any hour write quiet: null"
            source.report(("people", who, "quiet"), "quiet hours end when they begin", remedy)
        for path, kind in _entries(source, ("people", who, "opt_in")):
            if isinstance(kind, str) and kind not in OPT_IN:
                source.report(path, f"'{kind}' is not opt-in", did_you_mean(kind, list(OPT_IN)))


def _check_cadence(source: Source, path: Path) -> None:
    cadence = inside(source.data, *path)
    if not isinstance(cadence, dict):
        return
    start, until = cadence.get("start"), cadence.get("until")
    # Days of ISO 8601 compare as text; anything else is told of by the model.
    if isinstance(start, str) and isinstance(until, str) and until < start:
        source.report((*path, "until"), "the cadence ends before it starts", "name a later day")
    for inner, entry in _entries(source, (*path, "at")):
        if isinstance(entry, str) and entry.startswith("+"):
            try:
                parse_span(entry.removeprefix("+"))
            except ValueError as error:
                source.report(inner, f"'{entry}' is no time from the start", str(error))


def _check_notice(source: Source) -> None:
    given = inside(source.data, "policy", "notice")
    notice = _span(Policy().notice if given is None else given)
    for path, entry in _entries(source, ("cadence", "at")):
        after = _span(entry.removeprefix("+")) if isinstance(entry, str) and entry.startswith("+") else None
        if notice and after is not None and after <= notice:
            source.report(
                path,
                f"'{entry}' would be passed over, as too soon for both to be told {format_span(notice)} before",
                "write a later time, or a shorter notice, as in policy: {notice: 0s}",
            )


def _span(given: object) -> timedelta | None:
    try:
        return parse_span(given)
    except ValueError:
        return None


def _check_staff(source: Source) -> None:
    if not (inside(source.data, "safeguarding") or inside(source.data, "facilitators")):
        remedy = "name who hears of it, as in safeguarding: contact-1, or a facilitator who does"
        source.report(("safeguarding",), "a concern would reach nobody", remedy)


def _check_ladder(source: Source) -> None:
    for rung, _ in _entries(source, ("policy", "ladder")):
        for path, step in _entries(source, rung):
            do, to, text = inside(step, "do"), inside(step, "to") or "each", inside(step, "text")
            if not all(isinstance(given, str) for given in (do, to, text)):
                continue
            known = inside(STEP_TEXTS, do, to) or ("",)
            if any(known) and text not in known:
                remedy = did_you_mean(text, list(known))
                source.report((*path, "text"), f"there is no such text for '{do}' to {to}", remedy)
