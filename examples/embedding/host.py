"""A platform that embeds programmes: one Temporal client and one worker, for its own workflows and for couples.

With `duologue up` running in another terminal:

    python examples/embedding/host.py

It uses that one's vault and service keys (the data folder, or DUOLOGUE_VAULT_* and DUOLOGUE_CODEC_*), and a task queue
of its own, so that this worker, and not the other, runs the programme.
"""

import asyncio
import contextlib
from pathlib import Path
from uuid import uuid4

from membership import Membership
from temporalio import activity
from temporalio.client import Client as TemporalClient
from temporalio.worker import Worker

from duologue.client import AlreadyStarted, Client
from duologue.files import load_programme
from duologue.plugin import DuologuePlugin
from duologue.practice.plan import People, Person
from duologue.worker.keys import keys_of
from duologue.worker.settings import Settings
from duologue.worker.vaulting import vault_of

TASK_QUEUE = "platform"
FILE = Path(__file__).parents[1] / "weekly.yaml"


def people_of(couple: str) -> People:
    """The two, as the platform knows them; the file says the rest.

    Messages may go to these two at any hour. Whoever has quiet hours is told good-bye after them, and only then is
    the programme over.
    """
    return People(
        a=Person(ref=f"{couple}-a", zone="Europe/Berlin", language="de", quiet=None),
        b=Person(ref=f"{couple}-b", zone="Europe/Lisbon", quiet=None),
    )


class Couples:
    """What the platform's activities do for couples."""

    def __init__(self, client: Client) -> None:
        self.client = client

    @activity.defn
    async def begin_programme(self, couple: str) -> str:
        """Start a programme. At a second attempt it may be running already, which is as good."""
        plan = load_programme(FILE).with_(programme=couple, people=people_of(couple))
        with contextlib.suppress(AlreadyStarted):
            await self.client.start(plan)
        return plan.programme


async def main() -> None:
    """A couple joins, A consents and keeps a note, the platform shows what B may see, and ends it."""
    settings = Settings.load()
    connection = settings.connection()
    vault = vault_of(settings)
    plugin = DuologuePlugin(vault=vault, keys=keys_of(settings, connection["target_host"]))
    temporal = await TemporalClient.connect(**connection, identity="platform", plugins=[plugin])
    couples = Couples(Client(temporal, task_queue=TASK_QUEUE))
    async with Worker(
        temporal, task_queue=TASK_QUEUE, workflows=[Membership], activities=[couples.begin_programme]
    ):
        couple = f"couple-{uuid4().hex[:8]}"
        programme = couples.client.programme(
            await temporal.execute_workflow(
                Membership.run, couple, id=f"membership/{couple}", task_queue=TASK_QUEUE
            )
        )
        await programme.do("consent", "a")
        await programme.do("note", "a", words="when the phone rings at dinner", shared=True)
        seen = await programme.view("b")
        print(f"{programme.id} is {seen.stage}. B reads: {[note.words.text for note in seen.notes]}")
        await programme.cancel()
        # This worker is the only one of its queue, so it stays until both have been told good-bye.
        print(f"{programme.id} is over: {(await programme.result()).ending}")
    await vault.close()


if __name__ == "__main__":
    asyncio.run(main())
