"""A steady stream of calls of every service while something happens, and what became of them."""

import base64
import json
import os
import subprocess
import uuid
from collections.abc import Mapping
from typing import Any

from tests.cluster.client import Pod

RATE_PER_S = float(os.environ.get("E2E_RATE_PER_S", "50"))
MIX = {
    "embedding": 17,
    "reranking": 16,
    "gateway": 9,
    "retrieval": 2,
    "rag": 1,
    "llm": 1,
    "translation": 1,
    "tts": 1,
    "asr": 1,
    "voice": 1,
}
"""Of fifty calls. Every service that the gateway calls is among them."""

STARVED = 0.05
"""Of the time, waited for a core: half of what the rate may lack."""


class Traffic:
    """Use as a context; `result` is there after it."""

    def __init__(
        self,
        client: Pod,
        gateway: str,
        rate_per_s: float = RATE_PER_S,
        mix: Mapping[str, int] = MIX,
        retry_s: float = 0,
    ) -> None:
        self._client = client
        self._end = f"/tmp/end-{uuid.uuid4().hex[:8]}"
        self._settings = {
            "gateway": gateway,
            "rate_per_s": rate_per_s,
            "until": self._end,
            "mix": mix,
            "retry_s": retry_s,
        }
        self._process: subprocess.Popen[str] | None = None
        self.result: dict[str, Any] = {}

    def __enter__(self) -> "Traffic":
        program = self._client.put("load")
        settings = base64.b64encode(json.dumps(self._settings).encode()).decode()
        self._process = self._client.background("python", program, settings)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._client.run("touch", self._end)
        printed, errors = self._process.communicate(timeout=120)
        self.result = json.loads(printed or "null") or {}
        assert self.result.get("calls"), errors

    def summary(self) -> dict[str, Any]:
        """For the figures: all but the failures themselves."""
        kept = ("calls", "failed", "lasted_s", "waited_for_a_core_s", "ms", "ms_by_kind")
        return {**{key: self.result[key] for key in kept}, "achieved_per_s": round(self.achieved_per_s, 1)}

    @property
    def achieved_per_s(self) -> float:
        """Calls that were made, each at its time whatever became of those before it."""
        return float(self.result["calls"] / self.result["lasted_s"])

    @property
    def is_starved(self) -> bool:
        """Whether the machine, not what is tested, kept the calls from being made: they got no core to be made on."""
        waited_s = self.result["waited_for_a_core_s"]
        return waited_s is None or waited_s > STARVED * self.result["lasted_s"]

    def failures(self) -> str:
        """The first ones, for people."""
        lines = [f"{each['kind']}: {each['status']} {each['text']}" for each in self.result["failures"]]
        counted = {line: lines.count(line) for line in lines}
        return "\n".join(f"{count} × {line}" for line, count in list(counted.items())[:20])
