"""What the hybrid service counts, for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

from services.kit.telemetry import SECONDS_BUCKETS

REQUESTS = Counter(
    "ledge_hybrid_requests_total", "Answers, by the mode used, who wrote them and why.", ["mode", "answered_by", "why"]
)
ROUTE_SCORE = Histogram(
    "ledge_hybrid_route_score",
    "Scores of the questions routed, on the router's scale.",
    buckets=(-2, -1, -0.5, -0.2, -0.1, 0, 0.1, 0.2, 0.5, 1, 2, 4, 6, 8),
)
CASCADE_LOGPROB = Histogram(
    "ledge_hybrid_cascade_logprob",
    "Mean log-probability of the little model's answers in cascade.",
    buckets=(-4, -3, -2, -1.5, -1, -0.7, -0.5, -0.3, -0.2, -0.1, 0),
)
CLOUD_CALLS = Counter("ledge_hybrid_cloud_calls_total", "Calls made to the big model.")
CLOUD_TOKENS = Counter("ledge_hybrid_cloud_tokens_total", "Tokens of the big model.", ["direction"])
REFUSED_BY_BUDGET = Counter(
    "ledge_hybrid_refused_by_budget_total", "Calls of the big model that no budget was left for."
)
BILD_TOKENS = Counter("ledge_hybrid_bild_tokens_total", "Tokens of answers of Big Little decoding.", ["source"])
BILD_FALLBACKS = Counter("ledge_hybrid_bild_fallbacks_total", "Times the little model was unsure and handed over.")
BILD_ROLLBACKS = Counter("ledge_hybrid_bild_rollbacks_total", "Times the big model replaced a drafted token.")
BILD_DISCARDED = Counter("ledge_hybrid_bild_discarded_tokens_total", "Drafted tokens that did not stand.")
BILD_RUN_TOKENS = Histogram(
    "ledge_hybrid_bild_run_tokens",
    "Tokens drafted before the big model was asked.",
    buckets=(0, 1, 2, 3, 4, 6, 8, 10, 16, 32, 64),
)
BILD_ON = Gauge("ledge_hybrid_bild_on", "Whether Big Little decoding is switched on (0: its cost model says it loses).")
VERIFY_SECONDS = Histogram("ledge_hybrid_verify_rtt_seconds", "From a draft to its verdict.", buckets=SECONDS_BUCKETS)
VERIFY_BYTES = Counter("ledge_hybrid_verify_bytes_total", "Bytes of drafts and verdicts.", ["direction"])
VERIFY_RECONNECTS = Counter("ledge_hybrid_verify_reconnects_total", "Sessions opened anew because the old one broke.")
for direction in ("prompt", "answer"):
    CLOUD_TOKENS.labels(direction)
for direction in ("up", "down"):
    VERIFY_BYTES.labels(direction)
for source in ("little", "big"):
    BILD_TOKENS.labels(source)
