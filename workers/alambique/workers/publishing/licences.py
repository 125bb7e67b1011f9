"""Licences by their SPDX names, and what those of base models and data mean for a student.

A chain says what has to be honoured as far as the names of licences tell; it is no legal advice.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from itertools import combinations, permutations, product
from typing import Literal

from alambique.spec.errors import BadLicence
from alambique.spec.excerpts import short
from alambique.spec.publication import LicenceOverride
from alambique.workers.publishing.licence_compatibility import WHOLES, doubt, whole_of


class LicenceClass(StrEnum):
    """A thing that a licence asks for, the strictest last."""

    PERMISSIVE = "permissive"
    """That its text and its notices are kept, or not even that."""
    ATTRIBUTION = "attribution"
    SHARE_ALIKE = "share-alike"
    """That what is made of the work has the same licence: copyleft."""
    NO_DERIVATIVES = "no-derivatives"
    NON_COMMERCIAL = "non-commercial"
    RESEARCH_ONLY = "research-only"
    PROPRIETARY = "proprietary"
    """Terms of its own, which somebody has to read."""
    UNKNOWN = "unknown"


_STRICTNESS = tuple(LicenceClass)
_BLOCKING = _STRICTNESS[_STRICTNESS.index(LicenceClass.NO_DERIVATIVES) :]


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence, and what it asks for."""

    spdx: str
    """Its name in SPDX's list; of one that is not there, a LicenseRef."""
    classes: frozenset[LicenceClass]
    hub: str | None = None
    """What the hub calls it. None: it knows it as `other`."""

    @property
    def strictest(self) -> LicenceClass:
        """The strictest thing that it asks for."""
        return max(self.classes, key=_STRICTNESS.index)

    @property
    def url(self) -> str | None:
        """Where SPDX keeps its text; None: it is not in that list."""
        is_own = self.spdx.startswith("LicenseRef-")
        return None if is_own else f"https://spdx.org/licenses/{self.spdx}.html"


def _licences(
    names: str, *classes: LicenceClass, hub: Literal["same", "none"] = "same"
) -> Iterator[Licence]:
    """Yield licences that ask for the same; `SPDX=hub` where the hub has another name for one."""
    for name in names.split():
        spdx, _, own = name.partition("=")
        yield Licence(spdx, frozenset(classes), None if hub == "none" else own or spdx.lower())


