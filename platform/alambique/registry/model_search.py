"""Which models a list shows: those with a version that is as asked for, or is on a front."""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from alambique.distill.front import front
from alambique.registry import tables
from alambique.registry.pages import newest_first, page_of
from alambique.registry.records import Model, Page
from alambique.registry.version_rows import model_records
from alambique.spec.errors import BadSpec
from alambique.spec.excerpts import short

Cost = Literal["macs", "ms"]
"""What a front weighs the score against."""

MILLISECONDS = ("latency_ms", "p50_ms")
"""The metrics that say how long one text takes: of a network in torch, of a form in its engine."""
_SCORE = re.compile(r"([a-z][a-z0-9_]*)\s*(>=|<=)\s*([0-9.eE+-]+)")


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from one to another; None: there is no such end."""

    least: float | None = None
    most: float | None = None

    def of(
        self, column: InstrumentedAttribute[int] | InstrumentedAttribute[float]
    ) -> list[ColumnElement[bool]]:
        """Return the conditions on a column whose numbers are to be in the range."""
        ends: list[ColumnElement[bool]] = []
        if self.least is not None:
            ends.append(column >= self.least)
        if self.most is not None:
            ends.append(column <= self.most)
        return ends


@dataclass(frozen=True, slots=True)
class VersionFilter:
    """What a version has to be for its model to be listed."""

    project: str | None = None
    task: str | None = None
    tag: str | None = None
    data: str | None = None
    """The data set of its test split; scores and milliseconds are those on this one."""
    parameters: Range = field(default_factory=Range)
    macs: Range = field(default_factory=Range)
    """For a text of its job's length."""
    ms: Range = field(default_factory=Range)
    scores: tuple[tuple[str, Range], ...] = ()
    """Metrics on the test split, by name."""

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions on rows of versions joined with their models."""
        version, model = tables.Version, tables.Model
        found: list[ColumnElement[bool]] = [version.deleted_at.is_(None)]
        found += [model.project == self.project] if self.project is not None else []
        found += [model.task == self.task] if self.task is not None else []
        found += [*self.parameters.of(version.parameters), *self.macs.of(version.macs_full)]
        if self.tag is not None:
            tagged = select(tables.Tag).where(tables.Tag.version_id == version.id)
            found.append(tagged.where(tables.Tag.tag == self.tag).exists())
        if self.data is not None:
            found.append(self._measured())
        if self.ms != Range():
            found.append(
                self._measured(
                    tables.Metric.name.in_(MILLISECONDS), *self.ms.of(tables.Metric.value)
                )
            )
        for name, bounds in self.scores:
            found.append(
                self._measured(tables.Metric.name == name, *bounds.of(tables.Metric.value))
            )
        return found

    def _measured(self, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
        """Return whether a metric of the version on the test split meets all conditions."""
        metric = tables.Metric
        query = select(metric).where(
            metric.version_id == tables.Version.id, metric.split == "test", *conditions
        )
        if self.data is not None:
            query = query.where(metric.data == self.data)
        # the query around it may join metrics too, which is not to be taken for this one's
        return query.correlate(tables.Version).exists()


def score_bound(text: str) -> tuple[str, Range]:
    """Return the metric and the range that a text names.

    >>> score_bound("f1>=0.8")
    ('f1', Range(least=0.8, most=None))

    Raises:
        BadSpec: the text has another form.
    """
    match = _SCORE.fullmatch(text.strip())
    try:
        number = float(match[3]) if match else None
    except ValueError:
        number = None
    if match is None or number is None:
        raise BadSpec(
            f"{short(text)} bounds no metric: give its name, >= or <=, and a number, as in f1>=0.8"
        )
    return match[1], Range(number, None) if match[2] == ">=" else Range(None, number)


def models(
    session: Session,
    asked: VersionFilter | None = None,
    *,
    among: Collection[UUID] | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Model]:
    """Return the models that have a version as asked for, newest first.

    Args:
        session: where they are read.
        asked: what their versions have to be. None: anything.
        among: the ids of the versions that count. None: all of them.
        cursor: of the page before; None for the first one.
        limit: how many at most.

    Raises:
        BadSpec: the cursor is not one that a page gave.
    """
    version, model = tables.Version, tables.Model
    conditions = (asked or VersionFilter()).conditions()
    if among is not None:
        conditions.append(version.id.in_(among))
    matching = select(version.model_id, func.max(version.number))
    matching = matching.join(model, model.id == version.model_id).where(*conditions)
    matching = matching.group_by(version.model_id)

    def records(rows: Sequence[tables.Model]) -> list[Model]:
        ids = [row.id for row in rows]
        newest = session.execute(matching.where(version.model_id.in_(ids)))
        return model_records(session, rows, dict(newest.all()))

    ids = matching.with_only_columns(version.model_id)
    query = select(model).where(model.id.in_(ids))
    return page_of(session, query, newest_first(model.id), cursor, limit, records)


def front_versions(
    session: Session, asked: VersionFilter, cost: Cost, primary: Mapping[str, str]
) -> frozenset[UUID]:
    """Return the ids of the versions as asked for that are on a front of score over cost.

    There is a front for each task and data set on whose test split versions were measured.

    Args:
        session: where they are read.
        asked: what the versions have to be.
        cost: what is to be low.
        primary: for each task, the metric that is to be high.
    """
    version, model, metric = tables.Version, tables.Model, tables.Metric
    query = (
        select(version.id, model.task, metric.data, metric.name, metric.value, version.macs_full)
        .join(model, model.id == version.model_id)
        .join(metric, metric.version_id == version.id)
        .where(*asked.conditions(), metric.split == "test")
        .where(metric.name.in_({*primary.values(), *MILLISECONDS}))
        .order_by(version.id)
    )
    if asked.data is not None:
        query = query.where(metric.data == asked.data)
    scores: dict[tuple[str, str], dict[UUID, float]] = defaultdict(dict)
    costs: dict[tuple[str, str], dict[UUID, float]] = defaultdict(dict)
    for version_id, task, data, name, value, macs in session.execute(query):
        if name == primary.get(task):
            scores[task, data][version_id] = value
            if cost == "macs":
                costs[task, data][version_id] = macs
        elif name in MILLISECONDS and cost == "ms":
            costs[task, data][version_id] = value
    found = set[UUID]()
    for group, measured in scores.items():
        ids = [each for each in measured if each in costs[group]]
        points = [(measured[each], costs[group][each]) for each in ids]
        found |= {ids[i] for i in front(points, ["max", "min"])}
    return frozenset(found)
