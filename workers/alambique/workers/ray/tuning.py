"""Trials of a search on Ray Tune, which starts the trials of a `TrialSource`, and stops some early.

Tune keeps no state from one attempt at a job to the next: the registry has the trials, and their
curves, which the scheduler of the next attempt replays.
"""

import logging
import math
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, assert_never

import numpy as np
from ray import cloudpickle, tune
from ray import train as ray_train
from ray.exceptions import RayActorError
from ray.tune import Callback, PlacementGroupFactory
from ray.tune.integration.ray_train import TuneReportCallback
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from alambique.registry.transitions import is_retryable
from alambique.spec.train import Resources
from alambique.workers.environment import shared_tier
from alambique.workers.pipeline.failures import reason_of, user_message
from alambique.workers.pipeline.provenance import refuse_other_code, running_code
from alambique.workers.ray.errors import driver_error, errors_for_driver, raised_errors
from alambique.workers.ray.training import process_resources, train_on_workers
from alambique.workers.training.checkpoints import TrainerState
from alambique.workers.training.layer_maps import resolve_maps
from alambique.workers.training.spec import result_of
from alambique.workers.training.trial import (
    SearchRun,
    TrialReport,
    TrialSource,
    TrialSpec,
    run_trial,
    unfinished_trainings,
    write_start,
)

_REDUCTION = 3
"""At each rung, one of this many trials continues."""
_RETRIES = 1
"""How often Tune retries a trial whose process was lost."""


def run_trials(source: TrialSource, run: SearchRun) -> None:
    """Run all trials of a source; afterwards none of their processes runs or reserves anything.

    Raises:
        KeyboardInterrupt: the process was interrupted meanwhile (SIGINT, SIGTERM).
        Exception: the source raised it.
    """
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    with _catch_interrupts() as interrupted:
        tuner = tune.Tuner(
            tune.with_resources(run_tune_trial, reserved_resources(run.resources)),
            tune_config=tune.TuneConfig(
                search_alg=TuneSearcher(source, interrupted),
                scheduler=tune_scheduler(run),
                num_samples=-1,  # no limit but the end of the source
                # importing torch takes seconds: one process runs several trials in turn
                reuse_actors=run.resources.workers == 1,
                trial_dirname_creator=lambda trial: f"trial-{trial.trial_id}",
            ),
            run_config=tune.RunConfig(
                name="search",
                storage_path=str(run.folder),
                callbacks=[TuneCallback(source, interrupted)],
                failure_config=tune.FailureConfig(max_failures=_RETRIES),
                verbose=0,
            ),
        )
        try:
            tuner.fit()
        except Interrupted:
            raise KeyboardInterrupt from None
        if interrupted.is_set():  # the signal came while the last trial ended
            raise KeyboardInterrupt


def run_tune_trial(config: dict[str, Any]) -> None:
    """Run a trial to its end, in the process that Tune has started for it.

    A failure that a retry would only repeat is reported and not raised: Tune would retry.

    Args:
        config: a configuration that `TuneSearcher.suggest` made.

    Raises:
        OtherCode: this process runs other code than the driver.
    """
    with errors_for_driver():
        refuse_other_code(config["driver"])
        spec = TrialSpec.model_validate_json(config["spec"])
        try:
            if spec.resources is None:
                run_trial(spec, _report_to_tune, redis=shared_tier(os.environ))
            else:
                _run_trial_with_workers(spec, spec.resources)
        except Exception as error:
            reason = reason_of(error)
            if is_retryable(reason):
                raise
            _report_to_tune(TrialReport(0, math.inf, -math.inf, reason, user_message(error)))


def _run_trial_with_workers(spec: TrialSpec, resources: Resources) -> None:
    """Run a trial on several processes of Ray Train, while the trial's own process waits.

    Raises:
        AlambiqueError: a worker raised it.
        LostWorker: a worker died, or could not be started.
    """
    write_start(spec)
    last = spec.trainings[-1]
    for training in unfinished_trainings(spec):
        resolved = resolve_maps(training)
        if training is last:
            to_tune = TuneReportCallback()  # type: ignore[no-untyped-call]
            train_on_workers(resolved, resources, callbacks=[to_tune], on_epoch_end=report_to_train)
        else:
            train_on_workers(resolved, resources)
    _report_to_tune(TrialReport.at_end(result_of(last)))


def report_to_train(state: TrainerState) -> None:
    """Report an epoch to Ray Train, which waits for all workers and forwards the first report."""
    ray_train.report(TrialReport.after_epoch(state).as_dict())


def _report_to_tune(report: TrialReport) -> None:
    tune.report(report.as_dict())


def reserved_resources(resources: Resources) -> PlacementGroupFactory:
    """Return what Tune reserves for a trial: next to nothing if it has several processes.

    Ray Train reserves for these; part of a CPU for the trial would keep the last one from starting.
    """
    if resources.workers > 1:
        return PlacementGroupFactory([{"memory": 1}])  # one byte: Ray refuses an empty reservation
    return PlacementGroupFactory([process_resources(resources)])


class Interrupted(Exception):
    """This process got SIGTERM or SIGINT: on this exception, Tune ends its trials first.

    A `KeyboardInterrupt` would end Tune before its trials have ended.
    """