_C = LicenceClass
UNKNOWN = Licence("LicenseRef-Unknown", frozenset({_C.UNKNOWN}))
"""What is not stated, or has a name that nobody here knows."""
_PUBLIC_DOMAIN = ("CC0-1.0", "PDDL-1.0", "Unlicense", "LicenseRef-Public-Domain")
_ALL: tuple[Licence, ...] = (
    *_licences(
        "Apache-2.0 MIT BSD-2-Clause BSD-3-Clause BSD-3-Clause-Clear ISC Zlib AFL-3.0 BSL-1.0 "
        "ECL-2.0 NCSA PostgreSQL WTFPL MS-PL CC0-1.0 Unlicense PDDL-1.0=pddl CDLA-Permissive-1.0 "
        "CDLA-Permissive-2.0",
        _C.PERMISSIVE,
    ),
    *_licences("LicenseRef-Public-Domain LicenseRef-PAWS-Free-Use", _C.PERMISSIVE, hub="none"),
    *_licences("CC-BY-2.0 CC-BY-2.5 CC-BY-3.0 CC-BY-4.0 etalab-2.0", _C.ATTRIBUTION),
    *_licences("ODC-By-1.0=odc-by", _C.ATTRIBUTION),
    *_licences("CC-BY-SA-3.0 CC-BY-SA-4.0", _C.ATTRIBUTION, _C.SHARE_ALIKE),
    *_licences(
        "GPL-2.0-only=gpl-2.0 GPL-3.0-only=gpl-3.0 AGPL-3.0-only=agpl-3.0 LGPL-2.1-only=lgpl-2.1 "
        "LGPL-3.0-only=lgpl-3.0 MPL-2.0 EPL-1.0 EPL-2.0 EUPL-1.1 EUPL-1.2 OSL-3.0 ODbL-1.0=odbl "
        "CDLA-Sharing-1.0",
        _C.SHARE_ALIKE,
    ),
    *_licences(
        "GPL-2.0-or-later GPL-3.0-or-later AGPL-3.0-or-later LGPL-2.1-or-later LGPL-3.0-or-later",
        _C.SHARE_ALIKE,
        hub="none",
    ),
    *_licences("CC-BY-ND-4.0", _C.ATTRIBUTION, _C.NO_DERIVATIVES),
    *_licences("CC-BY-NC-2.0 CC-BY-NC-3.0 CC-BY-NC-4.0", _C.ATTRIBUTION, _C.NON_COMMERCIAL),
    *_licences(
        "CC-BY-NC-SA-2.0 CC-BY-NC-SA-3.0 CC-BY-NC-SA-4.0",
        *(_C.ATTRIBUTION, _C.SHARE_ALIKE, _C.NON_COMMERCIAL),
    ),
    *_licences(
        "CC-BY-NC-ND-3.0 CC-BY-NC-ND-4.0", _C.ATTRIBUTION, _C.NO_DERIVATIVES, _C.NON_COMMERCIAL
    ),
    *_licences(
        "LicenseRef-FAIR-Noncommercial-Research=fair-noncommercial-research-license",
        *(_C.NON_COMMERCIAL, _C.RESEARCH_ONLY),
    ),
    *_licences(
        "LicenseRef-H-Research=h-research LicenseRef-Intel-Research=intel-research "
        "LicenseRef-Apple-AMLR=apple-amlr",
        _C.RESEARCH_ONLY,
    ),
    *_licences("LicenseRef-Research-Only", _C.RESEARCH_ONLY, hub="none"),
    *_licences(
        "LicenseRef-OpenRAIL=openrail LicenseRef-OpenRAIL-PlusPlus=openrail++ "
        "LicenseRef-BigScience-OpenRAIL-M=bigscience-openrail-m "
        "LicenseRef-BigScience-BLOOM-RAIL-1.0=bigscience-bloom-rail-1.0 "
        "LicenseRef-Llama-2=llama2 LicenseRef-Llama-3=llama3 LicenseRef-Llama-3.1=llama3.1 "
        "LicenseRef-Llama-3.2=llama3.2 LicenseRef-Llama-3.3=llama3.3 LicenseRef-Gemma=gemma",
        _C.PROPRIETARY,
    ),
    *_licences("LicenseRef-Reuters-Agreement LicenseRef-UN-News-Terms", _C.PROPRIETARY, hub="none"),
)
_BY_NAME = {
    name.lower(): licence
    for licence in _ALL
    for name in (licence.spdx, licence.hub)
    if name is not None
}
_MOST_AT_ODDS = 3
"""Licences that cannot be honoured together though any fewer of them can: there are no more."""
_CREATIVE_COMMONS = re.compile(r"CC-BY(?:-[A-Z]{2})*-(\d\.\d)")


def licences_of(text: str | None) -> tuple[Licence, ...]:
    """Return the licences that a text names, by SPDX or as the hub calls them, AND between them.

    >>> [licence.spdx for licence in licences_of("CC BY 4.0 AND cc-by-sa-4.0")]
    ['CC-BY-4.0', 'CC-BY-SA-4.0']
    >>> [licence.spdx for licence in licences_of("free as in beer")]
    ['LicenseRef-Unknown']
    """
    parts = re.split(r"\s+AND\s+", (text or "").strip())
    names = ("-".join(part.lower().split()) for part in parts)
    return tuple(dict.fromkeys(_BY_NAME.get(name, UNKNOWN) for name in names))


LinkKind = Literal["base model", "data"]


