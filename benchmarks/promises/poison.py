"""Poison: a text on which the runtime fails takes none of its neighbours with it."""

import json
import math
import re
import tempfile
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Final

from benchmarks.figures.rounds import Effort
from benchmarks.load.generator import Generator
from benchmarks.load.requests import predict
from benchmarks.load.result import Attempt, LoadResult
from benchmarks.processes.poisoned import poison as poison_artifact
from benchmarks.processes.servers import Rig
from benchmarks.promises.finding import Finding
from benchmarks.promises.neighbours import compare_neighbours

_SLOWDOWN: Final = 2.0


def poison(rig: Rig, effort: Effort) -> list[Finding]:
    """Ten ordinary callers beside one that sends a poisonous text a second, in the same micro-batches."""
    pool = rig.texts.mixed(400, seed=10)
    with tempfile.TemporaryDirectory() as directory:
        artifact = Path(directory) / "artifact"
        word = poison_artifact(rig.artifact, artifact, pool.texts)
        with replace(rig, artifact=artifact).server() as server:
            guilty = [predict(f"{word} {sentence}") for sentence in sorted(pool.texts, key=len)[100:120]]

            async def once_a_second(duration_s: float) -> LoadResult:
                seconds = [float(second) for second in range(math.ceil(duration_s))]
                return await Generator(server.address).open_loop(guilty, seconds)

            found = compare_neighbours(server, pool, once_a_second, effort)
            shared = sum(int(size) - 1 for size in re.findall(r"a micro-batch of (\d+) texts failed", server.log))
    sent = LoadResult.joined(found.others).attempts
    pardoned = sum(not _is_blamed(attempt) for attempt in sent)
    note = f"{len(sent)} sent; {shared} other texts were in the runs that failed"
    return [
        *found.findings("poison", _SLOWDOWN),
        Finding("poison: poisonous texts without 422 text_failed", pardoned, "texts", "exactly", 0, note),
    ]


def _is_blamed(attempt: Attempt) -> bool:
    """Whether the answer is the error of a text that fails alone."""
    if attempt.response is None or attempt.status != HTTPStatus.UNPROCESSABLE_ENTITY:
        return False
    return bool(json.loads(attempt.response.body)["error"]["kind"] == "text_failed")
