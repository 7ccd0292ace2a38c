"""Settings: the only module that reads the environment. Prefix ``VERDICT_``; each description says what a value costs.

``Settings()`` is frozen. A wrong or contradictory value is refused at start with both values and the remedy.
"""

import os
import re
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from artifact.cpu import cpu_quota, default_threads

_PREFIX = "VERDICT_"
_ORIGIN = re.compile(r"\*|https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")
"""As browsers write an origin: in lower case, without a slash at the end (RFC 6454)."""


_ROUTE = r"^(/[^{}?#\s]*)?$"
_PORTS = ("VERDICT_PORT", "AIP_HTTP_PORT", "PORT")
_SAGEMAKER_DIR = Path("/opt/ml/model")


class SettingsError(Exception):
    """A setting can not be used; the message names it, its value and the remedy."""


def _artifact_dir() -> Path:
    return _SAGEMAKER_DIR if (_SAGEMAKER_DIR / "manifest.json").is_file() else Path("models/default")


def _threads() -> int:
    return default_threads(cpu_quota())


class Settings(BaseSettings):
    """Everything an operator can set. Sizes in bytes, characters or tokens, times in seconds.

    At most 25 are our own. The others have the names that OpenTelemetry's SDK and Vertex AI give them.
    """

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="ignore")

    artifact_dir: Path = Field(
        default_factory=_artifact_dir,
        description="the artifact to serve; memory is about twice its size. /opt/ml/model, where SageMaker puts it, "
        "if there is one",
    )
    host: str = Field(default="127.0.0.1", description="address to listen on; 0.0.0.0 opens it to the network")
    port: int = Field(
        default=8080,
        ge=0,
        le=65535,
        validation_alias=AliasChoices(*_PORTS),
        description="port to listen on; 0 takes a free one and prints it. PORT and Vertex AI's AIP_HTTP_PORT work too",
    )
    inference_workers: int = Field(
        default_factory=_threads,
        ge=1,
        le=256,
        description="micro-batches that run at the same time; more than there are vCPUs only makes each slower",
    )
    intra_op_threads: int = Field(
        default=1,
        ge=1,
        le=256,
        description="threads inside one run; above 1 a single text is faster and total throughput lower",
    )
    max_batch_items: int = Field(
        default=32, ge=1, description="texts in one micro-batch; more texts make the next one wait longer"
    )
    max_batch_tokens: int | None = Field(
        default=None,
        ge=1,
        description="padded tokens in one micro-batch of several texts; measured at start if it is not set, "
        "about 256 on one core. Lower: short texts share fewer runs. Higher: caches miss and probes wait",
    )
    max_queue_tokens: int = Field(
        default=65536,
        ge=1,
        description="tokens that wait for a worker; 10,000 are about a second of waiting on one core. "
        "The queue is full when it has no room for the longest text",
    )
    max_items_per_request: int = Field(default=256, ge=1, description="texts in one batch request")
    max_explain_parts: int = Field(
        default=256,
        ge=1,
        description="sentences or words of a text that is explained; each is one more text to read, behind all "
        "predictions",
    )
    max_text_chars: int = Field(
        default=100_000, ge=1, description="characters of one text; reading 100,000 takes about 40 ms"
    )
    max_body_bytes: int = Field(
        default=2_097_152,
        ge=1024,
        description="size of a request body; all that are arriving hold at most eight times as much memory together, "
        "and as many characters may wait for tokenization",
    )
    request_timeout_s: float = Field(
        default=30.0,
        gt=0,
        allow_inf_nan=False,
        description="a text that is still queued after this time is answered with timed_out",
    )
    drain_timeout_s: float = Field(
        default=25.0,
        ge=0,
        allow_inf_nan=False,
        description="time to answer admitted requests after SIGTERM; set it below the platform's kill time",
    )
    keep_alive_s: int = Field(
        default=75,
        ge=1,
        description="time that an idle connection is kept for the next request; set it above the idle time-out of the "
        "balancer in front, or a request may meet a connection that is just closing",
    )
    max_connections: int = Field(
        default=4096,
        ge=1,
        description="connections that are open at the same time, idle ones included; one takes about 13 KB",
    )
    cache_items: int = Field(
        default=0,
        ge=0,
        description="rows whose logits are cached, 300 to 1,400 bytes each; 0 turns the cache off",
    )
    first_stage: Literal["off", "on"] = Field(
        default="off",
        description="on lets the artifact's first stage answer easy texts without the graph, at a small loss that its "
        "card states; on is refused for an artifact without one",
    )
    api_key: SecretStr | None = Field(
        default=None,
        description="API keys separated by commas; callers must send one. Unset leaves the API open, empty is refused",
    )
    cors_origins: str = Field(
        default="",
        description="origins whose pages may call the API from a browser, such as https://a.example,https://b.example, "
        "or * for all; by default no page of another site can read a response",
    )
    protocols: str = Field(
        default="all",
        description="protocols of other servers that are answered beside the native one: names separated by commas, "
        "all or none (docs/protocols.md). Routes of the others answer 404; one that nobody calls costs nothing",
    )
    page: Literal["off", "on"] = Field(
        default="on",
        description="the page at GET /, open without a key; what it shows is asked of the API with the visitor's key. "
        "Its files take under 1 MB of memory; off serves none of them",
    )
    vertex_predict_route: str | None = Field(
        default=None,
        pattern=_ROUTE,
        validation_alias="AIP_PREDICT_ROUTE",
        description="where Vertex AI posts predictions; it sets this itself. In place of another route on that path",
    )
    vertex_health_route: str | None = Field(
        default=None,
        pattern=_ROUTE,
        validation_alias="AIP_HEALTH_ROUTE",
        description="where Vertex AI asks for health; it sets this itself. A route that is already there stays",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="info writes a line per request, which takes about 10 microseconds"
    )
    log_format: Literal["text", "json"] = Field(default="text", description="json for log collectors")
    otlp_endpoint: str | None = Field(
        default=None,
        pattern=r"^(https?://.+)?$",
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="collector of OpenTelemetry traces over HTTP, such as http://127.0.0.1:4318; none traces nothing. "
        "Needs requirements/tracing.txt; a traced request takes about 0.2 ms more of processor time",
    )

    @cached_property
    def api_keys(self) -> tuple[str, ...]:
        """The keys, of which callers must send one; several are valid at a time while keys are rotated."""
        keys = self.api_key.get_secret_value() if self.api_key else ""
        return tuple(key.strip() for key in keys.split(",") if key.strip())

    @cached_property
    def allowed_origins(self) -> tuple[str, ...]:
        """The origins of ``cors_origins``."""
        return tuple(origin.strip() for origin in self.cors_origins.split(",") if origin.strip())

    @cached_property
    def protocol_names(self) -> tuple[str, ...]:
        """The names in ``protocols``."""
        return tuple(name.strip() for name in self.protocols.split(",") if name.strip())

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: str) -> str:
        for origin in filter(None, map(str.strip, origins.split(","))):
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin!r} is no origin; write https://HOST or http://HOST:PORT without a path, or *"
                )
        return origins

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.max_body_bytes < self.max_text_chars:
            raise ValueError(
                f"VERDICT_MAX_BODY_BYTES {self.max_body_bytes} is less than VERDICT_MAX_TEXT_CHARS "
                f"{self.max_text_chars}: the longest text would never arrive; raise the first or lower the second"
            )
        if (self.max_batch_tokens or 0) > self.max_queue_tokens:
            raise ValueError(
                f"VERDICT_MAX_BATCH_TOKENS {self.max_batch_tokens} is more than VERDICT_MAX_QUEUE_TOKENS "
                f"{self.max_queue_tokens}: a batch could never fill; lower the first or raise the second"
            )
        if self.api_key is not None and not self.api_keys:  # a secret that did not arrive must not open the API
            raise ValueError(
                "VERDICT_API_KEY is set and holds no key: name one, or remove the variable to leave the API open to all"
            )
        return self


def read_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        SettingsError: if a value is of the wrong type, out of range or contradicts another.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            raise SettingsError(first["msg"].removeprefix("Value error, ")) from None
        name = str(first["loc"][0])
        name = name if name.isupper() else _PREFIX + name.upper()
        if name == "VERDICT_PORT":
            name = next(each for each in _PORTS if each in os.environ)
        raise SettingsError(f"{name}={first['input']!r} can not be used: {first['msg']}") from None


def unknown_variables() -> list[str]:
    """Return the variables that look like settings but are none: a misspelt one is worth a warning.

    Kubernetes sets such variables for every service called verdict, so they are no reason to refuse to start.
    """
    known = {_PREFIX + name.upper() for name in Settings.model_fields}
    return sorted(name for name in os.environ if name.startswith(_PREFIX) and name not in known)


def describe_settings() -> str:
    """Return one paragraph per setting: its name, its default and what a value costs."""
    lines = []
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        alias = field.validation_alias
        variable = alias if isinstance(alias, str) else _PREFIX + name.upper()
        lines.append(f"{variable} (default: {'none' if default is None else default})")
        lines.append(f"    {field.description}")
    return "\n".join(lines)
