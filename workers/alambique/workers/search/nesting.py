"""A trial of several processes: Ray Train beside Tune, which hears what the first one says."""

from collections.abc import Callable

from ray import train as ray_train
from ray.tune.integration.ray_train import TuneReportCallback

from alambique.spec.errors import LostWorker
from alambique.spec.train import Resources
from alambique.workers.cluster import Cluster
from alambique.workers.layer_maps import resolved
from alambique.workers.search.orders import Order, Report
from alambique.workers.search.trying import begin
from alambique.workers.training.loop import read_outcome
from alambique.workers.training.position import Position


def attempt_nested(order: Order, resources: Resources, tell: Callable[[Report], None]) -> None:
    """Carries a trial to its end; `tell` is called with the outcome.

    Raises:
        AlambiqueError: what a worker raised.
        LostWorker: a worker died, or could not be started.
    """
    begin(order)
    *before, last = order.courses
    for course in before:
        if read_outcome(course) is None:
            Cluster().train(resolved(course), resources)
    if read_outcome(last) is None:
        hearing = TuneReportCallback()  # type: ignore[no-untyped-call]
        Cluster().train(resolved(last), resources, callbacks=[hearing], told=report)
    outcome = read_outcome(last)
    if outcome is None:
        raise LostWorker(f"trial {order.number}: training ended without an outcome")
    tell(Report.of(outcome))


def report(position: Position) -> None:
    """Called by each worker: Ray Train waits for all of them, and passes the first one's on."""
    ray_train.report(Report.at(position).as_dict())
