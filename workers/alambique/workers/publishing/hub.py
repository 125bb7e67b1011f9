"""A folder as one commit of a repository of the hub, by huggingface_hub: written exactly once.

The id of a publication stands in the commit that it makes. Before a commit is made the history is
looked through for that id, and the commit is made on top of the very history that was looked at
(`parent_commit`): of two that publish the same at once, one is refused by the hub, looks again, and
finds the other's commit.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from json import JSONDecodeError
from pathlib import Path

import httpx2
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    constants,
    set_client_factory,
)
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
from huggingface_hub.hf_api import GitCommitInfo
from huggingface_hub.utils.tqdm import disable_progress_bars

from alambique.spec.errors import AlambiqueError, Conflict, Unreachable
from alambique.spec.excerpts import named, short
from alambique.workers.publishing.release import Published
from alambique.workers.publishing.staging import is_publishable

_MARK = "alambique-publication:"
"""Stands before the id of a publication in the description of its commit."""
_MODEL = "alambique-model:"
"""Stands before the model that a commit is a version of, as project/name."""
_NOTE = "alambique-note:"
"""Stands before the digest of the note that overrides a licence, where the card has one."""
_MADE_BY_THE_HUB = frozenset({".gitattributes"})
"""Files of a repository that nobody has put anything into."""
_LOOKS = 5
"""Looks at a history that others add to meanwhile, before it is left for a later attempt."""
_STALE = (409, 412)
"""Statuses by which the hub says that the parent of a commit is not the newest one any more."""
_LATER = (408, 425, 429)
"""Statuses by which it asks for another attempt; so do those from 500 on."""
_SECONDS = httpx2.Timeout(120.0, connect=15.0)
"""That an answer is waited for; huggingface_hub would wait for ever."""


@dataclass(frozen=True, slots=True)
class HubCommit:
    """What is put into a repository."""

    repository: str
    publication: str
    """The id, which stands in the commit."""
    model: str
    """As project/name, which stands in the commit."""
    title: str
    tag: str
    private: bool
    note: str | None = None
    """The digest of the note that overrides a licence in the card; it stands in the commit."""
    collection: str | None = None
    """The title of a collection of the repository's team, which it is put into."""


def publish_to_hub(
    folder: Path,
    asked: HubCommit,
    *,
    token: str,
    check_held: Callable[[], None],
    endpoint: str | None = None,
) -> Published:
    """Put a folder into a repository as one commit with a tag, public last, and return where.

    What an earlier attempt has done is found and not done again.

    Args:
        folder: what the repository is to hold, and nothing else.
        asked: what is put where.
        token: of the hub.
        check_held: called before each change; raises where the publication is another's by now.
        endpoint: the URL of the hub; None: the one that the environment names.

    Raises:
        Conflict: the hub refuses, or the repository is somebody else's; it says what to do.
        Unreachable: the hub does not answer, or others keep changing the repository.
    """
    _set_up_library()
    api = HfApi(endpoint=endpoint, token=token)
    with _hub_problems(asked.repository, token):
        check_held()
        api.create_repo(asked.repository, private=True, exist_ok=True)
        is_private = bool(api.model_info(asked.repository).private)
        if asked.private and not is_private:
            raise Conflict(
                f"hub:{asked.repository} can be seen by all, and this was to be seen by its team "
                "alone: make the repository private, name another, or publish it with --public"
            )
        commit = _find_or_commit(api, folder, asked, check_held)
        check_held()
        _tag(api, asked, commit)
        if is_private and not asked.private:
            check_held()
            api.update_repo_settings(asked.repository, private=False)
        if asked.collection is not None:
            check_held()
            _add_to_collection(api, asked, asked.collection)
        return Published(url=f"{api.endpoint}/{asked.repository}", commit=commit)


@cache
def _set_up_library() -> None:
    """Make huggingface_hub wait for no answer for ever, and write no bars and no retries.

    Large files go by the protocol of Git LFS: an upload by Xet is made in threads of another
    library, which neither the time limit below nor a lost lease would end. The constant is what the
    variable HF_HUB_DISABLE_XET sets when the library is first imported, long before this.
    """
    constants.HF_HUB_DISABLE_XET = True
    set_client_factory(lambda: httpx2.Client(follow_redirects=True, timeout=_SECONDS))
    disable_progress_bars()
    # its warnings quote URLs, and some of those can be written to by whoever has them
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)


def _find_or_commit(
    api: HfApi, folder: Path, asked: HubCommit, check_held: Callable[[], None]
) -> str:
    """Return the commit of a publication, made where the history does not have it."""
    for _ in range(_LOOKS):
        history = api.list_repo_commits(asked.repository)
        if found := next((each for each in history if _is_of(each, asked.publication)), None):
            _check_has_note(asked, found)
            return found.commit_id
        head = history[0].commit_id if history else None
        there = api.list_repo_files(asked.repository, revision=head) if head else []
        _check_is_ours(asked, history, there)
        _check_tag_is_free(api, asked)
        operations = _operations(folder, there)
        additions = [each for each in operations if isinstance(each, CommitOperationAdd)]
        check_held()
        api.preupload_lfs_files(asked.repository, additions, free_memory=False)
        check_held()  # again: large files take long
        try:
            return api.create_commit(
                asked.repository,
                operations,
                commit_message=asked.title,
                commit_description=_description(asked),
                parent_commit=head,
            ).oid
        except HfHubHTTPError as error:
            if error.response.status_code not in _STALE:
                raise
    raise Unreachable(f"others keep changing hub:{asked.repository}: it is tried again in a while")


