// One call over TLS by grpc-js. Prints its status.
//
// usage: node tls.js --target=localhost:10000 --ca=FILE [--cert=FILE --key=FILE] [--name=NAME]
'use strict';

const fs = require('node:fs');
const grpc = require('@grpc/grpc-js');

const flags = Object.fromEntries(process.argv.slice(2).map((flag) => flag.replace(/^--/, '').split(/=(.*)/s)));
const read = (path) => (path ? fs.readFileSync(path) : null);
const credentials = grpc.credentials.createSsl(read(flags.ca), read(flags.key), read(flags.cert));
const options = flags.name ? { 'grpc.ssl_target_name_override': flags.name } : {};
const client = new grpc.Client(flags.target, credentials, options);
const asIs = (bytes) => bytes;
const deadline = new Date(Date.now() + 10_000);

// The messages of EmptyCall have no bytes.
const path = '/grpc.testing.TestService/EmptyCall';
client.makeUnaryRequest(path, asIs, asIs, Buffer.alloc(0), { deadline }, (error) => {
  console.log(error ? grpc.status[error.code] : 'OK');
  if (error) console.error(error.details);
  client.close();
});
