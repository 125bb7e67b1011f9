"""Which files a process may read and write, by Landlock: a wall that no user has to be root for.

The kernel has it since Linux 5.13, where it is switched on (landlock(7)); each version of it knows
some rights more. What it does not govern: modes, owners and times of files, whether a path is
there, and sockets that have a path.
"""

import ctypes
import os
import stat
from collections.abc import Iterable
from pathlib import Path

_CREATE, _ADD, _RESTRICT = 444, 445, 446
"""Its three system calls, of the same number on every machine but an Alpha."""
_ASK_VERSION, _PATH_BENEATH = 1, 1
_READ, _LIST = 1 << 2, 1 << 3
_WRITE, _TRUNCATE = 1 << 1, 1 << 14
_OF_A_FILE = _READ | _WRITE | _TRUNCATE
"""The rights that a single file can have; all others are of folders."""
_SPECIAL = sum(1 << bit for bit in (0, 6, 9, 10, 11, 12, 15))
"""What nobody here gets: to execute a program, to make devices, sockets, pipes and links, and to
steer devices."""
_KNOWN = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many rights over files a version has; later ones have 16."""
_TCP = 0b11
"""To listen and to connect, since version 4."""
_SCOPES = 0b11
"""Abstract sockets of others, and signals to them, since version 6."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("folder", ctypes.c_int32))


def restrict_files(library: ctypes.CDLL, *, reads: Iterable[Path], writes: Iterable[Path]) -> str:
    """Leave this process and what it starts the files named, and return that in words.

    To be called while the process has one thread, since another would keep its rights, and after
    it has given up new privileges. It may also execute nothing, and use no TCP, nor signal others,
    where the kernel's version knows these rights.

    Args:
        library: the C library.
        reads: files, and folders with all that is in them; those that are not there are left out.
        writes: files and folders that may be read, changed and filled too.

    Raises:
        OSError: the kernel has Landlock, and refuses the rules.
    """
    version = library.syscall(_CREATE, None, ctypes.c_size_t(0), _ASK_VERSION)
    if version < 1:
        return f"all files of its user (Landlock: {os.strerror(ctypes.get_errno())})"
    known_rights = (1 << _KNOWN.get(version, 16)) - 1
    attributes = _Ruleset(known_rights, _TCP if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    size = ctypes.sizeof(attributes) if version >= 6 else 16 if version >= 4 else 8
    ruleset = _result_of(
        library.syscall(_CREATE, ctypes.byref(attributes), ctypes.c_size_t(size), 0)
    )
    try:
        for path in reads:
            _allow(library, ruleset, path, _READ | _LIST)
        for path in writes:
            _allow(library, ruleset, path, known_rights & ~_SPECIAL)
        _result_of(library.syscall(_RESTRICT, ruleset, 0))
    finally:
        os.close(ruleset)
    return f"no files but its own (Landlock {version})"


def _allow(library: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(beneath).st_mode):
            rights &= _OF_A_FILE
        rule = _Beneath(rights, beneath)
        _result_of(library.syscall(_ADD, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0))
    finally:
        os.close(beneath)


def _result_of(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"Landlock refuses its rules: {os.strerror(number)}")
    return result
