// What the contract says of all services: limits, broken input, health, reflection, deadlines, and the drain at the end.
import assert from 'node:assert';
import * as fs from 'node:fs';
import * as http2 from 'node:http2';
import * as path from 'node:path';
import * as grpc from '@grpc/grpc-js';
import {
  Talk, chats, client, collect, email, fails, files, flags, is, newUser, orders, standard, target, unary,
} from './client.ts';
import { check, longCheck } from './checks.ts';

const status = grpc.status;
const SERVICES = ['user.v1.UserService', 'order.v1.OrderService', 'file.v1.FileService', 'chat.v1.ChatService'];

/** A unary call of any method with any bytes. */
function raw(method: string, request: Buffer, options: grpc.CallOptions = {}): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const same = (bytes: Buffer) => bytes;
    client.makeUnaryRequest(method, same, same, request, options, (error: any, response: any) =>
      error ? reject(error) : resolve(response),
    );
  });
}

/** A request of bytes that no gRPC library would send; its status, by the first of both header blocks that has one. */
function bytes(method: string, body: Buffer | undefined): Promise<{ code: number; details: string }> {
  return new Promise((resolve, reject) => {
    const session = http2.connect(`http://${target}`);
    session.on('error', reject);
    const headers = { ':method': 'POST', ':path': method, 'content-type': 'application/grpc', te: 'trailers' };
    const stream = session.request(headers, { endStream: false });
    const end = (block: any) => {
      if (block['grpc-status'] === undefined) return;
      resolve({ code: Number(block['grpc-status']), details: decodeURIComponent(block['grpc-message'] ?? '') });
      session.destroy();
    };
    stream.on('response', end);
    stream.on('trailers', end);
    stream.on('error', reject);
    stream.resume();
    if (body) stream.end(body);
  });
}

longCheck("a unary call whose request never comes ends with the server's own limit", async () => {
  is(status.DEADLINE_EXCEEDED, await bytes('/user.v1.UserService/GetUser', undefined));
});

check('an unknown method, an unknown service', async () => {
  await fails(status.UNIMPLEMENTED, raw('/user.v1.UserService/Nothing', Buffer.alloc(0)));
  await fails(status.UNIMPLEMENTED, raw('/nobody.v1.Nothing/GetUser', Buffer.alloc(0)));
});

check('a message over 4 MiB', async () => {
  const request = { name: 'n'.repeat(4 << 20), email: email() };
  await fails(status.RESOURCE_EXHAUSTED, unary(client, 'CreateUser', request));
  const chat = new Talk(client.UserChat());
  chat.say({ content: 'x'.repeat(4 << 20) });
  is(status.RESOURCE_EXHAUSTED, await chat.fails());
});

check('broken protobuf, and text that is not UTF-8', async () => {
  await fails(status.INTERNAL, raw('/user.v1.UserService/GetUser', Buffer.from([0x0a, 0x7f, 0x61])));
  await fails(status.INTERNAL, raw('/user.v1.UserService/GetUser', Buffer.from([0x0a, 0x02, 0xff, 0xfe])));
});

check('half a message before the end of a stream', async () => {
  const half = Buffer.from([0, 0, 0, 0, 9, 1, 2, 3]);
  for (const method of ['BatchCreateUsers', 'UserChat']) {
    is(status.INTERNAL, await bytes(`/user.v1.UserService/${method}`, half));
  }
  const chunk = Buffer.concat([Buffer.from([0, 0, 0, 0, 8, 0x0a, 3, 97, 98, 99, 0x12, 1, 97]), half]);
  is(status.INTERNAL, await bytes('/file.v1.FileService/UploadFile', chunk));
  assert.deepStrictEqual(fs.readdirSync(path.join(flags.data, 'incoming')), [], 'the upload left something');
});

check("a client's deadline", async () => {
  const order = await unary(orders, 'CreateOrder', {
    user_id: (await newUser()).id,
    items: [{ product_id: 'tea', quantity: 1, price: { currency_code: 'EUR', units: '1' } }],
  });
  const watch = orders.WatchOrder({ order_id: order.id }, { deadline: Date.now() + 200 });
  is(status.DEADLINE_EXCEEDED, (await collect(watch)).status);
});

