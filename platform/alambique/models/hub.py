"""The hub: which commit a revision is, what is in a repository, and its files on this machine.

The one module that asks huggingface_hub. What it fetches lies in a folder laid out by
that library, where a commit that is there is not asked for again.
"""

import glob
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile

import httpx2
from huggingface_hub import (
    DryRunFileInfo,
    HfApi,
    hf_hub_download,
    snapshot_download,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RevisionNotFoundError,
    RevisionResolutionError,
)
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.hf_api import GitRefs, RepoFile

from alambique.models.configs import LARGEST_CONFIG
from alambique.models.layouts import CONFIG, LARGEST_INDEX
from alambique.spec.data_sources import HubData
from alambique.spec.errors import BadData, BadModel, UnknownName, Unreachable
from alambique.spec.excerpts import named, short
from alambique.spec.sources import Hub, is_commit, source_text

HUB_ERRORS = (
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RevisionResolutionError,
    httpx2.HTTPError,
)
"""What huggingface_hub raises where it does not get what it asks for."""
_NO_COMMIT = (*HUB_ERRORS, AssertionError)
"""The latter where the hub names no commit."""
_FIRST_DIGITS = re.compile("[0-9a-f]{7,39}")
_DATA = "dataset"
"""What the hub calls a repository of data."""
README = "README.md"
"""What a repository says of itself, with its metadata in front."""
_LARGEST_README = 4 << 20
"""Bytes: tables of results make some long."""
_MOST_FILES = 10_000
"""Files and folders at the top of a repository that are looked at."""
_TOO_MANY = 429
"""The status by which a server asks for a pause."""


def resolve(source: Hub, *, cache: Path, endpoint: str | None = None) -> Hub:
    """Return the same repository at the commit that its revision is now.

    A commit is returned as it is, and its first 7 digits or more become the whole one, where a
    branch, a tag or a proposed change is at it. Where the hub cannot be reached, a revision that
    was resolved before is what it was then.

    Raises:
        UnknownName: the hub has no such repository or revision.
        Unreachable: the hub does not answer, and nothing is known from before; or it names what
            is no commit.
    """
    try:
        return replace(source, revision=_commit(source, None, cache, endpoint))
    except _NO_COMMIT as error:
        raise hub_failure(error, source) from error


def resolve_data(source: HubData, *, cache: Path, endpoint: str | None = None) -> HubData:
    """Return the same data set at the commit that its revision is now, as `resolve`.

    Raises:
        UnknownName, Unreachable: as `resolve`.
    """
    try:
        return replace(source, revision=_commit(source, _DATA, cache, endpoint))
    except _NO_COMMIT as error:
        raise data_failure(error, source) from error


def _commit(source: Hub | HubData, kind: str | None, cache: Path, endpoint: str | None) -> str:
    api = HfApi(endpoint=endpoint)
    try:
        commit = api.resolve_revision(
            source.repository, repo_type=kind, revision=source.revision, cache_dir=cache
        ).resolved
    except RevisionResolutionError:  # the hub is away
        snapshots = list(_snapshots(source, kind, cache))
        if len(snapshots) != 1:
            raise
        commit = snapshots[0]
    except RevisionNotFoundError:
        whole = _whole_commit(
            source,
            api.list_repo_refs(source.repository, repo_type=kind, include_pull_requests=True),
        )
        if whole is None:
            raise
        commit = whole
    if not is_commit(commit):  # it becomes part of paths on this machine
        raise Unreachable(
            f"the hub says that {source.repository} at {source.revision or 'its newest'} is the "
            f"commit {short(commit)}, which is none: it should have 40 digits; check HF_ENDPOINT"
        )
    return commit


def _snapshots(source: Hub | HubData, kind: str | None, cache: Path) -> Iterator[str]:
    """Yield the commits on this machine that begin with the digits of a revision."""
    if _FIRST_DIGITS.fullmatch(source.revision or ""):
        folder = cache / repo_folder_name(repo_id=source.repository, repo_type=kind or "model")
        yield from (path.name for path in folder.glob(f"snapshots/{source.revision}*"))


