"""Where spans go: OTLP over HTTP, in batches beside the answering; OpenTelemetry's own variables say to whom.

`OTEL_EXPORTER_OTLP_ENDPOINT` or `..._TRACES_ENDPOINT` is the collector, `..._HEADERS`, `OTEL_SERVICE_NAME`,
`OTEL_TRACES_SAMPLER` and the rest mean what they mean elsewhere. Spans wait in a bounded queue: while the collector is
away they are lost, and no request waits for one.
"""

import asyncio
import logging
import threading
from collections.abc import Sequence

from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Tracer

from modelsat.errors import InputError
from serving.gateway.trace_settings import ENDPOINTS

NAME = "modelsat-gateway"
CLOSE_SECONDS = 5.0
"""How long the last spans may take when the gateway stops."""
_EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
logger = logging.getLogger("modelsat.gateway")


class TraceExport:
    """The way of a gateway's spans.

    Raises:
        InputError: The package that sends spans is not installed.
    """

    def __init__(self) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        except ImportError:
            raise InputError("--traces needs a package more; run pip install 'modelsat[traces]'") from None
        self._exporter = _Watched(OTLPSpanExporter())
        resource = Resource({"service.name": NAME}).merge(OTELResourceDetector().detect())
        # Closed below, within bounds; the provider's own way at exit waits as long as the collector lets it.
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))

    def tracer(self) -> Tracer:
        """Return what makes spans."""
        return self._provider.get_tracer("modelsat.gateway")

    async def close(self) -> None:
        """Send what waits, and give up after a while."""
        closing = threading.Thread(target=self._provider.shutdown, name="closing traces", daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, CLOSE_SECONDS)
        self._exporter.shutdown()


class _Watched(SpanExporter):
    """Says once that spans cannot be sent, and once that they are sent again, in place of lines for every batch."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._lost = 0
        self._is_closed = False
        logging.getLogger(_EXPORTER).addFilter(_silent)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans."""
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            if not self._lost:
                logger.error("spans cannot be sent and are lost; check %s and the collector", ENDPOINTS[1])
            self._lost += len(spans)
        elif self._lost:
            logger.info("spans are sent again; %d were lost", self._lost)
            self._lost = 0
        return result

    def shutdown(self) -> None:
        """Send nothing more; what waits for another try is given up."""
        if not self._is_closed:
            self._is_closed = True
            self._exporter.shutdown()
            logging.getLogger(_EXPORTER).removeFilter(_silent)


def _silent(_: logging.LogRecord) -> bool:
    return False
