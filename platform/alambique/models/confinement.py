"""Walls around a process that reads what strangers wrote: no network, bounded memory, time, files.

Linux alone has them. They are raised by the process itself, before it opens anything, and none of
them can be taken down from within.
"""

import ctypes
import os
import resource
from collections.abc import Iterator

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
"""CLONE_NEWUSER and CLONE_NEWNET of unshare(2)."""
_OPEN_FILES = 256


def confine(*, memory: int, seconds: int, file: int) -> list[str]:
    """Raise the walls that the kernel allows, and return them in words.

    To be called while the process has one thread: a user namespace is refused to more.

    Args:
        memory: bytes of address space.
        seconds: of the processor, after which the kernel kills the process.
        file: bytes of the largest file that it may write.
    """
    network = _without_network()
    limits = [
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, file),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ]
    for limit, most in limits:
        hard = resource.getrlimit(limit)[1]
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (bound, bound))
    return [*network, "limits on memory, time and files"]


def _without_network() -> Iterator[str]:
    """Leave for a network namespace that has no interface up; nothing where that is not allowed."""
    unshare = ctypes.CDLL(None, use_errno=True).unshare
    # a user who is not root may have a network of his own inside a user namespace of his own
    for flags in (_NEW_NET, _NEW_USER | _NEW_NET):
        if unshare(flags) == 0:
            return iter(["no network"])
    return iter([f"network of the machine ({os.strerror(ctypes.get_errno())})"])
