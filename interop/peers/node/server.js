// The interop server over grpc-js.
//
// usage: node server.js --proto=DIR --port=10000 [--use_tls=true --tls_cert_file=FILE --tls_key_file=FILE]
'use strict';

const grpc = require('@grpc/grpc-js');
const { flags, testing, orca, tls, read, payload, loadReport, INITIAL, TRAILING } = require('./testing');

/** Sends the test's metadata back; the trailing part is for the call's end. */
function echoMetadata(call) {
  const initial = new grpc.Metadata();
  for (const value of call.metadata.get(INITIAL)) initial.add(INITIAL, value);
  call.sendMetadata(initial);
  const trailing = new grpc.Metadata();
  for (const value of call.metadata.get(TRAILING)) trailing.add(TRAILING, value);
  return trailing;
}

/** The status that the request asks for; null where it asks for none. */
function echoStatus(request) {
  const status = request.response_status;
  return status && status.code ? { code: status.code, details: status.message } : null;
}

/** Reports with the call what the request asks for (gRFC A51). */
function report(call) {
  const wanted = call.request.orca_per_query_report;
  if (!wanted) return;
  const recorder = call.getMetricsRecorder();
  recorder.recordCPUUtilizationMetric(wanted.cpu_utilization);
  recorder.recordMemoryUtilizationMetric(wanted.memory_utilization);
  for (const [name, value] of Object.entries(wanted.request_cost)) recorder.recordRequestCostMetric(name, value);
  for (const [name, value] of Object.entries(wanted.utilization)) recorder.recordUtilizationMetric(name, value);
}

/** What is reported apart from calls. grpc-js has a recorder for it, which knows no memory. */
let load = {};

const reports = {
  StreamCoreMetrics(call) {
    const tell = () => call.write(load);
    tell();
    const telling = setInterval(tell, 1000);
    call.on('cancelled', () => clearInterval(telling));
  },
};

async function answer(call, request) {
  for (const { size, interval_us: interval } of request.response_parameters) {
    if (interval) await new Promise((resolve) => { setTimeout(resolve, interval / 1000); });
    call.write({ payload: payload(size) });
  }
}

const service = {
  EmptyCall: (_call, callback) => callback(null, {}),
  UnaryCall(call, callback) {
    const trailing = echoMetadata(call);
    const status = echoStatus(call.request);
    report(call);
    if (status) callback({ ...status, metadata: trailing });
    else callback(null, { payload: payload(call.request.response_size) }, trailing);
  },
  async StreamingOutputCall(call) {
    await answer(call, call.request);
    call.end();
  },
  StreamingInputCall(call, callback) {
    let size = 0;
    call.on('data', (request) => { size += request.payload.body.length; });
    call.on('end', () => callback(null, { aggregated_payload_size: size }));
  },
  FullDuplexCall(call) {
    const trailing = echoMetadata(call);
    // One request after the other, in the order they come.
    let answered = Promise.resolve();
    let ended = false;
    call.on('data', (request) => {
      answered = answered.then(async () => {
        if (ended) return;
        const status = echoStatus(request);
        if (status) {
          ended = true;
          call.emit('error', { ...status, metadata: trailing });
          return;
        }
        if (request.orca_oob_report) load = loadReport(request.orca_oob_report);
        await answer(call, request);
      });
    });
    call.on('end', () => { answered.then(() => { if (!ended) call.end(trailing); }); });
  },
};

const server = new grpc.Server({ 'grpc.server_call_metric_recording': 1 });
// UnimplementedCall has no handler: that is what its case is about.
server.addService(testing.TestService.service, service);
server.addService(orca.OpenRcaService.service, reports);
const credentials = tls
  ? grpc.ServerCredentials.createSsl(null, [{ cert_chain: read('tls_cert_file'), private_key: read('tls_key_file') }])
  : grpc.ServerCredentials.createInsecure();
server.bindAsync(`127.0.0.1:${flags.port ?? '10000'}`, credentials, (error) => {
  if (error) throw error;
});
