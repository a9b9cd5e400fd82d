// The interop cases over grpc-js, as grpc/grpc doc/interop-test-descriptions.md describes them.
//
// usage: node cases.js --proto=DIR --server_host=127.0.0.1 --server_port=10000 --test_case=NAME
//        [--use_tls=true --ca_file=FILE --server_host_override=NAME]
'use strict';

const assert = require('node:assert');
const { isDeepStrictEqual } = require('node:util');
const grpc = require('@grpc/grpc-js');
const { flags, testing, orca, tls, read, payload, loadReport, INITIAL, TRAILING } = require('./testing');

const target = `${flags.server_host ?? 'localhost'}:${flags.server_port ?? '10000'}`;
const name = flags.server_host_override;
const credentials = tls ? grpc.credentials.createSsl(read('ca_file')) : grpc.credentials.createInsecure();
const options = name ? { 'grpc.ssl_target_name_override': name, 'grpc.default_authority': name } : {};
const connect = (more) => new testing.TestService(target, credentials, { ...options, ...more });
const client = connect();

const RESPONSE_SIZES = [31415, 9, 2653, 58979];
const REQUEST_SIZES = [27182, 8, 1828, 45904];
const streamingRequest = (responseSize, size) => ({ response_parameters: [{ size: responseSize }], payload: payload(size) });
const largeRequest = { response_size: 314159, payload: payload(271828) };

/** A unary call as a promise of its answer and metadata. */
function unary(method, request, metadata = new grpc.Metadata(), on = client) {
  return new Promise((resolve, reject) => {
    let initial;
    let response;
    const call = method.call(on, request, metadata, (error, answer) => {
      if (error) reject(error);
      else response = answer;
    });
    call.on('metadata', (received) => { initial = received; });
    call.on('status', (status) => resolve({ response, initial, trailing: status.metadata, status }));
  });
}

async function endsWith(code, promise, details) {
  const error = await promise.then(() => null, (error) => error);
  assert.ok(error, `the call ended OK, not ${grpc.status[code]}`);
  assert.strictEqual(error.code, code, `${error.code}: ${error.details}`);
  if (details !== undefined) assert.strictEqual(error.details, details);
}

async function all(stream) {
  const received = [];
  for await (const response of stream) received.push(response);
  return received;
}

const ended = (stream) => new Promise((resolve) => { stream.on('status', resolve); });

function echoed() {
  const metadata = new grpc.Metadata();
  metadata.set(INITIAL, 'test_initial_metadata_value');
  metadata.set(TRAILING, Buffer.from([0xab, 0xab, 0xab]));
  return metadata;
}

function checkEchoed(initial, trailing) {
  assert.deepStrictEqual(initial.get(INITIAL), ['test_initial_metadata_value']);
  assert.deepStrictEqual(trailing.get(TRAILING), [Buffer.from([0xab, 0xab, 0xab])]);
}

async function largeUnary(request, on) {
  const answer = await unary(client.UnaryCall, request, undefined, on);
  assert.strictEqual(answer.response.payload.body.length, 314159);
}

const load = (cpu, memory, util, cost = {}) => (
  { cpu_utilization: cpu, memory_utilization: memory, utilization: { util }, request_cost: cost });

const isReport = (seen, wanted) => (
  isDeepStrictEqual(loadReport({ ...seen, memory_utilization: seen.mem_utilization }), loadReport(wanted)));

const iterations = Number(flags.soak_iterations ?? 10);

