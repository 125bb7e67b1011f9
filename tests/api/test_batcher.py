"""What is run together, what waits, and whom an error is told."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from alambique.api.batcher import Batcher, BatchLimits, Overloaded
from alambique.runtime.model import Query
from alambique.spec.errors import BadSpec


class Echo:
    """A model that says what it was asked, once it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.go = threading.Event()

    def run(self, queries: Sequence[Query]) -> list[dict[str, Any]]:
        assert self.go.wait(30)
        texts = [query.texts[0] for query in queries]
        self.batches.append(texts)
        if "bad" in texts:
            raise BadSpec("no such text")
        return [{"text": text} for text in texts]


def asked(*texts: str) -> list[Query]:
    return [Query(texts=(text,)) for text in texts]


async def settle() -> None:
    """Lets everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_what_arrives_during_a_run_is_run_together() -> None:
    async def scene() -> None:
        echo = Echo()
        async with Batcher(echo.run) as batcher:
            first = batcher.put(asked("a"))
            await settle()
            others = [batcher.put(asked(text))[0] for text in "bcd"]
            echo.go.set()
            said = await asyncio.gather(*first, *others)
        assert [one["text"] for one in said] == ["a", "b", "c", "d"]
        assert echo.batches == [["a"], ["b", "c", "d"]]

    asyncio.run(scene())


def test_a_batch_has_its_bounds() -> None:
    async def scene() -> None:
        echo, sizes = Echo(), list[int]()
        echo.go.set()
        limits = BatchLimits(queries=3, characters=10)
        batcher = Batcher(echo.run, limits, on_batch=sizes.append)
        futures = batcher.put(asked(*"abcd", "a text of twenty one", "e", "f"))
        async with batcher:
            await asyncio.gather(*futures)
        assert echo.batches == [["a", "b", "c"], ["d", "a text of twenty one"], ["e", "f"]]
        assert sizes == [3, 2, 2]

    asyncio.run(scene())


def test_a_batch_is_held_open_while_many_ask() -> None:
    """Not for the first, which comes alone; then until the batch is full."""

    async def scene() -> None:
        echo = Echo()
        echo.go.set()
        limits = BatchLimits(queries=2, wait=30)
        async with Batcher(echo.run, limits) as batcher:
            await batcher.put(asked("alone"))[0]
            await asyncio.gather(*batcher.put(asked("a", "b")))
            (early,) = batcher.put(asked("early"))
            await settle()
            assert not early.done()
            (late,) = batcher.put(asked("late"))
            await asyncio.gather(early, late)
        assert echo.batches == [["alone"], ["a", "b"], ["early", "late"]]

    asyncio.run(scene())


def test_an_error_is_its_own_query_s() -> None:
    async def scene() -> None:
        echo = Echo()
        echo.go.set()
        batcher = Batcher(echo.run)
        futures = batcher.put(asked("a", "bad", "b"))
        async with batcher:
            said = await asyncio.gather(*futures, return_exceptions=True)
        assert (said[0], said[2]) == ({"text": "a"}, {"text": "b"})
        assert isinstance(said[1], BadSpec)

    asyncio.run(scene())


@pytest.mark.parametrize(
    "limits", [BatchLimits(waiting=3), BatchLimits(waiting=99, waiting_characters=3)]
)
def test_what_has_no_room_is_refused_whole(limits: BatchLimits) -> None:
    async def scene() -> None:
        echo = Echo()
        batcher = Batcher(echo.run, limits)
        futures = batcher.put(asked("a", "b"))
        with pytest.raises(Overloaded):
            batcher.put(asked("c", "d"))
        assert len(batcher) == 2
        futures += batcher.put(asked("e"))
        echo.go.set()
        async with batcher:
            await asyncio.gather(*futures)
            await batcher.put(asked("f"))[0]  # there is room again
        assert echo.batches == [["a", "b", "e"], ["f"]]

    asyncio.run(scene())


def test_nothing_is_run_for_a_client_that_has_gone() -> None:
    async def scene() -> None:
        echo = Echo()
        echo.go.set()
        batcher = Batcher(echo.run)
        gone, there = batcher.put(asked("gone", "there"))
        gone.cancel()
        async with batcher:
            await there
        assert echo.batches == [["there"]]

    asyncio.run(scene())


def test_what_waits_at_the_end_is_still_run() -> None:
    async def scene() -> None:
        echo = Echo()
        async with Batcher(echo.run) as batcher:
            futures = batcher.put(asked("a", "b"))
            echo.go.set()
        assert [one.result()["text"] for one in futures] == ["a", "b"]

    asyncio.run(scene())
