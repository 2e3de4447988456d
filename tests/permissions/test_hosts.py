"""Attacks on the permissions to connect and to listen, with the real command."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import aiohttp.resolver
import pytest
from aiohttp.abc import ResolveResult

import assay as package
from command import Command
from sandbox_attempts import attempt


class _Handler(BaseHTTPRequestHandler):
    location: ClassVar[str | None] = None
    asked: ClassVar[list[str]]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200 if self.location is None else 302)
        if self.location is not None:
            self.send_header("Location", self.location)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"secret")

    def do_POST(self) -> None:
        self.do_GET()

    def do_CONNECT(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


class Server:
    """An HTTP server that records its requests."""

    def __init__(self, location: str | None) -> None:
        self.asked: list[str] = []
        handler = type("Handler", (_Handler,), {"location": location, "asked": self.asked})
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.port = self.http.server_address[1]
        self.place = f"127.0.0.1:{self.port}"


@contextmanager
def serving(location: str | None = None) -> Iterator[Server]:
    """Run the server; with a location every response is a redirect to it."""
    server = Server(location)
    thread = threading.Thread(target=server.http.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        thread.join()
        server.http.server_close()


@pytest.fixture
def target() -> Iterator[Server]:
    """A server that the tests do not allow."""
    with serving() as server:
        yield server


REQUESTS = {
    "get": 'return http.get("{url}").body',
    "post": 'return http.post("{url}", "x").body',
    "request": 'return http.request("GET", "{url}").body',
    "client": 'return http.client():get("{url}").body',
    "save_to": 'return http.get("{url}", {{save_to = "saved"}}).saved',
    "ws": 'return ws.connect("{ws}")',
    "rest": 'return require("assay.temporal").client("{url}"):system_info().x',
}


def _code(name: str, host: str, port: int) -> str:
    return REQUESTS[name].format(url=f"http://{host}:{port}/", ws=f"ws://{host}:{port}/")


@pytest.mark.parametrize("name", REQUESTS)
class TestEveryRequest:
    def test_a_host_that_is_not_named_is_refused(self, assay: Command, target: Server, name: str) -> None:
        right = "temporal" if name == "rest" else "net"
        found = attempt(assay, _code(name, "127.0.0.1", target.port), "--allow-write", f"--allow-{right}=127.0.0.1:1")
        assert (found.kind, found.flag) == ("denied", f"--allow-{right}={target.place}")
        assert target.asked == []

    def test_a_named_host_receives_the_request(self, assay: Command, target: Server, name: str) -> None:
        right = "temporal" if name == "rest" else "net"
        code = _code(name, "127.0.0.1", target.port)
        found = attempt(assay, code, "--allow-write", f"--allow-{right}={target.place}")
        assert found.kind in ("allowed", "handshake", "answer")  # it speaks neither WebSocket nor Temporal
        assert len(target.asked) == 1

    def test_a_redirect_to_another_place_is_refused(self, assay: Command, target: Server, name: str) -> None:
        right = "temporal" if name == "rest" else "net"
        with serving(f"http://{target.place}/") as first:
            code = _code(name, "127.0.0.1", first.port)
            found = attempt(assay, code, "--allow-write", f"--allow-{right}={first.place}")
        if name != "ws":  # which follows none
            assert (found.kind, found.flag) == ("denied", f"--allow-{right}={target.place}")
        assert found.kind != "allowed"
        assert (len(first.asked), target.asked) == (1, [])


class TestNames:
    @pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost."])
    def test_a_name_that_is_granted_leads_not_to_this_machine(self, assay: Command, target: Server, host: str) -> None:
        allowed = host if host != "localhost." else "example.com"
        found = attempt(assay, _code("get", host, target.port), f"--allow-net={allowed}")
        assert found.kind in ("denied", "dns", "error")  # some of them are no hosts of a URL
        assert target.asked == []

    @pytest.mark.parametrize("host", ["127.1", "0x7f000001", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]"])
    def test_other_words_for_this_machine_are_not_granted(self, assay: Command, target: Server, host: str) -> None:
        assert attempt(assay, _code("get", host, target.port), "--allow-net=*.example.com,10.0.0.0/8").kind == "denied"
        assert target.asked == []

    def test_the_refusal_names_the_address(self, assay: Command, target: Server) -> None:
        code = _code("get", "0x7f000001", target.port)
        assert attempt(assay, code, "--allow-net=0x7f000001").flag == f"--allow-net={target.place}"
        assert attempt(assay, code, f"--allow-net=0x7f000001,{target.place}").kind == "allowed"

    def test_localhost_and_its_address_are_the_same(self, assay: Command, target: Server) -> None:
        by_name, by_address = _code("get", "localhost", target.port), _code("get", "127.0.0.1", target.port)
        assert attempt(assay, by_name, f"--allow-net={target.place}").kind == "allowed"
        assert attempt(assay, by_address, f"--allow-net=localhost:{target.port}").kind == "allowed"
        assert attempt(assay, by_name, "--allow-net=localhost:1").kind == "denied"

    def test_a_url_with_a_user_is_for_its_host(self, assay: Command, target: Server) -> None:
        code = f'return http.get("http://example.com:80@{target.place}/").body'
        assert attempt(assay, code, "--allow-net=example.com").kind == "denied"
        assert target.asked == []

    @pytest.mark.parametrize("addresses", [["127.0.0.1"], ["10.1.2.3"], ["169.254.169.254"], ["::1"], ["fd00::1"]])
    async def test_a_dns_name_with_an_address_inside_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, addresses: list[str]
    ) -> None:
        async def resolve(_: object, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
            return [
                ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
                for address in addresses
            ]

        monkeypatch.setattr(aiohttp.resolver.DefaultResolver, "resolve", resolve)
        async with package.Runtime(permissions=package.Permissions(net=["example.com"])) as runtime:
            with pytest.raises(package.LuaError) as caught:
                await runtime.run('http.get("http://example.com:81/")')
        assert caught.value.value["kind"] == "denied"
        assert caught.value.value["flag"] in (f"--allow-net={addresses[0]}:81", f"--allow-net=[{addresses[0]}]:81")

    async def test_of_several_addresses_only_the_public_are_tried(
        self, monkeypatch: pytest.MonkeyPatch, target: Server
    ) -> None:
        async def resolve(_: object, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
            return [
                ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=4)
                for address in ("127.0.0.1", "203.0.113.1")
            ]

        monkeypatch.setattr(aiohttp.resolver.DefaultResolver, "resolve", resolve)
        async with package.Runtime(permissions=package.Permissions(net=["example.com", "203.0.113.1"])) as runtime:
            code = f'local ok, e = pcall(http.get, "http://example.com:{target.port}/", {{timeout = 0.5}}); return ok'
            assert await runtime.run(code) is False
        assert target.asked == []


class TestProxies:
    def test_a_proxy_has_to_be_named(self, assay: Command, target: Server) -> None:
        assay.environment["http_proxy"] = f"http://{target.place}"
        code = 'return http.get("http://example.com/").body'
        found = attempt(assay, code, "--allow-net=example.com")
        assert (found.kind, found.flag) == ("denied", f"--allow-net={target.place}")
        assert target.asked == []
        assert attempt(assay, code, f"--allow-net=example.com,{target.place}")[:2] == ("allowed", "secret")

    def test_the_host_behind_it_has_to_be_named(self, assay: Command, target: Server) -> None:
        assay.environment["http_proxy"] = assay.environment["https_proxy"] = f"http://{target.place}"
        for url in ("http://example.com/", "https://example.com/"):
            assert attempt(assay, f'return http.get("{url}").body', f"--allow-net={target.place}").kind == "denied"
        assert target.asked == []

    def test_a_script_sets_none_that_is_not_named(self, assay: Command, target: Server) -> None:
        code = f'env.set("http_proxy", "http://{target.place}"); return http.get("http://example.com/").body'
        found = attempt(assay, code, "--allow-net", "--allow-env")
        assert (found.kind, found.flag) == ("denied", "--allow-env=http_proxy")
        assert attempt(assay, code, "--allow-net", "--allow-env=http_proxy").kind == "allowed"


class TestListening:
    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "127.0.0.2", ""])
    def test_an_address_that_is_not_named_is_refused(self, assay: Command, host: str) -> None:
        code = f'return http.serve(0, {{GET = {{}}}}, {{host = "{host}"}})'
        found = attempt(assay, code, "--allow-net=127.0.0.1")
        assert (found.kind, found.message.partition(": ")[2][:9]) == ("denied", "listening")

    def test_a_named_address_can_be_listened_on(self, assay: Command) -> None:
        code = "http.serve(0, {GET = {}}, {on_listen = function() os.exit(0) end})"
        assert assay.run("exec", "--allow-net=127.0.0.1", "-e", code).returncode == 0

    def test_a_folder_whose_files_are_shown_has_to_be_named(self, assay: Command) -> None:
        code = 'return http.serve(0, {GET = {["/*"] = {static = "/etc"}}})'
        assert attempt(assay, code, "--allow-net", "--allow-read=.")[:2] == ("denied", "--allow-read=/etc")


DATABASES = [
    ("postgres://u:p@db.example:5433/x", "db.example:5433"),
    ("postgres://u:p@/x?host=db.example", "db.example:5432"),
    ("postgres://u:p@127.0.0.1:1,db.example:2/x", "db.example:2"),
    ("postgres://u:p@[::2]:5/x", "[::2]:5"),
    ("postgres:///x?host=/var/run/postgresql", "/var/run/postgresql"),
    ("postgres://%2Fvar%2Frun%2Fpostgresql/x", "/var/run/postgresql"),
    ("mysql://db.example/x", "db.example:3306"),
    ("mysql://127.0.0.1:1/x?unix_socket=/run/mysqld/mysqld.sock", "/run/mysqld/mysqld.sock"),
]


class TestDatabases:
    @pytest.mark.parametrize(("url", "place"), DATABASES)
    def test_a_server_that_is_not_named_is_refused(self, assay: Command, url: str, place: str) -> None:
        found = attempt(assay, f'return db.connect("{url}")', "--allow-db=127.0.0.1:1", "--allow-net", "--allow-read")
        assert (found.kind, found.flag) == ("denied", f"--allow-db={place}")

    def test_the_environment_leads_nowhere_else(self, assay: Command) -> None:
        assay.environment |= {"PGHOST": "db.example", "PGPORT": "7"}
        found = attempt(assay, 'return db.connect("postgres:///x")', "--allow-db=127.0.0.1")
        assert (found.kind, found.flag) == ("denied", "--allow-db=db.example:7")

    @pytest.mark.parametrize("scheme", ["postgres", "mysql"])
    def test_a_named_host_can_be_connected_to(self, assay: Command, scheme: str) -> None:
        code = f'return db.connect("{scheme}://u:p@127.0.0.1:1/x")'
        assert attempt(assay, code, "--allow-db=127.0.0.1:1").kind == "connect"


class TestTemporal:
    @pytest.mark.parametrize(
        "code",
        [
            'return temporal.connect({url = "127.0.0.1:2"})',
            'return temporal.start({url = "127.0.0.1:2", task_queue = "q", workflow_type = "W"})',
            'return temporal.worker({url = "127.0.0.1:2", task_queue = "q", activities = {a = print}})',
        ],
    )
    def test_a_server_that_is_not_named_is_refused(self, assay: Command, code: str) -> None:
        found = attempt(assay, code, "--allow-temporal=127.0.0.1:1", "--allow-net")
        assert (found.kind, found.flag) == ("denied", "--allow-temporal=127.0.0.1:2")

    def test_a_profile_leads_nowhere_else(self, assay: Command) -> None:
        (assay.folder / "t.toml").write_text('[profile.p]\naddress = "temporal.example:9"\n')
        code = 'return temporal.connect({config_file = "t.toml", profile = "p"})'
        found = attempt(assay, code, "--allow-temporal=127.0.0.1:1", "--allow-read=t.toml")
        assert (found.kind, found.flag) == ("denied", "--allow-temporal=temporal.example:9")

    @pytest.mark.parametrize(
        ("metrics", "place"),
        [
            ('{prometheus = "0.0.0.0:9464"}', "0.0.0.0:9464"),
            ('{otlp = "http://collector.example:4318"}', "collector.example:4318"),
            ('{otlp = "http://127.1:4318"}', "127.1:4318"),
        ],
    )
    def test_metrics_go_where_net_allows(self, assay: Command, metrics: str, place: str) -> None:
        code = (
            'return temporal.worker({url = "127.0.0.1:1", task_queue = "q", activities = {a = print}, '
            f"metrics = {metrics}}})"
        )
        found = attempt(assay, code, "--allow-temporal", "--allow-net=127.0.0.1:1")
        assert (found.kind, found.flag) == ("denied", f"--allow-net={place}")
