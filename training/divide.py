"""Divide a file of texts into rows to learn from and rows to measure on, by a hash of the text.

    python -m training.divide rated/tweets.parquet --share 0.2 --train train.parquet --test test.parquet

A text stands on the same side in every version of the file, in any order of its rows, and so do its copies.
"""

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_HASH_BYTES: Final = 8


def is_test(text: str, share: float) -> bool:
    """Return whether a text is one of the ``share`` of all texts that are measured on; letter case does not count."""
    digest = hashlib.sha256(" ".join(text.lower().split()).encode()).digest()
    return int.from_bytes(digest[:_HASH_BYTES]) < share * 256**_HASH_BYTES


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 1 with one line if a file cannot be read or written."""
    parser = argparse.ArgumentParser(
        prog="python -m training.divide", description="Divide a file of texts by a hash of the text."
    )
    parser.add_argument("file", type=Path, help="a .parquet file")
    parser.add_argument("--text", default="text", help="column of the text (text)")
    parser.add_argument("--share", type=float, default=0.2, help="of the texts that are measured on (0.2)")
    parser.add_argument("--train", type=Path, required=True, help="the .parquet to write with the other rows")
    parser.add_argument("--test", type=Path, required=True, help="the .parquet to write with rows to measure on")
    options = parser.parse_args(arguments)
    try:
        table = pq.read_table(options.file)
        texts = table.column(options.text).to_pylist()
        chosen = pa.array([is_test(str(text), options.share) for text in texts], pa.bool_())
        pq.write_table(table.filter(chosen), options.test)
        pq.write_table(table.filter(pc.invert(chosen)), options.train)
    except (OSError, KeyError, pa.ArrowException) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