def _whole_commit(source: Hub | HubData, refs: GitRefs) -> str | None:
    """Return the commit whose first digits a revision is, among those that have a name at the hub.

    Pages show commits by 7 digits, and the hub's programs take whole ones.
    """
    if not _FIRST_DIGITS.fullmatch(source.revision or ""):
        return None
    named = [*refs.branches, *refs.converts, *refs.tags, *(refs.pull_requests or ())]
    commits = {ref.target_commit for ref in named}
    matching = [commit for commit in commits if commit.startswith(source.revision or "")]
    return matching[0] if len(matching) == 1 else None


def list_data_files(
    source: HubData, *, cache: Path, endpoint: str | None = None
) -> list[tuple[str, int]]:
    """Return the paths of all files of a data set at a commit, and their bytes.

    The hub is asked once, as for the files of a model.

    Raises:
        UnknownName, Unreachable: it cannot be loaded.
        BadData: there are more files than are looked at.
    """
    listing = cache / "listings" / "datasets" / source.repository.replace("/", "--")
    listing /= f"{source.revision}.json"
    if listing.is_file():
        return [(path, size) for path, size in json.loads(listing.read_text())]
    try:
        tree = HfApi(endpoint=endpoint).list_repo_tree(
            source.repository, revision=source.revision, repo_type=_DATA, recursive=True
        )
        entries = list(islice(tree, _MOST_FILES + 1))
    except HUB_ERRORS as error:
        raise data_failure(error, source) from error
    if len(entries) > _MOST_FILES:
        raise BadData(
            f"{source} has more than the {_MOST_FILES:,} files that are looked at: name one with "
            "fewer, such as its copy in Parquet"
        )
    files = [(entry.path, entry.size) for entry in entries if isinstance(entry, RepoFile)]
    _write_listing(listing, files)
    return files