const cases = {
  async empty_unary() {
    assert.deepStrictEqual((await unary(client.EmptyCall, {})).response, {});
  },
  async large_unary() {
    await largeUnary(largeRequest);
  },
  async client_compressed_unary() {
    const request = { ...largeRequest, expect_compressed: { value: true } };
    await endsWith(grpc.status.INVALID_ARGUMENT, unary(client.UnaryCall, request));
    const gzip = connect({ 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip });
    await largeUnary(request, gzip);
    gzip.close();
    await largeUnary({ ...largeRequest, expect_compressed: { value: false } });
  },
  // grpc-js does not tell how an answer came compressed: that it can be read is what is seen here.
  async server_compressed_unary() {
    for (const value of [true, false]) await largeUnary({ ...largeRequest, response_compressed: { value } });
  },
  async client_streaming() {
    const sum = await new Promise((resolve, reject) => {
      const call = client.StreamingInputCall((error, response) => (error ? reject(error) : resolve(response)));
      for (const size of REQUEST_SIZES) call.write({ payload: payload(size) });
      call.end();
    });
    assert.strictEqual(sum.aggregated_payload_size, 74922);
  },
  async server_streaming() {
    const responses = await all(client.StreamingOutputCall({ response_parameters: RESPONSE_SIZES.map((size) => ({ size })) }));
    assert.deepStrictEqual(responses.map((response) => response.payload.body.length), RESPONSE_SIZES);
  },
  async server_compressed_streaming() {
    const parameters = [{ size: 31415, compressed: { value: true } }, { size: 92653, compressed: { value: false } }];
    const responses = await all(client.StreamingOutputCall({ response_parameters: parameters }));
    assert.deepStrictEqual(responses.map((response) => response.payload.body.length), [31415, 92653]);
  },
  async ping_pong() {
    const call = client.FullDuplexCall();
    const responses = call[Symbol.asyncIterator]();
    for (const [place, size] of REQUEST_SIZES.entries()) {
      call.write(streamingRequest(RESPONSE_SIZES[place], size));
      assert.strictEqual((await responses.next()).value.payload.body.length, RESPONSE_SIZES[place]);
    }
    call.end();
    assert.ok((await responses.next()).done);
  },
  async empty_stream() {
    const call = client.FullDuplexCall();
    call.end();
    assert.deepStrictEqual(await all(call), []);
  },
  async custom_metadata() {
    const answer = await unary(client.UnaryCall, largeRequest, echoed());
    checkEchoed(answer.initial, answer.trailing);
    const call = client.FullDuplexCall(echoed());
    const initial = new Promise((resolve) => { call.on('metadata', resolve); });
    const status = ended(call);
    call.write(streamingRequest(314159, 271828));
    call.end();
    assert.strictEqual((await all(call)).length, 1);
    checkEchoed(await initial, (await status).metadata);
  },
  async status_code_and_message() {
    const wanted = { code: 2, message: 'test status message' };
    await endsWith(2, unary(client.UnaryCall, { response_status: wanted }), wanted.message);
    const call = client.FullDuplexCall();
    call.write({ response_status: wanted });
    call.end();
    await endsWith(2, all(call), wanted.message);
  },
  async special_status_message() {
    const wanted = { code: 2, message: '\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \u{1f608}\t\n' };
    await endsWith(2, unary(client.UnaryCall, { response_status: wanted }), wanted.message);
  },
  async unimplemented_method() {
    await endsWith(grpc.status.UNIMPLEMENTED, unary(client.UnimplementedCall, {}));
  },
  async unimplemented_service() {
    const other = new testing.UnimplementedService(target, credentials, options);
    await endsWith(grpc.status.UNIMPLEMENTED, new Promise((resolve, reject) => {
      other.UnimplementedCall({}, (error, response) => (error ? reject(error) : resolve(response)));
    }));
    other.close();
  },
  async cancel_after_begin() {
    const end = new Promise((resolve, reject) => {
      const call = client.StreamingInputCall((error, response) => (error ? reject(error) : resolve(response)));
      call.cancel();
    });
    await endsWith(grpc.status.CANCELLED, end);
  },
  async cancel_after_first_response() {
    const call = client.FullDuplexCall();
    const responses = call[Symbol.asyncIterator]();
    call.write(streamingRequest(31415, 27182));
    await responses.next();
    call.cancel();
    await endsWith(grpc.status.CANCELLED, responses.next());
  },
  async timeout_on_sleeping_server() {
    const call = client.FullDuplexCall({ deadline: Date.now() + 1 });
    call.write({ payload: payload(27182) });
    await endsWith(grpc.status.DEADLINE_EXCEEDED, all(call));
  },
  async orca_per_rpc() {
    const wanted = load(0.8210, 0.5847, 0.30499, { cost: 3456.32 });
    const { trailing } = await unary(client.UnaryCall, { orca_per_query_report: wanted });
    const [bytes] = trailing.get('endpoint-load-metrics-bin');
    const seen = orca.OpenRcaService.service.StreamCoreMetrics.responseDeserialize(bytes);
    assert.ok(isReport(seen, wanted), JSON.stringify(seen));
  },
  async orca_oob() {
    const call = client.FullDuplexCall();
    const answers = call[Symbol.asyncIterator]();
    const reporting = new orca.OpenRcaService(target, credentials, options);
    const reports = reporting.StreamCoreMetrics({ report_interval: { seconds: 1 } })[Symbol.asyncIterator]();
    for (const wanted of [load(0.8210, 0.5847, 0.30499), load(0.29309, 0.2, 0.2039)]) {
      call.write({ response_parameters: [{ size: 1 }], orca_oob_report: wanted });
      await answers.next();
      // The report that is wanted need not be the first.
      while (!isReport((await reports.next()).value, wanted));
    }
    call.end();
    assert.ok((await answers.next()).done);
  },
  async rpc_soak() {
    for (let done = 0; done < iterations; done += 1) await largeUnary(largeRequest);
  },
  async channel_soak() {
    for (let done = 0; done < iterations; done += 1) {
      const channel = connect({ 'grpc.use_local_subchannel_pool': 1 });
      await largeUnary(largeRequest, channel);
      channel.close();
    }
  },
};

cases[flags.test_case ?? 'empty_unary']().then(
  () => process.exit(0),
  (error) => {
    console.error(error.message);
    process.exit(1);
  },
);