check('a cancelled upload leaves nothing', async () => {
  const incoming = path.join(flags.data, 'incoming');
  const upload = files.UploadFile(() => {});
  upload.on('error', () => {});
  upload.write({ filename: 'name', content: Buffer.alloc(100_000) });
  while (fs.readdirSync(incoming).length === 0) await new Promise((done) => setTimeout(done, 5));
  upload.cancel();
  while (fs.readdirSync(incoming).length > 0) await new Promise((done) => setTimeout(done, 5));
});

const { v1: health } = standard('grpc/health/v1/health.proto').health;
const healthClient = new health.Health(target, grpc.credentials.createInsecure());

check('health', async () => {
  for (const service of ['', ...SERVICES]) {
    assert.strictEqual((await unary(healthClient, 'Check', { service })).status, 'SERVING', service);
  }
  await fails(status.NOT_FOUND, unary(healthClient, 'Check', { service: 'nobody' }));
  for (const [service, wanted] of [['', 'SERVING'], ['nobody', 'SERVICE_UNKNOWN']]) {
    const watch = new Talk(healthClient.Watch({ service }));
    assert.strictEqual((await watch.next()).status, wanted);
    watch.cancel();
  }
});

for (const version of ['v1', 'v1alpha']) {
  check(`reflection ${version}`, async () => {
    const reflection = standard(`grpc/reflection/${version}/reflection.proto`).reflection[version];
    const server = new reflection.ServerReflection(target, grpc.credentials.createInsecure());
    const talk = new Talk(server.ServerReflectionInfo());
    const listed = await talk.say({ list_services: '' }).next();
    const names = listed.list_services_response.service.map((service: any) => service.name);
    for (const service of [...SERVICES, 'grpc.health.v1.Health']) assert.ok(names.includes(service), service);
    const found = await talk.say({ file_containing_symbol: 'user.v1.UserService' }).next();
    assert.ok(found.file_descriptor_response.file_descriptor_proto.length > 0);
    const byName = await talk.say({ file_by_filename: 'user/v1/user.proto' }).next();
    const own = byName.file_descriptor_response.file_descriptor_proto;
    assert.ok(own.some((file: Buffer) => file.includes('user/v1/user.proto')));
    const missing = await talk.say({ file_by_filename: 'nobody.proto' }).next();
    assert.strictEqual(missing.error_response.error_code, status.NOT_FOUND);
    await talk.end();
  });
}

check('at SIGTERM streams without an end of their own are told, and others finish', async () => {
  const order = await unary(orders, 'CreateOrder', {
    user_id: (await newUser()).id,
    items: [{ product_id: 'tea', quantity: 1, price: { currency_code: 'EUR', units: '1' } }],
  });
  const watch = new Talk(orders.WatchOrder({ order_id: order.id }));
  await watch.next();
  const room = new Talk(chats.Chat());
  await room.say({ room_id: 'a', content: 'hello' }).next();
  const echo = new Talk(client.UserChat());
  await echo.say({ content: 'hello' }).next();
  const matching = new Talk(orders.MatchOrders());
  const serving = new Talk(healthClient.Watch({ service: '' }));
  assert.strictEqual((await serving.next()).status, 'SERVING');
  const upload = new Promise<any>((resolve, reject) => {
    const call = files.UploadFile((error: any, response: any) => (error ? reject(error) : resolve(response)));
    call.write({ filename: 'name', content: Buffer.alloc(1000) });
    void serving.next().then(({ status }) => {
      assert.strictEqual(status, 'NOT_SERVING');
      call.end({ content: Buffer.alloc(1000) });
    }, reject);
  });
  // The upload has begun once its temporary file is there.
  while (fs.readdirSync(path.join(flags.data, 'incoming')).length === 0) await new Promise((done) => setTimeout(done, 5));
  process.kill(Number(flags.pid), 'SIGTERM');
  for (const talk of [watch, room, echo, matching]) {
    is(status.UNAVAILABLE, await talk.fails(), 'server is shutting down');
  }
  assert.strictEqual((await upload).size, '2000');
  is(status.UNAVAILABLE, (await collect(client.ListUsers({}))).status);
});
