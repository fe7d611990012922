"""What can be said of a programme from its histories alone, without asking its workflow or any server.

May import `duologue.workflows` and `duologue.practice`; opens no connection and runs no workflow code.
"""

from duologue.audit.derive import Derived, NotDerivable, derive, derive_chain, policy_of
from duologue.audit.escalations import Course, escalations, unfinished

__all__ = [
    "Course",
    "Derived",
    "NotDerivable",
    "derive",
    "derive_chain",
    "escalations",
    "policy_of",
    "unfinished",
]
