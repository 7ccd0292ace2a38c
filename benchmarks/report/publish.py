"""Publish: make one run the reference, whose figures the documents quote.

``python -m benchmarks publish`` copies a report to ``results/reference`` and writes its tables between the two
marks of ``benchmarks/README.md``. A test holds documents and JSON together.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.processes.process import ROOT
from benchmarks.report.render import markdown

REFERENCE: Final = ROOT / "benchmarks" / "results" / "reference"
README: Final = ROOT / "benchmarks" / "README.md"
_BEGIN: Final = "<!-- reference: begin, written by python -m benchmarks publish -->\n"
_END: Final = "<!-- reference: end -->\n"


class PublishError(Exception):
    """The run can not be the reference; the message says why and what to do."""


def publish(source: Path, target: Path = REFERENCE, readme: Path = README) -> None:
    """Copy a report and quote it in the README.

    Args:
        source: a directory that ``bench`` wrote.
        target: where the reference lies.
        readme: a file with the two marks.

    Raises:
        PublishError: if there is no report in the directory, or it is of a quick run, which measures next to nothing.
    """
    reports = sorted(source.glob("*.json"))
    if not reports:
        raise PublishError(f"{source} holds no report; measure one with make bench")
    for path in reports:
        if "--quick" in json.loads(path.read_text())["command"]:
            raise PublishError(f"{path} is of a quick run, which only shows that it works; measure without --quick")
    target.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.suffix in {".json", ".md", ".png"}:
            shutil.copy(path, target)
    before, _, after = split(readme.read_text())
    readme.write_text(before + quote(target) + after)


def split(text: str) -> tuple[str, str, str]:
    """Return a README in three parts: up to the first mark, what is quoted, and from the second mark on."""
    before, begin, rest = text.partition(_BEGIN)
    quoted, end, after = rest.partition(_END)
    return before + begin, quoted, end + after


def quote(directory: Path) -> str:
    """Return what the README says of a reference run: every report in it, in the order of their names."""
    link = f"results/{directory.name}/"
    reports = (json.loads(path.read_text()) for path in sorted(directory.glob("*.json")))
    return "\n" + "\n".join(_lower_headlines(markdown(report, link)) for report in reports)


def headlines(bench: Mapping[str, Any]) -> list[str]:
    """Return the three figures that the main README quotes, each in the words in which it must stand there."""
    closed = bench["sections"]["closed_loops"]["figures"]
    rates = {(it["shape"], it["callers"]): it for it in closed}
    sentences, reviews, alone = rates["sentences", 16], rates["reviews", 16], rates["sentences", 1]
    return [
        f"{sentences['texts_per_s']:.0f} sentences a second",
        f"{reviews['texts_per_s']:.0f} reviews a second",
        f"{alone['p50_s'] * 1000:.1f} ms",
    ]


def _lower_headlines(text: str) -> str:
    """Make sections of a report sections of a chapter."""
    return text.replace("\n## ", "\n### ")
