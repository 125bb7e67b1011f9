"""The one typed edge over Ray Tune: trials are started, stopped early, and told of.

Tune remembers nothing here: what was tried is in the registry, and so are the curves from which the
scheduler of another attempt knows what it knew.
"""

import logging
import math
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, Protocol, assert_never

import numpy as np
from ray import cloudpickle, tune
from ray.exceptions import RayActorError
from ray.tune import Callback, PlacementGroupFactory
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from alambique.registry.transitions import may_pass
from alambique.spec.train import Resources
from alambique.workers.cluster import cause_of
from alambique.workers.environment import shared_tier
from alambique.workers.pipeline.failures import reason_of, user_message
from alambique.workers.pipeline.provenance import refuse_other_code, running_code
from alambique.workers.search.trial_spec import Report, TrialSpec

_REDUCTION = 3
"""One trial of so many goes on at each rung."""
_AGAIN = 1
"""How often a trial is tried again whose process was lost."""

Curve = Sequence[Mapping[str, float]]
"""What a trial reported: epoch, loss and metric of each."""


class TrialSource(Protocol):
    """Who gives trials to Tune, and is told of them. No call may take long."""

    def next(self) -> TrialSpec | None:
        """A trial to start, if one may be started now."""

    @property
    def exhausted(self) -> bool:
        """Whether there will be no other."""

    def on_report(self, number: int, report: Report) -> None:
        """A trial has come so far."""

    def ended(self, number: int, error: BaseException | None) -> None:
        """A trial is at its end, or was stopped; or failed."""

    def look(self) -> None:
        """Called again and again."""


@dataclass(frozen=True)
class SearchRun:
    """How trials are run."""

    scheduler: Literal["asha", "hyperband", "none"]
    metric: Literal["loss", "metric"]
    """Of a report: what the scheduler compares trials by."""
    longest: int
    """Epochs of the longest trial."""
    resources: Resources
    """Of each trial."""
    folder: Path
    """For what Tune writes: private to this attempt, for there is pickle among it."""
    past: Mapping[int, Curve] = field(default_factory=dict)
    """By the number of the trial, what those reported that are over since an earlier attempt."""
    resumed: Mapping[int, Curve] = field(default_factory=dict)
    """Likewise of those that go on."""


class _Stop(Exception):
    """Somebody wants this process to end; Tune cleans up on exceptions of this kind."""


def run_search(bench: TrialSource, tuning: SearchRun) -> None:
    """Runs all trials that the bench gives; nothing of them runs or is reserved afterwards.

    Raises:
        KeyboardInterrupt: the process was interrupted meanwhile (SIGINT, SIGTERM).
        Exception: what the bench raised.
    """
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    with _interruptible() as interrupted:
        telling = _TuneCallback(bench, interrupted)
        tuner = tune.Tuner(
            tune.with_resources(_trial, _reserved(tuning.resources)),
            tune_config=tune.TuneConfig(
                search_alg=_TuneSearcher(bench, interrupted),
                scheduler=_scheduler(tuning),
                num_samples=-1,  # until the bench says that there are no more
                # a process that has imported torch serves one trial after another
                reuse_actors=tuning.resources.workers == 1,
                trial_dirname_creator=lambda trial: f"trial-{trial.trial_id}",
            ),
            run_config=tune.RunConfig(
                name="search",
                storage_path=str(tuning.folder),
                callbacks=[telling],
                failure_config=tune.FailureConfig(max_failures=_AGAIN),
                verbose=0,
            ),
        )
        try:
            tuner.fit()
        except _Stop:
            raise KeyboardInterrupt from None
        if interrupted.is_set():  # while the last trial ended
            raise KeyboardInterrupt


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """While it lasts, an interrupt sets the event: Tune has to end its trials first."""
    event = threading.Event()
    ours = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in ours:
        signal.signal(number, lambda *_: event.set())
    try:
        yield event
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)


def _reserved(resources: Resources) -> PlacementGroupFactory:
    """What Tune reserves for a trial: next to nothing for one of several processes.

    Ray Train reserves for those; a part of a CPU beside them would leave no room for the last one.
    """
    if resources.workers > 1:
        return PlacementGroupFactory([{"memory": 1}])  # a byte, for nothing at all is refused
    asked = {"CPU": resources.cpus, "GPU": resources.gpus}
    return PlacementGroupFactory([{kind: amount for kind, amount in asked.items() if amount}])


