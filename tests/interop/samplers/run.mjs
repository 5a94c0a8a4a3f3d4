// The same as run.py for the families xray-node and otel-node: `run.mjs FAMILY URL SEED`.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const RATE_REQUESTS = 3000, STEP_MS = 12;
const [family, url, seed] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const wait = ms => new Promise(done => setTimeout(done, ms));

// The dice alone: a test must not fail by chance.
let state = (Number(seed) * 2654435761) >>> 0;
function dice() {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}

function xrayNode() {
  const xray = require('aws-xray-sdk-core');
  xray.setDaemonAddress(url.replace('http://', ''));
  const sampler = xray.middleware.sampler;
  return path => {
    const random = Math.random;
    Math.random = dice;
    try {
      return Boolean(sampler.shouldSample({ serviceName: 'shop', httpMethod: 'GET', urlPath: path }));
    } finally {
      Math.random = random;
    }
  };
}

async function otelNode() {
  const { AWSXRayRemoteSampler } = await import('@opentelemetry/sampler-aws-xray');
  const { ROOT_CONTEXT, SpanKind } = await import('@opentelemetry/api');
  const { resourceFromAttributes } = await import('@opentelemetry/resources');
  const resource = resourceFromAttributes({ 'service.name': 'shop' });
  const sampler = new AWSXRayRemoteSampler({ resource, endpoint: url, pollingInterval: 300 });
  const part = () => Math.floor(dice() * 4294967296).toString(16).padStart(8, '0');
  return path => {
    const attributes = { 'url.path': path, 'http.request.method': 'GET' };
    const id = part() + part() + part() + part();
    return sampler.shouldSample(ROOT_CONTEXT, id, 'work', SpanKind.SERVER, attributes, []).decision === 2;
  };
}

const sampled = family === 'xray-node' ? xrayNode() : await otelNode();
for (let quiet = Date.now(); Date.now() < quiet + 2200; await wait(50)) if (sampled('/never')) quiet = Date.now();
let kept = 0;
for (let n = 0; n < RATE_REQUESTS; n++) kept += sampled(`/rate/${family}`);
console.log(JSON.stringify({ requests: RATE_REQUESTS, kept }));
const until = await new Promise(done => createInterface({ input: process.stdin }).once('line', done));
const seconds = {};
while (Date.now() < Number(until) * 1000) {
  const second = Math.floor(Date.now() / 1000);
  seconds[second] = (seconds[second] ?? 0) + sampled(`/reservoir/${family}`);
  await wait(STEP_MS);
}
console.log(JSON.stringify(seconds));
process.exit(0);
