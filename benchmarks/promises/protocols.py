"""Protocols: what a request in another server's protocol takes beside the native one.

One caller sends each text twice, in the native format and in another, on one connection. Both do the same inference, so
the difference of their processor times is the cost of the format. The median of short turns does not count what other
processes disturb; they stretch the latency much more, so it stands in the note alone.
"""

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Final

from artifact.manifest import read_manifest
from benchmarks.figures.rounds import Effort, Rounds, alternate
from benchmarks.figures.statistics import middle_gap
from benchmarks.load.generator import Generator, load_runner
from benchmarks.load.requests import HttpRequest, post, predict
from benchmarks.processes.servers import Rig, Server
from benchmarks.promises.finding import Finding

_BOUND_MS: Final = 0.2
_TURN: Final = 10
"""Texts that are sent in one format, then in the other."""
_TURNS: Final = 10
"""Of a round."""
_LENGTH_BYTES: Final = 4

Render = Callable[[str], HttpRequest]


def formats(model: str) -> Mapping[str, Render]:
    """Return how each protocol asks about one text. Vertex AI's is Hugging Face's with another key; a stream has many.

    Args:
        model: its name, which is a part of a path of the Open Inference Protocol.
    """
    infer = f"/v2/models/{model}/infer"
    return {
        "Hugging Face": lambda text: _json("/hf", {"inputs": text}),
        "Text Embeddings Inference": lambda text: _json("/tei/predict", {"inputs": text}),
        "Open Inference Protocol, JSON": lambda text: _json(infer, {"inputs": [_tensor() | {"data": [text]}]}),
        "Open Inference Protocol, binary": partial(_binary, infer),
        "vLLM": lambda text: _json("/classify", {"model": model, "input": text}),
        "SageMaker": lambda text: _json("/invocations", {"inputs": text}),
    }


def protocols(rig: Rig, effort: Effort) -> list[Finding]:
    """One caller, sentences, each in the native format and in another."""
    with rig.server() as server:
        costs = [
            _Cost(name, render, server, rig.texts.sentences.texts, effort)
            for name, render in formats(read_manifest(rig.artifact).name).items()
        ]
        alternate([cost.rounds for cost in costs])
    wrong = sum(cost.wrong for cost in costs)
    return [
        *(cost.finding() for cost in costs),
        Finding("protocols: requests without a right answer", wrong, "requests", "exactly", 0),
    ]


class _Cost:
    """One format beside the native one.

    Args:
        name: of the protocol.
        render: its request about a text.
        server: answers both.
        texts: to send.
        effort: how long to measure.
    """

    def __init__(self, name: str, render: Render, server: Server, texts: Sequence[str], effort: Effort) -> None:
        self.rounds = Rounds(self._round, cycle=2, seconds=effort.rounds * effort.seconds)
        self.wrong = 0
        self._name = name
        self._server = server
        self._turns = [
            ([predict(text) for text in turn], [render(text) for text in turn])
            for turn in (
                texts[start : start + _TURN] for start in range(0, _TURN * (1 if effort.quick else _TURNS), _TURN)
            )
        ]
        self._cpu_s: tuple[list[float], list[float]] = ([], [])
        self._latency_s: tuple[list[float], list[float]] = ([], [])

    def _round(self) -> None:
        cpu_s: tuple[list[float], list[float]] = ([], [])
        latency_s: tuple[list[float], list[float]] = ([], [])
        with load_runner() as runner:
            generator = Generator(self._server.address, keep=True, polls=True)
            runner.run(generator.closed_loop(self._turns[0][0], 1))  # connects and warms up
            for number, turn in enumerate(self._turns, start=len(self._cpu_s[0])):
                for side in (1, 0) if number % 2 else (0, 1):
                    before = _cpu_s(self._server)
                    result = runner.run(generator.closed_loop(turn[side], 1))
                    cpu_s[side].append((_cpu_s(self._server) - before) / len(turn[side]))
                    latency_s[side].extend(result.latencies_s())
                    self.wrong += sum(attempt.status != HTTPStatus.OK for attempt in result.attempts)
            generator.close()
        for side in (0, 1):
            self._cpu_s[side].append(statistics.median(cpu_s[side]))
            self._latency_s[side].append(statistics.median(latency_s[side]))

    def finding(self) -> Finding:
        """Return the difference of the medians over the rounds so far."""
        (native_s, other_s), (native_latency_s, other_latency_s) = self._cpu_s, self._latency_s
        gap, latency = middle_gap(other_s, native_s), middle_gap(other_latency_s, native_latency_s)
        note = (
            f"[{gap.low * 1000:.3f}, {gap.high * 1000:.3f}]; {statistics.median(other_s) * 1000:.2f} ms, native "
            f"{statistics.median(native_s) * 1000:.2f} ms; latency {latency.estimate * 1000:.2f} "
            f"[{latency.low * 1000:.2f}, {latency.high * 1000:.2f}] ms above the native one; {len(native_s)} rounds"
        )
        what = f"{self._name}: processor time of a request above the native one"
        return Finding(what, gap.estimate * 1000, "ms", "at most", _BOUND_MS, note)


def _cpu_s(server: Server) -> float:
    """Return the processor time of a server so far, to the nanosecond: psutil has hundredths of a second.

    The clock's number is made as Linux makes it (include/linux/posix-timers.h, MAKE_PROCESS_CPUCLOCK).
    """
    return time.clock_gettime(~server.process.pid << 3 | 2)


def _json(path: str, body: object) -> HttpRequest:
    return post(path, json.dumps(body).encode())


def _tensor() -> dict[str, object]:
    return {"name": "text", "shape": [1], "datatype": "BYTES"}


def _binary(path: str, text: str) -> HttpRequest:
    """Return a request of the extension ``binary_tensor_data``, as Triton's client sends it."""
    data = text.encode()
    data = len(data).to_bytes(_LENGTH_BYTES, "little") + data
    tensor = _tensor() | {"parameters": {"binary_data_size": len(data)}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    return post(path, head + data, headers={"inference-header-content-length": str(len(head))})
