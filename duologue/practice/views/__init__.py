"""What each reader may see of a programme: pure projections of a state, by reader.

`partner.py` for the two and a facilitator, `ops.py` for those who run it. Nothing is decided or changed here.
"""

from duologue.practice.views.ops import (
    Attributes,
    Overview,
    Result,
    attributes,
    details,
    escalation_level,
    holds_the_turn,
    overview,
    result,
    settled,
    summary,
)
from duologue.practice.views.partner import (
    ActPrompt,
    DialogueView,
    LineView,
    NeutralEnding,
    NoteView,
    QuestionView,
    RequestView,
    SessionView,
    View,
    ViewRequest,
    as_of,
    neutral,
    view,
)

__all__ = [
    "ActPrompt",
    "Attributes",
    "DialogueView",
    "LineView",
    "NeutralEnding",
    "NoteView",
    "Overview",
    "QuestionView",
    "RequestView",
    "Result",
    "SessionView",
    "View",
    "ViewRequest",
    "as_of",
    "attributes",
    "details",
    "escalation_level",
    "holds_the_turn",
    "neutral",
    "overview",
    "result",
    "settled",
    "summary",
    "view",
]
