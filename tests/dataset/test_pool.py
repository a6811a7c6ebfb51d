"""Batches through processes: in order, a bounded number ahead, and a crash costs one item."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fastblur.dataset.pool import AHEAD, Pool, WorkersError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def initialise(shared: int) -> None:
    os.environ["POOL_TEST"] = str(shared)


def work(batch: Sequence[int]) -> list[int]:
    if any(item % 100 == 13 for item in batch):
        os._exit(1)
    return [item + int(os.environ["POOL_TEST"]) for item in batch]


def crashed(item: int) -> int:
    return -item


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(workers: int) -> None:
    batches = [[10 * i + 20, 10 * i + 21] for i in range(30)]
    pool: Pool[int, int, int] = Pool(workers, work, initialise, 1000, crashed)
    assert list(pool.run(batches)) == [[item + 1000 for item in batch] for batch in batches]


def test_an_item_that_kills_its_worker_is_the_only_one_lost() -> None:
    pool: Pool[int, int, int] = Pool(2, work, initialise, 0, crashed)
    batches = [list(range(i, i + 5)) for i in range(0, 125, 5)]
    results = [item for batch in pool.run(batches) for item in batch]
    assert results == [-i if i in (13, 113) else i for i in range(125)]


def test_no_more_batches_are_drawn_than_needed_to_keep_workers_busy() -> None:
    drawn = 0

    def batches() -> Iterator[list[int]]:
        nonlocal drawn
        for i in range(100):
            drawn += 1
            yield [1000 + 100 * i]

    pool: Pool[int, int, int] = Pool(2, work, initialise, 0, crashed)
    for done, _ in enumerate(pool.run(batches()), 1):
        assert drawn <= done + 2 * AHEAD


def end_at_once(shared: int) -> None:
    os._exit(1)


def test_workers_that_cannot_start_are_an_error_and_cost_no_item() -> None:
    pool: Pool[int, int, int] = Pool(2, work, end_at_once, 0, crashed)
    with pytest.raises(WorkersError, match="--workers 1"):
        list(pool.run([[1], [2]]))
