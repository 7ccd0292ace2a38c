"""The artifact: the immutable directory that export writes and the server loads.

This module owns the manifest, the only contract between the two, and the checks that a directory must pass
before anything in it is used. It knows neither onnxruntime nor HTTP. Export imports it to write what the
server reads, so the two can not drift apart.

    artifact/
        manifest.json    this contract
        model.onnx       the graph
        tokenizer.json   text -> token ids
        README.md        the model card
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from artifact.digest import manifest_digest
from artifact.parts import FirstStageModel, Part
from artifact.scores import Activation, Head, Problem

SCHEMA_VERSION: Final = 2
"""Version 1 knows single-label models of one text alone; it is still read."""
MANIFEST: Final = "manifest.json"
MODEL: Final = "model.onnx"
TOKENIZER: Final = "tokenizer.json"
CARD: Final = "README.md"
FIRST_STAGE: Final = "first_stage.npy"
"""Weights of the first stage, (buckets, labels) int8; not every artifact has one."""

Truncation = Literal["head", "head_tail", "window"]
"""How a text longer than ``max_length`` is read: its start, its start and end, or all of it by windows."""

TextOrPair = str | tuple[str, str]
"""What a model classifies: a text, or a pair of them, such as premise and hypothesis, or query and passage."""


_ACTIVATIONS: Final[dict[Problem, tuple[Activation, ...]]] = {
    "single_label": ("softmax",),
    "multi_label": ("sigmoid",),
    "regression": ("identity", "sigmoid"),
}
"""Which activations a problem may have, its usual one first."""


class ArtifactError(Exception):
    """The artifact can not be used; the message says what is wrong with it and what to do."""


class Tensor(Part):
    """An input or output of the graph."""

    name: str
    dtype: Literal["int64", "float32"]
    axes: tuple[str, ...] = Field(description="names of the dynamic axes, in order: ('batch', 'tokens')")


class Quantization(Part):
    """What was done to the weights and activations of the graph."""

    scheme: str = Field(description="short name for metrics and /info, such as 'static-int8'")
    weights: str = Field(description="dtype and granularity, such as 'int8 per channel'")
    activations: str = Field(description="dtype, granularity and calibration")


class SessionOptions(Part):
    """The onnxruntime session options that export measured to be the fastest for this graph."""

    graph_optimization_level: Literal["disabled", "basic", "extended", "all"] = "all"
    disabled_optimizers: tuple[str, ...] = ()
    config: dict[str, str] = Field(default_factory=dict, description="session configuration entries")


class File(Part):
    """A file of the artifact other than the manifest itself."""

    path: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="a plain name, never a path")
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Evaluation(Part):
    """How good the artifact is on one split of one data set."""

    dataset: str
    split: str
    n: int = Field(gt=0, description="texts measured")
    accuracy: float | None = Field(default=None, ge=0, le=1)
    expected_calibration_error: float | None = Field(default=None, ge=0, le=1, description="15 equal-width bins")
    reliability: tuple[tuple[float, float, int], ...] | None = Field(
        default=None, description="the bins with texts: mean confidence, accuracy, texts; older artifacts have none"
    )
    figures: dict[str, float] | None = Field(
        default=None, description="those of other heads by name, such as micro_f1, macro_average_precision or spearman"
    )
    measured_on: str = Field(description="what computed it, such as 'this artifact, served over HTTP'")


class Probe(Part):
    """A known answer: computed wrong, the server must never become ready.

    The check compares with what this very graph answers, not with the fp32 model: integer arithmetic is the
    same on every CPU that computes it right, so the tolerance can be far below the cost of quantization.
    """

    text: str
    text_pair: str | None = Field(default=None, description="the second text, where the model reads pairs")
    probabilities: tuple[float, ...] = Field(description="the scores that this artifact answers, in label order")
    reference: tuple[float, ...] = Field(description="what the fp32 model answers; to read, not to check")
    labels: tuple[str, ...] = Field(default=(), description="whose probabilities these are; older artifacts have none")

    @property
    def content(self) -> TextOrPair:
        """What the model is asked."""
        return self.text if self.text_pair is None else (self.text, self.text_pair)


class Manifest(Part):
    """The contract between export and server, stored as ``manifest.json``."""

    schema_version: Literal[1, 2] = SCHEMA_VERSION
    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    problem: Problem = Field(default="single_label", description="what the model answers")
    pairs: bool = Field(default=False, description="whether the model reads a text and its text_pair")
    labels: tuple[str, ...] = Field(min_length=1, description="names of the logits; a regression has one")
    thresholds: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        default=(), description="multi-label: for each label the score from which it is chosen"
    )
    activation: Activation | None = Field(
        default=None, description="by default softmax, sigmoid or identity, for the three problems in their order"
    )
    max_length: int = Field(gt=2, description="tokens the model reads at most, special tokens included")
    truncation: Truncation = Field(description="how the model was trained to read longer texts")
    head_tokens: int = Field(ge=0, description="content tokens kept from the start by 'head_tail'")
    pad_token_id: int = Field(ge=0)
    temperature: float = Field(default=1.0, gt=0, description="logits are divided by it before the softmax")
    inputs: tuple[Tensor, ...] = Field(min_length=1)
    outputs: tuple[Tensor, ...] = Field(min_length=1)
    opset: int
    quantization: Quantization
    session: SessionOptions = SessionOptions()
    files: tuple[File, ...]
    evaluations: tuple[Evaluation, ...] = ()
    first_stage: FirstStageModel | None = Field(default=None, exclude_if=lambda stage: stage is None)
    probes: tuple[Probe, ...] = Field(min_length=1)
    probe_tolerance: float = Field(gt=0, lt=1, description="largest accepted difference of a score")
    source_commit: str
    digest: str | None = Field(
        default=None,
        description="of all this and of the files (artifact/digest.py); older artifacts have none to check",
    )

    @property
    def head(self) -> Head:
        """How logits become scores and a decision."""
        activation = self.activation or _ACTIVATIONS[self.problem][0]
        return Head(self.labels, self.temperature, self.problem, self.thresholds, activation)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels {list(self.labels)} are not unique")
        missing = {MODEL, TOKENIZER} - {file.path for file in self.files}
        if missing:
            raise ValueError(f"files does not list {sorted(missing)}")
        for probe in self.probes:
            if not len(probe.probabilities) == len(probe.reference) == len(self.labels):
                raise ValueError(f"the probe {probe.text[:40]!r} does not have one probability per label")
            if (probe.text_pair is not None) != self.pairs:
                raise ValueError(f"the probe {probe.text[:40]!r} is not of the kind that pairs {self.pairs} says")
            if probe.labels not in ((), self.labels):
                raise ValueError(
                    f"the known answer for {probe.text[:40]!r} is for the labels {list(probe.labels)}, not "
                    f"{list(self.labels)}: they were changed after the export; export again, or change both"
                )
        self._check_head()
        if self.first_stage is not None:
            self._check_first_stage(self.first_stage)
        return self

    def _check_first_stage(self, model: FirstStageModel) -> None:
        if self.schema_version == 1 or self.pairs or self.problem == "regression":
            raise ValueError(
                "first_stage: schema version 2 has it, for models that read single texts and choose labels"
            )
        if len(model.bias) != len(self.labels):
            raise ValueError(f"first_stage: {len(model.bias)} biases for {len(self.labels)} labels")
        if FIRST_STAGE not in {file.path for file in self.files}:
            raise ValueError(f"files does not list {FIRST_STAGE}")

    def _check_head(self) -> None:
        if (self.problem == "regression") != (len(self.labels) == 1) and self.problem != "multi_label":
            raise ValueError(
                f"labels: {len(self.labels)} of a {self.problem} model; single_label has two or more, regression one"
            )
        if len(self.thresholds) != (len(self.labels) if self.problem == "multi_label" else 0):
            raise ValueError(
                f"a {self.problem} model of {len(self.labels)} labels has {len(self.thresholds)} thresholds"
            )
        if self.activation not in (None, *_ACTIVATIONS[self.problem]):
            raise ValueError(f"a {self.problem} model can not have the activation {self.activation}")
        if self.pairs and self.truncation != "head":
            raise ValueError(f"a model that reads pairs has the truncation 'head', not {self.truncation!r}")


@dataclass(frozen=True, slots=True)
class Artifact:
    """A directory whose manifest is valid and whose files are the ones that the manifest lists."""

    directory: Path
    manifest: Manifest

    @property
    def model_path(self) -> Path:
        """The ONNX graph."""
        return self.directory / MODEL

    @property
    def tokenizer_path(self) -> Path:
        """The serialized tokenizer."""
        return self.directory / TOKENIZER


def describe_file(path: Path) -> File:
    """Return the manifest's entry for a file: its name, size in bytes and sha256."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return File(path=path.name, size_bytes=path.stat().st_size, sha256=digest)


