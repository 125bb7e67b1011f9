"""The models of a job at the commits that they were found to be."""

from typing import Any

import pytest

from alambique.spec.data_sources import HubData
from alambique.spec.job import Job
from alambique.spec.pinning import Floating, unpinned_sources, with_names
from alambique.spec.reading import job_of
from alambique.spec.sources import Hub, source_text

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def job(**changed: Any) -> Job:
    base = {
        "task": "named-entities",
        "data": "sample-entities",
        "teacher": {"model": "team/large"},
        "student": {"layers": 2},
    }
    return job_of(base | changed)


def text_of(source: Floating) -> str:
    return str(source) if isinstance(source, HubData) else source_text(source)


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({}, ["teacher.model"]),
        ({"teacher": {"model": "mini-es"}}, []),
        ({"teacher": {"model": f"team/large@{COMMIT}"}}, []),
        ({"teacher": {"model": "team/large@refs/pr/7"}}, ["teacher.model"]),
        ({"teacher": {"model": "registry:tiny@3"}}, []),
        (
            {"teacher": {"candidates": ["mini-es", {"model": "team/b@v1"}]}},
            ["teacher.candidates.1.model"],
        ),
        (
            {"teacher": [{"model": "team/a"}, {"model": "team/b"}], "student": {"layers": 1}},
            ["teacher.0.model", "teacher.1.model"],
        ),
        (
            {
                "student": {"start": "team/small", "layers": 2},
                "search": {"space": {"student.layers": [1, 2]}, "goals": ["f1 max"], "trials": 2},
            },
            ["teacher.model", "student.start"],
        ),
    ],
)
def test_each_model_of_the_hub_is_pinned_and_nothing_else_changes(
    changed: dict[str, Any], fields: list[str]
) -> None:
    before = job(**changed)
    found = list(unpinned_sources(before))
    assert [field for field, _ in found] == fields
    names = {field: text_of(one).partition("@")[0] for field, one in found}
    after = with_names(before, {field: f"{name}@{COMMIT}" for field, name in names.items()})
    assert list(unpinned_sources(after)) == []
    said = before.model_dump_json()
    for _, source in sorted(found, key=lambda one: -len(text_of(one[1]))):
        assert isinstance(source, Hub)
        name = source.repository + (f"@{source.revision}" if source.revision else "")
        said = said.replace(f'"{name}"', f'"{source.repository}@{COMMIT}"')
    assert after.model_dump_json() == said


def test_the_students_of_a_search_start_from_what_was_found_too() -> None:
    before = job(
        student={"start": "team/small@dev", "layers": 2},
        search={
            "space": {"student.start": ["random", "team/small@dev"]},
            "goals": ["f1 max"],
            "trials": 2,
        },
    )
    after = with_names(before, {"student.start": f"team/small@{COMMIT}"})
    assert after.student.start == f"team/small@{COMMIT}"
    assert after.search is not None
    assert after.search.space == {"student.start": ("random", f"team/small@{COMMIT}")}


def test_a_data_set_of_the_hub_is_pinned_wherever_it_is_named() -> None:
    said = {"hub": "team/reviews@v2", "test": "hub:team/test", "unlabelled": f"hub:team/b@{COMMIT}"}
    before = job(data=said, teacher={"model": "mini-es"})
    assert dict(unpinned_sources(before)) == {
        "data.name": HubData("team/reviews", "v2"),
        "data.test": HubData("team/test", None),
    }
    names = {"data.name": f"hub:team/reviews@{COMMIT}", "data.test": f"hub:team/test@{COMMIT}"}
    assert list(unpinned_sources(with_names(before, names))) == []
