"""Where an answer stands in vLLM's own order: lower first, the highest preempted first, as it was given for good."""

from services.llm.engine import Job

CLASS_TOKENS = 100_000
"""How much shorter an answer would have to be to make up for a priority that is higher by one."""
AGEING_TOKENS_PER_S = 20
"""How much shorter each second makes an answer count that came earlier: nobody waits for ever."""


def place(job: Job, arrived_s: float) -> int:
    """By priority, then by expected length and age; without expected lengths, by arrival."""
    return job.priority * CLASS_TOKENS + int(job.predicted_tokens + AGEING_TOKENS_PER_S * arrived_s)
