// Sends one trace, one log record and three metrics as OTLP/HTTP with JSON; arguments: URL, gzip or none.
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';

const [url, compression] = process.argv.slice(2);
const to = (signal) => ({ url: `${url}/v1/${signal}`, compression });
const resource = resourceFromAttributes({ 'service.name': 'exporter-test', 'service.version': '1.2.3' });

const traces = new BasicTracerProvider({
  resource,
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter(to('traces')))],
});
const logs = new LoggerProvider({
  resource,
  processors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter(to('logs')) })],
});
const metrics = new MeterProvider({
  resource,
  readers: [new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter(to('metrics')) })],
});

const tracer = traces.getTracer('exporter-test', '9.9');
const parent = tracer.startSpan('parent', { kind: SpanKind.SERVER, attributes: { 'order.id': 84217, 'paid': true } });
const inside = trace.setSpan(context.active(), parent);
const link = { context: { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 } };
const child = tracer.startSpan('child', { kind: SpanKind.CLIENT, links: [link] }, inside);
child.recordException(new TypeError('the bank said no'));
child.setStatus({ code: SpanStatusCode.ERROR, message: 'no money' });
child.end();
parent.end();

logs.getLogger('exporter-test').emit({
  severityNumber: SeverityNumber.WARN,
  severityText: 'WARN',
  body: 'something is odd',
  attributes: { 'order.id': 84217 },
  context: inside,
});

const meter = metrics.getMeter('exporter-test');
meter.createCounter('orders', { unit: '{order}' }).add(7, { kind: 'book' });
meter.createHistogram('duration', { unit: 'ms' }).record(42.5);
meter.createObservableGauge('queue').addCallback((result) => result.observe(3));

await Promise.all([traces, logs, metrics].map((provider) => provider.forceFlush()));
await Promise.all([traces, logs, metrics].map((provider) => provider.shutdown()));
const { traceId, spanId } = parent.spanContext();
console.log(JSON.stringify({ traceId, parent: spanId, child: child.spanContext().spanId }));
