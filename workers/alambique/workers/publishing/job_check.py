"""What of a job's publication is checked before anything is spent on the job."""

from collections.abc import Iterable
from typing import assert_never

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils._validators import validate_repo_id

from alambique.registry.job_result import HubRepository
from alambique.spec.errors import BadModel, BadSpec, UnknownName, Unreachable
from alambique.spec.publication import FolderTarget, HubTarget, Publish
from alambique.spec.states import StageName
from alambique.workers.pipeline.context import JobContext
from alambique.workers.publishing.hub_metadata import OFFLINE
from alambique.workers.publishing.licence_links import (
    LicenceSources,
    hub_repositories,
    read_links,
)
from alambique.workers.publishing.licences import chain_of, check_chain
from alambique.workers.publishing.release import (
    ancestry_of,
    base_models_of,
    data_sets_of,
    recorded_repositories,
)


def check_publication(context: JobContext, publish: Publish) -> tuple[HubRepository, ...]:
    """Check, before anything is spent, that the student of a job may be published.

    Returns what the hub says of its models and data, to be recorded.

    Whether the hub takes the token is seen when it is published: no driver has the token.

    Raises:
        BadSpec: the target is none, as far as that can be told.
        BadLicence: the licences of models and data forbid it, and nobody overrides that.
        UnknownName, Unreachable: a licence cannot be read.
    """
    context.report(StageName.CHECK, 0.0, message=f"looking at {publish.target}")
    match publish.target:
        case HubTarget(repository):
            _check_repository(repository)
        case FolderTarget():
            pass  # any word is the name of a folder
        case other:
            assert_never(other)
    sources = _sources(context)
    jobs = context.read(lambda session: tuple(ancestry_of(session, context.job)))
    known = context.read(lambda session: tuple(recorded_repositories(session, jobs)))
    models, data = base_models_of(jobs), data_sets_of(jobs)
    read = hub_repositories(models, data, sources, known)
    links = read_links(models, data, sources, read)
    check_chain(chain_of(links, publish.override), "the student of this job")
    return _lasting(read)


def record_repositories(context: JobContext) -> tuple[HubRepository, ...]:
    """Return what the hub says of a job's models and data, for a publication that comes later.

    Nothing where the hub does not say: the job does not need it.
    """
    models, data = base_models_of([context.job]), data_sets_of([context.job])
    try:
        return _lasting(hub_repositories(models, data, _sources(context)))
    except (UnknownName, BadModel, Unreachable) as error:
        context.log(f"the licences of the job's models and data are not recorded: {error}")
        return ()


def _lasting(repositories: Iterable[HubRepository]) -> tuple[HubRepository, ...]:
    """Return what is recorded: all but what was not read because nobody asked the hub."""
    return tuple(each for each in repositories if each.unread != OFFLINE)


def _sources(context: JobContext) -> LicenceSources:
    return LicenceSources(context.settings.models, context.settings.home.absolute() / "hub")


def _check_repository(repository: str) -> None:
    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise BadSpec(f"publish.repository: the hub takes no such name: {error}") from error
