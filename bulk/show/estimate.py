"""``--dry-run`` and ``--sample``: some rows are scored, nothing is written."""

import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import daft
from rich.table import Table

from artifact.scores import Problem
from bulk.expression import scorer
from bulk.files.inputs import InputFile
from bulk.job import Options
from bulk.plan import plan
from bulk.show.preview import sample

_BATCHES_PER_WORKER = 4
"""So that workers end at about the same time."""
_HOUR_S = 3600
_SHOWN_CHARS = 200
_SHOWN_OF: Final[dict[Problem, tuple[str, ...]]] = {
    "single_label": ("label", "score"),
    "multi_label": ("labels",),
    "regression": ("value",),
}
"""Columns of a sample by the problem of the head."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run would take.

    Attributes:
        sampled: rows scored for it.
        rows: of all files; estimated where there are text files.
        seconds: for all rows.
        vcpus: that it assumes.
        cost: None without a price.
    """

    sampled: int
    rows: int
    seconds: float
    vcpus: int
    cost: float | None

    def table(self) -> Table:
        """Return it for people."""
        table = Table(show_header=False, box=None, pad_edge=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        table.add_row("sampled", f"{self.sampled:,} rows")
        table.add_row("rows", f"about {self.rows:,}")
        table.add_row("rate", f"{self.rows / self.seconds if self.seconds else 0:,.0f} rows/s on {self.vcpus} vCPUs")
        table.add_row("time", str(timedelta(seconds=round(self.seconds))))
        if self.cost is not None:
            table.add_row("cost", f"{self.cost:,.4f}")
        return table


def estimate(
    files: Sequence[InputFile], options: Options, *, rows: int, workers: int, vcpus: int, price: float | None
) -> Estimate:
    """Score the first rows on this machine and say what all would take.

    Args:
        files: the inputs.
        options: of the job.
        rows: to score.
        workers: threads to score them on.
        vcpus: that the run would have.
        price: of a vCPU for an hour.

    Raises:
        DataError: if a file cannot be read.
        ArtifactError: if the artifact cannot be used.
    """
    taken = sample(files, options.input_columns, rows)
    score = scorer(options.artifact, max_chars=options.max_chars, first_stage=options.first_stage)
    daft.set_runner_native(num_threads=workers)
    frame = daft.from_pydict(_columns(taken.texts, pairs=options.text_pair is not None))
    frame = frame.into_batches(max(1, -(-len(taken.texts) // (_BATCHES_PER_WORKER * workers))))
    scores = score(*map(daft.col, frame.column_names))
    frame.limit(1).select(scores).collect()  # loads the artifact
    started = time.perf_counter()
    frame.select(scores).collect()
    per_row = (time.perf_counter() - started) * workers / max(1, len(taken.texts))  # vCPU-seconds
    planned = plan(files, {file.name: "" for file in files}, 1)
    total = planned.rows + (round(planned.text_bytes / taken.bytes_per_row) if taken.bytes_per_row else 0)
    seconds = total * per_row / vcpus
    return Estimate(
        len(taken.texts), total, seconds, vcpus, None if price is None else price * per_row * total / _HOUR_S
    )


def sample_table(files: Sequence[InputFile], options: Options, rows: int) -> Table:
    """Score the first rows on this machine and return them for people.

    Raises:
        DataError: if a file cannot be read.
        ArtifactError: if the artifact cannot be used.
    """
    from bulk.scoring import shared_scorer  # noqa: PLC0415

    taken = sample(files, options.input_columns, rows)
    table = Table(box=None, pad_edge=False)
    shown_of = _SHOWN_OF[options.problem]
    for name in (*shown_of, "tokens", "text"):
        numbers = name in {"score", "value", "tokens"}
        table.add_column(name, justify="right" if numbers else "left", no_wrap=name != "text")
    scores = shared_scorer(Path(options.artifact), options.max_chars, first_stage=options.first_stage).score(
        taken.texts
    )
    for text, score in zip(taken.texts, scores, strict=True):
        whole = " | ".join(map(str, text)) if isinstance(text, tuple) else str(text)
        shown = textwrap.shorten(whole, _SHOWN_CHARS, placeholder="…")
        if score.error is not None:
            table.add_row(*[""] * len(shown_of), "", f"{shown} ({score.error})")
        else:
            table.add_row(*(_cell(getattr(score, name)) for name in shown_of), str(score.tokens), shown)
    return table


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def _columns(texts: Sequence[object], *, pairs: bool) -> dict[str, Any]:
    """Return the column of texts, or both columns of pairs; what is no text is null."""
    parts = list(zip(*(text if isinstance(text, tuple) else (text, None) for text in texts), strict=True))
    named = dict(zip(("text", "text_pair") if pairs else ("text",), parts, strict=False))
    return {
        name: daft.Series.from_pylist(
            [text if isinstance(text, str) else None for text in values], dtype=daft.DataType.string()
        )
        for name, values in named.items()
    }
