// ChatService: every good case and every error of the contract.
import assert from 'node:assert';
import { credentials, status } from '@grpc/grpc-js';
import { Talk, badFields, chats, is, proto, target } from './client.ts';
import { check } from './checks.ts';

let unique = 0;
const room = () => `room-${process.pid}-${unique++}`;

async function enter(room_id: string, user_id: string): Promise<Talk> {
  const talk = new Talk(chats.Chat());
  talk.say({ room_id, user_id, content: 'hello' });
  while ((await talk.next()).user_id !== user_id);
  return talk;
}

check('chat: one order for all, its sender too', async () => {
  const room_id = room();
  const talks = [];
  for (const user_id of ['a', 'b', 'c']) talks.push(await enter(room_id, user_id));
  for (let late = 2; late > 0; late--) for (let early = 0; early < late; early++) await talks[early].next();
  const COUNT = 50;
  for (let number = 0; number < COUNT; number++) {
    talks.forEach((talk, place) => talk.say({ room_id, user_id: `${place}`, content: `${number}` }));
  }
  const heard = [];
  for (const talk of talks) {
    const messages = [];
    while (messages.length < 3 * COUNT) messages.push(await talk.next());
    assert.ok(messages.every((message) => Math.abs(Number(message.timestamp.seconds) - Date.now() / 1000) < 60));
    heard.push(messages.map((message) => `${message.user_id}: ${message.content}`));
  }
  assert.deepStrictEqual(heard[1], heard[0]);
  assert.deepStrictEqual(heard[2], heard[0]);
  for (const talk of talks) await talk.end();
});

check('chat: the first message names no room', async () => {
  const talk = new Talk(chats.Chat());
  talk.say({ user_id: 'a', content: 'hello' });
  const error = await talk.fails();
  is(status.INVALID_ARGUMENT, error);
  assert.deepStrictEqual(badFields(error), ['room_id']);
});

check('chat: moving to another room', async () => {
  const [old, other] = [room(), room()];
  const [stays, there] = [await enter(old, 'stays'), await enter(other, 'there')];
  const mover = await enter(old, 'mover');
  await stays.next();
  mover.say({ room_id: other, content: 'moved' }).say({ content: 'still here' });
  for (const content of ['moved', 'still here']) {
    for (const talk of [there, mover]) {
      const message = await talk.next();
      assert.deepStrictEqual([message.room_id, message.content], [other, content]);
    }
  }
  assert.strictEqual((await stays.say({ content: 'alone' }).next()).content, 'alone');
  for (const talk of [stays, there, mover]) await talk.end();
});

check('chat: a cancelled stream leaves the room', async () => {
  const room_id = room();
  const [stays, goes] = [await enter(room_id, 'stays'), await enter(room_id, 'goes')];
  await stays.next();
  goes.cancel();
  for (let number = 0; number < 10; number++) {
    assert.strictEqual((await stays.say({ content: `${number}` }).next()).content, `${number}`);
  }
  await stays.end();
});

check('chat: who does not read is let go, and slows nobody', async () => {
  const room_id = room();
  const awake = await enter(room_id, 'awake');
  // A connection of its own: what is not read fills the window of the whole connection.
  const options = { 'grpc.use_local_subchannel_pool': 1 };
  const sleeper = new proto.chat.v1.ChatService(target, credentials.createInsecure(), options);
  const asleep = new Talk(sleeper.Chat());
  const let_go = new Promise<any>((resolve) => asleep.call.on('error', resolve));
  // It reads its own message and nothing more.
  await asleep.say({ room_id, user_id: 'asleep', content: 'hello' }).next();
  await awake.next();
  const content = 'x'.repeat(1024);
  for (let number = 0; number < 3_000; number++) {
    assert.strictEqual((await awake.say({ content: `${number} ${content}` }).next()).content, `${number} ${content}`);
  }
  // Without reading on.
  is(status.RESOURCE_EXHAUSTED, await let_go);
  await awake.end();
  sleeper.close();
});
