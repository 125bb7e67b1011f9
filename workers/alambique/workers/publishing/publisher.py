"""The publisher: takes publications one after the other, and carries each out under its lease."""

import hashlib
import logging
import os
import shutil
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, assert_never
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from alambique.registry import publications
from alambique.registry.database import Database
from alambique.registry.records import Publication
from alambique.registry.retry import read, write
from alambique.spec.errors import AlambiqueError, Conflict, LostLease, NotEnoughDisk, Unreachable
from alambique.spec.publication import (
    FolderTarget,
    HubTarget,
    LicenceOverride,
    missing_token,
    target_of,
)
from alambique.spec.settings import Settings
from alambique.workers.publishing.documents import DOCUMENTS
from alambique.workers.publishing.hub import HubCommit, publish_to_hub
from alambique.workers.publishing.release import Published, Release, load_release
from alambique.workers.publishing.staging import Document, publish_to_folder, stage

_LOG = logging.getLogger(__name__)

LOOK = 2.0
"""Seconds between two looks for publications."""
GRACE = 3.0
"""Seconds that a publication has to be put down when the worker stops."""


class _Stopped(Exception):
    """The worker stops: the publication is put down."""


@contextmanager
def publishing(settings: Settings, database: Database, stop: threading.Event) -> Iterator[None]:
    """Carry out publications in a thread while the block runs; what is at hand then is released.

    Args:
        settings: of this process.
        database: the registry.
        stop: ends it before the block does.
    """
    publisher = Publisher(settings, database, stop=stop)
    # a daemon: an upload that hangs does not keep the worker from ending
    thread = threading.Thread(target=publisher.run, name="publisher", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(GRACE)
        publisher.release()


@dataclass(slots=True)
class Publisher:
    """What carries out the publications of a registry, one at a time, in one process."""

    settings: Settings
    database: Database
    stop: threading.Event = field(default_factory=threading.Event)
    """Set when the publication at hand is to be put down, before its next change of anything."""
    endpoint: str | None = None
    """The URL of the hub; None: the one that the environment names."""
    documents: tuple[Document, ...] = DOCUMENTS
    _held: "_Held | None" = None

    def run(self) -> None:
        """Carry out publications until `stop` is set, however often database or hub are away."""
        answers = True
        while not self.stop.wait(LOOK):
            try:
                while not self.stop.is_set() and self.publish_next() is not None:
                    pass
                answers = True
            except SQLAlchemyError as error:
                if answers:
                    _LOG.warning("no publications: the database fails (%s)", type(error).__name__)
                answers = False
            except Exception:
                _LOG.exception("the publisher goes on after an error")

    def release(self) -> None:
        """Release what is still held: its thread hangs, and ends with this process."""
        if self._held is None:
            return
        taken = self._held.publication
        try:
            with self.database.write() as session:
                publications.release(session, taken.id, taken.token)
        except LostLease:
            _LOG.debug("publication %s was put down already", taken.id)
        except SQLAlchemyError:
            _LOG.warning("publication %s goes on once its lease has run out", taken.id)

    def publish_next(self, publication_id: UUID | None = None) -> Publication | None:
        """Carry out the next publication, or that one, as far as it comes; return how it stands.

        None: there is none that is due.
        """
        holder = f"{socket.gethostname()}:{os.getpid()}"
        with self.database.write() as session:
            publications.reap(session)
            lease = self.settings.lease_time
            taken = publications.take(session, holder, lease, publication_id=publication_id)
        if taken is None:
            return None
        with _Held(self.database, taken, self.settings, self.stop) as held:
            self._held = held
            try:
                return self._attempt(taken, held)
            except (KeyboardInterrupt, SystemExit):
                self.release()
                raise
            finally:
                self._held = None

    def _attempt(self, taken: Publication, held: "_Held") -> Publication:
        """Carry out a publication that is held, and record how the attempt ended."""
        try:
            published = self._publish(taken, held)
        except _Stopped:
            return held.end(lambda session: publications.release(session, taken.id, taken.token))
        except Exception as error:
            return self._record_failure(taken, held, error)
        _LOG.info("published to %s: %s", taken.target, published.commit or published.url)
        return held.end(
            lambda session: publications.finish(
                session, taken.id, taken.token, commit=published.commit, url=published.url
            )
        )

    def _record_failure(self, taken: Publication, held: "_Held", error: Exception) -> Publication:
        end: Callable[[Session, UUID, int, str], Publication] = publications.postpone
        match error:
            case LostLease():
                _LOG.warning("publication %s belongs to another worker by now", taken.id)
                return read(
                    self.database,
                    lambda session: publications.find(session, taken.id),
                    patience=self.settings.lease,
                )
            case Unreachable() | NotEnoughDisk():
                why = str(error)
            case AlambiqueError():
                end, why = publications.refuse, str(error)
            case _:
                frames = "".join(traceback.format_tb(error.__traceback__))
                _LOG.error("publication %s: %s\n%s", taken.id, type(error).__name__, frames)
                # not its sentence: it may quote whatever a library had at hand
                why = f"{type(error).__name__}: see the worker's log"
        _LOG.warning("not published to %s: %s", taken.target, why)
        return held.end(lambda session: end(session, taken.id, taken.token, why))

    def _publish(self, taken: Publication, held: "_Held") -> Published:
        """Stage a publication, and put it where it is to go.

        Raises:
            AlambiqueError: it cannot be done: Unreachable or NotEnoughDisk now, others ever.
        """
        release = read(
            self.database,
            lambda session: load_release(session, taken),
            patience=self.settings.lease,
        )
        staging = self.settings.home.absolute() / "staging"
        for earlier in staging.glob(f"{taken.id}.*"):  # of an attempt that was killed
            shutil.rmtree(earlier, ignore_errors=True)
        folder = staging / f"{taken.id}.{taken.token}"
        try:
            stage(self.settings, release, folder, documents=self.documents)
            held.check()
            return self._put(release, folder, held)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _put(self, release: Release, folder: Path, held: "_Held") -> Published:
        """Put a staged folder where its publication is to go."""
        version, publication = release.version, release.publication
        tag = f"v{version.number}"
        match target_of(publication.target):
            case FolderTarget(name):
                place = self.settings.home.absolute() / "published" / name / tag
                return publish_to_folder(folder, place, release)
            case HubTarget(repository) as target:
                if why := missing_token(self.settings, version.project, target):
                    raise Conflict(f"{why}; then ask for the publication again")
                token = self.settings.hub_token_of(version.project)
                assert token is not None
                asked = HubCommit(
                    repository=repository,
                    publication=str(publication.id),
                    model=f"{version.project}/{version.name}",
                    title=f"{version.name} {tag}",
                    tag=tag,
                    private=publication.private,
                    note=_note_digest(publication),
                    collection=publication.collection,
                )
                return publish_to_hub(
                    folder,
                    asked,
                    token=token.get_secret_value(),
                    check_held=held.check,
                    endpoint=self.endpoint,
                )
            case other:
                assert_never(other)


def _note_digest(publication: Publication) -> str | None:
    """Return the digest of the note that overrides a licence; None: there is no note."""
    if publication.override is None:
        return None
    note = LicenceOverride.model_validate(publication.override)
    return hashlib.sha256(note.model_dump_json().encode()).hexdigest()


class _Held:
    """A publication that is held: its lease is renewed from a thread of its own."""

    def __init__(
        self,
        database: Database,
        publication: Publication,
        settings: Settings,
        stop: threading.Event,
    ) -> None:
        self.publication = publication
        self._database = database
        self._settings = settings
        self._stop = stop
        self._over = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="publication", daemon=True)

    def __enter__(self) -> Self:
        """Start to renew the lease."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Renew the lease no more."""
        self._over.set()
        self._thread.join()

    def check(self) -> None:
        """Do nothing while the publication is held and is to go on.

        Raises:
            LostLease: it is another worker's by now.
        """
        if self._lost.is_set():
            raise LostLease(f"publication {self.publication.id} is another worker's by now")
        if self._stop.is_set():
            raise _Stopped

    def end(self, record: Callable[[Session], Publication]) -> Publication:
        """Record how the attempt ended, and return how the publication stands."""
        self._over.set()
        self._thread.join()
        try:
            return write(self._database, record, patience=self._settings.lease)
        except LostLease:  # also where the answer to the first try was lost
            return read(
                self._database,
                lambda session: publications.find(session, self.publication.id),
                patience=self._settings.lease,
            )

    def _beat(self) -> None:
        lease, renewed = self._settings.lease, time.monotonic()
        taken = self.publication
        while not self._over.wait(self._settings.heartbeat):
            began = time.monotonic()
            try:
                with self._database.write() as session:
                    publications.renew(session, taken.id, taken.token, self._settings.lease_time)
                renewed = began
            except LostLease:
                return self._lost.set()
            except SQLAlchemyError as error:
                _LOG.warning("the lease is not renewed: %s", type(error).__name__)
                if time.monotonic() - renewed > lease:
                    return self._lost.set()
