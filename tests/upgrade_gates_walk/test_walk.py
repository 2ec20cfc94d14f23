"""A whole upgrade to vLLM 0.13 behind the built API, from `init` to a promotion by itself.

The old engine is the CPU stack. What only a GPU host can show is brought, as from there, and named
in `ON_A_GPU`; everything else is seen here.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from attestation_testing.records import attested
from e2e_testing.programs import pex, run, run_within, running, wait_until_ready
from loopback_testing.ports import free_port
from vllm_cpu_testing.engine import RunningVllm, running_vllm
from vllm_cpu_testing.environment import MODEL, vllm_cpu

LOCKS = Path("3rdparty/python").resolve()
OLD_MODEL = "smollm2-135m-instruct"
ENGINE_KEY = "engine-key"
SECONDS = 600.0
"""Two engines share two cores, with whatever else runs there."""

USERS = 4
DRILLED = 12
"""Requests before the drill; half of them, by chance, go to the candidate."""

ON_A_GPU = (
    *("2.environment", "2.install.torch", "2.install.vllm", "2.sanity.torch", "2.sanity.vllm"),
    "3.baseline.gpu-memory",
)
"""The engine's CUDA environment, and its memory."""

OTHER_WEIGHTS = "the test: the old engine has other weights on purpose"
"""Who accepts that the answers differ, and why: 4 bits in llama.cpp, float32 in vLLM."""

IN_A_CHECKOUT = ("4.imports.sources", "4.imports.pex")
"""What `build-support/boundaries` shows; its own tests run it."""

CONFIGURATION = """\
[server]
port = {port}
[database]
url = "embedded:postgres"
[upstreams.old]
base_url = "{old}/v1"
api_key_env = "CPU_RUNTIME_API_KEY"
[upstreams.new]
base_url = "{new}/v1"
[models.smollm2]
capabilities = ["chat"]
targets = [
  {{ upstream = "old", model = "{old_model}" }},
  {{ upstream = "new", model = "{new_model}", role = "candidate" }},
]
[rollouts]
gates_command = {gates}
"""

BRING = """
import sys
from pathlib import Path
from upgrade_gates.checklist.gates import line_with_id
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.evidence.store import Finding
from upgrade_gates.session import open_session, utc_now
session, now = open_session(Path.cwd()), utc_now()
session.store.append([
    Finding(check=line, verdict=Verdict.PASS, reason="brought by a test", started_at=now,
            finished_at=now, subjects=session.artefacts.digests(line_with_id(line).binds))
    for line in sys.argv[1:]
], command=["upgrade_gates"])
"""


