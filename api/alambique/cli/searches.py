"""What is printed of a job's search: its trials, the front, and what each dimension did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from alambique.api.views import JobView, TrialView
from alambique.cli.tables import Figure, count, decimal, say, share, show, table
from alambique.registry.job_result import SearchResult
from alambique.spec.search import COSTS, LOSS

if TYPE_CHECKING:
    from alambique.api.client import Client
    from alambique.api.local import LocalRegistry

FRONT = "*"
"""Marks a trial on the front."""


def describe_search(job: JobView, registry: Client | LocalRegistry) -> None:
    """Print the trials of a job, those on the front marked."""
    first = registry.trials(job.id)
    trials = list(first.all_items(lambda cursor: registry.trials(job.id, cursor=cursor)))
    if trials:
        show(trial_table(job.spec["search"], trials))
    for trial in trials:
        if trial.error:
            say(f"trial {trial.number} failed ({trial.reason}): {trial.error}")


def trial_table(search: Mapping[str, Any], trials: Sequence[TrialView]) -> Table:
    """Return the trials with their values and what they have of each goal; the front is marked."""
    fields = list(search["space"])
    names = list(dict.fromkeys(name for trial in trials for name in trial.metrics))
    columns = ["trial", "", *fields, "state", "epochs", *names]
    return table(columns, ([*_cells(trial, fields, names)] for trial in trials))


def _cells(trial: TrialView, fields: Iterable[str], names: Iterable[str]) -> Iterator[object]:
    yield trial.number
    yield FRONT if trial.front else None
    for field in fields:
        value = trial.values.get(field)
        yield Figure(f"{value:g}") if isinstance(value, float) else value
    yield trial.state
    yield trial.epochs
    for name in names:
        yield _figure(name, trial.metrics.get(name))


def _figure(name: str, value: float | None) -> Figure | None:
    if value is None:
        return None
    if name == LOSS:
        return Figure(f"{value:.4f}")
    if name == "latency_ms":
        return decimal(value)
    return count(value) if name in COSTS else share(value)


def summarize(search: SearchResult | None) -> Iterator[str]:
    """Yield lines about goals, front and dimensions of a search; none without one."""
    if search is None:
        return
    numbers = ", ".join(str(member.trial) for member in search.front)
    yield f"{FRONT} the front of {', '.join(search.goals)}: trials {numbers}"
    balance, octave = search.balance, search.score_per_octave
    yield (
        f"balance (of 1): {balance.macs:.3f} over MACs, {balance.latency_ms:.3f} over "
        "milliseconds"
        + ("" if octave is None else f"; {100 * octave:+.2f} points for each doubling of MACs")
    )
    known = [(one.importance, one.field) for one in search.dimensions if one.importance is not None]
    if known:
        known.sort(key=lambda one: -one[0])
        parts = ", ".join(f"{field} {importance:.0%}" for importance, field in known)
        yield f"importance for {search.goals[0].split()[0]}: {parts}"
