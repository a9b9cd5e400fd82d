// The storefront's contract, called from TypeScript over grpc-js.
//
// usage: tsx main.ts --target=ADDRESS --pid=SERVER --data=DIR --max_upload=BYTES --standard=DIR --google=DIR
// Run it in the application's folder: the protos are loaded from `./proto`, as in the guide.
import { runChecks } from './checks.ts';
import './guide.ts';
import './users.ts';
import './orders.ts';
import './files.ts';
import './chat.ts';
import './service.ts';

process.exit((await runChecks()) ? 0 : 1);
