"""`http.serve` in the command: what a signal ends."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from contextlib import suppress

import aiohttp
import pytest

from command import Command, read_until
from timeouts import TIMEOUT
from web_peers import raw

GET = "GET {} HTTP/1.1\r\nHost: x\r\n\r\n"


SERVER = """
http.serve(0, { GET = {
  ["/slow"] = function() print("in") sleep(1000) return { body = "done" } end,
  ["/stuck"] = function() print("in") sleep(1000) end,
  ["/stream"] = function() return { sse = function(send) send({ data = "x" }) print("in") sleep(1000) end } end,
  ["/ws"] = function() return { ws = function(conn) print("in") print(conn:recv()) end } end,
} }, { on_listen = function(port) print(port) end, shutdown_timeout = OPTION })
print("after")
"""


async def ask(port: int, path: str) -> str:
    """Return the body of the response to a GET."""
    return (await raw(f"http://x:{port}", GET.format(path).encode())).partition(b"\r\n\r\n")[2].decode()


class Serving:
    """The command, running a script that serves and prints its port first."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.port = int(self.line())

    def line(self) -> str:
        """Return the next line that the script prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def end(self) -> tuple[int, str, str]:
        """Wait for the end; return the exit code and the rest of both outputs."""
        code = self.process.wait(TIMEOUT)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        return code, self.process.stdout.read(), self.process.stderr.read()


@pytest.fixture(autouse=True)
def _unbuffered(assay: Command) -> None:
    assay.environment["PYTHONUNBUFFERED"] = "1"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_handlers_end(assay: Command, number: signal.Signals) -> None:
    with assay.started("run", assay.script(SERVER.replace("OPTION", "60"))) as process:
        serving = Serving(process)
        kept = aiohttp.ClientSession()
        await (await kept.get(f"http://127.0.0.1:{serving.port}/nothing")).read()
        answer = asyncio.ensure_future(ask(serving.port, "/slow"))
        streamed = asyncio.ensure_future(ask(serving.port, "/stream"))
        socket = await kept.ws_connect(f"http://127.0.0.1:{serving.port}/ws")
        for _ in range(3):
            assert await asyncio.to_thread(serving.line) == "in"
        process.send_signal(number)
        message = await asyncio.wait_for(socket.receive(), TIMEOUT)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        assert "data: x" in await streamed
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", serving.port)
        assert not answer.done()
        answer.cancel()  # a client that goes cancels its handler
        await kept.close()
        code, output, problem = await asyncio.to_thread(serving.end)
        assert (code, problem) == (0, "")
        assert output.endswith("after\n")


async def test_an_answer_under_way_is_sent(assay: Command) -> None:
    script = SERVER.replace("OPTION", "60").replace("sleep(1000) return", "sleep(1) return")
    with assay.started("run", assay.script(script)) as process:
        serving = Serving(process)
        answer = asyncio.ensure_future(ask(serving.port, "/slow"))
        assert await asyncio.to_thread(serving.line) == "in"
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(answer, TIMEOUT) == "done"
        assert await asyncio.to_thread(serving.end) == (0, "after\n", "")


async def test_a_handler_that_does_not_end_is_cancelled(assay: Command) -> None:
    with assay.started("run", assay.script(SERVER.replace("OPTION", "0.2"))) as process:
        serving = Serving(process)
        answer = asyncio.ensure_future(ask(serving.port, "/stuck"))
        assert await asyncio.to_thread(serving.line) == "in"
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(serving.end) == (0, "after\n", "")
        await answer


async def test_a_second_signal_ends_it_at_once(assay: Command) -> None:
    with assay.started("run", assay.script(SERVER.replace("OPTION", "600"))) as process:
        serving = Serving(process)
        answer = asyncio.ensure_future(ask(serving.port, "/stuck"))
        assert await asyncio.to_thread(serving.line) == "in"
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(TIMEOUT):  # two signals at the same moment could count as one
            with suppress(ConnectionRefusedError):
                while True:
                    _, writer = await asyncio.open_connection("127.0.0.1", serving.port)
                    writer.close()
                    await asyncio.sleep(0.02)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, TIMEOUT) == 128 + signal.SIGTERM
        await asyncio.wait([answer])


def test_a_spawned_server_does_not_keep_the_script(assay: Command) -> None:
    code = "async.spawn(http.serve, 0, {}) while not _SERVER_PORT do sleep(0) end print('end')"
    result = assay.run("exec", "-e", code)
    assert (result.stdout, result.stderr, result.returncode) == ("end\n", "", 0)


def test_a_spawned_server_ends_in_order_too(assay: Command) -> None:
    code = "async.spawn(http.serve, 0, {}) while not _SERVER_PORT do sleep(0) end print('up') sleep(600)"
    with assay.started("exec", "-e", code) as process:
        read_until(process, "up")
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT) == 0
