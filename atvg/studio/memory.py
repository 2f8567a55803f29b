"""Memory that glibc would keep for the process after its use: up to a third of what the app holds."""

import ctypes
import gc
from contextlib import suppress

_ARENA_MAX = -8  # M_ARENA_MAX of <malloc.h>
_ARENAS = 2  # as many as jobs compute at a time, beside the main one's


def share_arenas() -> None:
    """Lets threads share heaps; each would keep the most it ever took in one of its own. Before there are threads."""
    with suppress(OSError, AttributeError, TypeError):  # another C library
        ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """To the system, what has been freed. Takes some hundredths of a second."""
    gc.collect()
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
