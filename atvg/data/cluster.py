"""The work of `atvg.data.workers` on many machines, which Ray brings together; an optional extra.

A clip is a task of Ray's. Its worker hands it to a process of its own, kept for the next one, so that clips which break
or block a process cost the same, and are reported in the same words, as on one machine. Nothing large passes through
Ray: tasks read their clips and write what they make of them themselves.
"""

import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any

from atvg.data.workers import Guard, Lost
from atvg.errors import BadSettingError

LOCAL = "local"  # a Ray on this machine, for as long as the work takes
AUTO = "auto"  # the one that has been started on this machine
_PER_CPU = 2  # tasks handed out: one is worked on, one waits; half a million at once would fill the driver's memory
_STORE_BYTES = 100 << 20  # Ray's shared memory, of which by default it takes a third of the machine's
_PATIENCE = 10.0  # seconds for an address to answer
_PATIENCE_WITH_RAY = 60.0  # and for Ray to connect to it

_guard: Guard | None = None  # of the process of Ray's that this is


def work_on_cluster(
    function: Callable[[Any], Any],
    items: Sequence[Any],
    seconds: Callable[[Any], float],
    start: Callable[[], None] | None = None,
    workers: int | None = None,
) -> Iterator[tuple[Any, Any]]:
    """As `atvg.data.workers.work_on`, which see, on the machines of the cluster that is `connected`.

    Args:
        workers: at most so many items are worked on at a time; by default as many as the cluster has CPUs, those of
            machines that join later too.

    An item whose machine is lost counts as `Lost`; it is not tried again.

    Raises:
        BadSettingError: the cluster's machines lack ATVG.
        Exception: whatever `function` raises; nothing is begun any more then.
    """
    import ray

    task = ray.remote(num_cpus=1, max_retries=0)(_work)
    waiting = deque(items)
    running: dict[ray.ObjectRef, Any] = {}
    while waiting or running:
        most = workers or max(1, _PER_CPU * int(ray.cluster_resources().get("CPU", 0)))
        while waiting and len(running) < most:
            item = waiting.popleft()
            running[task.remote(function, item, seconds, start)] = item
        for done in ray.wait(list(running))[0]:
            item = running.pop(done)
            kind, answer = _answer(ray, done)
            if kind == "raised":
                raise answer
            yield item, answer


def _work(function: Callable, item: Any, seconds: Callable, start: Callable | None) -> tuple[str, Any]:
    """What a task does."""
    global _guard
    _guard = _guard or Guard(function, start)
    return _guard.work(item, seconds)


def _answer(ray: ModuleType, done: Any) -> tuple[str, Any]:
    try:
        return ray.get(done)
    except ray.exceptions.RayTaskError as error:  # of what surrounds the function
        reason = str(error).strip().splitlines()[-1]
        raise BadSettingError(
            f"Ray's workers cannot work ({reason}); every machine needs this ATVG: pip install -e '.[scale]'"
        ) from None
    except ray.exceptions.RayError as error:
        return "lost", Lost(f"the machine that worked on it was lost ({type(error).__name__})")


@contextmanager
def connected(address: str, workers: int | None = None) -> Iterator[None]:
    """A cluster to work on while the block runs.

    Args:
        address: ``HOST:PORT``, `AUTO` or `LOCAL`.
        workers: CPUs of a `LOCAL` one; by default those there are.

    Raises:
        BadSettingError: Ray is not installed, or there is no cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray is imported: nothing is told to anybody
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # or it announces that this will be the default
    try:
        import ray
    except ImportError:
        raise BadSettingError("ray is not installed; run: pip install -e '.[scale]'") from None
    ours = address == LOCAL  # of another one nothing can be wished for
    if not ours and address != AUTO:
        _check(address)
    try:
        ray.init(
            address,
            num_cpus=workers if ours else None,
            include_dashboard=False if ours else None,
            object_store_memory=_STORE_BYTES if ours else None,
            log_to_driver=False,  # its messages would tear the progress bar; whatever matters comes back as an answer
            logging_level=logging.CRITICAL,
        )
    except Exception as error:  # of many kinds: versions that differ, no such cluster, no room for its files
        reason = str(error).strip().splitlines()[0]
        raise BadSettingError(
            f"no Ray cluster at {address!r} ({reason}); start one with `ray start --head`, or use --ray {LOCAL}"
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def _check(address: str) -> None:
    """Ray itself says much where nobody answers, and waits for ever where somebody else does."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE).close()
        trial = Guard(_try)
        kind, _ = trial.work(address, lambda _: _PATIENCE_WITH_RAY)
        trial.end()
        if kind == "lost":
            raise TimeoutError("what answers there is no Ray")
    except (OSError, ValueError, OverflowError) as error:
        raise BadSettingError(
            f"no Ray cluster at {address!r} ({error}); give HOST:PORT as `ray start --head` names it, {AUTO} or {LOCAL}"
        ) from None


def _try(address: str) -> None:
    """Connects, in a process that may be ended when it waits for ever; if it cannot, the caller will see why itself."""
    import ray

    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    with suppress(Exception):
        ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL)
