"""What Ray and the libraries under it read from the environment, set before they are imported."""

import os
import secrets
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the command line asks for an environment before it reads anything else
    from alambique.workers.compute_resources import ComputeResources

PROGRAM = (sys.executable, "-P", "-m", "alambique.cli")
"""How this program starts itself: by default Python would import what lies in the current folder
before what is installed."""

GROUP_START = 600
"""Seconds in which workers have to be placed: a cluster may have to start machines first, which
takes longer than Ray's own minute."""

COMPUTING = {
    # threads that wait for one another sleep: spinning, they take the turns of those waited for as
    # soon as anything else runs on the machine, and a step takes several times as long
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "0",
    # oneDNN compiles code for each shape, and windows of all lengths make thousands of them. It and
    # PyTorch's layer above it each keep the last 1024, of about half a megabyte: bounding one of
    # the two frees nothing. A step of one length needs a few dozen
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "128",
    "LRU_CACHE_CAPACITY": "128",
}
"""What is read once, when a process loads the libraries that compute."""

REDIS = "ALAMBIQUE_REDIS_URL"
"""Where a worker of Ray finds the shared tier: of a URL with a password there is a copy in no task
and in no file."""

PUBLISHING = ("ALAMBIQUE_HUB_TOKEN", "ALAMBIQUE_SIGNING_KEY")
"""Secrets that serve to publish: no process that a worker starts finds them."""

_SECRETS = (
    *PUBLISHING,
    *(REDIS, "ALAMBIQUE_DATABASE_URL", "ALAMBIQUE_TOKEN"),
    *("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN"),
)

_LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
"""The interface on which the processes of a training wait for one another."""

_FIXED = {
    # no process of Ray imports what lies in the current folder before what is installed
    "PYTHONSAFEPATH": "1",
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


def ray_environment(home: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which Ray asks everybody for a token.

    Without one, whoever reaches Ray's port runs code there (CVE-2023-48022). Ray would write its
    token readable for all; this one lies in `home`, for its owner alone. A token that the
    environment names already, for a cluster of somebody else's, stays.
    """
    fixed = _FIXED | compute_environment(environ) | {"RAY_AUTH_MODE": "token"}
    if "RAY_AUTH_TOKEN" in environ or "RAY_AUTH_TOKEN_PATH" in environ:
        return fixed
    return fixed | {"RAY_AUTH_TOKEN_PATH": str(_token_path(home))}


def compute_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what the libraries that compute should find; what the environment says stays.

    They read it once, when they are loaded: it has to be there before torch is imported, and in the
    environment of a child before it starts.
    """
    return {name: value for name, value in COMPUTING.items() if name not in environ}


def local_ray_environment(redis: str | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of the processes of a Ray on this machine alone.

    The workers of Ray find the shared tier there, and nothing else that is secret and of no use to
    them; they speak to one another on the loopback interface.

    Args:
        redis: the URL of the shared tier.
        environ: the environment of the process that starts Ray.
    """
    public = {name: value for name, value in environ.items() if name not in _SECRETS}
    return _LOOPBACK | public | ({REDIS: redis} if redis else {})


def driver_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a driver, and of all that it starts: without what publishes."""
    return {name: value for name, value in environ.items() if name not in PUBLISHING}


def forget_publishing(environ: MutableMapping[str, str]) -> None:
    """Remove from this process's environment what publishes, which the settings have by now."""
    for name in PUBLISHING:
        environ.pop(name, None)


def shared_tier(environ: Mapping[str, str]) -> str | None:
    """Return the URL of the shared tier that a worker of Ray finds in its environment."""
    return environ.get(REDIS) or None  # one that is set to nothing is not set


def thread_environment(resources: "ComputeResources", environ: Mapping[str, str]) -> dict[str, str]:
    """Return how many threads a driver computes with: one for each CPU that its job takes.

    Left to itself it would take one for each core of the machine, and so would the driver beside
    it: they would spend their time waiting for each other's turn. What the environment says stays.
    """
    if "OMP_NUM_THREADS" in environ:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, min(int(resources.cpus), os.cpu_count() or 1)))}


def _token_path(home: Path) -> Path:
    """Return the file with the token of a home, made where it is not there."""
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
