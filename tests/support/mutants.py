"""Shells that go wrong in ways that are hard to see. No test of ours may take one of them for the right one."""

from collections.abc import Sequence

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from duologue.practice import views
    from duologue.practice.events import Event, NoteKept, TurnMade
    from duologue.workflows.programme import WORKFLOW, PracticeProgramme, Start


@workflow.defn(name=WORKFLOW)
class Forgetful(PracticeProgramme):
    """Loses the words of every turn, and shares each private note; the fingerprint, which ops see, tells of neither."""

    @workflow.init
    def __init__(self, given: Start) -> None:
        super().__init__(given)

    @workflow.run
    async def run(self, given: Start) -> views.Result:
        """As it should be."""
        return await super().run(given)

    def _take(self, events: Sequence[Event]) -> None:
        super()._take([_spoilt(event) for event in events])


def _spoilt(event: Event) -> Event:
    match event:
        case TurnMade():
            return event.with_(turn=event.turn.with_(words=None))
        case NoteKept():
            return event.with_(note=event.note.with_(shared=True))
    return event
