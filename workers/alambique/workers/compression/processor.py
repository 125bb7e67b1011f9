"""What this machine's processor is, and whether it has instructions for int8."""

import platform
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_INT8_FLAGS = {"avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8", "asimddp", "i8mm"}
"""The CPU flags of Linux for int8 dot products: Intel's and AMD's, then ARM's."""


def processor_name() -> str:
    """Return the model of the processor: by Linux, else by the platform, else `CPU`."""
    listed = model_name(_CPUINFO.read_text()) if _CPUINFO.is_file() else None
    return listed or platform.processor() or "CPU"


def model_name(cpuinfo: str) -> str | None:
    r"""Return the processor's model by the text of /proc/cpuinfo; None: it has none.

    A name without commas: what follows a comma is the host's in the name of a machine.

    >>> model_name("processor : 0\nmodel name : Intel(R)  Xeon(R) CPU, 2.20GHz\n")
    'Intel(R) Xeon(R) CPU 2.20GHz'
    >>> model_name("processor : 0\nBogoMIPS : 50.00\n")
    """
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name" and value.strip():
            return " ".join(value.replace(",", " ").split())
    return None


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
