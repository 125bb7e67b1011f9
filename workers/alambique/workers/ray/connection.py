"""Connections to a Ray cluster: a running one, or a new one on this machine."""

import logging
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import ray
from ray._private import ray_constants
from ray.job_config import JobConfig

from alambique.workers.environment import local_ray_environment
from alambique.workers.ray.cluster import Cluster

_OBJECT_STORE = 256 * 1024 * 1024
"""Bytes of a local Ray's object store, through which only tasks and counts travel."""


@contextmanager
def connect(address: str | None, redis: str | None = None) -> Iterator[Cluster]:
    """Connect to the Ray at an address, or to a new one on this machine that ends with the block.

    The environment must be that of `environment.ray_environment` before this module is imported.

    Args:
        address: of a running Ray; None: a new one is started.
        redis: the URL of the shared tier, for the workers of a new Ray. Workers of a running one
            find it in the environment that it was started with.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with _keep_loopback_address(address):
        if address:
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                job_config=_job_config(),
            )
        else:
            _start_local(redis)
    # ray.init replaces our signal handlers with its own, which end the process at once
    for number, handler in handlers.items():
        signal.signal(number, handler)
    try:
        yield Cluster()
    finally:
        ray.shutdown()


def _start_local(redis: str | None) -> None:
    """Start a Ray that listens on the loopback interface, and connect to it."""
    before = dict(os.environ)
    # the processes of Ray inherit the environment of this one: ray.init takes no other
    _set_environment(local_ray_environment(redis, before))
    try:
        ray.init(
            address="local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=_OBJECT_STORE,
            job_config=_job_config(),
            # without its dashboard, Ray never frees what trainings that were stopped early reserved
            include_dashboard=True,
            dashboard_host="127.0.0.1",
        )
    finally:
        _set_environment(before)


def _job_config() -> JobConfig:
    """Return the settings of a connection whose workers import nothing from our current folder.

    Ray prepends the driver's current folder to the import path of its workers, unless the
    connection is marked as one of Ray Client's proxy: the mark has no other effect here.
    """
    return JobConfig(_client_job=True)


@contextmanager
def _keep_loopback_address(address: str | None) -> Iterator[None]:
    """Within the block, keep Ray from replacing a loopback address with an outward one.

    Ray replaces 127.0.0.1 with an address that other machines reach, unless clusters are disabled,
    as they are on macOS.
    """
    enabled = ray_constants.ENABLE_RAY_CLUSTER
    if address is None or address.startswith("127."):
        ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = enabled


def _set_environment(variables: Mapping[str, str]) -> None:
    """Replace the environment of this process."""
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)
