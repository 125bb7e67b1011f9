"""Batches are planned from the seed alone."""

from hypothesis import given
from hypothesis import strategies as st

from alambique.spec.train import Train
from alambique.workers.training.schedule import epoch_batches, micro_batches, share, steps_of

LENGTHS = st.lists(st.integers(3, 400), min_size=1, max_size=300)


@given(LENGTHS, st.integers(1, 40), st.integers(0, 3))
def test_every_row_once_in_batches_of_the_size_asked_for(
    lengths: list[int], size: int, epoch: int
) -> None:
    batches = epoch_batches(lengths, Train(batch_size=size), epoch)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert all(len(batch) <= size for batch in batches)
    assert sum(len(batch) < size for batch in batches) <= 1 + len(lengths) // (32 * size)


@given(LENGTHS, st.integers(400, 3000), st.integers(0, 3))
def test_a_batch_of_tokens_counts_its_padding(lengths: list[int], tokens: int, epoch: int) -> None:
    batches = epoch_batches(lengths, Train(batch_tokens=tokens), epoch)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert all(len(b) * max(lengths[row] for row in b) <= tokens for b in batches)


@given(LENGTHS, st.sampled_from([{"batch_size": 7}, {"batch_tokens": 900}]), st.integers(0, 3))
def test_steps_are_the_batches_of_all_epochs(
    lengths: list[int], size: dict[str, int], epochs: int
) -> None:
    train = Train(**size)
    each = [len(epoch_batches(lengths, train, epoch)) for epoch in range(epochs)]
    assert steps_of(lengths, train, epochs) == sum(each)


def test_epochs_have_orders_of_their_own_and_a_seed_gives_them_again() -> None:
    lengths = list(range(10, 110))
    one, other = (epoch_batches(lengths, Train(batch_size=8, seed=3), e) for e in (0, 1))
    assert one != other
    assert one == epoch_batches(lengths, Train(batch_size=8, seed=3), 0)
    assert one != epoch_batches(lengths, Train(batch_size=8, seed=4), 0)


def test_one_short_row_does_not_make_the_epoch_one_sorted_pool() -> None:
    lengths = [3, *range(10, 60)] * 100
    train = Train(batch_tokens=512)
    one, other = (
        sorted([lengths[row] for row in batch] for batch in epoch_batches(lengths, train, epoch))
        for epoch in (0, 1)
    )
    assert one != other


@given(st.lists(st.integers(), unique=True, min_size=1), st.integers(1, 5), st.integers(1, 4))
def test_ranks_and_micro_batches_share_a_batch_without_rest(
    batch: list[int], world: int, pieces: int
) -> None:
    shares = [share(batch, rank, world) for rank in range(world)]
    assert len({len(mine) for mine in shares}) == 1
    cut = [micro_batches(mine, pieces) for mine in shares]
    assert all(len(mine) == pieces for mine in cut)
    assert len({len(piece) for mine in cut for piece in mine}) == 1
    rows = [row for mine in cut for piece in mine for row in piece if row is not None]
    assert sorted(rows) == sorted(batch)
