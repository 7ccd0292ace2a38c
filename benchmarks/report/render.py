"""Rendering: sections on the terminal and as Markdown, JSON and pictures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table as RichTable

from artifact.child import ROOT
from benchmarks.report.plots import draw
from benchmarks.report.section import Section

RESULTS: Final = ROOT / "benchmarks" / "results"
LATEST: Final = RESULTS / "latest"


def print_section(section: Section, console: Console) -> None:
    """Print one section."""
    table = RichTable(title=section.title, title_justify="left", title_style="bold", header_style="dim", box=None)
    for index, column in enumerate(section.table.columns):
        table.add_column(column, justify="right" if index else "left")
    for row in section.table.rows:
        table.add_row(*row)
    console.print(table)
    for note in section.notes:
        console.print(f"  {note}", style="dim", markup=False)
    console.print()


def write(name: str, context: Mapping[str, Any], sections: Sequence[Section], directory: Path) -> dict[str, Any]:
    """Write ``NAME.json``, ``NAME.md`` and the pictures, and return the content of the JSON.

    Args:
        name: of the files, such as "bench".
        context: machine, versions, artifact, command.
        sections: the results.
        directory: made if it is missing.
    """
    directory.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = {**context, "sections": {}}
    for section in sections:
        picture = draw(section.name, section.figures, directory)
        document["sections"][section.name] = {**asdict(section), "picture": picture.name if picture else None}
    document = json.loads(json.dumps(document))  # as a reader of the file gets it: keys are strings
    (directory / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")
    (directory / f"{name}.md").write_text(markdown(document))
    return document


def markdown(document: Mapping[str, Any], pictures: str = "") -> str:
    """Return a report's JSON as Markdown.

    Args:
        document: what ``write`` returned, or the content of its file.
        pictures: the folder of the pictures for links, with a slash at its end.
    """
    return "\n".join([_head(document), *(_section(part, pictures) for part in document["sections"].values())])


def _head(context: Mapping[str, Any]) -> str:
    machine = context["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in context["versions"].items())
    return (
        f"`{context['command']}` on {context['measured_at']}, commit {context['source_commit']}.\n\n"
        f"- Machine: {machine['cores']} cores of {machine['cpu']} ({', '.join(machine['flags'])}), "
        f"{machine['memory_gb']} GB{_quota(machine)}{_placement(machine)}; load average at the start "
        f"{machine['load_average'][0]}{_others(machine)}; "
        f"Python {machine['python']}{_note(machine)}\n"
        f"{_artifact(context)}"
        f"- Versions: {versions}\n"
    )


def _placement(machine: Mapping[str, Any]) -> str:
    """Describe the cores; a measurement without a load has none."""
    if "server_cores" not in machine:
        return ""
    return f"; server on core {_list(machine['server_cores'])}, load on {_list(machine['load_cores'])}"


def _artifact(context: Mapping[str, Any]) -> str:
    """Describe the artifact; a measurement of many models has none."""
    if "artifact" not in context:
        return ""
    artifact = context["artifact"]
    return (
        f"- Artifact: {artifact['name']} {artifact['version']} ({artifact['quantization']}, "
        f"{artifact['bytes'] / 1e6:.1f} MB, at most {artifact['max_length']} tokens)\n"
    )


def _quota(machine: Mapping[str, Any]) -> str:
    """Describe the CPU quota; older reports have none."""
    if "quota_vcpus" not in machine:
        return ""
    vcpus = machine["quota_vcpus"]
    return ", no CPU quota" if vcpus is None else f", A QUOTA OF {vcpus:g} CPUs"


def _others(machine: Mapping[str, Any]) -> str:
    """Describe the load of other processes; older reports do not have it."""
    return f", others took {machine['others_share']:.0%} of it meanwhile" if "others_share" in machine else ""


def _note(machine: Mapping[str, Any]) -> str:
    """Return what the caller says of the machine; older reports do not have it."""
    return f"; {machine['note']}" if machine.get("note") else ""


def _list(cores: Sequence[int]) -> str:
    return ", ".join(str(core) for core in cores)


def _section(section: Mapping[str, Any], pictures: str) -> str:
    columns = section["table"]["columns"]
    lines = [f"## {section['title']}", "", f"| {' | '.join(columns)} |", "|---|" + "---:|" * (len(columns) - 1)]
    lines += [f"| {' | '.join(row)} |" for row in section["table"]["rows"]]
    lines += ["", *(f"- {note}" for note in section["notes"]), ""]
    if section["picture"]:
        lines += [f"![{section['title']}]({pictures}{section['picture']})", ""]
    return "\n".join(lines)
