// A program with AWS's X-Ray SDK, as anyone would write it; prints the trace's id as JSON.
// AWS_XRAY_DAEMON_ADDRESS says where the daemon is; nothing else is configured for Raywatch.
const AWSXRay = require('aws-xray-sdk-core');

AWSXRay.enableManualMode();
AWSXRay.middleware.disableCentralizedSampling();

const segment = new AWSXRay.Segment('node-shop');
segment.addAnnotation('customer', 'bob');
segment.addIncomingRequestData(
  new AWSXRay.middleware.IncomingRequestData({
    method: 'GET', url: '/orders', headers: { host: 'shop.example', 'user-agent': 'test' }, connection: {}, socket: {},
  }),
);
// More of them at once than the SDK keeps, so that it sends finished ones before the segment has ended.
const steps = Array.from({ length: 120 }, (_, number) => segment.addNewSubsegment(`step ${number}`));
steps.forEach((step, number) => {
  step.addMetadata('number', number, 'steps');
  step.close();
});
const query = segment.addNewSubsegment('orders@db.example');
query.addSqlData(new AWSXRay.database.SqlData('16', '8', 'ada', 'mysql://db.example/orders', 'SELECT ?'));
query.namespace = 'remote';
query.close();
const bank = segment.addNewSubsegment('bank.example');
bank.namespace = 'remote';
bank.close(new TypeError('the bank said no'));
segment.addFaultFlag();
segment.close();
console.log(JSON.stringify({ trace: segment.trace_id }));
