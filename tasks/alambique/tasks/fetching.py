"""Files of data sets from the hub, each at its commit, kept for the next time."""

from functools import partial
from pathlib import Path

from alambique.models.hub import HUB_ERRORS, hub_error
from alambique.spec.errors import NoData, UnknownName
from alambique.tasks.data import Fetch
from alambique.tasks.datasets import Hub


def fetching(cache: Path, *, endpoint: str | None = None) -> Fetch:
    """Gets files from the hub into `cache`; one that is there is not asked for again.

    Args:
        cache: a folder, as huggingface_hub lays it out.
        endpoint: the URL of the hub; None: as the settings of huggingface_hub say.
    """
    return partial(_fetched, cache=cache, endpoint=endpoint)


def _fetched(source: Hub, path: str, *, cache: Path, endpoint: str | None) -> Path:
    # not on top: it takes longer to import than most commands to run
    from huggingface_hub import hf_hub_download

    try:
        file = hf_hub_download(
            source.repository,
            path,
            repo_type="dataset",
            revision=source.revision,
            cache_dir=cache,
            endpoint=endpoint,
        )
    except HUB_ERRORS as error:
        found = hub_error(
            error,
            f"{path} of the data set {source.repository} at {source.revision}",
            "Check HF_TOKEN if the data set asks for one; with no network, run the job once where "
            "there is one, and copy the folder hub/ of its ALAMBIQUE_HOME",
        )
        # the catalogue names it, and not the job: what is refused is not at hand
        raise (NoData(str(found)) if isinstance(found, UnknownName) else found) from error
    return Path(file)
