// UserService: every method and every error of the contract.
import assert from 'node:assert';
import { status } from '@grpc/grpc-js';
import { Talk, all, badFields, client, collect, details, email, fails, is, newUser, unary, upload } from './client.ts';
import { check } from './checks.ts';

const create = (request: any) => unary(client, 'CreateUser', request);
const update = (request: any) => unary(client, 'UpdateUser', request);
const mask = (...paths: string[]) => ({ paths });
const list = (request: any) => collect(client.ListUsers(request));
const seconds = (time: any) => Number(time.seconds);

check('create user', async () => {
  const address = email();
  const { user } = await create({ name: 'Ada', email: address, password: 'secret' });
  assert.match(user.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepStrictEqual([user.name, user.email, user.role, user.status], ['Ada', address, 'ROLE_USER', 'USER_STATUS_ACTIVE']);
  assert.ok(Math.abs(seconds(user.created_at) - Date.now() / 1000) < 60, "the server's time");
  assert.deepStrictEqual(user.created_at, user.updated_at);
  assert.ok(!JSON.stringify(user).includes('secret'), 'the password came back');
  const admin = await create({ name: 'Root', email: email(), role: 'ROLE_ADMIN' });
  assert.strictEqual(admin.user.role, 'ROLE_ADMIN');
});

check('create user: name and email are required', async () => {
  const both = await fails(status.INVALID_ARGUMENT, create({}), 'Name and email are required');
  assert.deepStrictEqual(badFields(both).sort(), ['email', 'name']);
  const noName = await fails(status.INVALID_ARGUMENT, create({ email: email() }), 'Name and email are required');
  assert.deepStrictEqual(badFields(noName), ['name']);
  const noEmail = await fails(status.INVALID_ARGUMENT, create({ name: 'Ada' }), 'Name and email are required');
  assert.deepStrictEqual(badFields(noEmail), ['email']);
});

check('create user: an email that is none', async () => {
  for (const address of ['ada', '@example.com', 'ada@', 'a b@example.com']) {
    const error = await fails(status.INVALID_ARGUMENT, create({ name: 'Ada', email: address }));
    assert.deepStrictEqual(badFields(error), ['email'], address);
  }
});

check('create user: an email that exists', async () => {
  const address = email();
  await create({ name: 'Ada', email: address });
  const error = await fails(status.ALREADY_EXISTS, create({ name: 'Eve', email: address.toUpperCase() }));
  assert.ok(details(error).ErrorInfo.reason, 'no reason');
});

check('get user', async () => {
  const user = await newUser();
  assert.deepStrictEqual((await unary(client, 'GetUser', { id: user.id })).user, user);
});

check('get user: not found', async () => {
  const error = await fails(status.NOT_FOUND, unary(client, 'GetUser', { id: '123' }), 'User 123 not found');
  assert.strictEqual(details(error).ResourceInfo.resource_name, '123');
});

check('update user: the fields of the mask', async () => {
  const user = await newUser();
  const changed = await update({
    id: user.id,
    name: 'Grace',
    email: email(),
    status: 'USER_STATUS_INACTIVE',
    update_mask: mask('name', 'status'),
  });
  assert.deepStrictEqual([changed.name, changed.email, changed.status], ['Grace', user.email, 'USER_STATUS_INACTIVE']);
  assert.notDeepStrictEqual(changed.updated_at, user.updated_at);
  assert.deepStrictEqual(changed.created_at, user.created_at);
  assert.deepStrictEqual((await unary(client, 'GetUser', { id: user.id })).user, changed);
});

check('update user: without a mask, with an empty one, and with *', async () => {
  const user = await newUser();
  const name = await update({ id: user.id, name: 'Grace' });
  assert.deepStrictEqual([name.name, name.email, name.status], ['Grace', user.email, 'USER_STATUS_ACTIVE']);
  const empty = await update({ id: user.id, status: 'USER_STATUS_PENDING', update_mask: mask() });
  assert.deepStrictEqual([empty.name, empty.email, empty.status], ['Grace', user.email, 'USER_STATUS_PENDING']);
  const whole = { name: 'Hopper', email: email(), status: 'USER_STATUS_ACTIVE' };
  const star = await update({ id: user.id, ...whole, update_mask: mask('*') });
  assert.deepStrictEqual([star.name, star.email, star.status], Object.values(whole));
});

check('update user: another path of the mask', async () => {
  const user = await newUser();
  for (const path of ['id', 'created_at', 'nonsense']) {
    const request = { id: user.id, name: 'Grace', update_mask: mask('name', path) };
    const error = await fails(status.INVALID_ARGUMENT, update(request));
    assert.ok(error.details.includes(path), error.details);
  }
});

check('update user: the checks of create user', async () => {
  const [user, other] = [await newUser(), await newUser()];
  const id = user.id;
  await fails(status.NOT_FOUND, update({ id: '123', name: 'Grace' }), 'User 123 not found');
  const noName = await fails(status.INVALID_ARGUMENT, update({ id, update_mask: mask('name') }));
  assert.deepStrictEqual(badFields(noName), ['name']);
  const noEmail = await fails(status.INVALID_ARGUMENT, update({ id, email: 'none' }));
  assert.deepStrictEqual(badFields(noEmail), ['email']);
  const taken = await fails(status.ALREADY_EXISTS, update({ id, email: other.email.toUpperCase() }));
  assert.ok(details(taken).ErrorInfo.reason);
  for (const [wrong, paths] of [[0, ['status']], [0, ['*']], [77, ['status']], [77, ['*']]] as const) {
    const request = { id, name: 'Ada', email: email(), status: wrong, update_mask: mask(...paths) };
    await fails(status.INVALID_ARGUMENT, update(request));
  }
  assert.deepStrictEqual((await unary(client, 'GetUser', { id })).user, user);
});

check('delete user', async () => {
  const user = await newUser();
  assert.deepStrictEqual(await unary(client, 'DeleteUser', { id: user.id }), {});
  await fails(status.NOT_FOUND, unary(client, 'GetUser', { id: user.id }));
  await fails(status.NOT_FOUND, unary(client, 'DeleteUser', { id: user.id }), `User ${user.id} not found`);
  // The email is free again.
  await create({ name: 'Ada', email: user.email });
});

check('list users: order, filter and count', async () => {
  const made = [await newUser(), await newUser(), await newUser()];
  await update({ id: made[1].id, status: 'USER_STATUS_PENDING' });
  const everyone = await list({});
  is(status.OK, everyone.status);
  const ids = everyone.messages.map((user) => user.id);
  assert.deepStrictEqual(ids.slice(-3), made.map((user) => user.id));
  assert.deepStrictEqual(everyone.status.metadata.get('total-count'), [String(ids.length)]);
  assert.deepStrictEqual(everyone.status.metadata.get('next-page-token'), []);
  const pending = await list({ status_filter: 'USER_STATUS_PENDING' });
  assert.ok(pending.messages.every((user) => user.status === 'USER_STATUS_PENDING'));
  assert.strictEqual(pending.messages.at(-1).id, made[1].id);
  assert.deepStrictEqual(pending.status.metadata.get('total-count'), [String(pending.messages.length)]);
});

check('list users: page by page', async () => {
  for (let number = 0; number < 5; number++) await newUser();
  const everyone = (await all(client.ListUsers({}))).map((user) => user.id);
  const paged: string[] = [];
  let page_token = '';
  do {
    const page = await list({ page_size: 7, page_token });
    is(status.OK, page.status);
    assert.ok(page.messages.length <= 7);
    assert.deepStrictEqual(page.status.metadata.get('total-count'), [String(everyone.length)]);
    paged.push(...page.messages.map((user) => user.id));
    page_token = (page.status.metadata.get('next-page-token')[0] as string) ?? '';
  } while (page_token);
  assert.deepStrictEqual(paged, everyone);
});

check('list users: a page token of nobody', async () => {
  await newUser();
  await newUser();
  const page = await list({ page_size: 1, status_filter: 'USER_STATUS_ACTIVE' });
  const token = page.status.metadata.get('next-page-token')[0] as string;
  const good = { page_size: 1, page_token: token, status_filter: 'USER_STATUS_ACTIVE' };
  is(status.OK, (await list(good)).status);
  const forged = token.slice(0, -1) + (token.endsWith('A') ? 'B' : 'A');
  for (const request of [
    { ...good, page_token: 'nonsense' },
    { ...good, page_token: forged },
    { ...good, page_token: (token.startsWith('A') ? 'B' : 'A') + token.slice(1) },
    { ...good, status_filter: 'USER_STATUS_UNSPECIFIED' },
    { ...good, status_filter: 'USER_STATUS_PENDING' },
  ]) {
    is(status.INVALID_ARGUMENT, (await list(request)).status);
  }
});

check('list users: a negative page size', async () => {
  is(status.INVALID_ARGUMENT, (await list({ page_size: -1 })).status);
});

check('batch create users', async () => {
  const taken = (await newUser()).email;
  const addresses = [email(), email()];
  const answer = await upload(client, 'BatchCreateUsers', [
    { name: 'First', email: addresses[0] },
    { name: '', email: email() },
    { name: 'Taken', email: taken },
    { name: 'No email', email: 'none' },
    { name: 'Twice', email: addresses[0].toUpperCase() },
    { name: 'Last', email: addresses[1], password: 'secret' },
  ]);
  assert.deepStrictEqual([answer.success_count, answer.failure_count], [2, 4]);
  assert.deepStrictEqual(answer.users.map((user: any) => user.email), addresses);
  const nobody = await upload(client, 'BatchCreateUsers', []);
  assert.deepStrictEqual([nobody.success_count, nobody.failure_count], [0, 0]);
});

check('batch create users: ten thousand', async () => {
  const name = 'n'.repeat(300);
  const requests = Array.from({ length: 10_000 }, () => ({ name, email: email() }));
  const answer = await upload(client, 'BatchCreateUsers', requests);
  assert.deepStrictEqual([answer.success_count, answer.failure_count], [10_000, 0]);
  // They would pass 3 MiB: the answer has those that fit, and says so.
  assert.deepStrictEqual(answer.trailers.get('users-truncated'), ['true']);
  assert.ok(answer.users.length > 5_000 && answer.users.length < 10_000, String(answer.users.length));
});

check('user chat', async () => {
  const talk = new Talk(client.UserChat());
  for (const content of ['hello', '', 'ä 🐦']) {
    const answer = await talk.say({ user_id: 'ada', content }).next();
    assert.deepStrictEqual([answer.user_id, answer.content], ['ada', `Echo: ${content}`]);
    assert.ok(Math.abs(seconds(answer.timestamp) - Date.now() / 1000) < 60, "the server's time");
  }
  await talk.end();
});
