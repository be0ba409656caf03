"""What the voice service counts and measures, for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

SECONDS_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.3, 1.6, 2, 3, 5, 10, 30)

SESSIONS = Gauge("ledge_voice_sessions", "Conversations that are held now.")
RESPONSES = Counter("ledge_voice_responses_total", "Responses that ended, by their status.", ["status"])
INTERRUPTIONS = Counter(
    "ledge_voice_interruptions_total", "Times that somebody spoke into an answer, by what it was.", ["kind"]
)
SPECULATIONS = Counter(
    "ledge_voice_speculations_total", "Answers begun before the end of a turn was sure, by what came of them.", ["fate"]
)
ENDPOINT_SECONDS = Histogram(
    "ledge_voice_endpoint_seconds", "From the end of speech to the end of the turn.", buckets=SECONDS_BUCKETS
)
TRANSCRIPT_SECONDS = Histogram(
    "ledge_voice_transcript_seconds", "From the end of speech to its final transcript.", buckets=SECONDS_BUCKETS
)
FIRST_AUDIO_SECONDS = Histogram(
    "ledge_voice_first_audio_seconds",
    "From the end of speech to the first audio of the answer.",
    buckets=SECONDS_BUCKETS,
)
for kind in ("speech", "false_alarm"):
    INTERRUPTIONS.labels(kind)
for fate in ("right", "discarded"):
    SPECULATIONS.labels(fate)
