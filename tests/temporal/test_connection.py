"""Connection options of clients and workers: a real server behind a proxy that terminates TLS."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from command import without_lifecycle
from guides import blocks
from temporal_script import Script
from tls_proxy import Authority, TlsProxy, in_header

ROUND = """
local options = json.parse(arg[2])
local function with(more)
  local out = {}
  for k, v in pairs(options) do out[k] = v end
  for k, v in pairs(more or {}) do out[k] = v end
  return out
end
local worker = temporal.worker(with({
  task_queue = arg[1],
  workflows = { Echo = function(ctx, input) return ctx:execute_activity("echo", input) end },
  activities = { echo = function(input) return input end },
}))
local client = temporal.connect(with())
client:start_workflow({ task_queue = arg[1], workflow_type = "Echo", workflow_id = arg[1], input = { n = 1 } })
print(json.encode(client:get_result({ workflow_id = arg[1] })))
worker:shutdown()
"""

TRY = """
local ok, err = pcall(temporal.connect, json.parse(arg[1]))
print(json.encode({ ok, tostring(err) }))
"""

SECRET = "it-sits-at-toast-2000"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def untrusted(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("untrusted"), "untrusted")


@pytest.fixture(scope="module")
def proxy(temporal_server: str, authority: Authority) -> Iterator[TlsProxy]:
    with TlsProxy(temporal_server, authority, "127.0.0.1", "localhost") as running:
        yield running


@pytest.fixture(scope="module")
def mtls_proxy(temporal_server: str, authority: Authority) -> Iterator[TlsProxy]:
    with TlsProxy(temporal_server, authority, "temporal.test", wants=authority) as running:
        yield running


def attempt(lua: Script, options: dict[str, Any]) -> str | None:
    """The error of a `temporal.connect`, or None."""
    ok, message = lua.value(TRY, json.dumps(options))
    return None if ok else str(message)


def test_client_and_worker_over_tls(lua: Script, name: str, proxy: TlsProxy, authority: Authority) -> None:
    before = len(proxy.received)
    options = {"url": proxy.address, "tls": {"server_root_ca_cert": authority.file.read_text()}}
    assert lua.value(ROUND, name, json.dumps(options)) == {"n": 1}
    assert len(proxy.received) == before + 1  # the client and the worker share it


def test_client_and_worker_over_mutual_tls(
    lua: Script, name: str, mtls_proxy: TlsProxy, authority: Authority, untrusted: Authority
) -> None:
    certificate, key = authority.client("someone")
    tls = {
        "server_root_ca_cert": f"@{authority.file}",
        "client_cert": certificate.read_text(),
        "client_key": f"@{key}",
        "domain": "temporal.test",
    }
    assert lua.value(ROUND, name, json.dumps({"url": mtls_proxy.address, "tls": tls})) == {"n": 1}
    for left_out, wanted in ((("client_cert", "client_key"), "'tls.client_cert'"), (("domain",), "'tls.domain'")):
        rest = {option: value for option, value in tls.items() if option not in left_out}
        message = attempt(lua, {"url": mtls_proxy.address, "tls": rest})
        assert isinstance(message, str)
        assert message.startswith(f"temporal.connect: cannot connect to the Temporal server at {mtls_proxy.address}: ")
        assert wanted in message
    certificate, key = untrusted.client("other-client")
    message = attempt(
        lua, {"url": mtls_proxy.address, "tls": tls | {"client_cert": f"@{certificate}", "client_key": f"@{key}"}}
    )
    assert "'tls.client_cert'" in str(message)


def test_tls_problems_are_reported(lua: Script, proxy: TlsProxy, authority: Authority, untrusted: Authority) -> None:
    certificate, key = (path.read_text() for path in authority.client("one"))
    _, other_key = (path.read_text() for path in authority.client("two"))
    (lua.folder / "empty.pem").write_text("")
    cases: list[tuple[dict[str, Any], str]] = [
        (
            {"tls": {"server_root_ca_cert": f"@{untrusted.file}"}},
            "trusted authority (option 'tls.server_root_ca_cert' or TEMPORAL_TLS_SERVER_CA_CERT_PATH)",
        ),
        ({"tls": True}, "trusted authority (option 'tls.server_root_ca_cert' or TEMPORAL_TLS_SERVER_CA_CERT_PATH)"),
        (
            {"api_key": SECRET},
            "trusted authority (option 'tls.server_root_ca_cert' or TEMPORAL_TLS_SERVER_CA_CERT_PATH)",
        ),  # an API key implies TLS
        ({}, "does it require TLS (option 'tls' or TEMPORAL_TLS)?"),
        ({"api_key": SECRET, "tls": False}, "does it require TLS (option 'tls' or TEMPORAL_TLS)?"),
        ({"url": lua.address, "tls": True}, "it does not speak TLS (option 'tls' or TEMPORAL_TLS)"),
        (
            {"tls": {"server_root_ca_cert": "@nowhere.pem"}},
            "bad option 'tls.server_root_ca_cert' (nowhere.pem: No",
        ),
        (
            {"tls": {"server_root_ca_cert": "nonsense"}},
            "bad option 'tls.server_root_ca_cert' (PEM certificates",
        ),
        ({"tls": {"server_root_ca_cert": "@empty.pem"}}, "bad option 'tls.server_root_ca_cert' (PEM certificates"),
        ({"tls": {"client_cert": certificate}}, "missing option 'tls.client_key'"),
        ({"tls": {"client_key": key}}, "missing option 'tls.client_cert'"),
        ({"tls": {"client_cert": certificate, "client_key": other_key}}, "does not match option 'tls.client_cert'"),
        ({"tls": {"client_cert": certificate, "client_key": certificate}}, "bad option 'tls.client_key' (PEM private"),
        ({"tls": {"client_cert": key, "client_key": key}}, "bad option 'tls.client_cert' (PEM certificates"),
        ({"tls": {"ca": "x"}}, "unknown option 'tls.ca'"),
        ({"tls": "yes"}, "bad option 'tls' (boolean or table expected, got string)"),
    ]
    messages = lua.value(
        """
        local out = {}
        for i, options in ipairs(json.parse(arg[1])) do
          local ok, err = pcall(temporal.connect, options)
          out[i] = tostring(err)
        end
        print(json.encode(out))
        """,
        json.dumps([{"url": proxy.address, **options} for options, _ in cases]),
    )
    for text, (_, wanted) in zip(messages, cases, strict=True):
        assert wanted in text
        assert SECRET not in text
        assert key[40:60] not in text


def test_api_key_and_metadata_are_sent(lua: Script, name: str, proxy: TlsProxy, authority: Authority) -> None:
    before = len(proxy.received)
    options = {
        "url": proxy.address,
        "api_key": SECRET,
        "metadata": {"tic-tac": "toe-0"},
        "tls": {"server_root_ca_cert": f"@{authority.file}"},
    }
    assert lua.value(ROUND, name, json.dumps(options)) == {"n": 1}
    seen = b"".join(map(bytes, proxy.received[before:]))
    assert in_header(f"Bearer {SECRET}") in seen
    assert in_header("tic-tac") in seen
    assert in_header("toe-0") in seen


def test_metadata_of_one_call(lua: Script, proxy: TlsProxy, authority: Authority) -> None:
    before = len(proxy.received)
    options = {"url": proxy.address, "tls": {"server_root_ca_cert": f"@{authority.file}"}}
    problem = lua.value(
        """
        local client = temporal.connect(json.parse(arg[1]))
        client:count_workflows({ rpc_metadata = { ["tic-tac"] = "toe-0" } })
        client.schedules:list({ rpc_metadata = { ["tic-tac"] = "toe-1" } })
        local reset = { workflow_id = "none", event_id = 3, rpc_metadata = { ["tic-tac"] = "toe-2" } }
        print(json.encode(select(2, pcall(client.reset_workflow, client, reset)).kind))
        """,
        json.dumps(options),
    )
    seen = b"".join(map(bytes, proxy.received[before:]))
    assert problem == "not_found"
    for text in ("tic-tac", "toe-0", "toe-1", "toe-2"):
        assert in_header(text) in seen


def test_the_environment_configures_everything(
    lua: Script, name: str, mtls_proxy: TlsProxy, authority: Authority
) -> None:
    certificate, key = authority.client("by-environment")
    before = len(mtls_proxy.received)
    lua.command.environment |= {
        "TEMPORAL_ADDRESS": mtls_proxy.address,
        "TEMPORAL_NAMESPACE": "default",
        "TEMPORAL_API_KEY": SECRET,
        "TEMPORAL_GRPC_META_TIC_TAC": "toe-1",
        "TEMPORAL_TLS_SERVER_CA_CERT_PATH": str(authority.file),
        "TEMPORAL_TLS_CLIENT_CERT_PATH": str(certificate),
        "TEMPORAL_TLS_CLIENT_KEY_DATA": key.read_text(),
        "TEMPORAL_TLS_SERVER_NAME": "temporal.test",
    }
    assert lua.value(ROUND, name, "{}") == {"n": 1}
    seen = b"".join(map(bytes, mtls_proxy.received[before:]))
    assert in_header(f"Bearer {SECRET}") in seen
    assert in_header("toe-1") in seen

    # An option comes first, one by one.
    before = len(mtls_proxy.received)
    options = {"metadata": {"tic-tac": "toe-2"}, "api_key": "a-cat", "tls": {"domain": "temporal.test"}}
    assert attempt(lua, options) is None
    seen = b"".join(map(bytes, mtls_proxy.received[before:]))
    assert in_header("toe-2") in seen
    assert in_header("Bearer a-cat") in seen
    assert in_header(SECRET) not in seen
    assert attempt(lua, {"url": lua.address, "tls": False}) is None
    lua.command.environment["TEMPORAL_TLS_SERVER_CA_CERT_PATH"] = "/nowhere/ca.pem"
    assert "'TEMPORAL_TLS_SERVER_CA_CERT_PATH' (/nowhere/ca.pem: No such file" in str(attempt(lua, {}))


def write_config(folder: Path, address: str, authority: Authority) -> Path:
    file = folder / "some.toml"
    file.write_text(
        f"""
        [profile.default]
        address = "127.0.0.1:1"
        [profile.cloud]
        address = "{address}"
        namespace = "from-the-file"
        api_key = "{SECRET}"
        tls.server_ca_cert_path = "{authority.file}"
        """
    )
    return file


def test_profiles(lua: Script, proxy: TlsProxy, authority: Authority) -> None:
    del lua.command.environment["TEMPORAL_ADDRESS"]
    file = write_config(lua.folder, proxy.address, authority)
    before = len(proxy.received)
    assert attempt(lua, {"config_file": "some.toml", "profile": "cloud"}) is None
    assert in_header(f"Bearer {SECRET}") in b"".join(map(bytes, proxy.received[before:]))
    assert "127.0.0.1:1: connection refused" in str(attempt(lua, {"config_file": "some.toml"}))

    lua.command.environment |= {"TEMPORAL_CONFIG_FILE": str(file), "TEMPORAL_PROFILE": "cloud"}
    text = """
    local ok, err = pcall(temporal.worker, { task_queue = "q", workflows = { W = function() end } })
    local client = temporal.connect({ namespace = arg[1] })
    local missing, other = pcall(client.describe_workflow, client, "x")
    print(json.encode({ tostring(err), tostring(other) }))
    """
    messages = lua.value(text, "default")
    assert "temporal.worker: namespace 'from-the-file' not found" in messages[0]
    assert "not found for ID: x" in messages[1] or "workflow not found" in messages[1]

    # The environment comes before the file, an option before both.
    lua.command.environment["TEMPORAL_ADDRESS"] = "127.0.0.1:2"
    assert "127.0.0.1:2: connection refused" in str(attempt(lua, {}))
    assert attempt(lua, {"url": proxy.address}) is None

    assert "bad option 'profile' (no profile 'other' in some.toml)" in str(
        attempt(lua, {"config_file": "some.toml", "profile": "other"})
    )
    assert "bad option 'config_file' (none.toml: no such file)" in str(attempt(lua, {"config_file": "none.toml"}))
    (lua.folder / "broken.toml").write_text(f"[profile.default]\napi_key = {SECRET}\n")
    message = str(attempt(lua, {"config_file": "broken.toml"}))
    assert "bad option 'config_file' (broken.toml, line 2: invalid Temporal configuration)" in message
    assert SECRET not in message


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"ADDRESS": "nowhere"}, "bad environment variable 'TEMPORAL_ADDRESS' (host:port expected, got 'nowhere')"),
        ({"API_KEY": f"{SECRET}\n"}, "bad environment variable 'TEMPORAL_API_KEY' (must be non-empty printable ASCII)"),
        ({"TLS": "yes"}, "bad environment variable 'TEMPORAL_TLS' ('true' or 'false' expected, got 'yes')"),
        ({"PROFILE": "other"}, "bad environment variable 'TEMPORAL_PROFILE' (no profile 'other' in temporal.toml)"),
        ({"CONFIG_FILE": "none.toml"}, "bad environment variable 'TEMPORAL_CONFIG_FILE' (none.toml: no such file)"),
        (
            {"CONFIG_FILE": "broken.toml"},
            "bad environment variable 'TEMPORAL_CONFIG_FILE' (broken.toml, line 1: invalid Temporal configuration)",
        ),
        (
            {"TLS_CLIENT_CERT_PATH": "none.pem"},
            "bad environment variable 'TEMPORAL_TLS_CLIENT_CERT_PATH' (none.pem: No such file or directory)",
        ),
        (
            {"TLS_SERVER_CA_CERT_DATA": "x"},
            "bad environment variable 'TEMPORAL_TLS_SERVER_CA_CERT_DATA' (PEM certificates expected)",
        ),
        (
            {"TLS_CLIENT_CERT_DATA": "x"},
            "missing environment variable 'TEMPORAL_TLS_CLIENT_KEY_PATH' (a client certificate and its key",
        ),
        (
            {"CONFIG_FILE": "some.toml", "PROFILE": "address"},
            "bad setting 'address' of profile 'address' in some.toml (host:port expected, got 'nowhere')",
        ),
        (
            {"CONFIG_FILE": "some.toml", "PROFILE": "path"},
            "bad setting 'tls.client_cert_path' of profile 'path' in some.toml (none.pem: No such file or directory)",
        ),
        (
            {"CONFIG_FILE": "some.toml", "PROFILE": "data"},
            "missing setting 'tls.client_key_path' of profile 'data' in some.toml (a client certificate and its key",
        ),
    ],
    ids=lambda item: item if isinstance(item, str) else "",
)
def test_errors_name_the_variable_or_the_file(lua: Script, variables: dict[str, str], message: str) -> None:
    (lua.folder / "broken.toml").write_text("[profile")
    (lua.folder / "some.toml").write_text(
        """
        [profile.address]
        address = "nowhere"
        [profile.path.tls]
        client_cert_path = "none.pem"
        [profile.data.tls]
        client_cert_data = "x"
        """
    )
    del lua.command.environment["TEMPORAL_ADDRESS"]
    lua.command.environment |= {f"TEMPORAL_{name}": value for name, value in variables.items()}
    shown = str(attempt(lua, {}))
    assert message in shown
    assert SECRET not in shown


def test_a_wrong_address_on_the_command_line_names_its_option(lua: Script) -> None:
    for command in (["workflow", "list"], ["doctor"]):
        result = lua.command.run(*command, "--address", "nowhere")
        assert (result.returncode, "'--address': expected HOST:PORT, got 'nowhere'" in result.stderr) == (2, True)


def test_secrets_and_headers_are_checked_and_never_shown(lua: Script) -> None:
    for options, wanted in (
        ({"api_key": f"{SECRET}\n"}, "bad option 'api_key' (must be non-empty printable ASCII"),
        ({"api_key": ""}, "bad option 'api_key' (must be non-empty"),
        ({"api_key": {"a": SECRET}}, "bad option 'api_key' (string expected, got table)"),
        ({"metadata": {"x": f"{SECRET}\n"}}, "bad option 'metadata.x' (must be printable ASCII"),
        ({"metadata": {"X Y": SECRET}}, "bad option 'metadata' (invalid header name 'X Y'"),
        ({"metadata": {"x": {"y": SECRET}}}, "bad option 'metadata.x' (string expected, got table)"),
        ({"api_key": SECRET, "url": "127.0.0.1:1"}, "127.0.0.1:1: connection refused"),
        ({"url": "127.0.0.1:99999"}, "bad option 'url' (host:port expected"),
    ):
        message = str(attempt(lua, options))
        assert wanted in message
        assert SECRET not in message


def test_connections_are_shared(lua: Script, proxy: TlsProxy, authority: Authority) -> None:
    before = len(proxy.received)
    count = lua.value(
        """
        local options = json.parse(arg[1])
        local clients = {}
        for i = 1, 5 do
          options.namespace = i == 3 and "elsewhere" or "default"
          clients[i] = temporal.connect(options)
        end
        options.namespace = nil
        for i = 1, 3 do
          options.task_queue, options.workflow_type = "nobody", "Nobody"
          temporal.start(options)
        end
        options.task_queue, options.workflow_type, options.identity = nil, nil, "another"
        temporal.connect(options)
        print(#clients)
        """,
        json.dumps({"url": proxy.address, "tls": {"server_root_ca_cert": f"@{authority.file}"}}),
    )
    assert count == 5
    assert len(proxy.received) == before + 2


def test_two_workers_of_one_queue(lua: Script, name: str) -> None:
    value = lua.value(
        """
        local function options()
          return { task_queue = arg[1], activities = { upper = function(text) return text:upper() end }, workflows = {
            Shout = function(ctx, input) return ctx:execute_activity("upper", input) end } }
        end
        local first, second = temporal.worker(options()), temporal.worker(options())
        local client = temporal.connect()
        client:start_workflow({ task_queue = arg[1], workflow_type = "Shout", workflow_id = arg[1], input = "hey" })
        local result = client:get_result({ workflow_id = arg[1] })
        first:shutdown()
        second:shutdown()
        temporal.worker(options()):shutdown()
        print(json.encode(result))
        """,
        name,
    )
    assert value == "HEY"


def test_the_guide(lua: Script) -> None:
    """The snippets of the guide compile, and run unless they say that they need more than a server."""
    lua.command.environment |= {name: b64encode(bytes(32)).decode() for name in ("OLD_KEY", "NEW_KEY")}
    never = [f"local function never()\n{script}\nend" for script in blocks("docs/connecting.md", "lua no-run")]
    result = lua.run("\n".join([*never, *blocks("docs/connecting.md", "lua")]))
    assert (result.returncode, without_lifecycle(result.stderr), result.stdout) == (0, [], "Hello, Jane\n")
