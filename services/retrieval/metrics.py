"""What the retrieval service tells Prometheus beside what every service does."""

from prometheus_client import Gauge, Histogram

UNOPTIMIZED_POINTS = Gauge(
    "ledge_retrieval_unoptimized_points", "Points written or removed since their collection was last optimised."
)
OPTIMIZING = Gauge("ledge_retrieval_optimizing", "1 while an index is being optimised.")
LACKING_MEMORY_BYTES = Gauge(
    "ledge_retrieval_lacking_memory_bytes",
    "Memory that optimising wants and this process may not take: 0, or collections are served unoptimised.",
)
OPTIMIZE_SECONDS = Histogram(
    "ledge_retrieval_optimize_seconds",
    "How long optimising a collection took.",
    buckets=(0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800),
)
