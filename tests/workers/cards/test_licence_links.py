"""Licences are read where they are stated: by the real library from a local hub, and in folders."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from tests.team_hub import team_hub

from alambique.registry.job_result import HubRepository
from alambique.spec.errors import BadLicence, UnknownName, Unreachable
from alambique.spec.sources import Architecture, Folder, Hub, Local, Registered, Source
from alambique.workers.publishing.licence_links import (
    LicenceSources,
    hub_repositories,
    read_links,
    release_chain,
)
from alambique.workers.publishing.licences import LicenceLink, chain_of, check_chain
from alambique.workers.publishing.release import Release

if TYPE_CHECKING:
    from tests.local_hub import Hub as LocalHub


@pytest.fixture
def sources(tmp_path: Path, hub: "LocalHub") -> LicenceSources:
    (tmp_path / "models").mkdir()
    return LicenceSources(tmp_path / "models", tmp_path / "cache", hub.endpoint)


def put(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def only(links: tuple[LicenceLink, ...]) -> tuple[str, str | None, str]:
    (link,) = links
    return link.name, link.found, link.expression


@pytest.mark.parametrize(
    ("front", "found", "expression"),
    [
        ("license: apache-2.0", "apache-2.0", "Apache-2.0"),
        ("license:\n- mit\n- cc-by-4.0", "mit AND cc-by-4.0", "CC-BY-4.0 AND MIT"),
        ("license: other\nlicense_name: cc-by-sa-4.0", "cc-by-sa-4.0", "CC-BY-SA-4.0"),
        ("license: other\nlicense_name: team", "team", "LicenseRef-Unknown"),
        ("license: unknown", "unknown", "LicenseRef-Unknown"),
        ("language: es", None, "LicenseRef-Unknown"),
        ("license: [", None, "LicenseRef-Unknown"),
    ],
)
def test_a_repository_of_the_hub_says_its_licence_in_front_of_its_readme(
    tmp_path: Path,
    hub: "LocalHub",
    sources: LicenceSources,
    front: str,
    found: str | None,
    expression: str,
) -> None:
    commit = hub.add(
        "team/base", put(tmp_path / "base", {"README.md": f"---\n{front}\n---\n# B\n"})
    )
    told = only(read_links([Hub("team/base", None)], [], sources))
    assert told == (f"team/base@{commit}", found, expression)


def test_it_is_read_at_the_commit_and_once(
    tmp_path: Path, hub: "LocalHub", sources: LicenceSources
) -> None:
    old = hub.add("team/base", put(tmp_path / "1", {"README.md": "---\nlicense: mit\n---\n"}))
    data = put(tmp_path / "2", {"README.md": "---\nlicense: cc-by-nc-4.0\n---\n"})
    pinned = f"hub:team/reviews@{hub.add('datasets/team/reviews', data)}"
    names = [Hub("team/base", old)], [f"{pinned}#es"]
    first = read_links(*names, sources)
    assert [(link.kind, link.found) for link in first] == [
        ("base model", "mit"),
        ("data", "cc-by-nc-4.0"),
    ]
    assert first[1].name == pinned
    hub.away = True
    assert read_links(*names, sources) == first


def test_a_repository_without_a_readme_states_nothing(
    tmp_path: Path, hub: "LocalHub", sources: LicenceSources
) -> None:
    hub.add("team/base", put(tmp_path / "base", {"config.json": "{}"}))
    (link,) = read_links([Hub("team/base", None)], [], sources)
    assert link.found is None


def test_a_hub_that_is_away_is_no_unknown_licence(
    tmp_path: Path, hub: "LocalHub", sources: LicenceSources
) -> None:
    commit = hub.add("team/base", put(tmp_path / "base", {"README.md": "---\nlicense: mit\n---\n"}))
    hub.away = True
    with pytest.raises(Unreachable):
        read_links([Hub("team/base", commit)], [], sources)
    with pytest.raises(Unreachable):
        read_links([], [f"hub:team/reviews@{commit}"], sources)


def test_a_repository_that_is_not_there_is_said_so(sources: LicenceSources) -> None:
    with pytest.raises(UnknownName):
        read_links([Hub("team/nobody", "0" * 40)], [], sources)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"README.md": "---\nlicense: mit\n---\n", "LICENSE-Apache-2.0": ""}, "mit"),
        ({"README.md": "# no front matter\n", "LICENSE-Apache-2.0": ""}, "Apache-2.0"),
        ({"LICENSE.MIT": ""}, "MIT"),
        ({"LICENSE": "Apache License"}, None),
        ({"LICENSE-MIT": "", "LICENSE-Apache-2.0": ""}, None),  # nobody knows if one may choose
        ({}, None),
    ],
)
def test_a_folder_says_its_licence(
    sources: LicenceSources, files: dict[str, str], found: str | None
) -> None:
    assert sources.models is not None
    folder = put(sources.models / "mini-es", files)
    for source in (Local("mini-es"), Folder(str(folder))):
        assert only(read_links([source], [], sources))[:2] == ("mini-es", found)
    assert only(read_links([], [str(folder)], sources))[:2] == ("mini-es", found)


def test_files_that_are_named_by_their_licence_say_it(sources: LicenceSources) -> None:
    assert sources.models is not None
    put(sources.models / "mini-es" / "LICENSES", {"CC0-1.0.txt": ""})
    (link,) = read_links([Local("mini-es")], [], sources)
    assert link.found == "CC0-1.0"


def front(**said: object) -> dict[str, str]:
    return {"README.md": f"---\n{yaml.safe_dump(said)}---\n# M\n"}


def test_what_a_model_of_the_hub_names_is_followed_and_blocks(
    tmp_path: Path, hub: "LocalHub", sources: LicenceSources
) -> None:
    """Its own licence is no word on what it was made of, three steps away or by its data."""
    made_of = {"base_model": ["team/middle", "team/gone"], "datasets": "team/reviews"}
    base = hub.add("team/base", put(tmp_path / "b", front(license="apache-2.0", **made_of)))
    middle = hub.add("team/middle", put(tmp_path / "m", front(license="mit", base_model="o/nc")))
    closed = hub.add("o/nc", put(tmp_path / "n", front(license="cc-by-nc-4.0", base_model="o/nc")))
    reviews = front(license="research-only", base_model="team/none")
    data = hub.add("datasets/team/reviews", put(tmp_path / "d", reviews))
    links = read_links([Hub("team/base", base)], [], sources)
    assert {link.name: link.found for link in links} == {
        f"team/base@{base}": "apache-2.0",
        f"team/middle@{middle}": "mit",
        f"o/nc@{closed}": "cc-by-nc-4.0",
        f"hub:team/reviews@{data}": "research-only",
        "team/gone": None,
    }
    with pytest.raises(BadLicence) as refusal:
        check_chain(chain_of(links), "tiny@1")
    said = str(refusal.value)
    assert f"o/nc@{closed} has 'cc-by-nc-4.0'" in said
    assert f"named by README.md of o/nc@{closed}, team/middle@{middle}" in said
    assert "team/gone has a licence that cannot be known, as team/gone could not be loaded" in said
    assert f"named by README.md of team/base@{base}" in said


def test_what_was_recorded_is_read_in_the_place_of_the_hub(
    tmp_path: Path, hub: "LocalHub", sources: LicenceSources
) -> None:
    base = hub.add("team/base", put(tmp_path / "b", front(license="mit", base_model="o/closed")))
    hub.add("o/closed", put(tmp_path / "n", front(license="cc-by-nc-4.0")))
    asked = [Hub("team/base", base)]
    recorded = hub_repositories(asked, [], sources)
    first = read_links(asked, [], sources)
    # what the other is now is no word on what the model was made of
    hub.add("o/closed", put(tmp_path / "open", front(license="mit")), commit="1" * 40)
    anew = replace(sources, cache=tmp_path / "elsewhere")
    hub.away = True
    stored = [HubRepository.model_validate(each.model_dump(mode="json")) for each in recorded]
    assert read_links(asked, [], anew, stored) == first
    assert [link.found for link in first] == ["mit", "cc-by-nc-4.0"]
    with pytest.raises(Unreachable):
        read_links(asked, [], anew)


def test_a_folder_whose_readme_names_a_model_of_the_hub(
    tmp_path: Path, hub: "LocalHub", sources: LicenceSources
) -> None:
    assert sources.models is not None
    commit = hub.add("o/nc", put(tmp_path / "n", front(license="cc-by-nc-4.0")))
    put(sources.models / "mini-es", front(license="mit", base_model="o/nc"))
    own, other = read_links([Local("mini-es")], [], sources)
    assert (own.name, own.found) == ("mini-es", "mit")
    assert (other.name, other.found) == (f"o/nc@{commit}", "cc-by-nc-4.0")
    assert other.where.endswith("named by README.md of mini-es")


@pytest.mark.parametrize(
    "named", ["../../etc", "a b", "./output", "team/m@main", f"o/m@{'1' * 40}", 7, {"a": 1}]
)
def test_what_is_named_and_is_no_id_is_unknown(
    tmp_path: Path, hub: "LocalHub", sources: LicenceSources, named: object
) -> None:
    hub.add("team/base", put(tmp_path / "b", front(license="mit", base_model=[named])))
    links = read_links([Hub("team/base", None)], [], sources)
    assert [link.found for link in links] == ["mit", None]
    assert chain_of(links).is_blocked


def test_not_all_the_hub_is_followed(
    tmp_path: Path, hub: "LocalHub", sources: LicenceSources
) -> None:
    for step in range(20):
        said = front(license="mit", base_model=f"team/m{step + 1}")
        hub.add(f"team/m{step}", put(tmp_path / f"{step}", said))
    links = read_links([Hub("team/m0", None)], [], sources)
    assert [link.found for link in links] == ["mit"] * 8 + [None]
    assert "no more than 8 steps" in str(links[-1].unread)


def test_the_hub_that_is_published_to_is_followed_too(
    tmp_path: Path, sources: LicenceSources
) -> None:
    with team_hub() as team:
        for name, licence, more in (
            ("team/base", "apache-2.0", {"base_model": "team/nc"}),
            ("team/nc", "cc-by-nc-4.0", {}),
        ):
            files = front(license=licence, **more)
            content = {path: text.encode() for path, text in files.items()}
            team.create(name, private=False).add("a model", "", content)
        theirs = replace(sources, endpoint=team.endpoint)
        links = read_links([Hub("team/base", None)], [], theirs)
    assert [link.found for link in links] == ["apache-2.0", "cc-by-nc-4.0"]
    assert chain_of(links).is_blocked


def test_samples_and_the_catalogue_are_known_and_a_scratch_has_no_link(
    sources: LicenceSources,
) -> None:
    scratch = Architecture(architecture="bert", layers=1, width=8, heads=1, ffn=8)
    models: list[Source] = [Local("sample-encoder"), scratch, Registered("tiny", "1")]
    found = read_links(models, ["sample-entities", "conll2002"], sources)
    assert [(link.kind, link.name, link.expression) for link in found] == [
        ("base model", "sample-encoder", "Apache-2.0"),
        ("data", "sample-entities", "Apache-2.0"),
        ("data", "conll2002", "LicenseRef-Research-Only"),
    ]


def test_a_release_is_a_chain_with_the_override_of_its_publication(
    released: Callable[..., Release], sources: LicenceSources
) -> None:
    said = {"by": "Ana Ruiz", "note": "agreed"}
    data = {"name": "sample-entities", "unlabelled": "text", "test": "conll2002"}
    chain = release_chain(released(job={"data": data}, override=said), sources)
    # what a student is only tested on is no part of it
    assert [link.name for link in chain.links] == ["sample-encoder", "sample-entities", "text"]
    assert chain.faults
    assert not chain.is_blocked
    assert chain.override is not None
    assert chain.override.by == "Ana Ruiz"


def test_a_release_is_read_by_what_its_job_recorded(
    released: Callable[..., Release], hub: "LocalHub", sources: LicenceSources
) -> None:
    hub.away = True
    own, other = f"team/base@{'a' * 40}", {"kind": "base model", "named": "o/nc"}
    recorded = [
        {"kind": "base model", "named": own, "commit": "a" * 40, "licence": "mit"}
        | {"base_models": ["o/nc"]},
        other | {"commit": "b" * 40, "licence": "cc-by-nc-4.0"},
    ]
    teacher = {"model": own, "train": {"epochs": 3}}
    release = released(job={"teacher": teacher}, repositories=recorded)
    chain = release_chain(release, sources)
    assert {link.name: link.found for link in chain.links if link.kind == "base model"} == {
        own: "mit",
        f"o/nc@{'b' * 40}": "cc-by-nc-4.0",
    }
    assert chain.is_blocked
