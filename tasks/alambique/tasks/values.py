"""Whether the values of a search make students that can be trained: tried before anything is."""

from collections.abc import Callable

from alambique.spec.errors import BadSpec
from alambique.spec.job import Job
from alambique.spec.space import combined, laid_over, looks_at_all

_VARIED = ("student", "objective", "intermediate")
"""What decides together whether a student can be made, and be taught so."""


def check_values(job: Job, fits: Callable[[Job], object]) -> None:
    """Nothing, where each value fits some values of the other dimensions.

    A combination that does not is left to the trials; so is every value, where there are more
    combinations than are looked at.

    Args:
        job: without a search, or with one that varies other things, it has to fit itself.
        fits: refuses a job.

    Raises:
        BadSpec: a value fits none, such as heads that do not divide a width.
    """
    refused: dict[tuple[str, str], BadSpec] = {}
    able: set[tuple[str, str]] = set()
    tried = False
    for values in combined(job, *_VARIED):
        tried, named = True, {(path, str(value)) for path, value in values.items()}
        try:
            fits(laid_over(job, values))
            able |= named
        except BadSpec as error:
            refused |= {name: error for name in named if name not in refused}
    if not tried:
        fits(job)
    for (path, value), why in refused.items() if looks_at_all(job, *_VARIED) else ():
        if (path, value) not in able:
            raise BadSpec(f"search.space.{path}: {value}: {why}") from why
