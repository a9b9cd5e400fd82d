// The storefront's protos, loaded with the guide's options, a client of each service, and ways to call them.
import assert from 'node:assert';
import path from 'node:path';
import * as grpc from '@grpc/grpc-js';
import * as protoLoader from '@grpc/proto-loader';
import protobuf from 'protobufjs';

export const flags = Object.fromEntries(
  process.argv.slice(2).map((flag) => flag.replace(/^--/, '').split(/=(.*)/s)),
);

const OPTIONS = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };
const SERVICES = ['user', 'order', 'file', 'chat'];

// From the application's folder, as the guide has it.
const packageDefinition = protoLoader.loadSync(
  SERVICES.map((name) => `./proto/${name}/v1/${name}.proto`),
  OPTIONS,
);
export const proto = grpc.loadPackageDefinition(packageDefinition) as any;

export const target: string = flags.target;
const credentials = grpc.credentials.createInsecure();
export const client = new proto.user.v1.UserService(target, credentials);
export const orders = new proto.order.v1.OrderService(target, credentials);
export const files = new proto.file.v1.FileService(target, credentials);
export const chats = new proto.chat.v1.ChatService(target, credentials);

/** A service of the standard protos that lie in another crate. */
export function standard(file: string): any {
  const definition = protoLoader.loadSync(file, { ...OPTIONS, includeDirs: [flags.standard] });
  return grpc.loadPackageDefinition(definition).grpc as any;
}

/** A unary call. */
export function unary(service: any, method: string, request: any, options: grpc.CallOptions = {}): Promise<any> {
  return new Promise((resolve, reject) => {
    service[method](request, options, (error: grpc.ServiceError | null, response: any) =>
      error ? reject(error) : resolve(response),
    );
  });
}

/** A call with a stream of requests and one answer, and the metadata of its end. */
export function upload(service: any, method: string, requests: Iterable<any>): Promise<any> {
  return new Promise((resolve, reject) => {
    let answer: any;
    const call = service[method]((error: grpc.ServiceError | null, response: any) =>
      error ? reject(error) : (answer = response),
    );
    call.on('status', (status: grpc.StatusObject) => resolve({ ...answer, trailers: status.metadata }));
    // Not after an error of the server: grpc-js throws then.
    for (const request of requests) if (!call.destroyed) call.write(request);
    call.end();
  });
}

export interface Ended {
  messages: any[];
  status: grpc.StatusObject;
}

/** Reads a stream of answers to its end, good or bad. */
export function collect(call: any): Promise<Ended> {
  const messages: any[] = [];
  call.on('data', (message: any) => messages.push(message));
  call.on('error', () => {}); // the status tells it
  return new Promise((resolve) => {
    call.on('status', (status: grpc.StatusObject) => resolve({ messages, status }));
  });
}

/** The messages of a stream that has to end well. */
export async function all(call: any): Promise<any[]> {
  const { messages, status } = await collect(call);
  assert.strictEqual(status.code, grpc.status.OK, status.details);
  return messages;
}

/** A stream in both directions, read message by message. */
export class Talk {
  readonly call: any;
  private readonly answers: AsyncIterator<any>;

  constructor(call: any) {
    this.call = call;
    this.answers = call[Symbol.asyncIterator]();
  }

  say(message: any): this {
    this.call.write(message);
    return this;
  }

  async next(): Promise<any> {
    const { value, done } = await this.answers.next();
    assert.ok(!done, 'the stream ended');
    return value;
  }

  /** Half-closes, where there is something to close, and expects nothing more but OK. */
  async end(): Promise<void> {
    this.call.end?.();
    assert.ok((await this.answers.next()).done, 'a message after the end');
  }

  /** Reads on to the error that the stream ends with. */
  async fails(): Promise<grpc.ServiceError> {
    try {
      while (!(await this.answers.next()).done);
    } catch (error) {
      return error as grpc.ServiceError;
    }
    throw new Error('the stream ended OK');
  }

  cancel(): void {
    this.call.on('error', () => {});
    this.call.cancel();
  }
}

const google = new protobuf.Root();
google.resolvePath = (_origin, file) =>
  file.startsWith('google/rpc/') ? path.join(flags.google, file) : protobuf.util.path.resolve('', file);
google.loadSync(['google/rpc/status.proto', 'google/rpc/error_details.proto'], { keepCase: true });

/** The details of an error, by the names of their types: `{ BadRequest: { field_violations: [...] } }`. */
export function details(error: grpc.StatusObject | grpc.ServiceError): Record<string, any> {
  const [encoded] = error.metadata.get('grpc-status-details-bin');
  assert.ok(encoded, 'the error has no details');
  const status: any = google.lookupType('google.rpc.Status').decode(encoded as Buffer);
  assert.strictEqual(status.code, error.code, "the details' code");
  return Object.fromEntries(
    status.details.map((any: any) => {
      const name = any.type_url.split('/').pop();
      return [name.split('.').pop(), google.lookupType(name).decode(any.value)];
    }),
  );
}

/** Expects a call to fail, and gives the error. */
export async function fails(code: grpc.status, call: Promise<any>, message?: string | RegExp): Promise<any> {
  const error = await call.then(
    () => undefined,
    (error) => error,
  );
  assert.ok(error, `the call ended OK, not ${grpc.status[code]}`);
  assert.ok(typeof error.code === 'number', String(error));
  is(code, error, message);
  return error;
}

/** Checks how something ended. */
export function is(code: grpc.status, ended: { code: number; details: string }, message?: string | RegExp): void {
  const text = `${grpc.status[ended.code]}: ${ended.details}`;
  assert.strictEqual(ended.code, code, `not ${grpc.status[code]} but ${text}`);
  assert.ok(ended.details || code === grpc.status.OK, 'the error says nothing');
  if (message instanceof RegExp) assert.match(ended.details, message);
  else if (message !== undefined) assert.strictEqual(ended.details, message);
}

/** The fields that a BadRequest names. */
export const badFields = (error: any): string[] =>
  details(error).BadRequest.field_violations.map((violation: any) => violation.field);

/** A promise and the function that keeps it. */
export function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((keep) => (resolve = keep));
  return { promise, resolve };
}

let unique = 0;
/** An email that nobody has. */
export const email = (): string => `somebody-${process.pid}-${unique++}@example.com`;

export async function newUser(name = 'Somebody'): Promise<any> {
  return (await unary(client, 'CreateUser', { name, email: email() })).user;
}
