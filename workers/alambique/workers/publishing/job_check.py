"""What of a job's publication is checked before anything is spent on the job."""

from typing import assert_never

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils._validators import validate_repo_id

from alambique.spec.errors import BadSpec
from alambique.spec.publication import FolderTarget, HubTarget, Publish
from alambique.spec.states import StageName
from alambique.workers.pipeline.context import JobContext
from alambique.workers.publishing.licence_links import LicenceSources, read_links
from alambique.workers.publishing.licences import chain_of, check_chain
from alambique.workers.publishing.release import ancestry_of, base_models_of, data_sets_of


def check_publication(context: JobContext, publish: Publish) -> None:
    """Check, before anything is spent, that the student of a job may be published.

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
    sources = LicenceSources(context.settings.models, context.settings.home.absolute() / "hub")
    jobs = context.read(lambda session: tuple(ancestry_of(session, context.job)))
    links = read_links(base_models_of(jobs), data_sets_of(jobs), sources)
    check_chain(chain_of(links, publish.override), "the student of this job")


def _check_repository(repository: str) -> None:
    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise BadSpec(f"publish.repository: the hub takes no such name: {error}") from error
