"""Metrics: every figure that the server publishes, in a registry of its own. Labels come from closed sets."""

from collections import defaultdict
from collections.abc import Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from server.observe.ledger import Ledger

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_TEXTS = (1, 2, 4, 8, 16, 32, 64)
_PARTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_TOKENS = (8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """The server's Prometheus metrics. Dashboards depend on names and labels.

    Attributes:
        ledger: takes what is counted for every request.
    """

    def __init__(self) -> None:
        # It would add the time of its creation to every series; no dashboard reads that.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client leaves it without types
        registry = self._registry = CollectorRegistry()
        self.ledger = Ledger()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"verdict_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"verdict_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"verdict_{name}", text, labels, buckets=buckets, registry=registry)

        self.requests = counter("requests_total", "Requests answered", "route", "status")
        self.request_duration = histogram(
            "request_duration_seconds", "From the request's head to the end of its answer", _SECONDS, "route"
        )
        self.texts = counter("texts_total", "Texts by what became of them", "outcome")
        self._predicted = self.texts.labels("predicted")
        self.shed = counter("shed_total", "Requests refused or dropped before inference", "reason")
        self.queue_depth = gauge("queue_depth_texts", "Texts admitted and waiting")
        self.queue_tokens = gauge("queue_tokens", "Tokens admitted and waiting")
        self.background_depth = gauge("background_texts", "Texts of explanations that wait for an empty queue")
        self.explain_parts = histogram("explain_parts", "Parts of an explained text", _PARTS)
        self.in_flight = gauge("in_flight_texts", "Texts in a running micro-batch")
        self.queue_wait = histogram("queue_wait_seconds", "From admission to the start of the run", _SECONDS)
        self.tokenize = histogram("tokenize_seconds", "Tokenizing one request", _SECONDS)
        self.inference = histogram("inference_seconds", "One run of a micro-batch", _SECONDS)
        self.batch_texts = histogram("batch_texts", "Texts in a micro-batch", _TEXTS)
        self.batch_tokens = histogram("batch_padded_tokens", "Padded tokens of a micro-batch", _TOKENS)
        self.truncated = counter("truncated_texts_total", "Texts of which a part was not read")
        self.by_first_stage = counter("first_stage_texts_total", "Texts that the first stage answered")
        self.unknown = counter("unknown_tokens_total", "Tokens of characters that the tokenizer does not know")
        self.predictions = counter("predictions_total", "Predictions by label", "label")
        self.refused_connections = counter(
            "refused_connections_total", "Connections that ended before a request was answered", "reason"
        )
        self.log_lines_dropped = counter("log_lines_dropped_total", "Log lines that standard error did not take")
        self.ready = gauge("ready", "1 while the server takes requests")
        self.cache = counter("cache_total", "Rows looked up in the cache", "outcome")
        self.model_info = gauge("model_info", "The model served", "name", "version", "quantization")

    def count_answers(self, answers: Sequence[tuple[str, int, float]]) -> None:
        """Count answered requests, each with its route, its status and its seconds."""
        durations_s: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
        for route, status, seconds in answers:
            durations_s[route, status].append(seconds)
        for (route, status), group in durations_s.items():  # finding a series by its labels takes longer than counting
            self.requests.labels(route, str(status)).inc(len(group))
            _observe(self.request_duration.labels(route), group)

    def count_tokenizations(self, seconds: Sequence[float]) -> None:
        """Count tokenized requests, each with its seconds."""
        _observe(self.tokenize, seconds)

    def count_predicted(self, texts: Sequence[int]) -> None:
        """Count requests that got predictions, each with its number of texts."""
        self._predicted.inc(sum(texts))

    def count_runs(self, runs: Sequence[tuple[float, Sequence[int], Sequence[float]]]) -> None:
        """Count micro-batches, each with its seconds, the tokens of each row, and the seconds that each text waited."""
        for seconds, lengths, waits_s in runs:
            self.inference.observe(seconds)
            self.batch_texts.observe(len(lengths))
            self.batch_tokens.observe(max(lengths) * len(lengths))
            _observe(self.queue_wait, waits_s)

    def show_model(self, name: str, version: str, quantization: str) -> None:
        """Publish the model that is served, in place of the one before."""
        self.model_info.clear()
        self.model_info.labels(name, version, quantization).set(1)

    def render(self) -> bytes:
        """Return the registry in Prometheus' text format, with everything recorded so far."""
        self.ledger.flush()
        return generate_latest(self._registry)


def _observe(histogram: Histogram, values: Sequence[float]) -> None:
    for value in values:
        histogram.observe(value)
