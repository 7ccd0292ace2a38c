"""Poison: a text on which the runtime fails takes none of its neighbours with it."""

import contextlib
import json
import math
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Final

from benchmarks.figures.rounds import Effort
from benchmarks.load.client import Address
from benchmarks.load.corpus import TextPool
from benchmarks.load.generator import Generator
from benchmarks.load.requests import HttpRequest, predict
from benchmarks.load.result import Attempt, LoadResult
from benchmarks.processes.poisoned import poison as poison_artifact
from benchmarks.processes.servers import Rig
from benchmarks.promises.finding import Finding
from benchmarks.promises.neighbours import compare_neighbours

_SLOWDOWN: Final = 2.0


@contextlib.contextmanager
def poisoned(rig: Rig, pool: TextPool) -> Iterator[tuple[Rig, list[HttpRequest]]]:
    """Yield a rig whose model fails on one word, and requests with it; the texts of the pool do not contain it."""
    with tempfile.TemporaryDirectory() as directory:
        artifact = Path(directory) / "artifact"
        word = poison_artifact(rig.artifact, artifact, pool.texts)
        neighbours = sorted(pool.texts, key=len)[: len(pool.texts) // 2]
        yield replace(rig, artifact=artifact), [predict(f"{word} {text}") for text in neighbours]


async def send_once_a_second(address: Address, requests: Sequence[HttpRequest], duration_s: float) -> LoadResult:
    """Send one request a second, the first at once."""
    return await Generator(address).open_loop(requests, [float(second) for second in range(math.ceil(duration_s))])


def count_pardoned(result: LoadResult) -> int:
    """Return how many answers are not the error of a text that fails alone."""
    return sum(not _is_blamed(attempt) for attempt in result.attempts)


def poison(rig: Rig, effort: Effort) -> list[Finding]:
    """Ten ordinary callers beside one that sends a poisonous text a second, in the same micro-batches."""
    pool = rig.texts.mixed(400, seed=10)
    with poisoned(rig, pool) as (failing, guilty), failing.server() as server:
        found = compare_neighbours(server, pool, partial(send_once_a_second, server.address, guilty), effort)
        shared = sum(int(size) - 1 for size in re.findall(r"a micro-batch of (\d+) texts failed", server.log))
    sent = LoadResult.joined(found.others)
    note = f"{len(sent.attempts)} sent; {shared} other texts were in the runs that failed"
    pardoned = count_pardoned(sent)
    return [
        *found.findings("poison", _SLOWDOWN),
        Finding("poison: poisonous texts without 422 text_failed", pardoned, "texts", "exactly", 0, note),
    ]


def _is_blamed(attempt: Attempt) -> bool:
    """Whether the answer is the error of a text that fails alone."""
    if attempt.response is None or attempt.status != HTTPStatus.UNPROCESSABLE_ENTITY:
        return False
    return bool(json.loads(attempt.response.body)["error"]["kind"] == "text_failed")
