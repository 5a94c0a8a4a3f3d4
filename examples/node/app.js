// Twenty orders with a trace, log lines and measurements each, sent as OTLP/HTTP with JSON.
// The exporters send to http://localhost:4318 unless OTEL_EXPORTER_OTLP_ENDPOINT says otherwise.
import { context, metrics, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { setTimeout as sleep } from 'node:timers/promises';

const resource = resourceFromAttributes({ 'service.name': 'node-example', 'service.version': '1.0.0' });

const traces = new NodeTracerProvider({
  resource,
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
});
traces.register();

const measurements = new MeterProvider({
  resource,
  readers: [new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter() })],
});
metrics.setGlobalMeterProvider(measurements);

const logs = new LoggerProvider({
  resource,
  processors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter() })],
});

const tracer = trace.getTracer('orders');
const logger = logs.getLogger('orders');
const orders = metrics.getMeter('orders').createCounter('orders', { unit: '{order}' });
const duration = metrics.getMeter('orders').createHistogram('order.duration', { unit: 'ms' });

function say(severityNumber, severityText, body) {
  logger.emit({ severityNumber, severityText, body, context: context.active() });
}

async function charge(order) {
  await tracer.startActiveSpan('charge card', { kind: SpanKind.CLIENT }, async (span) => {
    span.setAttribute('server.address', 'bank.example');
    await sleep(10 + 40 * Math.random());
    if (order % 7 === 0) {
      const error = new Error(`the bank did not answer for order ${order}`);
      span.recordException(error);
      span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
      span.end();
      throw error;
    }
    span.end();
  });
}

async function place(order) {
  const began = performance.now();
  await tracer.startActiveSpan('POST /orders', { kind: SpanKind.SERVER }, async (span) => {
    let outcome = 'placed';
    try {
      await charge(order);
      say(SeverityNumber.INFO, 'INFO', `order ${order} placed`);
    } catch (error) {
      outcome = 'failed';
      say(SeverityNumber.ERROR, 'ERROR', `order ${order} failed: ${error.message}`);
    }
    span.setAttributes({ order, 'http.response.status_code': outcome === 'placed' ? 201 : 503 });
    orders.add(1, { outcome });
    duration.record(performance.now() - began, { outcome });
    span.end();
  });
}

for (let number = 1; number <= 20; number++) await place(number);

await Promise.all([traces, measurements, logs].map((provider) => provider.shutdown()));
