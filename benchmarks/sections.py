"""Sections: what ``bench`` measures, each from a rig and an effort to one part of its report."""

import itertools
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer

from benchmarks.capacity import measure_rate
from benchmarks.client import Request, predict
from benchmarks.effort import Effort
from benchmarks.engines import ENGINES, Case, compare_engines, mixed_case, start_engines, uniform_case
from benchmarks.load import Generator, poisson_arrivals, run
from benchmarks.outcome import Outcome
from benchmarks.promises import throughput
from benchmarks.promises.summary import summarize
from benchmarks.ratios import BATCH_TEXTS, batches, single
from benchmarks.reference import make_reference
from benchmarks.rig import Rig
from benchmarks.section import Section, Table
from benchmarks.servers import Server
from benchmarks.statistics import quantile
from server.artifact import Manifest, read_manifest
from server.tokenization import Tokenization

_LENGTHS: Final = (16, 64, 128, 256)
_MIX_TEXTS: Final = 256
_CALLERS: Final = (1, 4, 16, 64)
_MOST_TEXTS: Final = 1024
_LOADS: Final = (0.5, 0.7, 0.9, 1.1, 3.0)
_OPEN_SEED: Final = 11
_FEWEST_FOR_P99: Final = 100


Row = Sequence[int]


def engines(rig: Rig, effort: Effort, checkpoint: Path | None) -> Section:
    """Measure the artifact's graph against PyTorch, fp32 and the usual int8, without tokenizer or HTTP."""
    manifest = read_manifest(rig.artifact)
    reference = make_reference(rig.artifact / "tokenizer.json", manifest.max_length, checkpoint)
    with start_engines(rig.artifact, reference, rig.placement.server) as loops:
        speeds = compare_engines(loops, _engine_cases(rig, manifest, effort), effort)
    rows = [
        [case, *(f"{it.texts_per_s:.1f} ({it.ratio.estimate:.2f}x)" for it in group)]
        for case, group in itertools.groupby(speeds, key=lambda it: it.case)
    ]
    return Section(
        "engines",
        "Engines: texts per CPU second, and how many times that this artifact does",
        [asdict(speed) for speed in speeds],
        Table(["texts", *ENGINES], rows),
        [
            "Token ids in, logits out, one thread; each engine in a process of its own; short turns at one batch after "
            "the other, with a warm cache; ratios of the middle half of the rounds."
        ],
    )


def closed_loops(rig: Rig, server: Server, effort: Effort) -> Section:
    """Let 1 to 64 callers send sentences, reviews and batches, each caller one request after the other."""
    shapes: dict[str, list[Request]] = {
        "sentences": single(rig.texts.sentences.texts),
        "reviews": single(rig.texts.reviews.texts),
        f"batches of {BATCH_TEXTS} sentences": batches(rig.texts.sentences.take(60 * BATCH_TEXTS)),
    }
    run(Generator(server.address).closed_loop(itertools.cycle(shapes["sentences"]), 4, duration_s=effort.lasting(1)))
    figures = []
    concurrencies = _CALLERS[:2] if effort.quick else _CALLERS
    for (shape, requests), callers in itertools.product(shapes.items(), concurrencies):
        if callers * requests[0].texts > _MOST_TEXTS:
            continue  # the last answer would come long after the time is over, and tells nothing new
        endless = itertools.cycle(requests)
        outcome = run(Generator(server.address).closed_loop(endless, callers, duration_s=effort.lasting(3)))
        figures.append({"shape": shape, "callers": callers, **_figures(outcome)})
    columns = ["closed loop", "callers", "texts/s", "p50 ms", "p99 ms"]
    rows = [[it["shape"], str(it["callers"]), *_cells(it)] for it in figures]
    return Section("closed_loops", "Server over HTTP, closed loop", figures, Table(columns, rows), _notes(figures))


