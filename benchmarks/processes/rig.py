"""Rig: what every measurement of the server stands on: an artifact, texts, and cores for server and load."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.load.corpus import Corpus, compose, mix, read_corpus
from benchmarks.processes.bare import BareLoop
from benchmarks.processes.process import Placement
from benchmarks.processes.servers import Server, verdict

_SENTENCES = 18_000
_REVIEWS = 2_000


@dataclass(frozen=True, slots=True)
class Texts:
    """The corpora of one run."""

    sentences: Corpus
    reviews: Corpus

    def mixed(self, count: int, seed: int) -> Corpus:
        """Return nine sentences to one review, in random order."""
        return mix(self.sentences, self.reviews, count, seed)

    def flood(self, seed: int) -> Corpus:
        """Return the same, so many that none comes again while the queue still holds it: equal rows run once."""
        return self.mixed(_SENTENCES + _REVIEWS, seed)


@dataclass(frozen=True, slots=True)
class Rig:
    """Starts servers and bare loops on the same cores.

    Attributes:
        artifact: the directory that both serve.
        texts: what is sent.
        placement: which cores run what.
        settings: of the server, without their prefix; its defaults where empty.
    """

    artifact: Path
    texts: Texts
    placement: Placement
    settings: Mapping[str, str] = field(default_factory=dict)

    def server(self, group: Path | None = None) -> Server:
        """Start the server, in a control group if one is given; it ends with the ``with`` block."""
        return Server(verdict(self.artifact, settings=self.settings), self.placement.server, group)

    def bare(self) -> BareLoop:
        """Start the bare loop; it ends with the ``with`` block."""
        return BareLoop(self.artifact, self.placement.server)


def choose_texts(file: Path | None, seed: int) -> Texts:
    """Return the project's own corpora, or one's own file in place of both."""
    if file is not None:
        own = read_corpus(file)
        return Texts(own, own)
    return Texts(compose("sentences", _SENTENCES, seed), compose("reviews", _REVIEWS, seed))
