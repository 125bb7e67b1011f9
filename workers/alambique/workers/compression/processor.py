"""Whether this machine's processor is one for int8."""

from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_PRODUCTS = {"avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8", "asimddp", "i8mm"}
"""What Linux calls instructions that add up products of bytes in 32 bits: Intel's and AMD's, ARM's.
"""


def multiplies_bytes() -> bool | None:
    """Return whether the processor has instructions for products of bytes; None: it is unknown."""
    return has_byte_products(_CPUINFO.read_text()) if _CPUINFO.is_file() else None


def has_byte_products(cpuinfo: str) -> bool:
    """Return whether Linux lists an instruction for products of bytes.

    >>> has_byte_products("flags : fpu avx2 avx512_vnni"), has_byte_products("flags : fpu avx2")
    (True, False)
    """
    return not _PRODUCTS.isdisjoint(cpuinfo.split())
