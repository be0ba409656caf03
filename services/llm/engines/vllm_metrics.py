"""What vLLM knows of itself beyond its answers, for Prometheus: its cache, its own queue, its speculation.

vLLM's own metrics would stand beside those of the suite under the same names; this takes their place.
"""

from typing import Any

from prometheus_client import Counter, Gauge
from vllm.v1.metrics.loggers import PrometheusStatLogger

KV_CACHE_SHARE = Gauge("ledge_llm_kv_cache_share", "Share of the attention cache that is in use, 0 to 1.")
VLLM_KV_CACHE_SHARE = Gauge("vllm:kv_cache_usage_perc", "The same.", ["model_name", "engine"])
ENGINE_RUNNING = Gauge("ledge_llm_engine_running", "Answers in vLLM's batch.")
ENGINE_WAITING = Gauge("ledge_llm_engine_waiting", "Answers in vLLM's own queue: no cache was free for them.")
PREEMPTIONS = Counter("ledge_llm_preemptions_total", "Answers whose cache was taken away for one of higher priority.")
DRAFTED = Counter("ledge_llm_drafted_tokens_total", "Tokens drafted by speculative decoding.")
DRAFTS_ACCEPTED = Counter("ledge_llm_accepted_draft_tokens_total", "Those of them that the model confirmed.")


class Figures(PrometheusStatLogger):  # type: ignore[misc]
    """Takes vLLM's figures; derives from its own logger only because that is how vLLM is told not to add one."""

    def __init__(self, vllm_config: Any, engine_indexes: list[int] | None = None) -> None:
        self._share = VLLM_KV_CACHE_SHARE.labels(vllm_config.model_config.served_model_name, "0")

    def record(
        self, scheduler_stats: Any, iteration_stats: Any, mm_cache_stats: Any = None, engine_idx: int = 0
    ) -> None:
        if scheduler_stats is not None:
            KV_CACHE_SHARE.set(scheduler_stats.kv_cache_usage)
            self._share.set(scheduler_stats.kv_cache_usage)
            ENGINE_RUNNING.set(scheduler_stats.num_running_reqs)
            ENGINE_WAITING.set(scheduler_stats.num_waiting_reqs)
            if (drafts := scheduler_stats.spec_decoding_stats) is not None:
                DRAFTED.inc(drafts.num_draft_tokens)
                DRAFTS_ACCEPTED.inc(drafts.num_accepted_tokens)
        if iteration_stats is not None:
            PREEMPTIONS.inc(iteration_stats.num_preempted_reqs)

    def log_engine_initialized(self) -> None:
        """Nothing to say once."""

    def record_sleep_state(self, sleep: int = 0, level: int = 0) -> None:
        """It never sleeps."""

    def record_admission_rejection(self, reason: str) -> None:
        """The service's own queue refuses first."""
