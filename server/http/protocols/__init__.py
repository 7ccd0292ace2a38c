"""Protocols: one module per wire format, registered here by name."""

from collections.abc import Sequence
from typing import Final

from server.http.protocols import explain, huggingface, native, sagemaker, tei, vertex, vllm
from server.http.protocols.open_inference import routes as open_inference
from server.http.protocols.stream import routes as stream
from server.http.wire_format import WireFormat
from server.settings import Settings, SettingsError

WIRE_FORMATS: Final[tuple[WireFormat, ...]] = (
    native.FORMAT,
    explain.FORMAT,
    huggingface.FORMAT,
    open_inference.FORMAT,
    sagemaker.FORMAT,
    stream.FORMAT,
    tei.FORMAT,
    vllm.FORMAT,
)
"""A new wire format is one module beside ``native`` and one name in this tuple. Vertex AI sets its own paths."""


def choose_formats(settings: Settings, formats: Sequence[WireFormat] = WIRE_FORMATS) -> list[WireFormat]:
    """Return the formats that are served: the native one and those that the setting ``protocols`` names.

    Vertex AI's comes first: its platform may choose a path of another format.

    Raises:
        SettingsError: if it names one that does not exist.
    """
    on_vertex = vertex.make_format(settings.vertex_predict_route, settings.vertex_health_route)
    formats = [on_vertex, *formats]
    names = settings.protocol_names
    known = [each.name for each in formats]
    if names == ("all",):
        return formats
    if unknown := [name for name in names if name not in known and names != ("none",)]:
        raise SettingsError(
            f"VERDICT_PROTOCOLS={settings.protocols!r} can not be used: {unknown[0]!r} is no protocol; "
            f"name some of {', '.join(known)}, or all or none"
        )
    return [each for each in formats if each.name in names or each is native.FORMAT]
