import asyncio
import gc
import io
import json
import logging

from opentelemetry import context as otel_context

from services.kit.telemetry import JsonFormatter, incoming_trace, outgoing_trace

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def passed_on(metadata: dict[str, str]) -> dict[str, str]:
    token = otel_context.attach(incoming_trace(metadata))
    try:
        return outgoing_trace()
    finally:
        otel_context.detach(token)


def test_the_trace_is_passed_on_and_baggage_is_not() -> None:
    told = passed_on({"traceparent": TRACE, "tracestate": "vendor=1", "baggage": "password=hunter2"})
    assert told == {"traceparent": TRACE, "tracestate": "vendor=1"}


def test_a_tracestate_that_would_fill_the_metadata_is_dropped() -> None:
    told = passed_on({"traceparent": TRACE, "tracestate": ",".join(f"v{n}={'x' * 200}" for n in range(30))})
    assert told == {"traceparent": TRACE}


def test_a_broken_trace_is_no_trace() -> None:
    assert passed_on({"traceparent": "00-zz", "tracestate": "=,=;"}) == {}


async def test_what_asyncio_says_of_a_lost_error_does_not_quote_it() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter("probe"))
    logger = logging.getLogger("asyncio")
    logger.addHandler(handler)
    try:

        async def fail() -> None:
            raise ValueError("password=hunter2")

        lost = asyncio.create_task(fail())
        await asyncio.wait([lost])
        del lost
        gc.collect()
    finally:
        logger.removeHandler(handler)
    line = json.loads(stream.getvalue())
    assert line["event"] == "Task exception was never retrieved"
    assert line["exception"] == "ValueError"
    assert "hunter2" not in stream.getvalue()