def read_manifest(directory: Path) -> Manifest:
    """Read and validate ``manifest.json``; return it with its digest.

    Raises:
        ArtifactError: if it is missing, is not JSON, has an unknown schema version or a wrong field, or was changed
            after it was written.
    """
    path = directory / MANIFEST
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ArtifactError(f"no artifact in {directory}: {MANIFEST} is missing; export one there") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} can not be read: {error}") from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version not in range(1, SCHEMA_VERSION + 1):
        raise ArtifactError(
            f"{path} has schema version {version!r}, this server reads 1 to {SCHEMA_VERSION}; "
            "export the artifact again with this release"
        )
    try:
        manifest = Manifest.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "manifest"
        raise ArtifactError(f"{path} is not a valid manifest: {where}: {first['msg']}") from error
    digest = manifest_digest(document)
    if manifest.digest not in (None, digest):
        raise ArtifactError(
            f"{path} was changed after the export: its digest is {digest[:12]}…, it says {manifest.digest:.12}…; "
            'export again, or remove "digest" from it if the change is meant'
        )
    return manifest.model_copy(update={"digest": digest})


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write ``manifest.json`` with the digest of its contents."""
    document = manifest.model_dump(mode="json")
    document["digest"] = manifest_digest(document)
    text = json.dumps(document, indent=2, ensure_ascii=False)
    (directory / MANIFEST).write_text(text + "\n", encoding="utf-8")


def load_artifact(directory: Path) -> Artifact:
    """Check the manifest and every file's size and sha256, before anything of the artifact is used.

    Raises:
        ArtifactError: if the manifest is invalid or a file is missing or not the one that was exported.
    """
    manifest = read_manifest(directory)
    for expected in manifest.files:
        path = directory / expected.path
        try:
            found = describe_file(path)
        except OSError as error:
            raise ArtifactError(f"{path} can not be read: {error.strerror}; export again") from error
        if found != expected:
            raise ArtifactError(
                f"{path} is damaged: sha256 {found.sha256[:12]}… and {found.size_bytes} bytes, "
                f"the manifest says {expected.sha256[:12]}… and {expected.size_bytes}; export it again"
            )
    return Artifact(directory, manifest)
