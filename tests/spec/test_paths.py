"""Data at a path of one's own: what a job says of it."""

import pytest

from alambique.spec.data import Data, SplitShares
from alambique.spec.errors import BadSpec
from alambique.spec.job import Job
from alambique.spec.reading import job_of, read_job

FILE = "{path: mine.csv, columns: {text: opinion}, split: {dev: 0.1, test: 0.1}}"


def read(data: str) -> Job:
    return read_job(
        f"task: paraphrase\ndata: {data}\nteacher: {{model: mini}}\nstudent: {{layers: 1}}"
    )


def test_a_path_is_a_name_with_a_slash() -> None:
    job = read(FILE)
    assert job.data == Data(
        name="./mine.csv",
        columns={"text": "opinion"},
        split=SplitShares(dev=0.1, test=0.1),
    )
    assert job_of(job.model_dump(mode="json")) == job
    assert list(job.paths()) == [("data.name", "./mine.csv")]
    assert read("{path: /a/b.csv, split: {dev: 0.1, test: 0.1}}").data.name == "/a/b.csv"


def test_without_them_a_job_is_written_as_it_was() -> None:
    """What is written decides the keys of stages, and what a key of a submission has made."""
    written: dict[str, object] = {"name": "conll2002", "limit": {}, "test": None}
    assert read("conll2002").data.model_dump(mode="json") == written
    assert read("./folder").data.model_dump(mode="json") == {**written, "name": "./folder"}


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ("{path: mine.csv, name: xnli}", "data.path"),
        ("{path: 3}", "data.path"),
        ("{path: ''}", "data.path"),
        ("{columns: {text: a}}", "data.name"),
        ("{name: xnli, columns: {text: a}}", "data.columns"),
        ("{name: xnli, split: {dev: 0.1, test: 0.1}}", "data.split"),
        ("{path: mine.csv, columns: [a]}", "data.columns"),
        ("{path: mine.csv, columns: {text: ''}}", "data.columns.text"),
        ("{path: mine.csv, labels: []}", "data.labels"),
        ("{path: mine.csv, labels: [a, a]}", "data.labels"),
        ("{path: mine.csv, subset: es, split: {dev: 0.1, test: 0.1}}", "data.subset"),
        ("{hub: t/a, splits: {dev: b}, split: {dev: 0.1, test: 0.1}}", "data.splits.dev"),
        ("{hub: t/a, splits: {test: b}, split: {dev: 0.1, test: 0.1}}", "data.splits.test"),
        ("{hub: t/a, splits: {train: 'a[:9]'}}", "data.splits.train"),
        ("{hub: t/a, subset: ../b}", "data.subset"),
        ("{name: xnli, test: 'hub:t/a', subset: es}", "data.subset"),
        ("{hub: 't/a#gl', subset: es}", "data.subset"),
        ("{hub: t/a, splits: {unlabelled: b}}", "data.splits.unlabelled"),
        ("{name: xnli, splits: {test: b}}", "data.splits"),
        ("{path: mine.csv, split: {dev: 0.1}}", "data.split"),
        ("{path: mine.csv, split: {dev: 0.1, test: 0.1}, test: xnli}", "data.split.test"),
        ("{path: mine.csv, split: {dev: 0.5, test: 0.5}}", "data.split"),
        ("{path: mine.csv, split: {dev: 0, test: 0.1}}", "data.split.dev"),
        ("{path: mine.csv, split: {dev: 0.1, test: 1}}", "data.split.test"),
        ("{path: mine.csv, split: {dev: true, test: 0.1}}", "data.split.dev"),
        ("{path: mine.csv, split: {test: 0.1}}", "data.split.dev"),
        ("{path: mine.csv, split: {dev: 0.1, test: 0.1, train: 0.8}}", "data.split.train"),
        ("{path: mine.csv, split: 0.1}", "data.split"),
    ],
)
def test_a_bad_field_is_named(data: str, path: str) -> None:
    with pytest.raises(BadSpec) as raised:
        read(data)
    assert [bad.path for bad in raised.value.fields] == [path]
