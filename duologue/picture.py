"""The course of a cohort as a picture: an SVG that needs nothing else to be read, on a screen or in print.

Columns for the appointments of each week, a line for the couples who are still there, and below on the same weeks what
was done about it. Colours are of Okabe and Ito's palette; held, unfinished and missed differ by their pattern too, so
that nothing is lost in grey. A reader that does not see is told the same: a title, a summary, and a line a week.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from xml.sax.saxutils import escape, quoteattr

from duologue.cohort import Cohort, Week

_WIDTH, _LEFT, _RIGHT = 960, 64, 28
_TOP, _HIGH = 118, 250
_STRIP, _BAR = 64, 24
_STACK = (("held", "held"), ("unfinished", "unfinished"), ("missed", "missed"))
"""From the bottom up."""
_STRIPS = (
    ("rebooked", "re-booked", "#009E73"),
    ("called", "facilitator called", "#AA4488"),
    ("paused", "paused by the ladder", "#444444"),
)
_LEAST_STEPS = 4
_MOST_LABELS = 26

_STYLE = """
text { font: 13px system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #222 }
.title { font-size: 20px; font-weight: 600 }
.soft { fill: #555 }
.end { text-anchor: end }
.middle { text-anchor: middle }
.small { font-size: 12px }
.grid { stroke: #ddd }
.axis { stroke: #666 }
.held { fill: #0072B2 }
.unfinished { fill: url(#dots) }
.missed { fill: url(#stripes) }
.edge { stroke: #333; stroke-width: .75 }
.halo { fill: none; stroke: #fff; stroke-width: 4; stroke-opacity: .8 }
.couples { fill: none; stroke: #111; stroke-width: 2; stroke-dasharray: 7 4 }
"""

_PATTERNS = """<defs>
<pattern id="dots" width="6" height="6" patternUnits="userSpaceOnUse">\
<rect width="6" height="6" fill="#F0C75E"/><circle cx="3" cy="3" r="1.2" fill="#7A4F00"/></pattern>
<pattern id="stripes" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">\
<rect width="6" height="6" fill="#fff"/><rect width="3" height="6" fill="#D55E00"/></pattern>
</defs>"""


def svg(cohort: Cohort, *, attendance: str = "") -> str:
    """The picture as the text of an SVG file. The same cohort gives the same text."""
    weeks = cohort.weeks
    most = max([cohort.couples, *(_all(week) for week in weeks)])
    step = _step(most)
    top = ceil(most / step) * step
    place = _Place(weeks=max(len(weeks), 1), top=max(top, 1))
    height = _TOP + _HIGH + 34 + _STRIP * len(_STRIPS) + 40
    heading = f"{_couples(cohort.couples)} over {len(weeks)} week{'' if len(weeks) == 1 else 's'}"
    facts = [f"programme {cohort.programme}", *([f"attendance {attendance}"] if attendance else [])]
    facts += [f"seed {cohort.seed}", "simulated"]
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
            f'height="{height}" role="img" aria-labelledby="title summary">'
        ),
        f'<title id="title">{escape(heading)}</title>',
        f'<desc id="summary">{escape(summary(cohort))}</desc>',
        f"<style>{_STYLE}</style>",
        _PATTERNS,
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text class="title" x="{_LEFT}" y="38">{escape(heading)}</text>',
        f'<text class="soft" x="{_LEFT}" y="60">{escape(" · ".join(facts))}</text>',
        *_legend(cohort),
        *_axis(place, step, top),
        *_columns(place, weeks),
        _line(place, weeks),
        *_labels(place, weeks),
        *_strips(place, weeks, cohort),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def summary(cohort: Cohort) -> str:
    """The picture in words."""
    counts = [f"{cohort.total(key)} {name}" for key, name in (*_STACK, *(s[:2] for s in _STRIPS))]
    endings = ", ".join(f"{n} {how.replace('_', ' ')}" for how, n in cohort.endings.items())
    return f"{_couples(cohort.couples)}. In all: {', '.join(counts)}. How the programmes ended: {endings}."


class _Place:
    """Where things stand."""

    def __init__(self, *, weeks: int, top: int) -> None:
        self.step = (_WIDTH - _LEFT - _RIGHT) / weeks
        self.wide = min(self.step * 0.68, 46)
        self._top = top

    def x(self, index: float) -> float:
        """The middle of a week."""
        return _LEFT + self.step * (index + 0.5)

    def y(self, count: float) -> float:
        """The height of a count."""
        return _TOP + _HIGH - _HIGH * count / self._top


def _legend(cohort: Cohort) -> Iterator[str]:
    x = float(_LEFT)
    for key, name in _STACK:
        text = f"{name} ({cohort.total(key)})"
        yield f'<rect class="{key} edge" x="{_n(x)}" y="77" width="16" height="16"/>'
        yield f'<text x="{_n(x + 23)}" y="90">{text}</text>'
        x += 23 + 7.4 * len(text) + 22
    yield f'<path class="couples" d="M{_n(x)} 85h30"/>'
    yield f'<text x="{_n(x + 37)}" y="90">couples still in the programme</text>'


def _axis(place: _Place, step: int, top: int) -> Iterator[str]:
    for count in range(0, top + 1, step):
        y = place.y(count)
        kind = "grid" if count else "axis"
        yield f'<path class="{kind}" d="M{_LEFT} {_n(y)}H{_WIDTH - _RIGHT}"/>'
        yield f'<text class="small soft end" x="{_LEFT - 8}" y="{_n(y + 4)}">{count}</text>'
    middle = _TOP + _HIGH / 2
    yield (
        f'<text class="small soft middle" transform="translate(18 {_n(middle)}) rotate(-90)">'
        "appointments in the week</text>"
    )


def _columns(place: _Place, weeks: Sequence[Week]) -> Iterator[str]:
    for index, week in enumerate(weeks):
        data = " ".join(
            f'data-{key}="{value}"' for key, value in week.model_dump().items() if key != "number"
        )
        yield f'<g class="week" data-week="{week.number}" {data}><title>{escape(_told(week))}</title>'
        below, x = 0, place.x(index) - place.wide / 2
        for key, _ in _STACK:
            count = getattr(week, key)
            if count:
                y, height = place.y(below + count), place.y(0) - place.y(count)
                size = f'width="{_n(place.wide)}" height="{_n(height)}"'
                yield f'<rect class="{key} edge" x="{_n(x)}" y="{_n(y)}" {size}/>'
            below += count
        yield "</g>"


def _line(place: _Place, weeks: Sequence[Week]) -> str:
    if not weeks:
        return ""
    path = f"M{_n(place.x(-0.5))} {_n(place.y(weeks[0].couples))}"
    for index, week in enumerate(weeks):
        path += f"V{_n(place.y(week.couples))}H{_n(place.x(index + 0.5))}"
    return f"<path class='halo' d={quoteattr(path)}/><path class='couples' d={quoteattr(path)}/>"


def _labels(place: _Place, weeks: Sequence[Week]) -> Iterator[str]:
    every = ceil(len(weeks) / _MOST_LABELS) or 1
    y = _TOP + _HIGH + 18
    yield f'<text class="small soft end" x="{_LEFT - 8}" y="{y}">week</text>'
    for index in range(0, len(weeks), every):
        yield f'<text class="small middle" x="{_n(place.x(index))}" y="{y}">{weeks[index].number}</text>'


def _strips(place: _Place, weeks: Sequence[Week], cohort: Cohort) -> Iterator[str]:
    for row, (key, name, colour) in enumerate(_STRIPS):
        base = _TOP + _HIGH + 34 + _STRIP * (row + 1)
        most = max([getattr(week, key) for week in weeks], default=0) or 1
        yield f'<text class="small" x="{_LEFT}" y="{base - 46}">{name} ({cohort.total(key)})</text>'
        yield f'<path class="axis" d="M{_LEFT} {base}H{_WIDTH - _RIGHT}"/>'
        for index, week in enumerate(weeks):
            count = getattr(week, key)
            if not count:
                continue
            high = max(_BAR * count / most, 2)
            x = place.x(index)
            size = f'width="{_n(place.wide)}" height="{_n(high)}"'
            yield f'<rect x="{_n(x - place.wide / 2)}" y="{_n(base - high)}" {size} fill="{colour}"/>'
            if len(weeks) <= _MOST_LABELS:
                yield f'<text class="small middle" x="{_n(x)}" y="{_n(base - high - 3)}">{count}</text>'


def _told(week: Week) -> str:
    return (
        f"Week {week.number}: {week.held} held, {week.unfinished} unfinished, {week.missed} missed; "
        f"{week.rebooked} re-booked, facilitator called {week.called} times, {week.paused} paused; "
        f"{_couples(week.couples)} in the programme"
    )


def _all(week: Week) -> int:
    return week.held + week.unfinished + week.missed


def _step(most: int) -> int:
    """A round distance between grid lines."""
    size = 1
    while True:
        for step in (size, 2 * size, 5 * size):
            if most / step <= _LEAST_STEPS + 1:
                return step
        size *= 10


def _couples(count: int) -> str:
    return f"{count} couple{'' if count == 1 else 's'}"


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
