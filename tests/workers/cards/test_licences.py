"""The laws of licence chains, and what is refused."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.spec.errors import BadLicence
from alambique.spec.publication import LicenceOverride
from alambique.tasks.catalogue import DATASETS
from alambique.workers.publishing.licence_compatibility import WHOLES, doubt, whole_of
from alambique.workers.publishing.licences import (
    LicenceChain,
    LicenceClass,
    LicenceLink,
    chain_of,
    check_chain,
    licences_of,
)

FOUND = (
    *("Apache-2.0", "mit", "CC0-1.0", "LicenseRef-Public-Domain", "cc-by-3.0", "CC-BY-4.0"),
    *("CC-BY-SA-3.0", "CC-BY-SA-4.0", "gpl-2.0", "gpl-3.0", "odbl", "CC-BY-4.0 AND CC-BY-SA-4.0"),
    *("cc-by-nc-4.0", "CC-BY-NC-SA-4.0", "cc-by-nd-4.0", "LicenseRef-Research-Only", "llama3"),
    *("LicenseRef-PAWS-Free-Use", "our own terms", None),
    *(
        "GPL-2.0-or-later",
        "GPL-3.0-or-later",
        "lgpl-2.1",
        "LGPL-2.1-or-later",
        "lgpl-3.0",
        "agpl-3.0",
    ),
    *(
        "AGPL-3.0-or-later",
        "mpl-2.0",
        "epl-1.0",
        "epl-2.0",
        "eupl-1.1",
        "eupl-1.2",
        "ms-pl",
        "afl-3.0",
    ),
)
OVERRIDE = LicenceOverride(by="Ana Ruiz", note="agreed with the owners")


def link(found: str | None, name: str = "some", kind: str = "data") -> LicenceLink:
    return LicenceLink("base model" if kind == "base model" else "data", name, found, "a README")


LINKS = st.lists(
    st.builds(link, st.sampled_from(FOUND), st.sampled_from("abcdef"), st.just("data")),
    min_size=1,
    max_size=6,
)


@given(LINKS, LINKS)
def test_another_link_never_makes_a_chain_less_strict(
    some: list[LicenceLink], more: list[LicenceLink]
) -> None:
    before, after = chain_of(some), chain_of([*some, *more])
    assert before.obligations <= after.obligations
    assert set(before.faults) <= set(after.faults)


@given(LINKS)
def test_the_licence_of_a_student_asks_for_all_that_the_links_ask_for(
    links: list[LicenceLink],
) -> None:
    chain = chain_of(links)
    asked = {each for one in licences_of(chain.expression) for each in one.classes}
    assert asked - {LicenceClass.PERMISSIVE} == chain.obligations - {LicenceClass.PERMISSIVE}
    assert chain_of([link(chain.expression)]).expression == chain.expression


@given(LINKS, st.randoms(use_true_random=False))
def test_the_order_of_links_does_not_matter(links: list[LicenceLink], chance: object) -> None:
    shuffled = list(links)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert chain_of(shuffled) == chain_of(links)
    assert chain_of(shuffled).expression == chain_of(links).expression
    assert chain_of(shuffled).faults == chain_of(links).faults
    # nor does it whichever of the links has which name
    renamed = [replace(each, name=f"{place}") for place, each in enumerate(shuffled)]
    assert chain_of(renamed).expression == chain_of(links).expression


MET = [*WHOLES, "Apache-2.0", "MS-PL", "AFL-3.0", "MIT", "CC-BY-4.0"]


@given(st.permutations(MET), st.integers(1, 6))
def test_the_licence_of_the_whole_does_not_depend_on_the_order(names: list[str], most: int) -> None:
    some = names[:most]
    assert whole_of(some) == whole_of(sorted(some))
    assert doubt(some) == doubt(sorted(some))


def test_four_licences_go_together_where_each_three_do() -> None:
    """So that a chain, which names the fewest links at odds, need not look at more than three."""
    shared = [*WHOLES, "Apache-2.0", "MS-PL", "AFL-3.0"]
    bad = {
        frozenset(some)
        for size in (1, 2, 3)
        for some in combinations(shared, size)
        if at_odds(some)
    }
    for some in combinations(shared, 4):
        if at_odds(some):
            assert any(fewer <= set(some) for fewer in bad), some


def at_odds(names: Sequence[str]) -> bool:
    return any(name in WHOLES for name in names) and whole_of(names) is None


def test_share_alike_licences_are_those_that_a_whole_may_be_under() -> None:
    for name in (*WHOLES, "Apache-2.0", "MS-PL"):
        (licence,) = licences_of(name)
        assert licence.spdx == name
        assert (LicenceClass.SHARE_ALIKE in licence.classes) == (name in WHOLES)


@given(LINKS, st.sampled_from(("our own terms", None, "unknown", "gpl", "cc", "LicenseRef-X")))
def test_what_is_unknown_blocks(links: list[LicenceLink], found: str | None) -> None:
    chain = chain_of([*links, link(found, "stranger")])
    assert chain.is_blocked
    assert (("stranger",), LicenceClass.UNKNOWN) in faults(chain)


def faults(chain: LicenceChain) -> set[tuple[tuple[str, ...], str]]:
    return {(tuple(each.name for each in one.links), one.reason) for one in chain.faults}


@pytest.mark.parametrize(
    ("found", "expression"),
    [
        (("apache-2.0",), "Apache-2.0"),
        (("Apache-2.0", "MIT"), "Apache-2.0 AND MIT"),
        (("Apache-2.0", "CC-BY-4.0"), "CC-BY-4.0"),
        (("Apache-2.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "cc-by-4.0"), "CC-BY-SA-4.0"),
        # work under 4.0 cannot be under 3.0 as a whole, and both ask to be named
        (("CC-BY-4.0", "CC-BY-SA-3.0"), "CC-BY-4.0 AND CC-BY-SA-3.0"),
        (("CC0-1.0", "LicenseRef-Public-Domain", "MIT"), "MIT"),
        (("gpl-3.0", "CC-BY-SA-4.0"), "CC-BY-SA-4.0 AND GPL-3.0-only"),
        # Creative Commons has declared version 3 compatible, and no later one
        (("GPL-2.0-or-later", "CC-BY-SA-4.0"), "CC-BY-SA-4.0 AND GPL-3.0-only"),
        (("GPL-3.0-or-later", "CC-BY-SA-4.0"), "CC-BY-SA-4.0 AND GPL-3.0-only"),
        (("GPL-2.0-or-later", "gpl-2.0"), "GPL-2.0-only"),
        (("GPL-2.0-or-later", "gpl-3.0"), "GPL-3.0-only"),
        (("GPL-2.0-or-later", "GPL-3.0-or-later"), "GPL-3.0-or-later"),
        (("GPL-2.0-or-later", "Apache-2.0"), "Apache-2.0 AND GPL-3.0-or-later"),
        (("gpl-3.0", "Apache-2.0"), "Apache-2.0 AND GPL-3.0-only"),
        (("lgpl-2.1", "gpl-2.0"), "GPL-2.0-only"),
        (("lgpl-2.1", "gpl-3.0"), "GPL-3.0-only"),
        (("lgpl-3.0", "gpl-3.0"), "GPL-3.0-only"),
        (("lgpl-3.0", "GPL-2.0-or-later"), "GPL-3.0-only"),
        (("LGPL-2.1-or-later", "lgpl-3.0"), "LGPL-3.0-only"),
        (("LGPL-2.1-or-later", "Apache-2.0"), "Apache-2.0 AND LGPL-3.0-or-later"),
        (("mpl-2.0", "gpl-2.0"), "GPL-2.0-only AND MPL-2.0"),
        (("mpl-2.0", "lgpl-2.1"), "LGPL-2.1-only AND MPL-2.0"),
        (("mpl-2.0", "agpl-3.0"), "AGPL-3.0-only AND MPL-2.0"),
        (("gpl-3.0", "agpl-3.0"), "AGPL-3.0-only AND GPL-3.0-only"),
        (("GPL-2.0-or-later", "agpl-3.0"), "AGPL-3.0-only AND GPL-3.0-or-later"),
        (("agpl-3.0", "AGPL-3.0-or-later"), "AGPL-3.0-only"),
        (("epl-1.0", "epl-2.0"), "EPL-2.0"),
        (("eupl-1.2", "gpl-3.0"), "GPL-3.0-only"),
        (("eupl-1.1", "osl-3.0"), "OSL-3.0"),
    ],
)
def test_licences_that_go_together(found: tuple[str, ...], expression: str) -> None:
    chain = chain_of([link(each, f"n{number}") for number, each in enumerate(found)])
    assert (chain.expression, chain.faults) == (expression, ())


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (("cc-by-nc-4.0",), LicenceClass.NON_COMMERCIAL),
        (("cc-by-nc-nd-4.0",), LicenceClass.NO_DERIVATIVES),
        (("LicenseRef-Research-Only",), LicenceClass.RESEARCH_ONLY),
        (("openrail",), LicenceClass.PROPRIETARY),
        (("CC-BY-SA-4.0", "odbl"), "conflict"),
        (("CC-BY-SA-4.0", "CC-BY-NC-SA-4.0"), "conflict"),
        (("CC-BY-SA-4.0", "CC-BY-NC-4.0"), "conflict"),
        (("gpl-2.0", "Apache-2.0"), "conflict"),
        (("CC-BY-SA-4.0 AND odbl",), "conflict"),
        (("gpl-2.0", "gpl-3.0"), "conflict"),
        (("gpl-2.0", "lgpl-3.0"), "conflict"),
        (("gpl-2.0", "agpl-3.0"), "conflict"),
        (("CC-BY-SA-4.0", "gpl-2.0"), "conflict"),
        (("mpl-2.0", "CC-BY-SA-4.0"), "conflict"),
        (("CC-BY-SA-3.0", "gpl-3.0"), "conflict"),
        (("epl-2.0", "gpl-3.0"), "conflict"),
        (("epl-1.0", "gpl-2.0"), "conflict"),
        (("ms-pl", "gpl-3.0"), "conflict"),
        # each two of them go together, and not all three
        (("Apache-2.0", "eupl-1.2", "lgpl-2.1"), "conflict"),
    ],
)
def test_a_refusal_names_the_links_and_what_was_found(found: tuple[str, ...], reason: str) -> None:
    links = [link(each, f"set-{number}") for number, each in enumerate(found)]
    chain = chain_of([*links, link("MIT", "harmless", "base model")])
    assert (tuple(each.name for each in links), reason) in faults(chain)
    with pytest.raises(BadLicence) as refusal:
        check_chain(chain, "tiny@1")
    for each in links:
        assert each.name in str(refusal.value)
        assert str(each.found) in str(refusal.value)
    assert "harmless" not in str(refusal.value)
    check_chain(chain_of(links, OVERRIDE), "tiny@1")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (("epl-2.0", "gpl-3.0"), "only where its notice names it"),
        (("CC-BY-SA-3.0", "gpl-3.0"), "disputed"),
        (("CC-BY-SA-4.0", "agpl-3.0"), "disputed"),
        (("gpl-2.0", "gpl-3.0"), "no single licence honours"),
    ],
)
def test_what_is_disputed_blocks_and_is_told_from_what_is_known(
    found: tuple[str, ...], said: str
) -> None:
    with pytest.raises(BadLicence, match=said):
        check_chain(chain_of([link(each, each) for each in found]), "tiny@1")


def test_of_nothing_nothing_is_known() -> None:
    assert chain_of([]).is_blocked
    assert chain_of([]).expression == "LicenseRef-Unknown"


def test_the_catalogue_names_licences_that_are_known() -> None:
    """But for one data set whose owners do not state theirs."""
    unknown = {
        data.name
        for data in DATASETS
        for licence in licences_of(data.licence)
        if LicenceClass.UNKNOWN in licence.classes
    }
    assert unknown == {"inferes"}
