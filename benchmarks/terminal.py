"""Terminal: tables for people. What programs read is the JSON on the last line."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.promises.finding import Finding


def print_findings(findings: Sequence[Finding], console: Console) -> None:
    """Print a table of figures and their bounds."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    table.add_column("measured", justify="right")
    table.add_column("must be", no_wrap=True)
    table.add_column("what, and how it came about")
    for finding in findings:
        table.add_row(
            "[green]holds[/]" if finding.holds else "[red]FAILS[/]",
            f"{finding.value:.3f}",
            f"{finding.relation} {finding.bound:g} {finding.unit}",
            finding.what + (f"\n[dim]{escape(finding.note)}[/]" if finding.note else ""),
        )
    console.print(table)