@contextmanager
def _catch_interrupts() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM and SIGINT set within the block, instead of interrupting."""
    event = threading.Event()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in handlers:
        signal.signal(number, lambda *_: event.set())
    try:
        yield event
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


class TuneSearcher(Searcher):
    """Gives the trials of a source to Tune."""

    def __init__(self, source: TrialSource, interrupted: threading.Event) -> None:
        super().__init__()
        self._source = source
        self._interrupted = interrupted

    def suggest(self, trial_id: str) -> Any:
        """Return the configuration of the next trial; None if none may be started now.

        Raises:
            Interrupted: this process got SIGTERM or SIGINT.
        """
        if self._interrupted.is_set():  # Tune may wait here for the next trial
            raise Interrupted
        if spec := self._source.next_trial():
            content = {"spec": spec.model_dump_json(), "driver": str(running_code())}
            return {"number": spec.number, **content}
        return Searcher.FINISHED if self._source.is_exhausted else None

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Do nothing: `TuneCallback` records it, with the error."""

    def __getstate__(self) -> dict[str, Any]:
        """Return no state: Tune pickles its searcher and callbacks, and the registry has it all."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: the registry has the trials."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: an attempt at a job begins a search of its own in Tune."""


class TuneCallback(Callback):
    """Forwards the reports and the ends of trials to their source.

    Tune takes an error that is raised while it stops a trial for a failure of that trial: errors
    of the source are kept, and raised at the end of a step, where they end Tune's loop.
    """

    def __init__(self, source: TrialSource, interrupted: threading.Event) -> None:
        self._source = source
        self._interrupted = interrupted
        self._error: Exception | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return no state: Tune pickles its searcher and callbacks, and the registry has it all."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: Any, **_: Any
    ) -> None:
        """Record a report; Tune sets `done` in it if its scheduler ends the trial there."""
        fields = {name: result.get(name) for name in TrialReport.__dataclass_fields__}
        report = TrialReport(**fields | {"stopped": bool(result.get("done"))})
        with self._keep_error():
            self._source.record_report(trial.config["number"], report)

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:
        """Record the end of a trial that finished or was stopped."""
        with self._keep_error():
            self._source.record_end(trial.config["number"], None)

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:
        """Record that a trial failed, after its retries by Tune."""
        with self._keep_error():
            self._source.record_end(trial.config["number"], _trial_error(trial))

    def on_step_end(self, iteration: int, trials: Any, **_: Any) -> None:
        """Have the source report its progress.

        Raises:
            Exception: the source raised it when it recorded a report or an end.
            Interrupted: this process got SIGTERM or SIGINT.
        """
        if self._error is not None:
            raise self._error
        if self._interrupted.is_set():
            raise Interrupted
        self._source.report_progress()

    @contextmanager
    def _keep_error(self) -> Iterator[None]:
        """Catch errors of the block, and keep the first one for `on_step_end`."""
        try:
            yield
        except Exception as error:
            self._error = self._error or error


def _trial_error(trial: Any) -> BaseException:
    """Return the last error of a trial, from the file that Tune has just written.

    Tune's `get_pickled_error` reads the copy of that file, which Tune makes after this callback.
    """
    path = trial.pickled_error_file
    if path is None or not Path(path).is_file():
        return RuntimeError("no reason given")
    error: BaseException = cloudpickle.loads(Path(path).read_bytes())
    return driver_error(error) if isinstance(error, RayActorError) else raised_errors(error)[0]


class ResumableHalving(AsyncHyperBandScheduler):
    """Asynchronous successive halving that replays the trials of earlier attempts."""

    def __init__(self, run: SearchRun, brackets: int) -> None:
        super().__init__(
            time_attr="epoch",
            metric=run.metric,
            mode="min" if run.metric == "loss" else "max",
            max_t=run.max_epochs + 1,  # a trial in its last epoch ends by itself
            grace_period=1,
            reduction_factor=_REDUCTION,
            brackets=brackets,
        )
        self._known = {**run.ended, **run.resumed}
        for number in sorted(run.ended):
            ended = SimpleNamespace(trial_id=f"ended-{number}", config={"number": number})
            self.on_trial_add(None, ended)

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Add a trial to its bracket, and replay what it reported in earlier attempts."""
        number = int(trial.config["number"])
        # Tune draws the bracket from numpy's global state: seeded, every attempt draws the same
        state = np.random.get_state()
        np.random.seed(number)
        super().on_trial_add(tune_controller, trial)
        np.random.set_state(state)
        for point in self._known.get(number, ()):
            super().on_trial_result(tune_controller, trial, dict(point))


def tune_scheduler(run: SearchRun) -> TrialScheduler:
    """Return the scheduler of a search, which knows the reports of earlier attempts."""
    match run.scheduler:
        case "none":
            return FIFOScheduler()  # type: ignore[no-untyped-call]
        case "asha":
            return ResumableHalving(run, brackets=1)
        case "hyperband":
            return ResumableHalving(run, brackets=1 + int(math.log(run.max_epochs, _REDUCTION)))
        case _:
            assert_never(run.scheduler)
