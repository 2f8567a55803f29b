"""The same work on many items, in this process or in several that each load once what it needs."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_in_this_process: list[Callable[[Any], Any]] = []  # of a worker: the only one


def in_order(
    items: Iterable[Item], make_work: Callable[[], Callable[[Item], Result]], workers: int = 1
) -> Iterator[Result]:
    """The results in the items' order; no more items than a few for each worker are held at a time.

    Args:
        make_work: loads models and returns what is done with an item. With several workers each calls it once, so it
            has to be picklable, as items and results have to be.
        workers: processes; with 1 the work is done in this one.
    """
    if workers == 1:
        yield from map(make_work(), items)
        return
    context = get_context("spawn")  # MediaPipe's threads do not survive a fork
    threads = max(1, (os.cpu_count() or 1) // workers)
    with ProcessPoolExecutor(workers, context, _start, (make_work, threads)) as pool:
        pending: deque[Future] = deque()
        for item in items:
            pending.append(pool.submit(_work, item))
            if len(pending) > workers:
                yield pending.popleft().result()
        for future in pending:
            yield future.result()


def _start(make_work: Callable[[], Callable], threads: int) -> None:
    import torch

    from atvg.face.silence import silence_native_logs

    silence_native_logs()
    torch.set_num_threads(threads)
    _in_this_process.append(make_work())


def _work(item: Any) -> Any:
    return _in_this_process[0](item)
