"""daft: runs tasks on the threads of this machine, or on the nodes of a Ray cluster.

daft distributes a frame with a task per row. On this machine, ``into_batches(1)`` hands rows one by one to its
threads. On Ray, each row is a partition: it goes to a node with a free core, and to another one if that node is lost.
"""

import socket
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final, Protocol

import daft

from bulk.errors import BulkError
from bulk.job import Job
from bulk.task import Outcome, Task, Worker

_CONNECT_S: Final = 10.0


class Engine(Protocol):
    """Where tasks run.

    Attributes:
        workers: tasks that run at the same time.
    """

    workers: int

    def run(self, job: Job, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Run tasks; yield each one's outcome, in their order."""
        ...


class _Tasks:
    """What daft calls on each worker; tasks come in and go out as JSON."""

    def __init__(self, output: str, options: dict[str, Any]) -> None:
        self._worker = Worker(output, options)

    def run(self, task: str) -> str:
        """Run a task."""
        return self._worker.run(Task.of(task)).to_json()


class NativeEngine:
    """The threads of this machine.

    Args:
        workers: threads.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        daft.set_runner_native(num_threads=workers)

    def run(self, job: Job, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Run tasks; see ``Engine``."""
        for partition in _scored(job, _frame(tasks).into_batches(1)).iter_partitions():
            yield from _outcomes(partition)


class RayEngine:
    """The nodes of a Ray cluster.

    Args:
        address: of its head, such as ``ray://head:10001``; ``auto`` is the cluster that this machine belongs to.

    Raises:
        BulkError: if there is no cluster.
    """

    def __init__(self, address: str) -> None:
        import ray  # noqa: PLC0415 - only for a cluster

        _check_answers(address)
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except Exception as error:  # Ray raises many kinds
            raise BulkError(f"no Ray cluster answers at {address}: {str(error).partition(chr(10))[0]}") from error
        daft.set_runner_ray()
        self.workers = int(ray.cluster_resources().get("CPU", 0))
        if not self.workers:
            raise BulkError(f"the Ray cluster at {address} has no CPU to score on; add a node with num_cpus above 0")

    def run(self, job: Job, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Run tasks; see ``Engine``."""
        import ray  # noqa: PLC0415 - as above

        for partition in _scored(job, _frame(tasks).into_partitions(len(tasks))).iter_partitions():
            yield from _outcomes(ray.get(partition))


def _check_answers(address: str) -> None:
    """Connect once: Ray itself tries for minutes."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not colon:  # auto: Ray looks for it on this machine
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()
    except (OSError, ValueError) as error:
        raise BulkError(f"no Ray cluster answers at {address}: {error}; is it ray://HOST:10001?") from error


def _frame(tasks: Sequence[Task]) -> daft.DataFrame:
    return daft.from_pydict({"task": [task.to_json() for task in tasks]})


def _scored(job: Job, frame: daft.DataFrame) -> daft.DataFrame:
    workers = daft.cls(_Tasks, use_process=False)(str(job.output), asdict(job.options))
    return frame.select(workers.run(frame["task"]).alias("outcome"))


def _outcomes(partition: Any) -> Iterator[Outcome]:  # noqa: ANN401 - daft's own class
    return map(Outcome.of, partition.to_pydict()["outcome"])
