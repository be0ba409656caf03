"""Metrics, traces and JSON logs, the same on every service; none of them holds document text or a secret."""

import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import Counter, Gauge, Histogram

from services.kit.context import current_call

SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

CALLS = Counter("ledge_calls_total", "Calls served, by their gRPC status.", ["service", "method", "code"])
CALL_SECONDS = Histogram(
    "ledge_call_seconds", "From the start to the end of a call.", ["service", "method"], buckets=SECONDS_BUCKETS
)
CALLS_IN_FLIGHT = Gauge("ledge_calls_in_flight", "Calls being served now.", ["service"])
QUEUE_SECONDS = Histogram(
    "ledge_queue_seconds", "How long an item waited for its batch.", ["queue"], buckets=SECONDS_BUCKETS
)
QUEUE_COST = Gauge("ledge_queue_cost", "Cost of the items that wait, in the queue's unit.", ["queue"])
BATCH_ITEMS = Histogram(
    "ledge_batch_items", "Items that one engine call took.", ["queue"], buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)

_RESERVED = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, service, event, then what `extra` gave, request and trace ids."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line = fields_of(record, self._service)
        return json.dumps(line, default=str, ensure_ascii=False)


class TextFormatter(JsonFormatter):
    """The same for human eyes."""

    def format(self, record: logging.LogRecord) -> str:
        line = fields_of(record, self._service)
        stack = line.pop("stack", None)
        head = f"{line.pop('time')} {line.pop('level'):7} {line.pop('service')} {line.pop('event')}"
        text = " ".join([head, *(f"{key}={value}" for key, value in line.items())])
        return f"{text}\n{stack}" if stack else text


def fields_of(record: logging.LogRecord, service: str) -> dict[str, Any]:
    """The fields of a log line. An exception is told by type and stack; its message may quote a request."""
    line: dict[str, Any] = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
        "level": record.levelname.lower(),
        "service": service,
        "event": _event(record),
    }
    line.update({key: value for key, value in record.__dict__.items() if key not in _RESERVED})
    call = current_call()
    if call is not None:
        line.setdefault("request_id", call.request_id)
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        line["trace_id"] = format(span.trace_id, "032x")
    if record.exc_info and record.exc_info[0] is not None:
        line["exception"] = record.exc_info[0].__name__
        line["stack"] = _stack(record.exc_info[2])
    return line


def _event(record: logging.LogRecord) -> str:
    message = record.getMessage()
    # After its first line asyncio tells the objects at fault, exceptions and all.
    return message.partition("\n")[0] if record.name == "asyncio" else message


def _stack(traceback: Any) -> str:
    frames = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f"{os.path.relpath(code.co_filename)}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return " > ".join(frames)


def set_up(service: str, level: str = "INFO", log_format: str = "json") -> None:
    """Routes all logging to stderr as JSON lines (or text) and starts tracing.

    Spans are exported when `OTEL_EXPORTER_OTLP_ENDPOINT` is set; without it trace
    ids are still made and passed on, so that logs of one call can be joined.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service) if log_format == "json" else TextFormatter(service))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # What no line tells is not gathered; it would cost as much as writing the line.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # the documented switch for the caller's file and line
    for noisy in ("httpx", "httpcore", "asyncio", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(logging.WARNING)

    resource = Resource.create({"service.name": f"ledge-{service}"})
    if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider = TracerProvider(resource=resource)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    else:
        provider = TracerProvider(resource=resource, sampler=ALWAYS_OFF)
    trace.set_tracer_provider(provider)


_TRACER = trace.get_tracer("ledge")
"""Finds the provider that `set_up` sets later. To ask for it again at each call would cost more than a span."""


def tracer() -> trace.Tracer:
    """The suite's tracer, for spans inside a service."""
    return _TRACER


_PROPAGATOR = TraceContextTextMapPropagator()
"""W3C trace context alone: baggage would carry whatever a caller sends into every service."""
MAX_TRACESTATE_CHARACTERS = 512
"""What the standard asks to be passed on; more could fill the metadata of a call."""


def incoming_trace(metadata: Mapping[str, str]) -> Context:
    """The OpenTelemetry context that a caller's metadata carries (W3C `traceparent`, `tracestate`)."""
    carrier = {key: metadata[key] for key in ("traceparent", "tracestate") if key in metadata}
    if len(carrier.get("tracestate", "")) > MAX_TRACESTATE_CHARACTERS:
        del carrier["tracestate"]
    return _PROPAGATOR.extract(carrier, Context())


def outgoing_trace() -> dict[str, str]:
    """Metadata that hands the current trace to the next hop."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier
