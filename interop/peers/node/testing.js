// The interop services and the official flags, as both programs use them.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const flags = Object.fromEntries(process.argv.slice(2).map((flag) => flag.replace(/^--/, '').split(/=(.*)/s)));
const definition = loader.loadSync('grpc/testing/test.proto', {
  keepCase: true, longs: String, enums: String, defaults: true, oneofs: true,
  includeDirs: [path.resolve(flags.proto)],
});

module.exports = {
  flags,
  testing: grpc.loadPackageDefinition(definition).grpc.testing,
  tls: flags.use_tls === 'true',
  read: (name) => fs.readFileSync(flags[name]),
  payload: (size) => ({ body: Buffer.alloc(size) }),
  INITIAL: 'x-grpc-test-echo-initial',
  TRAILING: 'x-grpc-test-echo-trailing-bin',
};