@dataclass(frozen=True, slots=True)
class LicenceLink:
    """Something that a student was made of, with its licence."""

    kind: LinkKind
    name: str
    """As the job names it, with the commit of the hub."""
    found: str | None
    """The licence as it was found. None: nothing was stated."""
    where: str
    """Where that was read."""
    url: str | None = None
    """Where its terms are, if that was stated."""
    unread: str | None = None
    """Why nobody could look. None: somebody has looked."""

    @property
    def licences(self) -> tuple[Licence, ...]:
        """What was found, as licences that are known here."""
        return licences_of(self.found)

    @property
    def expression(self) -> str:
        """What was found, as an SPDX expression."""
        return " AND ".join(sorted(licence.spdx for licence in self.licences))

    @property
    def strictest(self) -> LicenceClass:
        """The strictest thing that is asked for."""
        return max((each.strictest for each in self.licences), key=_STRICTNESS.index)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a student may not be published: a link, or some that cannot all be honoured."""

    links: tuple[LicenceLink, ...]
    """Empty: there is nothing that a licence could be read of."""
    reason: LicenceClass | Literal["conflict"]
    doubt: str | None = field(default=None, compare=False)
    """Of a conflict that may be none: what is disputed or not known."""


@dataclass(frozen=True)
class LicenceChain:
    """All that a student was made of, and the licence that honours every part."""

    links: tuple[LicenceLink, ...]
    """Base models first, then data, each by name."""
    override: LicenceOverride | None = None
    """The word of a person who answers for publishing in spite of the faults."""

    @cached_property
    def obligations(self) -> frozenset[LicenceClass]:
        """All that the links ask for together."""
        every = (licence.classes for link in self.links for licence in link.licences)
        return frozenset().union(*every) if self.links else UNKNOWN.classes

    @cached_property
    def licences(self) -> tuple[Licence, ...]:
        """The licences of the student, all of which hold: those of the links that stay.

        One does not stay where another one contains all that it asks for. Of share-alike licences
        the one stays that the work as a whole may be under; and those of parts, where the licence
        of the whole does not take their place. All stay where there is none for the whole.
        """
        every = {licence for link in self.links for licence in link.licences} or {UNKNOWN}
        if _are_shared(every):
            whole = whole_of([each.spdx for each in every])
            if whole is None:
                return tuple(sorted(every, key=lambda licence: licence.spdx))
            carried = {_BY_NAME[name.lower()] for name in (whole.licence, *whole.parts)}
            every = {each for each in every if each.spdx not in WHOLES} | carried
        staying = [one for one in every if not any(_contains(other, one) for other in every)]
        return tuple(sorted(staying, key=lambda licence: licence.spdx))

    @property
    def expression(self) -> str:
        """The licence of the student, as an SPDX expression."""
        return " AND ".join(licence.spdx for licence in self.licences)

    @cached_property
    def faults(self) -> tuple[Fault, ...]:
        """Why the student may not be published; empty: it may."""
        if not self.links:
            return (Fault((), LicenceClass.UNKNOWN),)
        single = [
            Fault((link,), reason)
            for link in self.links
            for reason in _BLOCKING
            if any(reason in licence.classes for licence in link.licences)
        ]
        return (*single, *self._conflicts())

    def _conflicts(self) -> Iterator[Fault]:
        """Yield the fewest links that no single work can honour, each group once."""
        by_licence: dict[Licence, list[LicenceLink]] = {}
        for link in self.links:
            for licence in link.licences:
                by_licence.setdefault(licence, []).append(link)
        bad: list[frozenset[Licence]] = []
        found: dict[tuple[LicenceLink, ...], str | None] = {}
        for size in range(2, _MOST_AT_ODDS + 1):
            for group in map(frozenset, combinations(by_licence, size)):
                if any(fewer <= group for fewer in bad) or not _are_at_odds(group):
                    continue
                bad.append(group)
                why = doubt(sorted(each.spdx for each in group))
                for links in product(*(by_licence[licence] for licence in group)):
                    found.setdefault(tuple(sorted(set(links), key=self.links.index)), why)
        for links in sorted(found, key=lambda links: [self.links.index(link) for link in links]):
            yield Fault(links, "conflict", found[links])

    @property
    def is_blocked(self) -> bool:
        """Whether the student may not be published: there are faults, and nobody overrides them."""
        return bool(self.faults) and self.override is None


def chain_of(links: Iterable[LicenceLink], override: LicenceOverride | None = None) -> LicenceChain:
    """Return the chain of some links, in whatever order they come."""
    ordered = sorted(set(links), key=lambda link: (link.kind, link.name, str(link.found)))
    return LicenceChain(tuple(ordered), override)


def check_chain(chain: LicenceChain, name: str) -> None:
    """Check that a student may be published as its licence chain stands.

    Args:
        chain: of the student.
        name: of the student, for the message.

    Raises:
        BadLicence: a link forbids it or tells too little, two of them cannot both be honoured, and
            no person has overridden that.
    """
    if not chain.is_blocked:
        return
    what = "; ".join(map(_fault_text, chain.faults))
    raise BadLicence(
        f"{name} is not published, by its licences: {what}. Make it of models and data with other "
        "licences, or let a person answer for it: override {by: their name, note: why it may be "
        "published}, which goes into the card"
    )


def _fault_text(fault: Fault) -> str:
    """Return what is wrong with a link, or with two."""
    links = " and ".join(map(_link_text, fault.links))
    match fault.reason:
        case "conflict" if fault.doubt is not None:
            return f"{links}: not known to go together ({fault.doubt})"
        case "conflict" if len(fault.links) == 1:
            return f"{links}, which no single licence honours"
        case "conflict":
            return f"{links} have licences that no single licence honours"
        case LicenceClass.UNKNOWN if not fault.links:
            return "nothing is known of what it was made of"
        case LicenceClass.UNKNOWN:
            return f"{links}: no licence that is known here"
        case LicenceClass.PROPRIETARY:
            return f"{links}: terms of its own, which somebody has to read"
        case reason:
            return f"{links}: {reason}"


def _link_text(link: LicenceLink) -> str:
    found = "states no licence" if link.found is None else f"has {short(link.found)}"
    if link.unread is not None:
        found = f"has a licence that cannot be known, as {link.unread}"
    return f"{link.kind} {link.name} {found} ({link.where})"


def _contains(one: Licence, other: Licence) -> bool:
    """Return whether a work under one licence honours all that another, different one asks for."""
    if one == other:
        return False
    if other.spdx in _PUBLIC_DOMAIN:
        # of two of them one stays: the first by name
        return one.spdx not in _PUBLIC_DOMAIN or one.spdx < other.spdx
    ours, theirs = (_CREATIVE_COMMONS.fullmatch(each.spdx) for each in (one, other))
    if ours is None:
        return False
    if other.classes == {LicenceClass.PERMISSIVE}:
        # the whole may have another licence; LICENSES.md names this one, and where its terms are
        return True
    if theirs is None or theirs[1] > ours[1] or not other.classes <= one.classes:
        return False
    return LicenceClass.SHARE_ALIKE not in other.classes or one.classes == other.classes


def _are_shared(licences: Iterable[Licence]) -> bool:
    return any(LicenceClass.SHARE_ALIKE in licence.classes for licence in licences)


def _are_at_odds(licences: Collection[Licence]) -> bool:
    """Return whether no single work can honour all of these licences."""
    if not _are_shared(licences):
        return False
    if whole_of([licence.spdx for licence in licences]) is None:
        return True
    restrictions = {LicenceClass.NON_COMMERCIAL, LicenceClass.RESEARCH_ONLY}
    return any(
        LicenceClass.SHARE_ALIKE in one.classes and restrictions & other.classes - one.classes
        for one, other in permutations(licences, 2)
    )


def front_matter_licence(metadata: Sequence[object] | object) -> tuple[str | None, str | None]:
    """Return the licence that a README's front matter states, and where its terms are.

    Several are all to be honoured. None: it states none.

    >>> front_matter_licence({"license": ["mit", "apache-2.0"]})
    ('mit AND apache-2.0', None)
    >>> front_matter_licence({"license": "other", "license_name": "team-terms"})
    ('team-terms', None)
    """
    if not isinstance(metadata, dict):
        return None, None
    stated, link = metadata.get("license"), metadata.get("license_link")
    url = link if isinstance(link, str) else None
    names = [stated] if isinstance(stated, str) else stated
    if not isinstance(names, list) or not names:
        return None, url
    own = metadata.get("license_name")
    shown = [str(own) if name == "other" and own else str(name) for name in names]
    return " AND ".join(shown), url
