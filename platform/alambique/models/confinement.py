"""Walls around a process that reads what strangers wrote: no network, bounded memory, time, files.

Linux alone has them. They are raised by the process itself, before it opens anything, and stay up
until it ends; but root to whom the kernel gives no user namespace could go back to the machine's
network. Where the kernel has no Landlock, nothing keeps it from files: it runs as the same user,
may read what that user may read, and may write where he may.
"""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import alambique
from alambique.models.landlock import restrict_files

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
"""CLONE_NEWUSER and CLONE_NEWNET of unshare(2)."""
_OPEN_FILES = 256
_NO_NEW_PRIVILEGES, _PARENT_DEATH = 38, 1
"""PR_SET_NO_NEW_PRIVS and PR_SET_PDEATHSIG of prctl(2)."""
_LIBRARIES = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache")
_MACHINE_FILES = ("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system")
"""What libraries look at to know how many processors there are, and of what kind."""
_DEVICES = tuple(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom"))
"""Those that hold nothing."""


def confine(
    *, memory: int, seconds: int, file: int, reads: Sequence[Path], writes: Path
) -> list[str]:
    """Raise the walls that the kernel allows, and return them in words.

    To be called while the process has one thread: a user namespace is refused to more. It ends
    with the thread that started it.

    Args:
        memory: bytes of address space.
        seconds: of the processor, after which the kernel kills the process.
        file: bytes of the largest file that it may write.
        reads: files and folders that it may read, beside Python and its libraries.
        writes: the folder that it may write into.
    """
    library = ctypes.CDLL(None, use_errno=True)
    walls = [_leave_network(library)]
    if library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0:
        walls.append("no new privileges")
    devices = [Path(name) for name in _DEVICES]
    walls.append(restrict_files(library, reads=[*reads, *_code_paths()], writes=[writes, *devices]))
    # after the namespaces, whose change of credentials would take it back
    library.prctl(_PARENT_DEATH, signal.SIGKILL, 0, 0, 0)
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
    return [*walls, "limits on memory, time and files"]


def _code_paths() -> list[Path]:
    """Python, what it imports, and the libraries beneath: they are loaded when they are wanted."""
    library_paths = os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    python = [sys.prefix, sys.exec_prefix, sys.base_prefix, *sys.path, *alambique.__path__]
    return [Path(name) for name in (*python, *library_paths, *_LIBRARIES, *_MACHINE_FILES) if name]


def _leave_network(library: ctypes.CDLL) -> str:
    """Leave for a network namespace that has no interface up; say so where it is not allowed."""
    # inside a user namespace of its own, root too has no rights over the machine; where those are
    # forbidden, root may have the other one alone
    if library.unshare(_NEW_USER | _NEW_NET) == 0:
        return "no network, a user namespace"
    if library.unshare(_NEW_NET) == 0:
        return "no network"
    return f"network of the machine ({os.strerror(ctypes.get_errno())})"
