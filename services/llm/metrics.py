"""What the llm service counts, for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

from services.kit.telemetry import SECONDS_BUCKETS

PROMPT_TOKENS = Counter("ledge_llm_prompt_tokens_total", "Tokens of the prompts answered, cached ones included.")
CACHED_PROMPT_TOKENS = Counter("ledge_llm_cached_prompt_tokens_total", "Those of them found in the prefix cache.")
GENERATED_TOKENS = Counter("ledge_llm_generated_tokens_total", "Tokens generated.")
FIRST_TOKEN_SECONDS = Histogram(
    "ledge_llm_first_token_seconds", "From the call to the first text of an answer.", buckets=SECONDS_BUCKETS
)
SLOTS_BUSY = Gauge("ledge_llm_slots_busy", "Slots that generate now.")
