"""Weights are fetched whole and checked, or not at all. The network is a server on this machine."""

import hashlib
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from maescope.base.errors import InputError
from maescope.models import downloads

GOOD = save({"head.weight": torch.arange(6.0).reshape(2, 3)})
DIGEST = hashlib.sha256(GOOD).hexdigest()
LIBRARY = str(Path(downloads.__file__).parents[2])
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Handler(BaseHTTPRequestHandler):
    """Serves good weights, weights cut off, a web page, and a repository of the hub."""

    def answer(self, body: bool) -> None:
        if self.path.endswith("/gone.safetensors") or "/api/" in self.path:
            self.send_error(404)
            return
        if "garbled" in self.path:
            self.wfile.write(b"this is no HTTP\r\n\r\n")
            return
        content = b"<!doctype html><title>sign in</title>" if "page" in self.path else GOOD
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{DIGEST}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            self.wfile.write(content[: len(content) // 2] if "cut" in self.path else content)

    def do_GET(self):
        self.answer(body=True)

    def do_HEAD(self):
        self.answer(body=False)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def address():
    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_weights_arrive_whole_and_their_digest_is_told(address, tmp_path):
    path = tmp_path / "new/vit.safetensors"
    said = downloads.fetch("vit", str(path), f"{address}/vit.safetensors", None)
    assert path.read_bytes() == GOOD
    assert DIGEST in said and address in said


def test_weights_that_are_there_are_left_alone(address, tmp_path):
    path = tmp_path / "vit.safetensors"
    path.write_bytes(b"mine")
    assert "is there already" in downloads.fetch("vit", str(path), f"{address}/vit.safetensors", None)
    assert path.read_bytes() == b"mine"


def test_weights_of_no_known_address_are_told_and_nothing_is_made(tmp_path):
    assert "models.vit.url does not say" in downloads.fetch("vit", str(tmp_path / "a/vit.pth"), None, None)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "sha256", "message"),
    [
        ("gone", None, r"models\.vit: .*gone\.safetensors cannot be fetched \(HTTP Error 404"),
        ("cut", None, r"models\.vit: .*broke off after \d+ of \d+ bytes|cannot be fetched"),
        ("page", None, r"models\.vit: http://.*/page\.safetensors is no checkpoint: .*no whole checkpoint"),
        ("garbled", None, r"models\.vit: http://.*/garbled\.safetensors cannot be fetched \(this is no HTTP"),
        ("good", "0" * 64, f"has the SHA-256 {DIGEST}, but the configuration says 0000"),
    ],
)
def test_what_is_not_the_weights_leaves_nothing_behind(name, sha256, message, address, tmp_path):
    with pytest.raises(InputError, match=message):
        downloads.fetch("vit", str(tmp_path / "vit.safetensors"), f"{address}/{name}.safetensors", sha256)
    assert not list(tmp_path.iterdir())


def test_one_that_fails_does_not_keep_the_others_and_all_that_failed_are_named(address, tmp_path, capsys):
    wanted = {
        name: {"weights": str(tmp_path / f"{name}.safetensors"), "url": f"{address}/{name}.safetensors", "sha256": None}
        for name in ("page", "gone", "good")
    }
    with pytest.raises(InputError, match=r"models\.page: (?s:.*)models\.gone: "):
        downloads.fetch_all(wanted)
    assert (tmp_path / "good.safetensors").read_bytes() == GOOD
    assert capsys.readouterr().out.startswith("good: ")


def test_weights_that_lie_under_a_key_of_their_own_are_checked_there(address, tmp_path):
    path, url = tmp_path / "vit.safetensors", f"{address}/vit.safetensors"
    with pytest.raises(InputError, match=r"is no checkpoint: .*weights_key: ema is neither in it"):
        downloads.fetch("vit", str(path), url, None, "ema")
    assert DIGEST in downloads.fetch("vit", str(path), url, None, "head")


def test_without_a_network_the_address_is_named(tmp_path):
    with pytest.raises(InputError, match=r"models\.vit: http://127\.0\.0\.1:9/vit\.pth cannot be fetched"):
        downloads.fetch("vit", str(tmp_path / "vit.pth"), "http://127.0.0.1:9/vit.pth", None)


def test_a_hub_model_goes_to_the_local_cache_where_it_is_found_without_a_network(address, tmp_path):
    code = "from maescope.models import checkpoints as own, downloads; {}; "
    code += "print(own.file_sha256(own._cached('test_vit.r160_in1k')))"
    settings = {
        "HF_HUB_CACHE": str(tmp_path),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": LIBRARY,
        "HF_HUB_DISABLE_XET": "1",
    }

    def run(action: str, **network: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-c", code.format(action)]
        return subprocess.run(command, env=os.environ | settings | network, capture_output=True, text=True)

    fetched = run("downloads.fetch('vit', 'hub:test_vit.r160_in1k', None, None)", HF_ENDPOINT=address)
    assert fetched.stdout.strip() == DIGEST, fetched.stderr
    assert run("pass", HF_HUB_OFFLINE="1", HF_ENDPOINT="http://127.0.0.1:9").stdout.strip() == DIGEST
