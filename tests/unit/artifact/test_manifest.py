"""The artifact: nothing in it is used before all of it is what was exported."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from artifact.manifest import (
    MODEL,
    TOKENIZER,
    ArtifactError,
    describe_file,
    load_artifact,
    read_manifest,
    write_manifest,
)
from tests.support.artifacts import copy_tiny, edit_manifest
from tests.support.tiny import HEAD_TOKENS, MAX_LENGTH, TINY

Edit = Callable[[dict[str, Any]], object]


def check_refused(directory: Path, words: str) -> None:
    """Check that the artifact is refused in one line that says the words."""
    with pytest.raises(ArtifactError) as caught:
        load_artifact(directory)
    message = str(caught.value)
    assert words in message
    assert "\n" not in message


def test_a_whole_artifact_is_loaded() -> None:
    """Manifest and files of the artifact in the repository are accepted."""
    artifact = load_artifact(TINY)
    assert (TINY / MODEL, TINY / TOKENIZER) == (artifact.model_path, artifact.tokenizer_path)
    manifest = artifact.manifest
    assert ("tiny", ("negative", "positive")) == (manifest.name, manifest.labels)
    assert (MAX_LENGTH, HEAD_TOKENS) == (manifest.max_length, manifest.head_tokens)


def test_what_is_written_is_what_is_read() -> None:
    """A manifest survives being written as JSON and read again."""
    manifest = read_manifest(TINY)
    assert manifest == type(manifest).model_validate_json(manifest.model_dump_json())


def swap_labels(document: dict[str, Any]) -> None:
    """Swap the labels, but not those of the known answers."""
    document["labels"].reverse()


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda m: m.update(temperature=2.0), id="temperature"),
        pytest.param(lambda m: m.update(truncation="head"), id="truncation"),
        pytest.param(lambda m: m["files"][1].update(sha256="0" * 64), id="a file"),
        pytest.param(lambda m: m["session"].update(graph_optimization_level="basic"), id="session"),
    ],
)
def test_a_manifest_that_was_changed_is_refused(tmp_path: Path, edit: Edit) -> None:
    """Its digest covers all that changes an answer; whoever means the change removes the digest."""
    edit_manifest(copy_tiny(tmp_path), edit, redigest=False)
    check_refused(tmp_path, "manifest.json was changed after the export: its digest is ")
    edit_manifest(tmp_path, lambda m: m.pop("digest"), redigest=False)
    read_manifest(tmp_path)


def test_swapped_labels_are_refused_with_and_without_a_digest(tmp_path: Path) -> None:
    """Known answers carry the names of their labels."""
    edit_manifest(copy_tiny(tmp_path), swap_labels)
    words = "the known answer for 'good' is for the labels ['negative', 'positive'], not ['positive', 'negative']"
    check_refused(tmp_path, words)
    edit_manifest(tmp_path, lambda m: m.pop("digest"), redigest=False)
    check_refused(tmp_path, words)


def test_version_and_evaluations_may_be_added(tmp_path: Path) -> None:
    """Figures are measured later, and a version is a name: neither changes an answer."""
    evaluation = {
        "dataset": "d", "split": "s", "n": 1, "accuracy": 1, "expected_calibration_error": 0, "measured_on": "m",
    }  # fmt: skip
    before = read_manifest(TINY).digest
    edit_manifest(copy_tiny(tmp_path), lambda m: m.update(version="2", evaluations=[evaluation]), redigest=False)
    assert before == read_manifest(tmp_path).digest


def test_every_manifest_has_a_digest_once_it_is_read(tmp_path: Path) -> None:
    """An older one that has none in its file gets the same as if it had been written."""
    edit_manifest(copy_tiny(tmp_path), lambda m: m.pop("digest"), redigest=False)
    manifest = read_manifest(tmp_path)
    assert read_manifest(TINY).digest == manifest.digest
    write_manifest(tmp_path, manifest)
    assert (TINY / "manifest.json").read_bytes() == (tmp_path / "manifest.json").read_bytes()


def test_an_artifact_that_is_not_there(tmp_path: Path) -> None:
    """A folder without a manifest, and one that does not exist, are named with what to do."""
    check_refused(tmp_path, f"no artifact in {tmp_path}: manifest.json is missing")
    check_refused(tmp_path / "nowhere", "manifest.json is missing")


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    """The path of a file is no artifact."""
    (tmp_path / "file").write_text("")
    check_refused(tmp_path / "file", "can not be read")


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "README.md"])
def test_a_missing_file(tmp_path: Path, name: str) -> None:
    """Each listed file must be there, also those that the server itself never reads."""
    (copy_tiny(tmp_path) / name).unlink()
    check_refused(tmp_path, f"{tmp_path / name} can not be read: No such file or directory")


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "README.md"])
def test_a_flipped_bit(tmp_path: Path, name: str) -> None:
    """One bit of any file is enough."""
    path = copy_tiny(tmp_path) / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    check_refused(tmp_path, f"{path} is damaged")


def test_a_file_cut_short(tmp_path: Path) -> None:
    """The message of a damaged file has both sizes."""
    path = copy_tiny(tmp_path) / MODEL
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-10])
    check_refused(tmp_path, f"{size - 10} bytes, the manifest says")


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    """What can not be read as a file is refused as such."""
    (copy_tiny(tmp_path) / MODEL).unlink()
    (tmp_path / MODEL).mkdir()
    check_refused(tmp_path, "can not be read: Is a directory")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"schema_version": 1', id="cut off"),
        pytest.param(b"\xff\xfe\x00", id="no text"),
        pytest.param(b"[" * 100_000, id="nested too deep"),
    ],
)
def test_a_manifest_that_is_not_json(tmp_path: Path, content: bytes) -> None:
    """A manifest that can not be parsed is named as the file that is wrong."""
    (copy_tiny(tmp_path) / "manifest.json").write_bytes(content)
    check_refused(tmp_path, "manifest.json can not be read")


@pytest.mark.parametrize("version", [0, 3, "1", None, [1]])
def test_an_unknown_schema_version(tmp_path: Path, version: object) -> None:
    """Another version is refused before any field is read, with both numbers."""
    edit_manifest(copy_tiny(tmp_path), lambda manifest: manifest.update(schema_version=version, name=5))
    check_refused(tmp_path, f"has schema version {version!r}, this server reads 1 to 2")


def test_version_1_is_read_as_a_single_label_model_of_single_texts(tmp_path: Path) -> None:
    """An artifact that an earlier release exported is served as before: it knows nothing of other heads."""
    new = {"problem", "pairs", "thresholds", "activation"}

    def age(manifest: dict[str, Any]) -> None:
        manifest["schema_version"] = 1
        for name in new:
            del manifest[name]
        del manifest["probes"][0]["text_pair"]

    manifest = load_artifact(edit_manifest(copy_tiny(tmp_path), age)).manifest
    assert (1, "single_label", False) == (manifest.schema_version, manifest.problem, manifest.pairs)
    assert read_manifest(TINY).head == manifest.head


@pytest.mark.parametrize(
    ("changes", "activation"),
    [
        ({"problem": "single_label"}, "softmax"),
        ({"problem": "multi_label", "thresholds": [0.5, 0.25]}, "sigmoid"),
        ({"problem": "regression"}, "identity"),
        ({"problem": "regression", "activation": "sigmoid"}, "sigmoid"),
    ],
)
def test_the_head_is_described_by_the_manifest(tmp_path: Path, changes: dict[str, Any], activation: str) -> None:
    """Each problem has its usual activation, and a regression may have another one."""

    def edit(manifest: dict[str, Any]) -> None:
        if changes["problem"] == "regression":
            one_logit(manifest)
        manifest.update(changes)

    head = read_manifest(edit_manifest(copy_tiny(tmp_path), edit)).head
    assert (changes["problem"], activation) == (head.problem, head.activation)
    assert tuple(changes.get("thresholds", ())) == head.thresholds


@pytest.mark.parametrize("document", ["[]", "null", "5", '"schema_version"', "{}"])
def test_a_manifest_without_a_schema_version(tmp_path: Path, document: str) -> None:
    """JSON that is no manifest at all has no version that could be read."""
    (copy_tiny(tmp_path) / "manifest.json").write_text(document)
    check_refused(tmp_path, "has schema version None, this server reads 1 to 2")


def one_logit(manifest: dict[str, Any]) -> None:
    """Leave one label, and one score in each probe."""
    manifest["labels"] = ["one"]
    manifest["probes"] = [{"text": "good", "probabilities": [1.0], "reference": [1.0]}]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        pytest.param(lambda m: m.pop("labels"), "labels: Field required", id="no labels"),
        pytest.param(lambda m: m.update(labels=["one"]), "does not have one probability per", id="one label"),
        pytest.param(one_logit, "labels: 1 of a single_label model", id="one logit"),
        pytest.param(lambda m: m.update(problem="regression"), "labels: 2 of a regression", id="two values"),
        pytest.param(lambda m: m.update(problem="multi_label"), "2 labels has 0 thresholds", id="no thresholds"),
        pytest.param(lambda m: m.update(thresholds=[0.5, 0.5]), "2 labels has 2 thresholds", id="thresholds"),
        pytest.param(
            lambda m: m.update(problem="multi_label", thresholds=[0.5, 1.5]), "thresholds.1: ", id="wide threshold"
        ),
        pytest.param(
            lambda m: m.update(activation="identity"), "can not have the activation identity", id="no softmax"
        ),
        pytest.param(lambda m: m.update(problem="ranking"), "problem: ", id="unknown problem"),
        pytest.param(lambda m: m.update(pairs=True), "not of the kind that pairs True says", id="a single probe"),
        pytest.param(
            lambda m: (m["probes"][0].update(text_pair="b"), m.update(pairs=True)),
            "a model that reads pairs has the truncation 'head'",
            id="pairs by head_tail",
        ),
        pytest.param(lambda m: m.update(labels=["a", "a"]), "are not unique", id="equal labels"),
        pytest.param(lambda m: m.update(max_length=2), "max_length: ", id="no room for content"),
        pytest.param(lambda m: m.update(max_length="16 tokens"), "max_length: ", id="words for a number"),
        pytest.param(lambda m: m.update(truncation="tail"), "truncation: ", id="unknown truncation"),
        pytest.param(lambda m: m.update(head_tokens=-1), "head_tokens: ", id="negative head"),
        pytest.param(lambda m: m.update(temperature=0), "temperature: ", id="no temperature"),
        pytest.param(lambda m: m.update(outputs=[]), "outputs: ", id="no output"),
        pytest.param(lambda m: m.update(inputs=[]), "inputs: ", id="no input"),
        pytest.param(lambda m: m.update(probes=[]), "probes: ", id="no known answer"),
        pytest.param(lambda m: m.update(probe_tolerance=0), "probe_tolerance: ", id="no tolerance"),
        pytest.param(lambda m: m.update(labels=["a", "b", "c"]), "one probability per label", id="a label too many"),
        pytest.param(lambda m: m["probes"][0].update(reference=[1.0]), "one probability per label", id="short probe"),
        pytest.param(lambda m: m.update(colour="red"), "colour: Extra inputs", id="unknown field"),
        pytest.param(lambda m: m["session"].update(providers=["CUDA"]), "session.providers: ", id="unknown option"),
        pytest.param(lambda m: m["files"].pop(0), "files does not list ['model.onnx']", id="no model listed"),
        pytest.param(lambda m: m["files"].pop(1), "files does not list ['tokenizer.json']", id="no tokenizer listed"),
        pytest.param(lambda m: m["files"][0].update(sha256="0" * 63), "files.0.sha256: ", id="short hash"),
        pytest.param(lambda m: m["files"][0].update(sha256="G" * 64), "files.0.sha256: ", id="no hash"),
        pytest.param(lambda m: m["files"][0].update(size_bytes=-1), "files.0.size_bytes: ", id="negative size"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, edit: Edit, words: str) -> None:
    """The message names the field and what is wrong with it."""
    edit_manifest(copy_tiny(tmp_path), edit)
    check_refused(tmp_path, words)


@pytest.mark.parametrize(
    "path",
    [
        "../secret",
        "/etc/passwd",
        "sub/model.onnx",
        "..",
        ".",
        "",
        ".hidden",
        "a\\b",
        "a\n",
        "model.onnx\n",
        "a\0b",
        "~",
    ],
)
def test_a_file_outside_the_folder_is_never_opened(tmp_path: Path, path: str) -> None:
    """Files are plain names: nothing that could lead out of the artifact is accepted."""

    def add(manifest: dict[str, Any]) -> None:
        manifest["files"].append({"path": path, "size_bytes": 0, "sha256": "0" * 64})

    edit_manifest(copy_tiny(tmp_path), add)
    check_refused(tmp_path, "files.3.path: ")


def test_a_file_is_described_by_name_size_and_hash(tmp_path: Path) -> None:
    """What export writes down and the server checks is computed by one function."""
    (tmp_path / "a.bin").write_bytes(b"abc")
    described = describe_file(tmp_path / "a.bin")
    assert ("a.bin", 3) == (described.path, described.size_bytes)
    assert "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" == described.sha256


@pytest.mark.development
def test_the_tiny_artifact_is_what_its_builder_builds(tmp_path: Path) -> None:
    """The artifact in the repository equals the one that its code writes today, byte for byte."""
    from tests.support.tiny import build  # noqa: PLC0415 - needs onnx

    build(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        assert path.read_bytes() == (TINY / path.name).read_bytes(), path.name
    assert ["negative", "positive"] == json.loads((TINY / "manifest.json").read_text())["labels"]
