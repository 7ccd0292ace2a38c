"""Publishing: copy a run to the results that the documents quote.

``python -m benchmarks publish`` copies reports to their folder of ``results/`` and writes their tables between the two
marks of the document that quotes them: those of architectures and exports into ``docs/export.md``, all others into
``benchmarks/README.md``. A test holds documents and JSON together.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from artifact.child import ROOT
from benchmarks import BenchmarkError
from benchmarks.report.render import RESULTS, markdown

PUBLISHED: Final = RESULTS / "reference"
README: Final = RESULTS.parent / "README.md"
_BEGIN: Final = "<!-- reference: begin, written by python -m benchmarks publish -->\n"
_END: Final = "<!-- reference: end -->\n"
_OTHER_MODELS: Final = ("architectures", "exports")


@dataclass(frozen=True, slots=True)
class Publication:
    """Published reports, and the document that quotes them.

    Attributes:
        directory: of the reports.
        document: a file with the two marks.
        of_other_models: whether its reports are those of architectures and exports, or all others.
    """

    directory: Path = PUBLISHED
    document: Path = README
    of_other_models: bool = False

    def owns(self, path: Path) -> bool:
        """Whether a file belongs to one of its reports."""
        is_file = path.suffix in {".json", ".md", ".png"}
        return is_file and path.name.startswith(_OTHER_MODELS) == self.of_other_models


ARCHITECTURES: Final = Publication(RESULTS / "architectures", ROOT / "docs" / "export.md", of_other_models=True)
PUBLICATIONS: Final = (Publication(), ARCHITECTURES)


def publish(source: Path, publications: Sequence[Publication] = PUBLICATIONS) -> None:
    """Copy the reports of a run and quote them in their documents.

    Args:
        source: a directory that ``bench`` or another command wrote; a published one to quote it again.
        publications: those without a report in ``source`` stay as they are.

    Raises:
        BenchmarkError: if the directory has no report, or one of a quick run, which measures next to nothing.
    """
    reports = sorted(source.glob("*.json"))
    if not reports:
        raise BenchmarkError(f"{source} holds no report; measure one with make bench")
    for path in reports:
        if "--quick" in json.loads(path.read_text())["command"]:
            raise BenchmarkError(f"{path} is of a quick run, which only shows that it works; measure without --quick")
    for publication in publications:
        if any(publication.owns(path) for path in reports):
            _publish(source, publication)


def _publish(source: Path, publication: Publication) -> None:
    target = publication.directory
    target.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if publication.owns(path) and source.resolve() != target.resolve():
            shutil.copy(path, target)
    before, _, after = split(publication.document.read_text())
    publication.document.write_text(before + quote(target) + after)


def split(text: str) -> tuple[str, str, str]:
    """Return a document in three parts: up to the first mark, the quoted reports, and from the second mark on."""
    before, begin, rest = text.partition(_BEGIN)
    quoted, end, after = rest.partition(_END)
    return before + begin, quoted, end + after


def quote(directory: Path) -> str:
    """Return a document's text about a run: all of its reports in the order of their names."""
    link = f"results/{directory.name}/"
    reports = (json.loads(path.read_text()) for path in sorted(directory.glob("*.json")))
    return "\n" + "\n".join(_lower_headlines(markdown(report, link)) for report in reports)


def headlines(bench: Mapping[str, Any]) -> list[str]:
    """Return the three figures that the main README quotes, in the words that it must use."""
    closed = bench["sections"]["closed_loops"]["figures"]
    rates = {(row["shape"], row["callers"]): row for row in closed}
    sentences, reviews, alone = rates["sentences", 16], rates["reviews", 16], rates["sentences", 1]
    return [
        f"{sentences['texts_per_s']:.0f} sentences a second",
        f"{reviews['texts_per_s']:.0f} reviews a second",
        f"{alone['p50_s'] * 1000:.1f} ms",
    ]


def _lower_headlines(text: str) -> str:
    """Lower the headlines of a report by one level."""
    return text.replace("\n## ", "\n### ")