def _write_listing(path: Path, content: object) -> None:
    """Write a listing, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", prefix=f"{path.name}.", dir=path.parent, delete=False) as aside:
        json.dump(content, aside)
    Path(aside.name).replace(path)


def list_files(source: Hub, *, cache: Path, endpoint: str | None = None) -> list[str]:
    """Return the names of the files at the top of a repository, at a commit.

    The hub is asked once: what a commit holds never changes. Where it does not answer, they are
    those of the commit that were fetched before.

    Raises:
        UnknownName, Unreachable: it cannot be loaded.
        BadModel: there are more files than any model has.
    """
    listing = cache / "listings" / source.repository.replace("/", "--") / f"{source.revision}.json"
    if listing.is_file():
        names: list[str] = json.loads(listing.read_text())
        return names
    try:
        tree = HfApi(endpoint=endpoint).list_repo_tree(source.repository, revision=source.revision)
        entries = list(islice(tree, _MOST_FILES + 1))
    except HUB_ERRORS as error:
        refusal = hub_failure(error, source)
        if isinstance(refusal, Unreachable) and (names := _fetched_names(source, cache)):
            return names
        raise refusal from error
    if len(entries) > _MOST_FILES:
        raise BadModel(
            f"{source_text(source)} has more than the {_MOST_FILES:,} files that are looked at: no "
            "model that is known here has as many"
        )
    names = [entry.path for entry in entries if isinstance(entry, RepoFile)]
    _write_listing(listing, names)
    return names


def _fetched_names(source: Hub, cache: Path) -> list[str]:
    """Return the names of the files of a commit that were fetched before it was listed."""
    config = try_to_load_from_cache(
        source.repository, CONFIG, cache_dir=cache, revision=source.revision
    )
    if not isinstance(config, str):
        return []
    return sorted(path.name for path in Path(config).parent.iterdir() if path.is_file())


def fetch_config(source: Hub, *, cache: Path, endpoint: str | None = None) -> Path:
    """Return the folder that holds config.json of a repository, fetched if need be.

    Raises:
        UnknownName, Unreachable: it cannot be loaded.
        BadModel: it is larger than any that makes sense.
    """
    return _fetch_small(source, CONFIG, LARGEST_CONFIG, cache, endpoint).parent


def fetch_index(source: Hub, name: str, *, cache: Path, endpoint: str | None = None) -> Path:
    """Return the path of an index of weights, fetched if need be.

    Raises:
        UnknownName, Unreachable: it cannot be loaded.
        BadModel: it is larger than any that makes sense.
    """
    return _fetch_small(source, name, LARGEST_INDEX, cache, endpoint)


def fetch_readme(source: Hub | HubData, *, cache: Path, endpoint: str | None = None) -> Path | None:
    """Return the path of a repository's README.md at a commit, fetched if need be.

    None: it has none.

    Raises:
        UnknownName, Unreachable: the hub does not say.
        BadModel: it is larger than any that makes sense.
    """
    try:
        return _fetch_small(source, README, _LARGEST_README, cache, endpoint)
    except UnknownName as error:
        if isinstance(error.__cause__, RemoteEntryNotFoundError):
            return None
        raise


def _fetch_small(
    source: Hub | HubData, name: str, most: int, cache: Path, endpoint: str | None
) -> Path:
    what = str(source) if isinstance(source, HubData) else source_text(source)
    download = partial(
        hf_hub_download,
        source.repository,
        name,
        repo_type=_DATA if isinstance(source, HubData) else None,
        revision=source.revision,
        cache_dir=cache,
        endpoint=endpoint,
    )
    try:
        # first its size: what anybody may put on a hub is not fetched to be looked at
        info = download(dry_run=True)
        assert isinstance(info, DryRunFileInfo)
        size = info.file_size
        if size is None or size > most:
            count = "an untold number of" if size is None else f"{size:,}"
            raise BadModel(
                f"{name} of {what} has {count} bytes, and at most {most:,} are read: no model that "
                "is known here needs as many"
            )
        return Path(str(download()))
    except HUB_ERRORS as error:
        if isinstance(source, HubData):
            raise data_failure(error, source) from error
        raise hub_failure(error, source) from error


def fetch_files(
    source: Hub, names: Sequence[str], *, cache: Path, endpoint: str | None = None
) -> Path:
    """Return the folder of a repository at a commit, with these of its files fetched.

    Raises:
        UnknownName, Unreachable: one of them cannot be loaded.
    """
    try:
        folder = snapshot_download(
            source.repository,
            revision=source.revision,
            cache_dir=cache,
            allow_patterns=[glob.escape(name) for name in names],
            endpoint=endpoint,
        )
    except HUB_ERRORS as error:
        raise hub_failure(error, source) from error
    # where the hub goes away meanwhile, the library returns what it has
    if lost := [name for name in names if not (Path(folder) / name).is_file()]:
        raise Unreachable(
            f"{source_text(source)} could not be loaded from the hub: it did not send "
            f"{named(lost)}; try again once the hub answers"
        )
    return Path(folder)


def hub_failure(error: Exception, source: Hub) -> UnknownName | Unreachable:
    """Return what to raise for one of `HUB_ERRORS`.

    It says that the hub has no such thing, or that it does not answer now.
    """
    return hub_error(
        error,
        source_text(source),
        "Check id and revision, and HF_TOKEN if it is private; with no network, put its folder "
        "under ALAMBIQUE_MODELS and give its name",
    )


def data_failure(error: Exception, source: HubData) -> UnknownName | Unreachable:
    """Return what to raise for one of `HUB_ERRORS` about a data set, as `hub_failure`."""
    return hub_error(
        error,
        str(source),
        "Check id and revision, and HF_TOKEN if it is private or asks for one; with no network, "
        "run the job once where there is one, and copy the folders hub/ and datasets/ of its "
        "ALAMBIQUE_HOME",
    )


def hub_error(error: Exception, what: str, advice: str) -> UnknownName | Unreachable:
    """Return our own error for one of `HUB_ERRORS`, about what was asked for."""
    reason = next(iter(str(error).splitlines()), type(error).__name__).rstrip(". ")
    kind = UnknownName if _is_refusal(error) else Unreachable
    return kind(f"{what} could not be loaded from the hub: {reason}. {advice}")


def _is_refusal(error: Exception) -> bool:
    """Return whether the request itself is at fault, so that asking again gets the same answer."""
    response = error.response if isinstance(error, HfHubHTTPError) else None
    if response is None:
        return isinstance(error, HFValidationError)
    return 400 <= response.status_code < 500 and response.status_code != _TOO_MANY
