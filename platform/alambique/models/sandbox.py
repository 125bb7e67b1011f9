"""The sandbox of a process that reads untrusted files: no network, bounded memory, time and files.

Linux alone has what it is made of. The process enters it by itself, before it opens anything, and
stays in it until it ends; but root to whom the kernel gives no user namespace could go back to the
machine's network.

Files are restricted by Landlock, which no user has to be root for: the kernel has it since Linux
5.13, where it is switched on (landlock(7)), and each version of it knows some rights more. It does
not govern modes, owners and times of files, whether a path is there, and sockets that have a path.
Where the kernel has no Landlock, the process can read and write what its user can.
"""

import ctypes
import os
import resource
import signal
import stat
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import alambique

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
"""CLONE_NEWUSER and CLONE_NEWNET of unshare(2)."""
_OPEN_FILES = 256
_NO_NEW_PRIVILEGES, _PARENT_DEATH = 38, 1
"""PR_SET_NO_NEW_PRIVS and PR_SET_PDEATHSIG of prctl(2)."""
_LIBRARIES = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache")
_MACHINE_FILES = ("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system")
"""What libraries look at to know how many processors there are, and of what kind."""
_DEVICES = tuple(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom"))
"""The devices that hold nothing."""


def enter_sandbox(
    *, memory: int, seconds: int, file: int, reads: Sequence[Path], writes: Path
) -> list[str]:
    """Isolate this process as far as the kernel allows, and return in words how that is.

    The process has one thread when this is called: a user namespace is refused to more. The
    process ends with the thread that started it.

    Args:
        memory: bytes of address space.
        seconds: processor time after which the kernel kills the process.
        file: bytes of the largest file that it may write.
        reads: files and folders that it may read, besides Python and its libraries.
        writes: the folder that it may write into.
    """
    library = ctypes.CDLL(None, use_errno=True)
    isolation = [_leave_network(library)]
    if library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0:
        isolation.append("no new privileges")
    devices = [Path(name) for name in _DEVICES]
    isolation.append(
        _restrict_files(library, reads=[*reads, *_code_paths()], writes=[writes, *devices])
    )
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
    return [*isolation, "limits on memory, time and files"]


def _code_paths() -> list[Path]:
    """Return the paths of Python, of what it imports, and of the libraries beneath."""
    library_paths = os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    python = [sys.prefix, sys.exec_prefix, sys.base_prefix, *sys.path, *alambique.__path__]
    return [Path(name) for name in (*python, *library_paths, *_LIBRARIES, *_MACHINE_FILES) if name]


def _leave_network(library: ctypes.CDLL) -> str:
    """Enter a network namespace without an interface, and return in words which network is left."""
    # inside a user namespace of its own, root too has no rights over the machine; where those are
    # forbidden, root may have the other one alone
    if library.unshare(_NEW_USER | _NEW_NET) == 0:
        return "no network, a user namespace"
    if library.unshare(_NEW_NET) == 0:
        return "no network"
    return f"network of the machine ({os.strerror(ctypes.get_errno())})"


_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""The three system calls of Landlock, of the same number on every machine but an Alpha."""
_ASK_VERSION, _PATH_BENEATH = 1, 1
_READ, _LIST = 1 << 2, 1 << 3
_WRITE, _TRUNCATE = 1 << 1, 1 << 14
_OF_A_FILE = _READ | _WRITE | _TRUNCATE
"""The rights that a single file can have; all others are of folders."""
_SPECIAL = sum(1 << bit for bit in (0, 6, 9, 10, 11, 12, 15))
"""The rights that are given to nobody: to execute a program, to make devices, sockets, pipes and
links, and to control devices."""
_KNOWN = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many rights over files a version of Landlock has; later ones have 16."""
_TCP = 0b11
"""The rights to listen and to connect, since version 4."""
_SCOPES = 0b11
"""The rights to abstract sockets of others and to signal them, since version 6."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("folder", ctypes.c_int32))


def _restrict_files(library: ctypes.CDLL, *, reads: Iterable[Path], writes: Iterable[Path]) -> str:
    """Restrict this process, and what it starts, to some files; return in words what it may use.

    The process has one thread when this is called, since another would keep its rights, and has
    given up new privileges. Afterwards it can execute nothing either, use no TCP and signal no
    other process, as far as the version of Landlock knows these rights.

    Args:
        library: the C library.
        reads: files, and folders with all that is in them; those that are not there are left out.
        writes: files and folders that may be read, changed and filled too.

    Raises:
        OSError: the kernel has Landlock, and refuses the rules.
    """
    version = library.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _ASK_VERSION)
    if version < 1:
        return f"all files of its user (Landlock: {os.strerror(ctypes.get_errno())})"
    known_rights = (1 << _KNOWN.get(version, 16)) - 1
    attributes = _Ruleset(known_rights, _TCP if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    size = ctypes.sizeof(attributes) if version >= 6 else 16 if version >= 4 else 8
    ruleset = _result_of(
        library.syscall(_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), 0)
    )
    try:
        for path in reads:
            _allow(library, ruleset, path, _READ | _LIST)
        for path in writes:
            _allow(library, ruleset, path, known_rights & ~_SPECIAL)
        _result_of(library.syscall(_RESTRICT_SELF, ruleset, 0))
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
        _result_of(library.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0))
    finally:
        os.close(beneath)


def _result_of(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"Landlock refuses its rules: {os.strerror(number)}")
    return result
