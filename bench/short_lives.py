"""Exit test: scripts that connect, start a worker, complete a workflow and exit at once must have exit code 0."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import sysconfig
import uuid
from collections import Counter
from pathlib import Path

from assay.temporal.dev_server.server import DevServer

ASSAY = os.path.join(sysconfig.get_path("scripts"), "assay")
SCRIPT = Path(__file__).parent / "short_lives.lua"
EXIT_MODES = ("shutdown", "exit")
CONCURRENCY = 2


async def run(lives: int) -> bool:
    """Run the script repeatedly and print the exit codes; returns true if all are 0."""
    exit_codes: Counter[int] = Counter()
    with DevServer(ui=False) as server:
        environment = {**os.environ, "TEMPORAL_ADDRESS": server.address}
        numbers = iter(range(lives))

        async def lane() -> None:
            for number in numbers:
                command = ASSAY, "run", str(SCRIPT), str(uuid.uuid4()), EXIT_MODES[number % len(EXIT_MODES)]
                process = await asyncio.create_subprocess_exec(
                    *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
                )
                output, _ = await process.communicate()
                exit_codes[process.returncode or 0] += 1
                if process.returncode != 0:
                    print(f"{' '.join(command[3:])}: exit code {process.returncode}\n{output.decode()}")

        await asyncio.gather(*(lane() for _ in range(CONCURRENCY)))
    print(f"{lives} runs, by exit code: {dict(exit_codes)}")
    return set(exit_codes) == {0}


def main() -> None:
    """Run the test; exit with 1 if an exit code is not 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 runs only")
    if not asyncio.run(run(20 if parser.parse_args().quick else 200)):
        sys.exit(1)


if __name__ == "__main__":
    main()