def _trial(config: dict[str, Any]) -> None:
    """What Tune runs: in the process of a trial, or beside its processes."""
    refuse_other_code(config["driver"])
    order = TrialSpec.model_validate_json(config["order"])
    try:
        if order.resources is None:
            from alambique.workers.search.trying import run_trial

            run_trial(order, _report, redis=shared_tier(os.environ))
        else:
            from alambique.workers.search.nesting import run_trial_with_workers

            run_trial_with_workers(order, order.resources, _report)
    except Exception as error:
        reason = reason_of(error)
        if may_pass(reason):
            raise
        # told, and not raised: Tune would try it again
        _report(Report(0, math.inf, -math.inf, reason, user_message(error)))


def _report(report: Report) -> None:
    tune.report(report.as_dict())


class _TuneSearcher(Searcher):
    """Asks the bench for trials."""

    def __init__(self, bench: TrialSource, interrupted: threading.Event) -> None:
        super().__init__()
        self._bench = bench
        self._interrupted = interrupted

    def suggest(self, trial_id: str) -> Any:
        """The next trial's order; None: not now."""
        if self._interrupted.is_set():  # Tune may wait here for the next trial
            raise _Stop
        if order := self._bench.next():
            said = {"order": order.model_dump_json(), "driver": str(running_code())}
            return {"number": order.number, **said}
        return Searcher.FINISHED if self._bench.exhausted else None

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing: `_Telling` is told as well, and of the error too."""

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles all that it is given, and the registry remembers."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing is ever restored."""


class _TuneCallback(Callback):
    """Tells the bench of trials.

    Tune takes what is raised while it stops a trial for that trial's failure: errors are kept, and
    raised where they reach the end of the loop.
    """

    def __init__(self, bench: TrialSource, interrupted: threading.Event) -> None:
        self._bench = bench
        self._interrupted = interrupted
        self._error: Exception | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Nothing, as of `_Asking`."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: Any, **_: Any
    ) -> None:
        """An epoch is over; by `done` Tune says that the trial ends with it."""
        said = {name: result.get(name) for name in Report.__dataclass_fields__}
        report = Report(**said | {"stopped": bool(result.get("done"))})
        self._safely(lambda: self._bench.on_report(trial.config["number"], report))

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:
        """At its end, or stopped."""
        self._safely(lambda: self._bench.ended(trial.config["number"], None))

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:
        """Failed, after all that Tune has tried."""
        error = _error_of(trial)
        if isinstance(error, RayActorError):
            error = cause_of(error)
        self._safely(lambda: self._bench.ended(trial.config["number"], error))

    def on_step_end(self, iteration: int, trials: Any, **_: Any) -> None:
        """Raises what could not be raised before."""
        if self._error is not None:
            raise self._error
        if self._interrupted.is_set():
            raise _Stop
        self._bench.look()

    def _safely(self, tell: Callable[[], None]) -> None:
        try:
            tell()
        except Exception as error:
            self._error = self._error or error


def _error_of(trial: Any) -> BaseException:
    """Return the last error of a trial, as Tune has just put it into the driver's own folder.

    Tune's `get_pickled_error` looks where it will be copied to, after this callback.
    """
    path = trial.pickled_error_file
    if path is None or not Path(path).is_file():
        return RuntimeError("no reason given")
    error: BaseException = cloudpickle.loads(Path(path).read_bytes())
    return error


class _Halving(AsyncHyperBandScheduler):
    """Asynchronous successive halving that knows trials of earlier attempts."""

    def __init__(self, tuning: SearchRun, brackets: int) -> None:
        super().__init__(
            time_attr="epoch",
            metric=tuning.metric,
            mode="min" if tuning.metric == "loss" else "max",
            max_t=tuning.longest + 1,  # a trial in its last epoch ends by itself
            grace_period=1,
            reduction_factor=_REDUCTION,
            brackets=brackets,
        )
        self._known = {**tuning.past, **tuning.resumed}
        for number in sorted(tuning.past):
            over = SimpleNamespace(trial_id=f"past-{number}", config={"number": number})
            self.on_trial_add(None, over)

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Puts a trial into its bracket, with what it reported before."""
        number = int(trial.config["number"])
        # the bracket is drawn from numpy's state, which is the number's own here
        state = np.random.get_state()
        np.random.seed(number)
        super().on_trial_add(tune_controller, trial)
        np.random.set_state(state)
        for point in self._known.get(number, ()):
            super().on_trial_result(tune_controller, trial, dict(point))


def _scheduler(tuning: SearchRun) -> TrialScheduler:
    match tuning.scheduler:
        case "none":
            return FIFOScheduler()  # type: ignore[no-untyped-call]
        case "asha":
            return _Halving(tuning, brackets=1)
        case "hyperband":
            return _Halving(tuning, brackets=1 + int(math.log(tuning.longest, _REDUCTION)))
        case _:
            assert_never(tuning.scheduler)
