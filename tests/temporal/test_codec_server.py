"""`assay codec-server`: Temporal's remote codec protocol, with the Temporal CLI as a client."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trustme
from temporalio.api.common.v1 import Payload
from temporalio.client import Client

from assay.temporal.client.conversion import data_converter
from assay.temporal.data.codec import CodecOptions, make_codec
from command import Command
from temporal_script import Script
from timeouts import TIMEOUT

KEYS = {"old": base64.b64encode(b"o" * 32).decode(), "new": base64.b64encode(b"n" * 32).decode()}
CODEC = f'{{ type = "aes-gcm", current = "new", keys = {{ old = "{KEYS["old"]}", new = "{KEYS["new"]}" }} }}'
WORKER = f'temporal.worker({{ task_queue = "q", codec = {CODEC}, activities = {{ a = print }} }})'
CLIENT = f"temporal.connect({{ codec = {CODEC} }})"
UI = "http://localhost:8233"


@contextmanager
def serving(assay: Command, *options: str, script: str = WORKER) -> Iterator[str]:
    """Run the server; gives its address."""
    with assay.started("codec-server", assay.script(script), "--port", "0", *options) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]


def send(
    url: str, payloads: Any, method: str = "POST", context: ssl.SSLContext | None = None, **headers: str
) -> tuple[int, dict[str, str], str]:
    """Send payloads; returns the status, the headers and the body of the answer."""
    body = json.dumps({"payloads": payloads}).encode() if method == "POST" else None
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", **named}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT, context=context) as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read().decode()


def wire(payload: Payload) -> dict[str, Any]:
    """A payload as the protocol has it."""
    metadata = {name: base64.b64encode(text).decode() for name, text in payload.metadata.items()}
    return {"metadata": metadata, "data": base64.b64encode(payload.data).decode()}


PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"sesame"')


def sealed(key: str) -> Payload:
    """The payload, encrypted with a key."""
    codec = make_codec(CodecOptions(type="aes-gcm", keys=KEYS, current=key))
    return codec.seal(PLAIN)


@pytest.mark.parametrize("size", [16, 24, 32])
def test_a_key_may_have_each_size_of_aes(size: int) -> None:
    key = base64.b64encode(bytes(size)).decode()
    codec = make_codec(CodecOptions(type="aes-gcm", keys={"a": key}, current="a"))
    assert codec.open(codec.seal(PLAIN)) == PLAIN


class TestProtocol:
    @pytest.mark.parametrize("script", [WORKER, CLIENT])
    def test_it_decodes_with_every_key_of_the_script(self, assay: Command, script: str) -> None:
        with serving(assay, script=script) as url:
            for path in ("/decode", "/default/decode"):
                status, headers, body = send(url + path, [wire(sealed("old")), wire(sealed("new")), wire(PLAIN)])
                assert (status, headers["Content-Type"]) == (200, "application/json; charset=utf-8")
                assert json.loads(body)["payloads"] == [wire(PLAIN)] * 3

    def test_it_encodes_with_the_current_key(self, assay: Command) -> None:
        with serving(assay) as url:
            _, _, body = send(f"{url}/encode", [wire(PLAIN)])
            (payload,) = json.loads(body)["payloads"]
            assert base64.b64decode(payload["metadata"]["encryption-key-id"]) == b"new"
            assert json.loads(send(f"{url}/decode", [payload])[2])["payloads"] == [wire(PLAIN)]

    def test_a_payload_that_cannot_be_decoded_is_explained(self, assay: Command) -> None:
        stranger = make_codec(CodecOptions(type="aes-gcm", keys={"far": KEYS["old"]}, current="far"))
        payload = stranger.seal(PLAIN)
        with serving(assay) as url:
            status, _, body = send(f"{url}/decode", [wire(payload)])
            assert status == 400
            assert "a payload is encrypted with the key 'far', which is not in 'codec.keys'" in body
            status, _, body = send(f"{url}/decode", "none")
            assert (status, body.partition(":")[0]) == (400, "the body must be JSON with an array 'payloads'")
            assert send(f"{url}/other", [])[0] == 404
            assert send(f"{url}/decode", [], method="GET")[0] == 405


class TestAccess:
    def test_the_web_ui_may_read_the_answers(self, assay: Command) -> None:
        with serving(assay) as url:
            status, headers, _ = send(f"{url}/decode", [], method="OPTIONS", Origin=UI)
            assert status == 204
            assert headers["Access-Control-Allow-Origin"] == UI
            assert headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type, X-Namespace"
            status, headers, _ = send(f"{url}/decode", [wire(PLAIN)], Origin=UI, X_Namespace="default")
            assert (status, headers["Access-Control-Allow-Origin"]) == (200, UI)
            assert headers["Vary"] == "Origin"

    def test_other_pages_may_not(self, assay: Command) -> None:
        with serving(assay) as url:
            for method in ("OPTIONS", "POST"):
                status, headers, _ = send(f"{url}/decode", [wire(PLAIN)], method, Origin="http://evil.example")
                assert status == 403
                assert "Access-Control-Allow-Origin" not in headers
        with serving(assay, "--origin", "https://cloud.temporal.io") as url:
            assert send(f"{url}/decode", [wire(PLAIN)], Origin="https://cloud.temporal.io")[0] == 200
            assert send(f"{url}/decode", [wire(PLAIN)], Origin=UI)[0] == 403

    def test_a_token(self, assay: Command) -> None:
        assay.script("correct\n", "token")
        with serving(assay, "--token-file", "token") as url:
            assert send(f"{url}/decode", [wire(PLAIN)])[0] == 401
            assert send(f"{url}/decode", [wire(PLAIN)], Authorization="Bearer wrong")[0] == 401
            status, headers, _ = send(f"{url}/decode", [wire(PLAIN)], Authorization="Bearer wrong", Origin=UI)
            assert (status, headers["Access-Control-Allow-Origin"]) == (401, UI), "the page sees why"
            assert send(f"{url}/decode", [wire(PLAIN)], Authorization="Bearer correct")[0] == 200
            assert send(f"{url}/decode", [], method="OPTIONS", Origin=UI)[0] == 204, "a preflight request has no token"

    def test_tls(self, assay: Command) -> None:
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1")
        certificate.private_key_pem.write_to_path(str(assay.folder / "key.pem"))
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(str(assay.folder / "cert.pem"), append=True)
        context = ssl.create_default_context()
        authority.configure_trust(context)
        with serving(assay, "--tls-cert", "cert.pem", "--tls-key", "key.pem") as url:
            assert url.startswith("https://127.0.0.1:")
            assert send(f"{url}/decode", [wire(PLAIN)], context=context)[0] == 200

    @pytest.mark.parametrize(
        ("options", "script", "message"),
        [
            (("--host", "0.0.0.0"), WORKER, "--host 0.0.0.0 requires a token"),
            (("--tls-cert", "x.pem"), WORKER, "--tls-cert and --tls-key must be used together"),
            (("--tls-cert", "x.pem", "--tls-key", "x.pem"), WORKER, "cannot use x.pem with x.pem"),
            (("--token-file", "missing"), WORKER, "cannot read missing: No such file or directory"),
            ((), "temporal.connect()", "script.lua has no codec"),
            ((), "print(1)", "script.lua neither starts a worker nor connects to a server"),
            ((), "error('boom')", "script.lua:1: boom"),
            (
                (),
                CLIENT + CLIENT.replace(KEYS["old"], KEYS["new"]),
                "script.lua has two different keys with the id 'old'",
            ),
        ],
    )
    def test_bad_options_are_errors(self, assay: Command, options: tuple[str, ...], script: str, message: str) -> None:
        result = assay.run("codec-server", assay.script(script), *options)
        assert message in result.stderr
        assert "Traceback" not in result.stderr
        assert (result.stdout, result.returncode) == ("", 2)


async def test_the_temporal_command_reads_a_workflow(lua: Script, name: str) -> None:
    options = CodecOptions(type="aes-gcm", keys=KEYS, current="new")
    client = await Client.connect(lua.address, data_converter=data_converter(options))
    await client.start_workflow("Any", "sesame", id=name, task_queue=name, memo={"word": "hidden"})
    lua.command.environment["ASSAY_CODEC_TOKEN"] = "correct"
    with serving(lua.command) as url:
        codec = ("--codec-endpoint", url, "--codec-auth", "Bearer correct")
        shown = await asyncio.to_thread(lua.cli_text, "workflow", "describe", "--workflow-id", name, *codec)
        assert "hidden" in shown
    assert "hidden" not in await asyncio.to_thread(lua.cli_text, "workflow", "describe", "--workflow-id", name)