class Upgrade:
    """The programs of an operator, in the folder of the upgrade.

    Attributes:
        times: how long each command took, in seconds.
    """

    def __init__(self, folder: Path, api: str, old: str, new: RunningVllm) -> None:
        self.folder, self.api, self.old, self.new = folder, api, old, new
        self.times: dict[str, float] = {}
        self.keys = {"CPU_RUNTIME_API_KEY": ENGINE_KEY}
        self.keys |= {"QUERYLAKE_API_KEY": self._new_key("inference")}
        self.keys |= {"QUERYLAKE_ADMIN_KEY": self._new_key("inference", "admin")}

    def _new_key(self, *scopes: str) -> str:
        created = run(
            *("querylake_api.pex", "keys", "create", "--name", "walk", "--json"),
            *("--config", str(self.folder / "querylake.toml")),
            *(part for scope in scopes for part in ("--scope", scope)),
            cwd=self.folder,
            **self.keys,
        )
        assert created.returncode == 0, created.stderr
        return str(json.loads(created.stdout)["key"])

    def begun(self, *, runtime_lock: str) -> None:
        """Begin with `init`."""
        locks = {"api": "api", "runtime": runtime_lock, "edge": "edge"}
        done = self.gates(
            *("init", "--serving-url", f"{self.new.url}/v1", "--model", MODEL),
            *("--old-url", f"{self.old}/v1", "--old-model", OLD_MODEL),
            *("--old-key-env", "CPU_RUNTIME_API_KEY", "--admin-key-env", "QUERYLAKE_ADMIN_KEY"),
            *("--api-url", self.api, "--api-model", "smollm2"),
            *("--artefact", f"api_pex={pex('querylake_api.pex')}"),
            *("--artefact", f"api_config={self.folder / 'querylake.toml'}"),
            *(
                part
                for stack, lock in locks.items()
                for part in ("--artefact", f"{stack}_lock={LOCKS / f'{lock}.lock'}")
            ),
        )
        assert done.returncode == 0, done.stderr

    def assert_gate_4_holds(self) -> None:
        """See that the candidate answers, and the old engine only for the fallback."""
        bounded = self.verified("boundary", "verify")
        self.bring(*IN_A_CHECKOUT)
        seen = {line: bounded[line] for line in bounded if line not in IN_A_CHECKOUT}
        assert {verdict for verdict, _ in seen.values()} == {"pass"}, seen
        assert "vllm:request_success_total rose by 2" in seen["4.provider.chat"][1]
        assert "served by process" in seen["4.provider.chat"][1]
        assert seen["4.fallback"][1].startswith(self.old)
        assert self.gates("status", "--gate", "4").returncode == 0

    def gates(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of upgrade_gates."""
        started = time.monotonic()
        name = "upgrade_gates.pex"
        done = run_within(SECONDS, name, *arguments, cwd=self.folder, NO_COLOR="1", **self.keys)
        self.times[" ".join(arguments[:2])] = round(time.monotonic() - started, 1)
        return done

    def verified(self, *arguments: str) -> dict[str, tuple[str, str]]:
        """Run a command that verifies, and return verdict and reason by line."""
        done = self.gates(*arguments, "--json")
        assert done.returncode in (0, 1), done.stderr
        found = [each["predicate"] for each in json.loads(done.stdout)]
        return {each["check"]: (each["verdict"], each["reason"]) for each in found}

    def bring(self, *lines: str) -> None:
        """Keep evidence as other machines would have brought it."""
        script = self.folder / "bring.py"
        script.write_text(BRING)
        done = run("upgrade_gates.pex", str(script), *lines, cwd=self.folder, PEX_INTERPRETER="1")
        assert done.returncode == 0, done.stderr

    def admin(self, method: str, path: str, body: object = None) -> Any:
        """Ask the API's admin routes."""
        headers = {"Authorization": f"Bearer {self.keys['QUERYLAKE_ADMIN_KEY']}"}
        url = f"{self.api}/admin/rollouts{path}"
        answer = httpx.request(method, url, json=body, headers=headers, timeout=60)
        assert answer.is_success, answer.text
        return answer.json()

    def started(self, *, promote: bool) -> str:
        """Start a rollout that is soon decided."""
        plan = {
            "model": "smollm2",
            "steps": [{"percent": 50, "bake_seconds": 0}],
            "sticky": False,
            "auto_promote": promote,
            "judging": {
                "error_margin": 0.45,
                "latency_ratio": 10,
                "min_requests": 20,
                "warmup_seconds": 0,
                "stall_seconds": 60,  # two engines on two busy cores
            },
        }
        rollout = str(self.admin("POST", "", plan)["id"])
        self.admin("POST", f"/{rollout}/start", {"reason": "a walk"})
        return rollout

    @contextmanager
    def traffic(self) -> Iterator[None]:
        """Let several users chat all the while, each one request after another."""
        over = threading.Event()
        users = [self._new_key("inference") for _ in range(USERS)]
        threads = [threading.Thread(target=self._chat_until, args=(over, key)) for key in users]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def chat(self, requests: int) -> None:
        """Ask so many times."""
        for _ in range(requests):
            self._ask(self.keys["QUERYLAKE_API_KEY"])

    def _chat_until(self, over: threading.Event, key: str) -> None:
        while not over.is_set():
            self._ask(key)

    def _ask(self, key: str) -> None:
        # Both engines end this answer by themselves: one that is cut by length counts as odd.
        question = {"role": "user", "content": "What is the capital of France?"}
        body = {"model": "smollm2", "messages": [question], "temperature": 0}
        httpx.post(
            f"{self.api}/v1/chat/completions",
            json={**body, "max_tokens": 24},
            headers={"Authorization": f"Bearer {key}"},
            timeout=SECONDS,
        )

    def until(self, rollout: str, status: str) -> None:
        """Wait until a rollout has a status."""
        deadline = time.monotonic() + SECONDS
        while self.admin("GET", f"/{rollout}")["status"] != status:
            assert time.monotonic() < deadline, self.admin("GET", f"/{rollout}")
            time.sleep(0.5)

    def flipped(self, rollout: str) -> None:
        """Wait until the rollback of a rollout has reached every worker."""
        deadline = time.monotonic() + SECONDS
        while True:
            events = self.admin("GET", f"/{rollout}/events")["data"]
            ids = [event["id"] for event in events if event["kind"] == "rolled_back"]
            if any(
                each["kind"] == "flipped" and each["figures"]["event"] in ids for each in events
            ):
                return
            assert time.monotonic() < deadline, events
            time.sleep(0.2)


@contextmanager
def upgrading(new: RunningVllm, folder: Path) -> Iterator[Upgrade]:
    """Run the old engine, and the API in front of both."""
    old_port, port = free_port(), free_port()
    old, api = f"http://127.0.0.1:{old_port}", f"http://127.0.0.1:{port}"
    gates = [sys.executable, str(pex("upgrade_gates.pex")), "evidence", "fresh"]
    (folder / "querylake.toml").write_text(
        CONFIGURATION.format(
            port=port,
            old=old,
            new=new.url,
            old_model=OLD_MODEL,
            new_model=MODEL,
            gates=json.dumps([*gates, "--for", "promotion"]),
        )
    )
    arguments = ("cpu_runtime.pex", "serve", "--port", str(old_port), "--threads", "1")
    with running(*arguments, cwd=folder, CPU_RUNTIME_API_KEY=ENGINE_KEY) as engine:
        engine.until("cpu_runtime ready on ")
        serve = ("querylake_api.pex", "serve", "--config", "querylake.toml")
        with running(*serve, cwd=folder, CPU_RUNTIME_API_KEY=ENGINE_KEY):
            wait_until_ready(f"{api}/readyz")
            yield Upgrade(folder, api, old, new)


@pytest.fixture()
def upgrade(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Upgrade]:
    """An upgrade to the vLLM of a channel, which the test gives as parameter."""
    engine = vllm_cpu(request.param)
    with running_vllm(engine, tmp_path) as new, upgrading(new, tmp_path) as begun:
        yield begun


@pytest.mark.parametrize("upgrade", ["edge"], indirect=True)
def test_gate_4_with_vllm_0_32(upgrade: Upgrade) -> None:
    """What the newest engine says of a mistake reaches callers in its own words, too."""
    upgrade.begun(runtime_lock="edge")
    served = upgrade.verified("serving", "verify", "--no-measure")
    assert {verdict for verdict, _ in served.values()} == {"pass"}, served
    assert "vLLM 0.32.0" in served["3.serve"][1]
    upgrade.assert_gate_4_holds()


@pytest.mark.parametrize("upgrade", ["stable"], indirect=True)
def test_from_init_to_a_promotion_by_itself(upgrade: Upgrade) -> None:
    upgrade.begun(runtime_lock="inference")
    upgrade.bring(*ON_A_GPU, *IN_A_CHECKOUT)

    served = upgrade.verified("serving", "verify", "--seconds", "120", "--no-gpu")
    assert {verdict for verdict, _ in served.values()} == {"pass"}, served
    assert "vLLM 0.13.0" in served["3.serve"][1]
    upgrade.gates("parity", "verify", "--seconds", "60", "--fail-fast", "--accept", OTHER_WEIGHTS)

    upgrade.assert_gate_4_holds()
    built = upgrade.verified("api", "verify")
    assert {verdict for verdict, _ in built.values()} == {"pass"}, built
    smoked = upgrade.verified("rollout", "verify", "--smoke-only")
    assert smoked["6.smoke.chat"][0] == "pass", smoked

    fresh = upgrade.gates("evidence", "fresh", "--for", "promotion")
    assert fresh.returncode == 0, json.loads(fresh.stdout)["missing"]

    drill = upgrade.started(promote=False)
    upgrade.chat(DRILLED)
    upgrade.admin("POST", f"/{drill}/rollback", {"reason": "a drill"})
    upgrade.flipped(drill)
    rollout = upgrade.started(promote=True)
    with upgrade.traffic():
        upgrade.until(rollout, "promoted")

    rolled = upgrade.verified("rollout", "verify")
    assert {verdict for verdict, _ in rolled.values()} == {"pass"}, rolled
    assert rollout in rolled["6.promote.default"][1]
    assert "OVERRIDE" not in rolled["6.promote.default"][1]
    cleaned = upgrade.verified("hygiene", "verify")
    assert cleaned["7.sbom"][0] == "pass"
    for gate in ("2", "3", "4", "5", "6"):
        assert upgrade.gates("status", "--gate", gate).returncode == 0
    assert upgrade.gates("evidence", "verify").returncode == 0
    assert attested(upgrade.folder / ".upgrade" / "evidence") > len(IN_A_CHECKOUT) + len(ON_A_GPU)
    print("\n".join(f"{seconds:7.1f} s  {command}" for command, seconds in upgrade.times.items()))
