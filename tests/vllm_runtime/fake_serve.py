"""`serve` as a process, on the fake engine: ENGINE_PORT RUNTIME_PORT STATE_FOLDER."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from vllm_runtime.engine_command import engine_for
from vllm_runtime.limits import Limits
from vllm_runtime.profiles import Profile
from vllm_runtime.run_folder import run_folder
from vllm_runtime.serve_command import serve

FAKE_ENGINE = str(Path(__file__).with_name("fake_engine.py"))


def main() -> int:
    """Serve until a signal."""
    port, runtime_port = int(sys.argv[1]), int(sys.argv[2])
    limits = Limits(poll=0.02, drain_notice=0.1, term=0.5)
    with run_folder(Path(sys.argv[3]), port) as folder:
        engine = engine_for(
            "fake/model",
            Profile(),
            [],
            host="127.0.0.1",
            port=port,
            closed_file=folder.closed_file,
            serve=(sys.executable, "-S", FAKE_ENGINE),
        )
        served = serve(engine, limits, folder, runtime_host="127.0.0.1", runtime_port=runtime_port)
        return asyncio.run(served)


if __name__ == "__main__":
    sys.exit(main())