def open_loops(rig: Rig, server: Server, effort: Effort) -> Section:
    """Let sentences and reviews, 9 : 1, arrive by the clock, up to three times the capacity."""
    corpus = rig.texts.flood(_OPEN_SEED)
    requests = [predict(text) for text in corpus.texts]
    capacity = measure_rate(server, corpus, effort.lasting(6))
    figures = []
    for load in _LOADS:
        rate = load * capacity
        arrivals = poisson_arrivals(rate, effort.lasting(10 if load < 1 else 8), _OPEN_SEED)
        outcome = run(Generator(server.address).open_loop(requests, arrivals))
        refused = sum(it.status != 200 for it in outcome.exchanges) / max(len(outcome.exchanges), 1)  # noqa: PLR2004 - OK
        figures.append({"load": load, "offered_per_s": rate, "refused_share": refused, **_figures(outcome)})
    columns = ["load", "offered/s", "answered/s", "p50 ms", "p99 ms", "refused"]
    rows = [
        [f"{it['load']:.0%}", f"{it['offered_per_s']:.1f}", *_cells(it), f"{it['refused_share']:.1%}"] for it in figures
    ]
    title = f"Server over HTTP, open loop: 9 sentences to 1 review, capacity {capacity:.1f} texts/s"
    notes = ["Poisson arrivals; latency counts from the moment at which a request was due.", *_notes(figures)]
    return Section("open_loops", title, figures, Table(columns, rows), notes)


def ratios(rig: Rig, effort: Effort) -> Section:
    """Compare with the bare loop: same artifact, same texts, one by one in one process, no HTTP."""
    return summarize("ratios", "Ratios to the bare loop", throughput.together(rig, effort))


def _engine_cases(rig: Rig, manifest: Manifest, effort: Effort) -> list[Case]:
    tokenizer = Tokenizer.from_file(str(rig.artifact / "tokenizer.json"))
    vocabulary = tokenizer.get_vocab_size()
    tokenization = Tokenization(tokenizer, max_length=manifest.max_length, head_tokens=manifest.head_tokens)
    lengths = [length for length in _LENGTHS if length <= manifest.max_length][: 1 if effort.quick else None]
    alone = [uniform_case(length, 1, vocabulary) for length in lengths]
    together = [uniform_case(length, 8, vocabulary) for length in lengths]
    mixes = []
    for corpus, together_count, alone_count in ((rig.texts.sentences, 16, 8), (rig.texts.reviews, 8, 4)):
        texts = tokenization.encode(corpus.take(1 if effort.quick else _MIX_TEXTS), manifest.truncation)
        rows = sorted((window for text in texts for window in text.windows), key=len)
        mixes.append(mixed_case(corpus.name, _spread(rows, alone_count), 1))
        mixes.append(mixed_case(corpus.name, _spread(rows, together_count), 8))
    return [*alone, *together, *mixes]


def _spread(rows: Sequence[Row], count: int) -> Sequence[Row]:
    """Pick rows evenly, so that few stand for the lengths of many."""
    step = max(len(rows) / count, 1.0)
    return [rows[int(step * (number + 0.5))] for number in range(min(count, len(rows)))]


def _figures(outcome: Outcome) -> dict[str, Any]:
    latencies = outcome.latencies_s()
    return {
        "texts_per_s": outcome.texts_per_s,
        **{f"p{share * 100:g}_s": quantile(latencies, share) for share in (0.5, 0.9, 0.99)},
        "statuses": outcome.statuses(),
        "requests": len(outcome.exchanges),
        "generator_share": outcome.generator_share,
        "generator_was_the_limit": outcome.generator_was_the_limit,
    }


def _cells(figures: dict[str, Any]) -> list[str]:
    tail = f"{figures['p99_s'] * 1000:.1f}" if figures["requests"] >= _FEWEST_FOR_P99 else "-"
    return [f"{figures['texts_per_s']:.1f}", f"{figures['p50_s'] * 1000:.1f}", tail]


def _notes(figures: list[dict[str, Any]]) -> list[str]:
    share = max(it["generator_share"] for it in figures)
    limited = sum(it["generator_was_the_limit"] for it in figures)
    limit = f"; IT WAS THE LIMIT in {limited} of {len(figures)} rows" if limited else " and was never the limit"
    notes = [f"The load generator took at most {share:.0%} of a core{limit}."]
    if any(it["requests"] < _FEWEST_FOR_P99 for it in figures):
        notes.append(f"p99 only where there were {_FEWEST_FOR_P99} requests: of fewer it would be the slowest one.")
    return notes
