"""What the llm service counts, for Prometheus: under Ledge's names, and the same under those of vLLM and NIM 1.x."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from services.kit.telemetry import QUEUE_COST, QUEUE_SECONDS, SECONDS_BUCKETS
from services.llm.engine import Finish, Piece

TOKENS_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)

PROMPT_TOKENS = Counter("ledge_llm_prompt_tokens_total", "Tokens of the prompts answered, cached ones included.")
CACHED_PROMPT_TOKENS = Counter("ledge_llm_cached_prompt_tokens_total", "Those of them found in the prefix cache.")
GENERATED_TOKENS = Counter("ledge_llm_generated_tokens_total", "Tokens generated.")
FIRST_TOKEN_SECONDS = Histogram(
    "ledge_llm_first_token_seconds", "From the call to the first text of an answer.", buckets=SECONDS_BUCKETS
)
TOKEN_SECONDS = Histogram(
    "ledge_llm_token_seconds", "Mean time of an answer's tokens after its first.", buckets=SECONDS_BUCKETS
)
ANSWER_SECONDS = Histogram(
    "ledge_llm_answer_seconds", "From the call to the end of an answer.", buckets=SECONDS_BUCKETS
)
ANSWER_PROMPT_TOKENS = Histogram(
    "ledge_llm_answer_prompt_tokens", "Tokens of one answer's prompt.", buckets=TOKENS_BUCKETS
)
ANSWER_GENERATED_TOKENS = Histogram(
    "ledge_llm_answer_generated_tokens", "Tokens generated for one answer.", buckets=TOKENS_BUCKETS
)
ANSWERS = Counter("ledge_llm_answers_total", "Answers that came to their end, by why they ended.", ["finish"])
PREDICTION_ERROR = Histogram(
    "ledge_llm_length_error_ratio",
    "Predicted over generated tokens of an answer, where its length was predicted.",
    buckets=(0.1, 0.2, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 5, 10),
)
SLOTS_BUSY = Gauge("ledge_llm_slots_busy", "Slots that generate now.")
# An autoscaler wants its figure before the first call.
QUEUE_COST.labels("llm")
QUEUE_SECONDS.labels("llm")
for finish in Finish:
    ANSWERS.labels(finish.value)


@dataclass(slots=True)
class AnswerMeter:
    """Measures one answer from the call on; one that is broken off counts in no figure of whole answers."""

    called_s: float = field(default_factory=time.monotonic)
    first_s: float | None = None

    def compare(self, predicted_tokens: float, piece: Piece) -> None:
        """Takes note of how good a guess was; of answers that a limit cut off nobody knows."""
        if predicted_tokens > 0 and piece.usage is not None and piece.finish is Finish.STOP:
            PREDICTION_ERROR.observe(predicted_tokens / max(1, piece.usage.completion_tokens))

    def measure(self, piece: Piece) -> None:
        """Takes note of each piece as it comes."""
        now_s = time.monotonic()
        if self.first_s is None and (piece.text or piece.tool_calls):
            self.first_s = now_s
            FIRST_TOKEN_SECONDS.observe(now_s - self.called_s)
        if piece.usage is None:
            return
        usage = piece.usage
        PROMPT_TOKENS.inc(usage.prompt_tokens)
        CACHED_PROMPT_TOKENS.inc(usage.cached_prompt_tokens)
        GENERATED_TOKENS.inc(usage.completion_tokens)
        ANSWER_SECONDS.observe(now_s - self.called_s)
        ANSWER_PROMPT_TOKENS.observe(usage.prompt_tokens)
        ANSWER_GENERATED_TOKENS.observe(usage.completion_tokens)
        if self.first_s is not None and usage.completion_tokens > 1:
            TOKEN_SECONDS.observe((now_s - self.first_s) / (usage.completion_tokens - 1))
        if piece.finish is not None:
            ANSWERS.labels(piece.finish.value).inc()


@dataclass(slots=True, eq=False)
class OtherNames(Collector):
    """The same figures by the names that dashboards and autoscalers made for vLLM and for NIM 1.x look for.

    What no engine here tells (the share of a cache in use) is left out: a made-up figure would scale somebody's
    cluster.
    """

    model: str = ""
    slots: int = 0

    def collect(self) -> Iterator[Metric]:
        for source, names in (
            (SLOTS_BUSY, ("vllm:num_requests_running", "num_requests_running")),
            (QUEUE_COST, ("vllm:num_requests_waiting", "num_requests_waiting")),
            (PROMPT_TOKENS, ("vllm:prompt_tokens", "prompt_tokens", "vllm:prefix_cache_queries")),
            (CACHED_PROMPT_TOKENS, ("vllm:prefix_cache_hits",)),
            (GENERATED_TOKENS, ("vllm:generation_tokens", "generation_tokens")),
            (FIRST_TOKEN_SECONDS, ("vllm:time_to_first_token_seconds", "time_to_first_token_seconds")),
            (TOKEN_SECONDS, ("vllm:request_time_per_output_token_seconds", "time_per_output_token_seconds")),
            (ANSWER_SECONDS, ("vllm:e2e_request_latency_seconds", "e2e_request_latency_seconds")),
            (QUEUE_SECONDS, ("vllm:request_queue_time_seconds",)),
            (ANSWER_PROMPT_TOKENS, ("vllm:request_prompt_tokens", "request_prompt_tokens")),
            (ANSWER_GENERATED_TOKENS, ("vllm:request_generation_tokens", "request_generation_tokens")),
            (ANSWERS, ("vllm:request_success", "request_success", "request_finish")),
        ):
            (told,) = source.collect()
            for name in names:
                yield self._renamed(told, name)
        most = GaugeMetricFamily("num_request_max", "Answers that run at a time.", labels=["model_name"])
        most.add_metric([self.model], self.slots)
        yield most

    def describe(self) -> Iterator[Metric]:
        """Named by `collect`, which needs nothing to be there."""
        return self.collect()

    def _renamed(self, told: Metric, name: str) -> Metric:
        renamed = Metric(name, told.documentation, told.type)
        for sample in told.samples:
            if not sample.name.endswith("_created"):
                suffix = sample.name.removeprefix(told.name)
                renamed.samples.append(Sample(name + suffix, self._labels(name, sample.labels), sample.value))
        return renamed

    def _labels(self, name: str, labels: Mapping[str, str]) -> dict[str, str]:
        told = {"model_name": self.model}
        if name.startswith("vllm:"):
            told["engine"] = "0"
        if "finish" in labels:
            told["finished_reason"] = labels["finish"]
        if "le" in labels:
            told["le"] = labels["le"]
        return told


OTHER_NAMES = OtherNames()
REGISTRY.register(OTHER_NAMES)
