"""Whether this machine's processor has instructions for int8."""

from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_INT8_FLAGS = {"avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8", "asimddp", "i8mm"}
"""The CPU flags of Linux for int8 dot products: Intel's and AMD's, then ARM's."""


def has_int8_instructions() -> bool | None:
    """Return whether the processor has instructions for int8; None: it is unknown."""
    return lists_int8_instructions(_CPUINFO.read_text()) if _CPUINFO.is_file() else None


def lists_int8_instructions(cpuinfo: str) -> bool:
    """Return whether the text of /proc/cpuinfo has the flag of an instruction for int8.

    >>> lists_int8_instructions("flags : fpu avx2 avx512_vnni")
    True
    >>> lists_int8_instructions("flags : fpu avx2")
    False
    """
    return not _INT8_FLAGS.isdisjoint(cpuinfo.split())
