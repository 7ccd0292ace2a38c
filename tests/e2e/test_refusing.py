"""A server that cannot serve gives the reason in one line and ends with exit code 1."""

import json
import os
import socket
from pathlib import Path

import pytest

from tests.support.artifacts import copy_tiny, edit_manifest, replace_file
from tests.support.process import server_process
from tests.support.tiny import TINY, WORDS

FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
"""Of an added token."""

pytestmark = pytest.mark.timeout(120)  # a test that opens a pipe would wait forever for an ended server


def check_refused(words: str, artifact: Path = TINY, **settings: str) -> None:
    """Check that a server with these settings prints one line with the words and ends with exit code 1."""
    with server_process(artifact, **settings) as server:
        assert 1 == server.wait()
    (line,) = server.lines
    assert line.startswith("verdict: ")
    assert words in line


def test_a_port_in_use() -> None:
    """The message names address, reason and the settings to change."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = (
            f"can not listen on 127.0.0.1:{port}: Address already in use; choose another VERDICT_HOST or VERDICT_PORT"
        )
        check_refused(words, port=str(port))


def test_a_port_taken_while_the_model_loads(tmp_path: Path) -> None:
    """Two servers reserve a port at the same time: the second one to listen reports it."""
    copy_tiny(tmp_path)
    manifest = (tmp_path / "manifest.json").read_bytes()
    (tmp_path / "manifest.json").unlink()
    os.mkfifo(tmp_path / "manifest.json")
    with socket.socket() as rival:
        rival.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        rival.bind(("127.0.0.1", 0))
        with server_process(tmp_path, port=str(rival.getsockname()[1])) as server:
            with (tmp_path / "manifest.json").open("wb") as pipe:
                rival.listen()
                pipe.write(manifest)
            assert 1 == server.wait()
    assert "verdict: can not listen on 127.0.0.1:" in server.lines[-1]
    assert "Traceback" not in server.log


def test_a_missing_artifact(tmp_path: Path) -> None:
    """The message names the folder and what is missing in it."""
    check_refused(f"no artifact in {tmp_path}: manifest.json is missing", tmp_path)


def test_a_damaged_artifact(tmp_path: Path) -> None:
    """The message names the file that differs from the exported one."""
    (copy_tiny(tmp_path) / "model.onnx").write_bytes(b"damaged")
    check_refused(f"{tmp_path}/model.onnx is damaged", tmp_path)


def test_an_unknown_schema(tmp_path: Path) -> None:
    """The message has both versions."""
    edit_manifest(copy_tiny(tmp_path), lambda manifest: manifest.update(schema_version=3))
    check_refused("has schema version 3, this server reads 1 to 2", tmp_path)


def test_a_wrong_known_answer(tmp_path: Path) -> None:
    """A model is not served on a CPU that computes other answers than the export recorded."""
    edit_manifest(copy_tiny(tmp_path), lambda m: m["probes"][0].update(probabilities=[0.5, 0.5]))
    check_refused("this CPU computes the known answer for 'good' wrong by 0.435", tmp_path)


def test_a_tokenizer_of_another_model(tmp_path: Path) -> None:
    """A token id beyond the model's table of embeddings would fail the texts that have it: both sizes are named."""
    tokenizer = json.loads((TINY / "tokenizer.json").read_text())
    tokenizer["added_tokens"] = [dict.fromkeys(FLAGS, False) | {"id": len(WORDS), "content": "new"}]
    replace_file(copy_tiny(tmp_path), "tokenizer.json", json.dumps(tokenizer).encode())
    size = len(WORDS)
    words = f"makes token ids up to {size}, and the model has embeddings for {size}, up to {size - 1}"
    check_refused(words, tmp_path)


def test_a_model_that_is_none(tmp_path: Path) -> None:
    """The error of onnxruntime for an unreadable file is put into one line."""
    replace_file(copy_tiny(tmp_path), "model.onnx", b"not\na\ngraph")
    check_refused("onnxruntime can not load", tmp_path)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"port": "http"}, "VERDICT_PORT='http' can not be used"),
        ({"max_body_bytes": "5000"}, "VERDICT_MAX_BODY_BYTES 5000 is less than VERDICT_MAX_TEXT_CHARS 100000"),
        ({"api_key": ""}, "VERDICT_API_KEY is set and holds no key: name one, or remove the variable"),
    ],
)
def test_a_setting_that_can_not_be_used(settings: dict[str, str], words: str) -> None:
    """The message names the variable, its value and the allowed values."""
    check_refused(words, **settings)
