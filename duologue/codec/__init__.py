"""The encryption of everything that stands in a history, by service keys, in two scopes.

Words are sealed on top of it, by the couple's own keys (`duologue.vault`); this is for all the rest, and it is what
an operator of the Temporal service cannot look through. May import `duologue.practice` and Temporal's SDK; it logs
nothing and opens no connection. Who has which keys, and who is told of a key that is missing, is the worker's matter.
"""

from duologue.codec.beside import PROGRAMMES, beside, is_programme
from duologue.codec.codec import Codec
from duologue.codec.converter import connecting, data_converter
from duologue.codec.ring import KeyNotAtHand, KeyRing, KeyRingError, Keys, OtherKeys

__all__ = [
    "PROGRAMMES",
    "Codec",
    "KeyNotAtHand",
    "KeyRing",
    "KeyRingError",
    "Keys",
    "OtherKeys",
    "beside",
    "connecting",
    "data_converter",
    "is_programme",
]
