"""Jobs of recipes, whether these are a job or a suite."""

from collections.abc import Iterable
from pathlib import Path

import yaml

from alambique.spec.job import Job
from alambique.spec.matrix import jobs_of
from alambique.spec.reading import job_of, read_job, with_override
from alambique.spec.suite import read_suite

RECIPES = Path(__file__).parents[1] / "recipes"


def first_job(name: str, overrides: Iterable[str] = ()) -> Job:
    """The job of a recipe, or the first one of a suite, with each override of a job set in it."""
    text = (RECIPES / f"{name}.yaml").read_text()
    if "students" not in yaml.safe_load(text):
        return read_job(text, overrides)
    (_, job), *_ = jobs_of(read_suite(text))
    content = job.model_dump(mode="json")
    for override in overrides:
        content = with_override(content, override)
    return job_of(content)
