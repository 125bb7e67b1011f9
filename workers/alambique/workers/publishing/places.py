"""Names of machines and of folders on them, which are left out of what is published."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from alambique.spec.sources import Folder
from alambique.workers.publishing.release import Release

Places = Mapping[str, str]
"""From each text that names a place to what is published of it."""


def places_of(release: Release) -> Places:
    """Return the texts of a release that name a folder or a host, with what is published of each.

    Of a path that is its last part, as `./reviews.csv`; of a machine what it is, without its name
    in the network.
    """
    return dict(_paths(release)) | dict(_machines(release))


def without_places(content: Any, places: Places) -> Any:
    """Return JSON without those texts: neither as a value, nor as a key or before a `/` in one.

    >>> without_places({"/home/ana/m": 1, "a": ["/home/ana/m", 2]}, {"/home/ana/m": "./m"})
    {'./m': 1, 'a': ['./m', 2]}
    """
    match content:
        case dict():
            return {
                _key(str(name), places): without_places(value, places)
                for name, value in content.items()
            }
        case list() | tuple():
            return [without_places(value, places) for value in content]
        case str():
            return places.get(content, content)
        case _:
            return content


def _key(name: str, places: Places) -> str:
    for text, shown in places.items():
        if name == text or name.startswith(f"{text}/"):
            return shown + name.removeprefix(text)
    return name


def _paths(release: Release) -> Iterator[tuple[str, str]]:
    for job in release.ancestry:
        for _, path in job.paths():
            yield path, f"./{Path(path).name}"
    for source in release.base_models:
        if isinstance(source, Folder):
            yield source.path, f"./{Path(source.path).name}"


def _machines(release: Release) -> Iterator[tuple[str, str]]:
    """Yield the machines that were measured on: `evaluate.machine` puts the host last."""
    result = release.result
    for settings in (result.settings, result.race_settings):
        also = settings.get("also")
        others = also.values() if isinstance(also, dict) else ()
        for machine in (settings.get("machine"), *others):
            if isinstance(machine, str):
                yield machine, machine.partition(", ")[0]
