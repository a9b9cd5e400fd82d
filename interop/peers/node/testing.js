// The interop services and the official flags, as both programs use them.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const flags = Object.fromEntries(process.argv.slice(2).map((flag) => flag.replace(/^--/, '').split(/=(.*)/s)));
const load = (file, folder) => loader.loadSync(file, {
  keepCase: true, longs: String, enums: String, defaults: true, oneofs: true, includeDirs: [path.resolve(folder)],
});
const definition = load('grpc/testing/test.proto', flags.proto);
const reports = load('xds/service/orca/v3/orca.proto', path.join(flags.proto, '../../crates/gannet-services/proto'));

module.exports = {
  flags,
  testing: grpc.loadPackageDefinition(definition).grpc.testing,
  orca: grpc.loadPackageDefinition(reports).xds.service.orca.v3,
  tls: flags.use_tls === 'true',
  read: (name) => fs.readFileSync(flags[name]),
  payload: (size) => ({ body: Buffer.alloc(size) }),
  /** The load report (gRFC A51) that a request asks for. */
  loadReport: ({ cpu_utilization, memory_utilization, request_cost, utilization }) => (
    { cpu_utilization, mem_utilization: memory_utilization, request_cost, utilization }),
  INITIAL: 'x-grpc-test-echo-initial',
  TRAILING: 'x-grpc-test-echo-trailing-bin',
};
