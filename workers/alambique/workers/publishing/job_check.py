"""What of a job's publication is checked before anything is spent on the job."""

from typing import assert_never

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils._validators import validate_repo_id

from alambique.spec.errors import BadSpec
from alambique.spec.publication import FolderTarget, HubTarget, Publish
from alambique.spec.states import StageName
from alambique.workers.pipeline.context import JobContext


def check_publication(context: JobContext, publish: Publish) -> None:
    """Check, before anything is spent, that the student of a job may be published.

    Whether the hub takes the token is seen when it is published: no driver has the token.

    Raises:
        BadSpec: the target is none, as far as that can be told.
    """
    context.report(StageName.CHECK, 0.0, message=f"looking at {publish.target}")
    match publish.target:
        case HubTarget(repository):
            _check_repository(repository)
        case FolderTarget():
            pass  # any word is the name of a folder
        case other:
            assert_never(other)
    # the one place where the licences of all that the student is made of are checked: here


def _check_repository(repository: str) -> None:
    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise BadSpec(f"publish.repository: the hub takes no such name: {error}") from error
