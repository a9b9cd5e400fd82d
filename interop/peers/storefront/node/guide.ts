// The guide's own client calls: its sections 3 to 5, word for word where TypeScript without generated types lets them be.
import assert from 'node:assert';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { promisify } from 'node:util';
import * as grpc from '@grpc/grpc-js';
import { chats, client as users, deferred, email, files, newUser, orders, unary } from './client.ts';
import { check } from './checks.ts';

type User = any;
type CreateUserRequest = any;
type BatchCreateUsersResponse = any;
type UploadResponse = any;
type OrderStatusUpdate = any;
type ChatMessage = any;

// Unary call
async function createUser(name: string, email: string): Promise<User> {
  return new Promise((resolve, reject) => {
    users.CreateUser({ name, email, password: 'temp' }, (error: any, response: any) => {
      if (error) reject(error);
      else resolve(response.user);
    });
  });
}

// With async/await wrapper
const createUserAsync: any = promisify(users.CreateUser).bind(users);
const getUserAsync: any = promisify(users.GetUser).bind(users);

// Server streaming
function listUsers(): AsyncIterable<User> {
  const call = users.ListUsers({ page_size: 100 });

  return {
    async *[Symbol.asyncIterator]() {
      for await (const user of call) {
        yield user;
      }
    },
  };
}

// Client streaming
async function batchCreateUsers(requests: CreateUserRequest[]): Promise<BatchCreateUsersResponse> {
  return new Promise((resolve, reject) => {
    const call = users.BatchCreateUsers((error: any, response: any) => {
      if (error) reject(error);
      else resolve(response);
    });

    for (const user of requests) {
      call.write(user);
    }

    call.end();
  });
}

// Real-time order updates
function watchOrder(orderId: string, updateUI: (update: OrderStatusUpdate) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = orders.WatchOrder({ order_id: orderId });

    call.on('data', (update: OrderStatusUpdate) => {
      updateUI(update);
    });

    call.on('end', () => {
      resolve();
    });

    call.on('error', (error: any) => {
      reject(error);
    });
  });
}

// File upload
async function uploadFile(filePath: string): Promise<UploadResponse> {
  return new Promise((resolve, reject) => {
    const call = files.UploadFile((error: any, response: any) => {
      if (error) reject(error);
      else resolve(response);
    });

    const fileStream = fs.createReadStream(filePath, { highWaterMark: 64 * 1024 }); // 64KB chunks
    const filename = path.basename(filePath);
    let isFirst = true;

    fileStream.on('data', (chunk) => {
      call.write({
        content: chunk,
        filename: isFirst ? filename : undefined,
        offset: isFirst ? 0 : undefined,
      });
      isFirst = false;
    });

    fileStream.on('end', () => {
      call.end();
    });

    fileStream.on('error', (error) => {
      call.destroy(error);
      reject(error);
    });
  });
}

// Chat
class ChatClient {
  private call: any;
  private roomId: string;
  private userId: string;

  constructor(roomId: string, userId: string) {
    this.roomId = roomId;
    this.userId = userId;
    this.call = chats.Chat();
    this.setupListeners();
  }

  private setupListeners() {
    this.call.on('data', (message: ChatMessage) => {
      this.onMessage?.(message);
    });

    this.call.on('end', () => {
      this.onEnd?.();
    });

    this.call.on('error', (error: any) => {
      console.error('Chat error:', error);
    });
  }

  send(content: string) {
    this.call.write({
      room_id: this.roomId,
      user_id: this.userId,
      content,
    });
  }

  disconnect() {
    this.call.end();
  }

  onMessage?: (message: ChatMessage) => void;
  onEnd?: () => void;
}

check('guide: create user', async () => {
  const address = email();
  const user = await createUser('John', address);
  assert.strictEqual(user.name, 'John');
  assert.strictEqual(user.email, address);
});

check('guide: promisified calls', async () => {
  const { user } = await createUserAsync({ name: 'John', email: email(), password: 'secret' });
  assert.deepStrictEqual((await getUserAsync({ id: user.id })).user, user);
});

check('guide: list users', async () => {
  const made = await createUser('Listed', email());
  const names = [];
  for await (const user of listUsers()) {
    names.push(user.id);
  }
  assert.ok(names.includes(made.id), 'the user is not listed');
});

check('guide: batch create users', async () => {
  const requests = Array.from({ length: 20 }, (_, number) => ({ name: `Batch ${number}`, email: email() }));
  const answer = await batchCreateUsers(requests);
  assert.strictEqual(answer.success_count, 20);
  assert.deepStrictEqual(answer.users.map((user: any) => user.email), requests.map((request) => request.email));
});

check('guide: watch order', async () => {
  const user = await newUser();
  const price = { currency_code: 'EUR', units: '5' };
  const order = await unary(orders, 'CreateOrder', {
    user_id: user.id,
    items: [{ product_id: 'tea', quantity: 1, price }],
  });
  const seen: string[] = [];
  const begun = deferred<void>();
  const watching = watchOrder(order.id, (update) => {
    seen.push(`${update.old_status} -> ${update.new_status}`);
    begun.resolve();
  });
  await begun.promise;
  await unary(orders, 'UpdateOrderStatus', { order_id: order.id, status: 'ORDER_STATUS_CANCELLED' });
  await watching;
  assert.deepStrictEqual(seen, [
    'ORDER_STATUS_PENDING -> ORDER_STATUS_PENDING',
    'ORDER_STATUS_PENDING -> ORDER_STATUS_CANCELLED',
  ]);
});

check('guide: upload file', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'storefront-'));
  const file = path.join(folder, 'picture.jpg');
  fs.writeFileSync(file, Buffer.alloc(300_000, 'picture'));
  const answer = await uploadFile(file);
  assert.strictEqual(answer.size, '300000');
  fs.rmSync(folder, { recursive: true });
});

check('guide: chat', async () => {
  const chat = new ChatClient('room-1', 'user-123');
  const got = deferred<ChatMessage>();
  chat.onMessage = got.resolve;
  chat.send('Hello everyone!');
  assert.strictEqual((await got.promise).content, 'Hello everyone!');
  const ended = deferred<void>();
  chat.onEnd = ended.resolve;
  chat.disconnect();
  await ended.promise;
});

check('guide: deadline', async () => {
  const deadline = new Date();
  deadline.setSeconds(deadline.getSeconds() + 30); // 30 second timeout
  const user = await newUser();
  await new Promise<void>((resolve, reject) => {
    users.GetUser({ id: user.id }, { deadline }, (error: any) => {
      if (error?.code === grpc.status.DEADLINE_EXCEEDED) {
        reject(new Error('Request timed out'));
      } else if (error) reject(error);
      else resolve();
    });
  });
});
