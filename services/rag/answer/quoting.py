"""Makes sentences of an answer out of evidence, so that a quotation reads well and still is one."""

from services.rag.document import Kind
from services.rag.evidence.signals import Candidate

MAX_LEAD_IN_CHARACTERS = 200


def quotation(candidate: Candidate) -> str:
    """The segment in its own words; a list item after the words that introduce it, a table row under its heading."""
    text = " ".join(candidate.text.split()).rstrip(" ;,")
    lead_in = " ".join(candidate.segment.lead_in.split())
    if candidate.segment.kind is Kind.ITEM and lead_in.endswith(":") and len(lead_in) <= MAX_LEAD_IN_CHARACTERS:
        text = f"{lead_in} {text}"
    elif candidate.segment.kind is Kind.ROW and candidate.found.chunk.headings:
        text = f"{candidate.found.chunk.headings[-1]}: {text}"
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", "…", "”", '"')) else f"{text}."
