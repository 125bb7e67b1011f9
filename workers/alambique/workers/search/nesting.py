"""A trial of several processes: Ray Train beside Tune, which hears what the first one says."""

from collections.abc import Callable

from ray import train as ray_train
from ray.tune.integration.ray_train import TuneReportCallback

from alambique.spec.errors import LostWorker
from alambique.spec.train import Resources
from alambique.workers.cluster import Cluster
from alambique.workers.layer_maps import resolve_maps
from alambique.workers.search.trial_spec import Report, TrialSpec
from alambique.workers.search.trying import begin
from alambique.workers.training.checkpoints import TrainerState
from alambique.workers.training.result import read_result


def run_trial_with_workers(
    order: TrialSpec, resources: Resources, tell: Callable[[Report], None]
) -> None:
    """Carries a trial to its end; `tell` is called with the outcome.

    Raises:
        AlambiqueError: what a worker raised.
        LostWorker: a worker died, or could not be started.
    """
    begin(order)
    *before, last = order.courses
    for course in before:
        if read_result(course) is None:
            Cluster().train(resolve_maps(course), resources)
    if read_result(last) is None:
        hearing = TuneReportCallback()  # type: ignore[no-untyped-call]
        Cluster().train(resolve_maps(last), resources, callbacks=[hearing], told=report)
    outcome = read_result(last)
    if outcome is None:
        raise LostWorker(f"trial {order.number}: training ended without an outcome")
    tell(Report.of(outcome))


def report(position: TrainerState) -> None:
    """Called by each worker: Ray Train waits for all of them, and passes the first one's on."""
    ray_train.report(Report.at(position).as_dict())
