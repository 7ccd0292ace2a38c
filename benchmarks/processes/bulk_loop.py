"""``python -m benchmarks.processes.bulk_loop ARTIFACT TEXTS.json``: what one would write instead of bulk scoring.

Texts in memory, a session, a thread per core, each with 512 texts at a time. Nothing is read, written or taken up
again. Prints the seconds and processor seconds of the loop alone.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from artifact.cpu import cpu_quota, default_threads
from bulk.scoring import TextScorer

_CHUNK = 512


def main(artifact: str, file: str) -> None:
    """Run the loop."""
    texts = json.loads(Path(file).read_text(encoding="utf-8"))
    scorer = TextScorer.load(Path(artifact))
    chunks = [texts[start : start + _CHUNK] for start in range(0, len(texts), _CHUNK)]
    started, used = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(default_threads(cpu_quota())) as threads:
        scores = sum(len(found) for found in threads.map(scorer.score, chunks))
    seconds, cpu_s = time.perf_counter() - started, time.process_time() - used
    print(json.dumps({"rows": scores, "seconds": seconds, "cpu_s": cpu_s}))  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    main(*sys.argv[1:])
