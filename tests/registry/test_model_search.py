"""Lists of models: by size, speed, scores and tags; and those on a front."""

from dataclasses import dataclass
from typing import Any

import pytest
from tests.registry.made_versions import recorded, running

from alambique.registry import deletion, model_search, tags
from alambique.registry.database import Database
from alambique.registry.model_search import Range, VersionFilter, score_bound
from alambique.registry.records import Metric, Version
from alambique.spec.errors import BadSpec
from alambique.spec.job import Job

PRIMARY = {"named-entities": "f1", "inference": "accuracy"}


@dataclass(frozen=True)
class Zoo:
    """A database with versions in it."""

    database: Database
    job: Job

    def add(self, name: str, *, f1: float, macs: int, ms: float, **changes: Any) -> Version:
        metrics = [
            Metric("conll2002", "test", "f1", f1),
            Metric("conll2002", "test", changes.pop("clock", "latency_ms"), ms),
            Metric("conll2002", "dev", "f1", 1.0),  # validation is not asked
        ]
        row = running(self.database, self.job)
        sizes = {"parameters": macs // 10, "macs_full": macs}
        return recorded(self.database, row, name=name, metrics=metrics, **sizes | changes)

    def names(self, **asked: Any) -> list[str]:
        with self.database.read() as session:
            page = model_search.models(session, VersionFilter(**asked))
        return sorted(model.name for model in page.items)

    def front(self, cost: model_search.Cost, **asked: Any) -> list[str]:
        with self.database.read() as session:
            filters = VersionFilter(**asked)
            ids = model_search.front_versions(session, filters, cost, PRIMARY)
            page = model_search.models(session, filters, among=ids)
        shown = [model.match or model.latest for model in page.items]
        return sorted(f"{version.name}@{version.number}" for version in shown)


@pytest.fixture
def zoo(database: Database, job: Job) -> Zoo:
    """A large, a middle, a small and a bad model."""
    zoo = Zoo(database, job)
    zoo.add("large", f1=0.9, macs=1000, ms=20.0)
    zoo.add("middle", f1=0.8, macs=500, ms=2.0)
    zoo.add("small", f1=0.7, macs=100, ms=5.0, clock="p50_ms")
    zoo.add("bad", f1=0.6, macs=600, ms=30.0)
    return zoo


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, ["bad", "large", "middle", "small"]),
        ({"parameters": Range(50, 60)}, ["bad", "middle"]),
        ({"macs": Range(None, 500)}, ["middle", "small"]),
        ({"macs": Range(600, None)}, ["bad", "large"]),
        ({"ms": Range(None, 5.0)}, ["middle", "small"]),
        ({"scores": (("f1", Range(0.8)),)}, ["large", "middle"]),
        ({"scores": (("f1", Range(0.65)), ("f1", Range(None, 0.8)))}, ["middle", "small"]),
        ({"scores": (("recall", Range(0.0)),)}, []),
        ({"data": "conll2002", "ms": Range(25.0)}, ["bad"]),
        ({"data": "ancora"}, []),
        ({"task": "inference"}, []),
        ({"project": "other"}, []),
        ({"macs": Range(None, 500), "scores": (("f1", Range(0.8)),)}, ["middle"]),
    ],
)
def test_models_are_listed_by_what_is_measured(
    zoo: Zoo, asked: dict[str, Any], names: list[str]
) -> None:
    assert zoo.names(**asked) == names


def test_a_model_is_listed_for_any_of_its_versions(zoo: Zoo) -> None:
    newest = zoo.add("middle", f1=0.2, macs=900, ms=2.0)
    with zoo.database.write() as session:
        tagged = tags.add_tag(session, "default", "middle", 1, "audited")
    with zoo.database.read() as session:
        (model,) = model_search.models(session, VersionFilter(tag="audited")).items
        assert (model.latest, model.match, model.versions) == (newest, tagged, 2)
        every = model_search.models(session).items
    assert [each.match for each in every] == [None] * 4
    with zoo.database.write() as session:
        deletion.delete(session, "default", "middle", 1)
    assert zoo.names(tag="audited") == []


def test_the_front_has_what_nothing_beats(zoo: Zoo) -> None:
    assert zoo.front("macs") == ["large@1", "middle@1", "small@1"]
    assert zoo.front("ms") == ["large@1", "middle@1"]
    assert zoo.front("macs", macs=Range(None, 600)) == ["middle@1", "small@1"]
    zoo.add("small", f1=0.85, macs=50, ms=1.0)
    zoo.add("small", f1=0.85, macs=60, ms=1.0)  # its newest is not on the front
    assert zoo.front("macs") == ["large@1", "small@2"]
    with zoo.database.write() as session:
        deletion.delete(session, "default", "small", 2)
    assert zoo.front("macs") == ["large@1", "small@3"]


def test_each_task_and_data_set_has_a_front_of_its_own(zoo: Zoo) -> None:
    metrics = [Metric("xnli", "test", "accuracy", 0.1), Metric("xnli", "test", "f1", 1.0)]
    row = running(zoo.database, zoo.job)
    recorded(zoo.database, row, name="pairs", task="inference", metrics=metrics)
    elsewhere = [Metric("ancora", "test", "f1", 0.3)]
    recorded(zoo.database, running(zoo.database, zoo.job), name="other", metrics=elsewhere)
    assert zoo.front("macs") == ["large@1", "middle@1", "other@1", "pairs@1", "small@1"]
    assert zoo.front("macs", data="ancora") == ["other@1"]
    assert zoo.front("ms") == ["large@1", "middle@1"]  # those were not timed


def test_pages_go_through_what_is_asked_for(zoo: Zoo) -> None:
    asked = VersionFilter(macs=Range(None, 600))
    with zoo.database.read() as session:
        first = model_search.models(session, asked, limit=2)
        rest = model_search.models(session, asked, limit=2, cursor=first.next)
    assert [each.name for each in first.items + rest.items] == ["bad", "small", "middle"]
    assert rest.next is None


@pytest.mark.parametrize("text", ["f1", "f1>0.8", ">=0.8", "f1>=", "f1>=x", "f1>=1e", "F1 >= 0.8"])
def test_a_bound_has_a_metric_and_a_number(text: str) -> None:
    with pytest.raises(BadSpec, match="no metric"):
        score_bound(text)
