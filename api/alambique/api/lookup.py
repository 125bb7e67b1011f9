"""Finds jobs and suites as people name them: by id, by the first digits of an id, or by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from alambique.api.views import JobView, PageView, SuiteLine
from alambique.spec.errors import Conflict, UnknownName

N = TypeVar("N", JobView, SuiteLine)

if TYPE_CHECKING:
    from alambique.api.client import Client
    from alambique.api.local import LocalRegistry

    _Page = Callable[[str | None, str | None, str | None], PageView[N]]
    """From a name, the beginning of an id and a cursor to a page."""

_SHORTEST = 4
"""Digits of the shortest prefix: fewer would match ids by chance."""
_SHOWN = 10
"""Candidates that an error lists."""
_PREFIX = re.compile(rf"[0-9a-fA-F-]{{{_SHORTEST},36}}")


def find_job(
    registry: Client | LocalRegistry,
    said: str,
    *,
    project: str | None = None,
    active: bool = False,
) -> UUID:
    """Return the id of the job that is named; of several with one name, the newest.

    Args:
        registry: is queried, unless `said` is a whole id.
        said: an id, at least 4 of its first digits, or a name.
        project: limits names and prefixes to this project.
        active: of several with one name, take the one that is not over, as for cancelling.

    Raises:
        UnknownName: there is no such job.
        Conflict: several ids begin so, or several jobs of that name are not over.
    """

    def page(name: str | None, id_prefix: str | None, cursor: str | None) -> PageView[JobView]:
        return registry.jobs(project=project, name=name, id_prefix=id_prefix, cursor=cursor)

    return _find(said, "job", page, active=active, is_over=lambda job: job.state.over)


def find_suite(
    client: Client, said: str, *, project: str | None = None, active: bool = False
) -> UUID:
    """Return the id of the suite that is named; takes and raises the same as `find_job`."""

    def page(name: str | None, id_prefix: str | None, cursor: str | None) -> PageView[SuiteLine]:
        return client.suites(project=project, name=name, id_prefix=id_prefix, cursor=cursor)

    return _find(said, "suite", page, active=active, is_over=lambda suite: suite.over)


def _find(
    said: str, kind: str, page: _Page[N], *, active: bool, is_over: Callable[[N], bool]
) -> UUID:
    try:
        return UUID(said)
    except ValueError:
        pass
    # a name takes precedence over the prefix of an id
    newest = page(said, None, None)
    begun = page(None, said, None).items if _PREFIX.fullmatch(said) else []
    # but no job can hide another one by having a prefix of its id as a name
    others = [one for one in begun if one.name != said]
    if newest.items and others:
        what = f"{kind}s that {said} is the name of or the beginning of the id of"
        both = newest.items[:1] + others
        raise _several(both, what)
    if newest.items and not active:
        return newest.items[0].id
    if newest.items:
        named = newest.all_items(lambda cursor: page(said, None, cursor))
        unfinished = [one for one in named if not is_over(one)]
        if len(unfinished) > 1:
            raise _several(unfinished, f"{kind}s called {said!r} that are not over")
        return (unfinished or newest.items)[0].id
    if len(begun) > 1:
        raise _several(begun, f"{kind}s whose id begins with {said}")
    if not begun:
        raise UnknownName(
            f"there is no {kind} {said!r}: give its id, its name, or at least {_SHORTEST} of the "
            f"first digits of its id; `alambique {kind}s list` shows those there are"
        )
    return begun[0].id


def _several(every: Sequence[JobView | SuiteLine], what: str) -> Conflict:
    lines = [f"  {one.id}  {one.name or ''}  (project {one.project})" for one in every[:_SHOWN]]
    more = ["  …"] if len(every) > _SHOWN else []
    return Conflict("\n".join([f"there are several {what}: give the id of one", *lines, *more]))
