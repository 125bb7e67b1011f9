"""Which licence a work may be under that is made of works under several, as their texts say.

A share-alike licence asks that the whole is under itself, or under one that its text names in its
place. What a name does not tell, or what is disputed, is no permission here.

- GNU GPL-2.0 (section 9), GPL-3.0 and AGPL-3.0 (section 14), LGPL-2.1 (section 13): of `-or-later`
  whoever receives a work chooses the version.
- LGPL-2.1, section 3: a copy may be put under the GPL, version 2 or a newer one that has appeared.
- LGPL-3.0 is GPL-3.0 with further permissions, which GPL-3.0, section 7, lets anybody remove.
- GPL-3.0 and AGPL-3.0, section 13 of each: works under one and the other may be combined, and each
  part stays under its own.
- Apache-2.0 goes into version 3 and not into version 2: GPL-2.0, section 6, lets nobody add its
  terms on patents, and GPL-3.0, section 7, lets some stay. ECL-2.0 has the same terms.
- MPL-2.0, sections 1.12 and 3.3: in a larger work with one under GPL-2.0, LGPL-2.1, AGPL-3.0 or a
  later version of these, it may be under that licence additionally.
- EUPL-1.1 and EUPL-1.2, section 5 and the appendix: with a work under a licence that is listed
  there, the whole may be under that one.
- EPL-1.0, section 7: under a new version of the agreement.
- CC-BY-SA-3.0, section 4b: under a later version. CC-BY-SA-4.0, section 3b: under a licence that
  Creative Commons has declared compatible, which GPL-3.0 is, one way, and no later version.
- MS-PL, section 3(D): its source goes under no other licence.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

_GPL_2, _GPL_3 = ("GPL-2.0-only", "GPL-2.0-or-later"), ("GPL-3.0-only", "GPL-3.0-or-later")
_LGPL_2, _LGPL_3 = ("LGPL-2.1-only", "LGPL-2.1-or-later"), ("LGPL-3.0-only", "LGPL-3.0-or-later")
_AGPL_3 = ("AGPL-3.0-only", "AGPL-3.0-or-later")
_GNU = (*_LGPL_2, *_LGPL_3, *_GPL_2, *_GPL_3, *_AGPL_3)
WHOLES = (
    *("CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC-BY-NC-SA-2.0", "CC-BY-NC-SA-3.0", "CC-BY-NC-SA-4.0"),
    *("ODbL-1.0", "CDLA-Sharing-1.0", "MPL-2.0"),
    *(licence for pair in (_LGPL_2, _LGPL_3, _GPL_2, _GPL_3, _AGPL_3) for licence in pair[::-1]),
    *("EPL-1.0", "EPL-2.0", "EUPL-1.1", "EUPL-1.2", "OSL-3.0"),
)
"""The share-alike licences. Where a work may be under several, the first one is taken: it leaves
most to whoever receives the work."""
_INSTEAD: Mapping[str, Collection[str]] = {
    "CC-BY-SA-3.0": ("CC-BY-SA-4.0",),
    "CC-BY-NC-SA-2.0": ("CC-BY-NC-SA-3.0", "CC-BY-NC-SA-4.0"),
    "CC-BY-NC-SA-3.0": ("CC-BY-NC-SA-4.0",),
    "EPL-1.0": ("EPL-2.0",),
    "LGPL-2.1-only": ("GPL-2.0-only", "GPL-3.0-only"),
    "LGPL-2.1-or-later": ("LGPL-2.1-only", *_LGPL_3, *_GPL_2, *_GPL_3),
    "LGPL-3.0-only": ("GPL-3.0-only",),
    "LGPL-3.0-or-later": ("LGPL-3.0-only", *_GPL_3),
    "GPL-2.0-or-later": ("GPL-2.0-only", *_GPL_3),
    "GPL-3.0-or-later": ("GPL-3.0-only",),
    "AGPL-3.0-or-later": ("AGPL-3.0-only",),
}
"""Licences that a whole may be under in the place of one, of which nothing stays."""
_IN_COMPANY: Mapping[str, Collection[str]] = {
    "EUPL-1.1": ("GPL-2.0-only", "EPL-1.0", "OSL-3.0"),
    "EUPL-1.2": (
        *("GPL-2.0-only", "GPL-3.0-only", "AGPL-3.0-only", "LGPL-2.1-only", "LGPL-3.0-only"),
        *("MPL-2.0", "EPL-1.0", "OSL-3.0"),
    ),
    "MPL-2.0": _GNU,
    **dict.fromkeys((*_GPL_3, *_LGPL_2, *_LGPL_3, "GPL-2.0-or-later"), _AGPL_3),
}
"""Licences that a whole may be under where another work in it has that licence."""
_STAYS: Mapping[tuple[str, str], str] = {
    ("CC-BY-SA-4.0", "GPL-3.0-only"): "CC-BY-SA-4.0",
    **{("MPL-2.0", whole): "MPL-2.0" for whole in _GNU},
    **{
        (licence, whole): "GPL-3.0-or-later" if licence.endswith("-or-later") else "GPL-3.0-only"
        for licence in (*_GPL_3, *_LGPL_2, *_LGPL_3, "GPL-2.0-or-later")
        for whole in _AGPL_3
    },
}
"""What a part is under, beside the whole, where both are to be honoured."""
_DECLARED = {"CC-BY-SA-4.0": ("GPL-3.0-only",)}
"""Licences that a whole may be under, of which the notices for its authors stay."""
_KEPT_OUT: Mapping[str, Collection[str]] = {
    **dict.fromkeys(("Apache-2.0", "ECL-2.0"), (*_GPL_2, *_LGPL_2)),
    "AFL-3.0": _GNU,
    "MS-PL": WHOLES,
}
"""Licences of wholes that a permissive one does not go into."""
_DOUBTS: tuple[tuple[Collection[str], Collection[str], str], ...] = (
    (
        ("EPL-2.0",),
        _GNU,
        "EPL-2.0 lets a GNU licence in only where its notice names it, which is not known here",
    ),
    (
        ("EUPL-1.1",),
        ("EUPL-1.2",),
        "a work may be under that version of EUPL only, which is not known here",
    ),
    (
        ("EUPL-1.2",),
        ("CC-BY-SA-3.0",),
        "EUPL-1.2 lets CC-BY-SA-3.0 in for works other than software, and whether weights are such "
        "a work is disputed",
    ),
    (
        ("CC-BY-SA-3.0",),
        (*_GPL_3, "GPL-2.0-or-later"),
        "only version 4.0 of CC-BY-SA is declared compatible with GPL-3.0, and whether one may go "
        "by way of it is disputed",
    ),
    (
        ("CC-BY-SA-4.0",),
        (*_AGPL_3, "MPL-2.0"),
        "CC-BY-SA-4.0 goes into GPL-3.0 alone, and whether one may go on from there is disputed",
    ),
    (
        ("CDLA-Sharing-1.0", "ODbL-1.0"),
        WHOLES,
        "whether weights are a result, which these data may be used for freely, or are made of the "
        "data is disputed",
    ),
    (("AFL-3.0",), _GNU, "whether AFL-3.0 goes with the GNU licences is disputed"),
)
"""Licences of one group and of another that are kept apart because their texts leave it open."""


@dataclass(frozen=True, slots=True)
class Whole:
    """The licence of a work as a whole, and of parts that stay under their own."""

    licence: str
    parts: frozenset[str]


def whole_of(licences: Collection[str]) -> Whole | None:
    """Return the share-alike licence of a work that is made of works under all of these.

    None: there is none that all of them allow.

    Args:
        licences: SPDX names, at least one of them in `WHOLES`.
    """
    sharing = [licence for licence in licences if licence in WHOLES]
    excluded = {whole for licence in licences for whole in _KEPT_OUT.get(licence, ())}
    for whole in WHOLES:
        if whole not in excluded and all(_goes_into(each, whole, sharing) for each in sharing):
            stays = {_STAYS.get((each, whole), whole) for each in sharing}
            return Whole(whole, frozenset(stays - {whole}))
    return None


def doubt(licences: Collection[str]) -> str | None:
    """Return why it is not known whether a work honours these licences together.

    None: their texts say that none does.
    """
    return next(_doubts(licences), None)


def _goes_into(licence: str, whole: str, company: Collection[str]) -> bool:
    """Return whether a licence lets a whole be under another one, or is that one."""
    if licence == whole or whole in _INSTEAD.get(licence, ()):
        return True
    if whole in _DECLARED.get(licence, ()):
        return True
    return whole in _IN_COMPANY.get(licence, ()) and any(_may_be(each, whole) for each in company)


def _may_be(licence: str, whole: str) -> bool:
    """Return whether a work under one licence is under another one by its own choice of version."""
    of_same_kind = licence.partition("-")[0] == whole.partition("-")[0]
    return licence == whole or (of_same_kind and whole in _INSTEAD.get(licence, ()))


def _doubts(licences: Collection[str]) -> Iterator[str]:
    for some, others, why in _DOUBTS:
        for one in licences:
            if one in some and any(each in others for each in licences if each != one):
                yield why
