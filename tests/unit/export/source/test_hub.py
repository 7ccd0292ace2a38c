"""The hub: only what is needed is downloaded; without a network there is one clear line."""

import hashlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

pytest.importorskip("huggingface_hub")
from export.errors import ExportError
from export.source.hub import download, wanted_files

pytestmark = pytest.mark.development

_COMMIT = "c0ffee" + "0" * 34
_FILES = {
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": b"weights",
    "pytorch_model.bin": b"the same weights again",
    "onnx/model.onnx": b"a graph",
    "README.md": b"a card",
    "vocab.txt": b"a word",
}


class _Hub(BaseHTTPRequestHandler):
    """Answers as the hub does about one model, owner/mine."""

    asked: list[str]

    def do_GET(self) -> None:
        """Describe the model, or send a file of it."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Describe a file."""
        self._answer(body=False)

    def log_message(self, *_: object) -> None:
        """Write nothing."""

    def _answer(self, *, body: bool) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/api/models/owner/mine/revision/gone"):
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"}, body=body)
        elif path.startswith("/api/models/owner/mine"):
            siblings = [{"rfilename": name, "size": len(content)} for name, content in _FILES.items()]
            document = {"id": "owner/mine", "sha": _COMMIT, "siblings": siblings}
            self._send(200, json.dumps(document).encode(), {}, body=body)
        elif path.startswith(f"/owner/mine/resolve/{_COMMIT}/"):
            name = path.removeprefix(f"/owner/mine/resolve/{_COMMIT}/")
            self.asked.append(name)
            digest = hashlib.sha256(_FILES[name]).hexdigest()
            self._send(200, _FILES[name], {"ETag": f'"{digest}"', "X-Repo-Commit": _COMMIT}, body=body)
        else:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body=body)

    def _send(self, status: int, content: bytes, headers: dict[str, str], *, body: bool) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """A hub on this machine, and the files that it was asked for; the cache is empty."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub._snapshot_download.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    handler = type("Hub", (_Hub,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler.asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_only_what_is_needed_is_downloaded(hub: tuple[str, list[str]]) -> None:
    """Configuration, tokenizer and one form of the weights; the line says how much, the commit is known."""
    endpoint, asked = hub
    directory, commit, note = download("owner/mine", endpoint=endpoint)
    assert {"config.json", "vocab.txt", "model.safetensors"} == set(asked)
    assert b"weights" == (directory / "model.safetensors").read_bytes()
    assert _COMMIT == commit
    assert f"owner/mine at {_COMMIT[:12]}: 3 of its 6 files, 0.0 MB" == note


def test_a_revision_or_a_model_that_is_not_there_is_named(hub: tuple[str, list[str]]) -> None:
    """Each in its own line."""
    with pytest.raises(ExportError, match="owner/mine has no revision gone"):
        download("owner/mine", "gone", endpoint=hub[0])
    with pytest.raises(ExportError, match="owner/other is neither a directory here nor a model on the hub"):
        download("owner/other", endpoint=hub[0])


def test_without_a_network_there_is_one_line(hub: tuple[str, list[str]]) -> None:
    """Nothing listens on the port of a closed server, and nothing is cached."""
    assert hub
    with pytest.raises(ExportError, match="is no directory here and cannot be downloaded") as raised:
        download("owner/mine", endpoint="http://127.0.0.1:9")
    assert "\n" not in str(raised.value)


def test_without_a_network_an_earlier_download_is_used(hub: tuple[str, list[str]]) -> None:
    """The line says that the hub was not asked."""
    directory, _, _ = download("owner/mine", endpoint=hub[0])
    again, commit, note = download("owner/mine", endpoint="http://127.0.0.1:9")
    assert (directory, _COMMIT) == (again, commit)
    assert "the hub was not reached" in note


def test_the_best_form_of_the_weights_is_chosen() -> None:
    """Safetensors first, in shards or whole; else the pickle of PyTorch."""
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"]
    assert ["config.json", *shards] == wanted_files([*shards, "config.json", "pytorch_model.bin", "tf_model.h5"])
    assert ["pytorch_model.bin"] == wanted_files(["pytorch_model.bin", "flax_model.msgpack"])
    assert ["adapter_config.json", "adapter_model.safetensors"] == wanted_files(
        ["adapter_model.safetensors", "adapter_config.json", "adapter_model.bin"]
    )
