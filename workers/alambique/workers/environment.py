"""What Ray and the libraries under it read from the environment, set before they are imported."""

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from alambique.workers.room import Room

GROUP_START = 600
"""Seconds in which workers have to be placed: a cluster may have to start machines first, which
takes longer than Ray's own minute."""

_FIXED = {
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": str(GROUP_START),
    # a worker that was given no GPU sees none
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    # of a search: the registry has its trials, and its interrupts are ours
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TOKENIZERS_PARALLELISM": "false",
}


def for_ray(home: Path, given: Mapping[str, str]) -> dict[str, str]:
    """The environment in which Ray asks everybody for a token.

    Without one, whoever reaches Ray's port runs code there (CVE-2023-48022). Ray would write its
    token readable for all; this one lies in `home`, for its owner alone. A token that the
    environment names already, for a cluster of somebody else's, stays.
    """
    if "RAY_AUTH_TOKEN" in given or "RAY_AUTH_TOKEN_PATH" in given:
        return _FIXED | {"RAY_AUTH_MODE": "token"}
    return _FIXED | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(_token(home))}


def threads(room: Room, given: Mapping[str, str]) -> dict[str, str]:
    """How many threads a driver computes with: one for each CPU that its job takes.

    Left to itself it would take one for each core of the machine, and so would the driver beside
    it: they would spend their time waiting for each other's turn. What the environment says stays.
    """
    if "OMP_NUM_THREADS" in given:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, min(int(room.cpus), os.cpu_count() or 1)))}


def _token(home: Path) -> Path:
    path = home / "ray" / "token"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        unfinished = path.with_suffix(f".{os.getpid()}")
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(secrets.token_hex(32))
        with suppress(FileExistsError):  # of two that begin at once, the first one's counts
            os.link(unfinished, path)
        unfinished.unlink()
    return path
