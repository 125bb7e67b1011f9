"""Queries of many requests, run together: a model takes in one call what has arrived by then."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from alambique.runtime.model import Query
from alambique.spec.errors import AlambiqueError

Prediction = dict[str, Any]
Run = Callable[[Sequence[Query]], Sequence[Prediction]]
"""A model: from queries to what it says to each."""


class Overloaded(AlambiqueError, RuntimeError):
    """As many queries wait as may wait."""

    code = "unavailable"


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How much is run together, and how much may wait."""

    queries: int = 64
    """Of one batch."""
    characters: int = 200_000
    """Of one batch; the query that reaches them is its last."""
    wait: float = 0.002
    """Seconds from the arrival of its first query that a batch is held open for others."""
    waiting: int = 256
    """Queries that may wait."""
    waiting_characters: int = 4_000_000
    """That these may have together."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    query: Query
    characters: int
    arrived: float
    prediction: asyncio.Future[Prediction]


class Batcher:
    """Runs a model in a thread of its own, on what has arrived since it was last run.

    A batch is held open for a moment only while several clients ask at once: after a batch of one
    query the next one is run as soon as it comes.
    """

    def __init__(
        self,
        run: Run,
        limits: BatchLimits | None = None,
        *,
        on_batch: Callable[[int], None] = lambda size: None,
    ) -> None:
        """Make a batcher, which runs nothing until it is entered.

        Args:
            run: the model.
            limits: those of `BatchLimits` where not given.
            on_batch: called with the number of queries of each batch, before it is run.
        """
        self._run = run
        self._limits = limits or BatchLimits()
        self._on_batch = on_batch
        self._waiting: deque[_Waiting] = deque()
        self._characters = 0
        self._change = asyncio.Event()
        self._closing = False

    async def __aenter__(self) -> Self:
        """Start to run what is put in."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._task = asyncio.create_task(self._run_batches())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Run what still waits, and end."""
        self._closing = True
        self._change.set()
        await self._task
        self._thread.shutdown()

    def __len__(self) -> int:
        """Return how many queries wait."""
        return len(self._waiting)

    def put(self, queries: Sequence[Query]) -> list[asyncio.Future[Prediction]]:
        """Queue all queries or none, and return what the model will say to each.

        A future has the error of its own query, and of no other that is run with it.

        Raises:
            Overloaded: there is no room for all of them.
        """
        loop = asyncio.get_running_loop()
        added = [
            _Waiting(query, _characters(query), loop.time(), loop.create_future())
            for query in queries
        ]
        characters = self._characters + sum(one.characters for one in added)
        if (
            len(self._waiting) + len(added) > self._limits.waiting
            or characters > self._limits.waiting_characters
        ):
            raise Overloaded(
                f"{len(self._waiting)} queries wait for the model already: ask again in a moment, "
                "or start more servers"
            )
        self._waiting.extend(added)
        self._characters = characters
        self._change.set()
        return [one.prediction for one in added]

    async def _run_batches(self) -> None:
        loop, last = asyncio.get_running_loop(), 0
        while await self._wait_for_any():
            if last > 1:
                await self._wait_for_others(until=self._waiting[0].arrived + self._limits.wait)
            batch = self._take_batch()
            if last := len(batch):
                self._on_batch(last)
                queries = [one.query for one in batch]
                results = await loop.run_in_executor(self._thread, self._results, queries)
                for one, result in zip(batch, results, strict=True):
                    _resolve(one.prediction, result)

    async def _wait_for_any(self) -> bool:
        """Return whether something waits; it does not only once this is to end."""
        while not self._waiting and not self._closing:
            self._change.clear()
            await self._change.wait()
        return bool(self._waiting)

    async def _wait_for_others(self, *, until: float) -> None:
        """Wait until a batch is full, and no longer than to that time of the loop."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                while not self._is_full(len(self._waiting), self._characters):
                    self._change.clear()
                    await self._change.wait()

    def _take_batch(self) -> list[_Waiting]:
        """Return the queries that are run next, without those whose clients have gone."""
        batch: list[_Waiting] = []
        characters = 0
        while self._waiting and not self._is_full(len(batch), characters):
            one = self._waiting.popleft()
            self._characters -= one.characters
            if not one.prediction.done():
                batch.append(one)
                characters += one.characters
        return batch

    def _is_full(self, queries: int, characters: int) -> bool:
        return queries >= self._limits.queries or characters >= self._limits.characters

    def _results(self, queries: Sequence[Query]) -> Sequence[Prediction | Exception]:
        """Return what the model says to each query, or the error of running that one."""
        try:
            return self._run(queries)
        except Exception as error:
            if len(queries) == 1:
                return [error]
            # it is the fault of one of them, which the others do not suffer for
            return [self._results([query])[0] for query in queries]


def _characters(query: Query) -> int:
    texts = (query.question or "", query.context or "", *query.texts)
    return sum(map(len, texts))


def _resolve(future: asyncio.Future[Prediction], result: Prediction | Exception) -> None:
    if future.done():  # its client has gone
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
