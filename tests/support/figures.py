"""Read metrics back from Prometheus' text format."""

from prometheus_client.parser import text_string_to_metric_families


def read_figures(text: bytes) -> dict[str, float]:
    """Return every sample by its name and labels: ``verdict_ready``, ``verdict_shed_total{reason=overloaded}``."""
    figures = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            figures[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return figures
