"""Everything that touches the world: resolving wall-clock times and delivering messages.

Imported as `duologue.activities`. May import `duologue.practice`, `duologue.calendar` and the vault; never the
workflows, which call these through typed stubs. Failures raised here repeat nothing of what a provider answered.
"""

from duologue.activities.channels import Channel, ConsoleChannel, TryAgain, Undeliverable
from duologue.activities.contacts import Contacts, ContactsError, ContactsFile, Everyone, VaultContacts
from duologue.activities.deliver import render, timely
from duologue.activities.discreet import Pace, discreetly
from duologue.activities.invitation import Invitation, invitation
from duologue.activities.post import Post
from duologue.activities.registration import Activities, all_activities
from duologue.vault import Contact

__all__ = [
    "Activities",
    "Channel",
    "ConsoleChannel",
    "Contact",
    "Contacts",
    "ContactsError",
    "ContactsFile",
    "Everyone",
    "Invitation",
    "Pace",
    "Post",
    "TryAgain",
    "Undeliverable",
    "VaultContacts",
    "all_activities",
    "discreetly",
    "invitation",
    "render",
    "timely",
]
