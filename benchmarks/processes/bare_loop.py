"""``python -m benchmarks.processes.bare_loop ARTIFACT``: the process behind ``benchmarks.processes.bare``.

It reads lines of JSON, lists of texts, and answers each with a line: the seconds that each text took and the CPU
seconds that they took together. It runs in the server's own environment and imports nothing else.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from tokenizers import Tokenizer

from artifact.manifest import load_artifact
from artifact.runtime import Batch, OnnxEngine
from artifact.tokenization import Tokenization


def main() -> None:
    """Answer until the input ends."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.processes.bare", description=main.__doc__)
    parser.add_argument("artifact", type=Path)
    artifact = load_artifact(parser.parse_args().artifact)
    manifest = artifact.manifest
    tokenizer = Tokenizer.from_file(str(artifact.tokenizer_path))
    tokenization = Tokenization(tokenizer, max_length=manifest.max_length, head_tokens=manifest.head_tokens)
    engine = OnnxEngine.load(artifact, intra_op_threads=1)
    for tokens in (8, 32, 128, manifest.max_length):  # the first run of a length pays for it
        engine.run(Batch.of([[manifest.pad_token_id] * min(tokens, manifest.max_length)], manifest.pad_token_id))
    for line in sys.stdin:
        seconds = []
        cpu_before = time.process_time()
        for text in json.loads(line):
            started = time.perf_counter()
            (tokenized,) = tokenization.encode([text], manifest.truncation)
            for window in tokenized.windows:
                engine.run(Batch.of([window], manifest.pad_token_id))
            seconds.append(time.perf_counter() - started)
        answer = {"seconds": seconds, "cpu_s": time.process_time() - cpu_before}
        print(json.dumps(answer), flush=True)  # noqa: T201 - the answer to the parent


if __name__ == "__main__":
    main()