def _description(asked: HubCommit) -> str:
    lines = [f"{_MARK} {asked.publication}", f"{_MODEL} {asked.model}"]
    return "\n".join([*lines, *([f"{_NOTE} {asked.note}"] if asked.note else [])])


def _check_has_note(asked: HubCommit, commit: GitCommitInfo) -> None:
    """Raise `Conflict` if a publication was committed before its note was given."""
    if asked.note and f"{_NOTE} {asked.note}" not in f"{commit.title}\n{commit.message}":
        raise Conflict(
            f"hub:{asked.repository} has the files already (commit {commit.commit_id[:12]}), with "
            "a card that lacks the note: publish to another repository with the note, or remove "
            "this one and ask again"
        )


def _is_of(commit: GitCommitInfo, publication: str) -> bool:
    return f"{_MARK} {publication}" in f"{commit.title}\n{commit.message}"


def _check_is_ours(
    asked: HubCommit, history: Sequence[GitCommitInfo], there: Sequence[str]
) -> None:
    """Raise `Conflict` if a repository holds files that are no version of the model."""
    repository, texts = asked.repository, [f"{one.title}\n{one.message}" for one in history]
    marked = [text for text in texts if _MARK in text]
    others = [text for text in marked if asked.model not in _models_in(text)]
    if others:
        raise Conflict(
            f"hub:{repository} holds another model of this platform "
            f"({named(_models_in(others[0])) or 'not named'}): name a repository for "
            f"{asked.model} alone"
        )
    ours = bool(marked)
    foreign = [
        name
        for name in there
        if name not in _MADE_BY_THE_HUB and not (ours and is_publishable(name))
    ]
    if foreign:
        raise Conflict(
            f"hub:{repository} holds files that were not published from here ({named(foreign)}): "
            "name another repository, or remove them there if nobody needs them"
        )


def _models_in(text: str) -> list[str]:
    """Return the models that a commit's description names, as project/name."""
    lines = [line for line in text.splitlines() if line.startswith(_MODEL)]
    return [line.removeprefix(_MODEL).strip() for line in lines]


def _check_tag_is_free(api: HfApi, asked: HubCommit) -> None:
    if commit := _tagged(api, asked):
        raise Conflict(
            f"hub:{asked.repository} has another {asked.tag} already (commit {commit[:12]}): "
            "name another repository for this model"
        )


def _tagged(api: HfApi, asked: HubCommit) -> str | None:
    """Return the commit that the tag is at; None: there is no such tag."""
    tags = api.list_repo_refs(asked.repository).tags
    return next((tag.target_commit for tag in tags if tag.name == asked.tag), None)


def _tag(api: HfApi, asked: HubCommit, commit: str) -> None:
    api.create_tag(asked.repository, tag=asked.tag, revision=commit, exist_ok=True)
    if _tagged(api, asked) != commit:
        _check_tag_is_free(api, asked)


def _operations(
    folder: Path, there: Sequence[str]
) -> list[CommitOperationAdd | CommitOperationDelete]:
    """Return what makes a repository hold the files of a folder and no others."""
    files = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    gone = [name for name in there if name not in files and name not in _MADE_BY_THE_HUB]
    return [
        *(
            CommitOperationAdd(path_in_repo=name, path_or_fileobj=path)
            for name, path in files.items()
        ),
        *(CommitOperationDelete(path_in_repo=name) for name in gone),
    ]


def _add_to_collection(api: HfApi, asked: HubCommit, title: str) -> None:
    """Put a repository into the collection of that title of its team, made where there is none."""
    team = asked.repository.partition("/")[0]
    made = api.create_collection(title, namespace=team, private=asked.private, exists_ok=True)
    api.add_collection_item(made.slug, asked.repository, "model", exists_ok=True)


@contextmanager
def _hub_problems(repository: str, token: str) -> Iterator[None]:
    """Raise what the hub and its library say as an error that says what to do."""
    try:
        yield
    except AlambiqueError:
        raise
    except Exception as error:
        problem = _problem(repository, error, token)
        if problem is error:
            raise
        raise problem from None


def _problem(repository: str, error: Exception, token: str) -> Exception:
    """Return the error to raise; the library's own may quote URLs that can be written to."""
    cause = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
    match cause:
        case HfHubHTTPError():
            return _status_problem(repository, cause, token)
        case httpx2.HTTPError() | OfflineModeIsEnabled() | OSError() | JSONDecodeError():
            return Unreachable(
                f"the hub does not answer ({type(cause).__name__}): hub:{repository} is tried "
                "again in a while; check the network and HF_ENDPOINT"
            )
        case HFValidationError() | ValueError():
            return Conflict(
                f"the hub refuses hub:{repository}{_said(str(cause), token)}: see to that, and ask "
                "for the publication again"
            )
        case _:
            return error


def _status_problem(repository: str, error: HfHubHTTPError, token: str) -> AlambiqueError:
    status = error.response.status_code
    said = _said(error.server_message or "", token)
    if status in _LATER or status in _STALE or status >= 500:
        return Unreachable(
            f"the hub does not take hub:{repository} now (status {status}{said}): it is tried "
            "again in a while"
        )
    if status in (401, 403, 404):
        return Conflict(
            f"the hub refuses the token for hub:{repository} (status {status}{said}): give "
            "ALAMBIQUE_HUB_TOKEN, or the project's own, one that may write there, start the worker "
            "again, and ask for the publication again"
        )
    return Conflict(
        f"the hub refuses hub:{repository} (status {status}{said}): see to that, and ask for the "
        "publication again"
    )


def _said(message: str, token: str) -> str:
    """Return what the hub says, after a colon and without the token."""
    shown = message.replace(token, "…").strip()
    return f": {short(shown)}" if shown else ""
