"""How many descriptors the process may have, and who may take which part of them.

Listeners take half at the most (`edge.places`). The connections that the bot opens have parts of
their own: where all together asked for more than there are, a busy bot could neither accept nor
connect, and its own health would not be answered.
"""

import resource
from typing import Final

_OF_ITS_OWN: Final = 24
"""Standard streams, event loops, databases, listening sockets."""
_WITHOUT_LIMIT: Final = 1024


def descriptors() -> int:
    """Return the limit of this process; that of a service (1,024) where there is none."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _WITHOUT_LIMIT if limit == resource.RLIM_INFINITY else limit


def part(of: int, most: int) -> int:
    """Return how many connections a client may have: one ``of`` so many descriptors, ``most`` at
    the most."""
    return max(2, min(most, (descriptors() - _OF_ITS_OWN) // of))
