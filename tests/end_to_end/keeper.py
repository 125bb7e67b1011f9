"""Keeps a Ray of two CPUs, whose address is the first line; each line asked is answered by one.

A line that says "environment" by that of a worker and where it imports from, any other by what is
reserved.

A process of its own: Ray's warnings are no errors of the tests.
"""

import json
import os
import sys
from typing import Any

from alambique.workers.environment import shared_tier
from alambique.workers.ray.connection import connect


def reserved() -> dict[str, Any]:
    """The CPUs that are taken, and the places that are held."""
    import ray

    whole: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    left: dict[str, float] = ray.available_resources()  # type: ignore[no-untyped-call]
    groups = ray.util.placement_group_table().values()
    held = [group for group in groups if group["state"] != "REMOVED"]
    return {"CPU": whole["CPU"] - left.get("CPU", 0.0), "places": len(held)}


def environment() -> dict[str, str]:
    """What a worker of Ray finds in its environment, and as "sys.path" where it imports from."""
    import ray

    asked: Any = ray.remote(num_cpus=0)(
        lambda: os.environ | {"sys.path": os.pathsep.join(sys.path)}
    )
    found: dict[str, str] = ray.get(asked.remote())
    return found


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with connect(None, shared_tier(os.environ)) as cluster:
        say(cluster.address)
        for line in sys.stdin:
            say(json.dumps(environment() if line.strip() == "environment" else reserved()))
