"""Scripts that connect, start a worker, finish a workflow and leave at once: each must end with exit code 0."""

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
WAYS = ("shutdown", "exit")
AT_ONCE = 2


async def run(lives: int) -> bool:
    """Run the script again and again and print how it ended; returns whether it always ended well."""
    endings: Counter[int] = Counter()
    with DevServer(ui=False) as server:
        environment = {**os.environ, "TEMPORAL_ADDRESS": server.address}
        left = iter(range(lives))

        async def lane() -> None:
            for number in left:
                command = ASSAY, "run", str(SCRIPT), str(uuid.uuid4()), WAYS[number % len(WAYS)]
                process = await asyncio.create_subprocess_exec(
                    *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
                )
                output, _ = await process.communicate()
                endings[process.returncode or 0] += 1
                if process.returncode != 0:
                    print(f"{' '.join(command[3:])}: exit code {process.returncode}\n{output.decode()}")

        await asyncio.gather(*(lane() for _ in range(AT_ONCE)))
    print(f"{lives} short lives, by exit code: {dict(endings)}")
    return set(endings) == {0}


def main() -> None:
    """Run and print; fails when a script did not end with 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 lives")
    if not asyncio.run(run(20 if parser.parse_args().quick else 200)):
        sys.exit(1)


if __name__ == "__main__":
    main()
