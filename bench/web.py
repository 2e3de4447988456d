"""HTTP benchmark: `http.serve` and 1,000 concurrent `http.get`, compared with plain aiohttp.

Servers are compared by requests per second of their CPU time: it limits the rate if the client runs on other cores, and
depends less on other processes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import psutil

SERVER_LIMIT = 0.7
CLIENT_LIMIT = 1.3
CONNECTIONS = 64
ASSAY = os.path.join(sysconfig.get_path("scripts"), "assay")

LUA_SERVER = """
http.serve(0, { GET = { ["/hello"] = function() return { body = "hello world" } end } },
  { on_listen = function(port) print(port) end })
"""

PYTHON_SERVER = """
import asyncio
from aiohttp import web

async def hello(request):
    return web.Response(text="hello world")

async def main():
    app = web.Application()
    app.router.add_get("/hello", hello)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""

LUA_CLIENT = """
local url, rounds = arg[1], tonumber(arg[2])
local function round()
  local tasks = {}
  for i = 1, 1000 do tasks[i] = async.spawn(http.get, url) end
  for i, results in ipairs(async.all(tasks)) do assert(results[1].body == "hello world") end
end
round()
local before = os.clock()
for i = 1, rounds do round() end
print((os.clock() - before) / rounds)
"""

PYTHON_CLIENT = """
import asyncio, sys, time
import aiohttp

async def get(session, url):
    async with session.get(url) as response:
        return response.status, await response.text(), dict(response.headers)

async def main(url, rounds):
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        async def round():
            for status, body, headers in await asyncio.gather(*[get(session, url) for _ in range(1000)]):
                assert body == "hello world"
        await round()
        before = time.process_time()
        for _ in range(rounds):
            await round()
        print((time.process_time() - before) / rounds)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


@contextmanager
def scripts() -> Iterator[Callable[[str, str], str]]:
    """Yield a function that writes scripts into a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:

        def write(name: str, text: str) -> str:
            path = os.path.join(folder, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            return path

        yield write


@contextmanager
def serving(command: list[str]) -> Iterator[tuple[int, psutil.Process]]:
    """Run a server that prints its port; yields the port and the process."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline()), psutil.Process(process.pid)
        finally:
            process.kill()


class _Connection(asyncio.Protocol):
    """A connection that sends the next request when it has received a response."""

    count = 0

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._length = 0
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._length:  # all responses of a server have the same length
            head, _, _ = self._received.partition(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            assert length is not None, self._received
            self._length = len(head) + 4 + int(length[1])
        if len(self._received) >= self._length:
            self._received = b""
            _Connection.count += 1
            self._transport.write(self._request)


async def _measure_rate(port: int, seconds: float) -> float:
    _Connection.count = 0
    request = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
    loop = asyncio.get_running_loop()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: _Connection(request), "127.0.0.1", port)
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    return _Connection.count / (time.perf_counter() - began)


def requests_per_second(port: int, seconds: float) -> float:
    """Return the number of requests that a server handles per second."""
    wrk = shutil.which("wrk")
    if wrk is None:
        return asyncio.run(_measure_rate(port, seconds))
    command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", f"http://127.0.0.1:{port}/hello"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    assert rate is not None, output
    return float(rate[1])


class Rate(NamedTuple):
    """Requests per second of wall time, and per second of the server's CPU time."""

    wall: float
    cpu: float


def measure(command: list[str], seconds: float) -> Rate:
    """Start a server and measure its rate."""
    with serving(command) as (port, process):
        requests_per_second(port, 1)  # warm-up
        before, began = sum(process.cpu_times()[:2]), time.perf_counter()
        rate = requests_per_second(port, seconds)
        passed = time.perf_counter() - began
        return Rate(rate, rate * passed / (sum(process.cpu_times()[:2]) - before))


def main() -> None:
    """Run the benchmark; exit with 1 if a ratio misses its goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="run fewer rounds")
    quick = parser.parse_args().quick
    pairs, seconds, rounds = (2, 1.5, 2) if quick else (6, 5.0, 5)
    with scripts() as write:
        lua_server = [ASSAY, "run", write("server.lua", LUA_SERVER)]
        python_server = [sys.executable, write("server.py", PYTHON_SERVER)]
        served: list[tuple[Rate, Rate]] = []
        served += [(measure(python_server, seconds), measure(lua_server, seconds)) for _ in range(pairs)]
        lua_client = [ASSAY, "run", write("client.lua", LUA_CLIENT)]
        python_client = [sys.executable, write("client.py", PYTHON_CLIENT)]
        used: list[tuple[float, float]] = []
        with serving(python_server) as (port, _):
            for _ in range(pairs):
                arguments = [f"http://127.0.0.1:{port}/hello", str(rounds)]
                commands = (python_client + arguments, lua_client + arguments)
                outputs = [subprocess.run(line, capture_output=True, text=True, check=True).stdout for line in commands]
                used.append((float(outputs[0]), float(outputs[1])))
    server_ratio = statistics.median(lua.cpu / python.cpu for python, lua in served)
    client_ratio = statistics.median(lua / python for python, lua in used)
    print(
        f"hello world over {CONNECTIONS} connections, requests per second and per CPU second, median of {pairs} pairs"
    )
    for name, side in (("aiohttp", 0), ("http.serve", 1)):
        wall, cpu = (statistics.median(pair[side][unit] for pair in served) for unit in (0, 1))
        print(f"  {name:12} {wall:8.0f} {cpu:8.0f}")
    wall_ratio = statistics.median(lua.wall / python.wall for python, lua in served)
    print(f"  ratio        {wall_ratio:8.2f} {server_ratio:8.2f}     (goal: at least {SERVER_LIMIT})")
    python, lua = (statistics.median(column) for column in zip(*used, strict=True))
    print(f"1,000 concurrent requests, CPU time of the client, median of {pairs} pairs")
    print(f"  aiohttp      {python * 1000:8.0f} ms")
    print(f"  http.get     {lua * 1000:8.0f} ms")
    print(f"  ratio        {client_ratio:8.2f}     (goal: at most {CLIENT_LIMIT})")
    if server_ratio < SERVER_LIMIT or client_ratio > CLIENT_LIMIT:
        sys.exit(1)


if __name__ == "__main__":
    main()
