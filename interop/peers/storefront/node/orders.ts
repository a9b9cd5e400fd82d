// OrderService: every method and every error of the contract.
import assert from 'node:assert';
import { status } from '@grpc/grpc-js';
import { Talk, all, collect, details, fails, is, newUser, orders, unary, upload } from './client.ts';
import { check } from './checks.ts';

const money = (units: number | string, nanos = 0, currency_code = 'EUR') => ({ currency_code, units: String(units), nanos });
const item = (price: any, quantity = 1, product_id = 'tea') => ({ product_id, quantity, price });
const create = (user_id: string, ...items: any[]) => unary(orders, 'CreateOrder', { user_id, items });
const move = (order_id: string, to: string | number, message = '') =>
  unary(orders, 'UpdateOrderStatus', { order_id, status: typeof to === 'string' ? `ORDER_STATUS_${to}` : to, message });
const short = (name: string) => name.replace('ORDER_STATUS_', '');

async function newOrder(): Promise<any> {
  return create((await newUser()).id, item(money(5)));
}

check('create order', async () => {
  const user = await newUser();
  const discount = item(money(-1, -500_000_000), 1, 'discount');
  const order = await create(user.id, item(money(2, 999_999_999), 3), discount);
  assert.deepStrictEqual(order.total, money(7, 499_999_997));
  assert.deepStrictEqual([order.user_id, short(order.status)], [user.id, 'PENDING']);
  assert.deepStrictEqual(order.items[1], discount);
  assert.ok(Math.abs(Number(order.created_at.seconds) - Date.now() / 1000) < 60, "the server's time");
  assert.deepStrictEqual(await unary(orders, 'GetOrder', { id: order.id }), order);
});

check('create order: no such user', async () => {
  await fails(status.NOT_FOUND, create('123', item(money(5))));
});

check('create order: what is no order', async () => {
  const { id } = await newUser();
  const wrong: Record<string, any[]> = {
    'no item': [],
    'quantity 0': [item(money(5), 0)],
    'a negative quantity': [item(money(5), -1)],
    'two currencies': [item(money(5)), item(money(5, 0, 'USD'))],
    'no currency': [item(money(5, 0, ''))],
    'a currency in small letters': [item(money(5, 0, 'eur'))],
    'a currency of four letters': [item(money(5, 0, 'EURO'))],
    'no price': [item(undefined)],
    'two signs': [item(money(5, -1))],
    'two signs the other way': [item(money(-5, 1))],
    'nanos of a whole unit': [item(money(5, 1_000_000_000))],
    'negative nanos of a whole unit': [item(money(-5, -1_000_000_000))],
  };
  for (const [what, items] of Object.entries(wrong)) {
    await fails(status.INVALID_ARGUMENT, create(id, ...items)).catch((error) => {
      throw new Error(`${what}: ${error.message}`);
    });
  }
});

check('create order: a total that overflows', async () => {
  const { id } = await newUser();
  await fails(status.OUT_OF_RANGE, create(id, item(money('9223372036854775807'), 2)));
  await fails(status.OUT_OF_RANGE, create(id, item(money('9223372036854775807', 999_999_999)), item(money(0, 1))));
  // Exactly the largest is none.
  const largest = await create(id, item(money('9223372036854775807', 999_999_998)), item(money(0, 1)));
  assert.deepStrictEqual(largest.total, money('9223372036854775807', 999_999_999));
});

check('get order: not found', async () => {
  await fails(status.NOT_FOUND, unary(orders, 'GetOrder', { id: '123' }), /123/);
});

check('update order status: along its life', async () => {
  const order = await newOrder();
  for (const step of ['PROCESSING', 'SHIPPED', 'DELIVERED']) {
    assert.strictEqual(short((await move(order.id, step)).status), step);
  }
  assert.strictEqual(short((await move((await newOrder()).id, 'CANCELLED')).status), 'CANCELLED');
  const begun = await newOrder();
  await move(begun.id, 'PROCESSING');
  assert.strictEqual(short((await move(begun.id, 'CANCELLED')).status), 'CANCELLED');
});

check('update order status: a step that is not allowed', async () => {
  const steps: [string[], string[]][] = [
    [[], ['PENDING', 'SHIPPED', 'DELIVERED']],
    [['PROCESSING'], ['PENDING', 'PROCESSING', 'DELIVERED']],
    [['PROCESSING', 'SHIPPED'], ['PENDING', 'PROCESSING', 'SHIPPED', 'CANCELLED']],
    [['PROCESSING', 'SHIPPED', 'DELIVERED'], ['PENDING', 'SHIPPED', 'DELIVERED', 'CANCELLED']],
    [['CANCELLED'], ['PENDING', 'PROCESSING', 'CANCELLED']],
  ];
  for (const [before, refused] of steps) {
    const order = await newOrder();
    for (const step of before) await move(order.id, step);
    for (const step of refused) {
      const error = await fails(status.FAILED_PRECONDITION, move(order.id, step));
      assert.strictEqual(details(error).PreconditionFailure.violations.length, 1);
    }
  }
});

check('update order status: no such order, no such status', async () => {
  await fails(status.NOT_FOUND, move('123', 'PROCESSING'));
  const order = await newOrder();
  await fails(status.INVALID_ARGUMENT, move(order.id, 'UNSPECIFIED'));
  await fails(status.INVALID_ARGUMENT, move(order.id, 77));
});

check('watch order: every change in order', async () => {
  const order = await newOrder();
  const watches = [orders.WatchOrder({ order_id: order.id }), orders.WatchOrder({ order_id: order.id })];
  const talks = watches.map((call) => new Talk(call));
  for (const talk of talks) {
    const first = await talk.next();
    assert.deepStrictEqual([short(first.old_status), short(first.new_status)], ['PENDING', 'PENDING']);
    assert.strictEqual(first.order_id, order.id);
  }
  await move(order.id, 'PROCESSING', 'packing');
  await move(order.id, 'SHIPPED');
  await move(order.id, 'DELIVERED', 'at the door');
  for (const talk of talks) {
    const seen = [await talk.next(), await talk.next(), await talk.next()];
    assert.deepStrictEqual(
      seen.map((update) => [short(update.old_status), short(update.new_status), update.message]),
      [['PENDING', 'PROCESSING', 'packing'], ['PROCESSING', 'SHIPPED', ''], ['SHIPPED', 'DELIVERED', 'at the door']],
    );
    await talk.end();
  }
});

check('watch order: one that is over, one that is not there, one that is left', async () => {
  const order = await newOrder();
  await move(order.id, 'CANCELLED');
  const [only, ...more] = await all(orders.WatchOrder({ order_id: order.id }));
  assert.deepStrictEqual([short(only.old_status), short(only.new_status), more], ['CANCELLED', 'CANCELLED', []]);
  is(status.NOT_FOUND, (await collect(orders.WatchOrder({ order_id: '123' }))).status, /123/);
  const left = new Talk(orders.WatchOrder({ order_id: (await newOrder()).id }));
  await left.next();
  left.cancel();
});

check('import orders', async () => {
  const user_id = (await newUser()).id;
  const existing = await newOrder();
  const id = `imported-${existing.id}`;
  const good = { user_id, items: [item(money(5), 2)] };
  const answer = await upload(orders, 'ImportOrders', [
    { ...good, id, status: 'ORDER_STATUS_SHIPPED', total: money(99), created_at: { seconds: '1000', nanos: 5 } },
    { ...good, id: existing.id },
    { ...good, items: [] },
    { ...good, user_id: '123' },
    { ...good, id: 'x'.repeat(129) },
    { ...good, id },
    good,
    { ...good, items: [item(money('9223372036854775807'), 2)] },
  ]);
  assert.deepStrictEqual([answer.success_count, answer.failure_count], [2, 6]);
  assert.deepStrictEqual(
    answer.failures.map((failure: any) => [failure.index, failure.code]),
    [
      [1, status.ALREADY_EXISTS],
      [2, status.INVALID_ARGUMENT],
      [3, status.NOT_FOUND],
      [4, status.INVALID_ARGUMENT],
      [5, status.ALREADY_EXISTS],
      [7, status.OUT_OF_RANGE],
    ],
  );
  assert.strictEqual(answer.failures[0].order_id, existing.id);
  assert.ok(answer.failures.every((failure: any) => failure.message), 'a failure says nothing');
  const kept = await unary(orders, 'GetOrder', { id });
  assert.deepStrictEqual([short(kept.status), kept.total, kept.created_at], ['SHIPPED', money(10), { seconds: '1000', nanos: 5 }]);
});

check('import orders: failures past 3 MiB', async () => {
  const answer = await upload(
    orders,
    'ImportOrders',
    Array.from({ length: 30_000 }, () => ({ id: 'y'.repeat(200), user_id: '123' })),
  );
  assert.deepStrictEqual([answer.success_count, answer.failure_count], [0, 30_000]);
  assert.deepStrictEqual(answer.trailers.get('failures-truncated'), ['true']);
  assert.ok(answer.failures.length > 1_000 && answer.failures.length < 30_000, String(answer.failures.length));
});

let unique = 0;
const product = () => `product-${process.pid}-${unique++}`;
const offer = (order_id: string, product_id: string, side: string, quantity: number, units: number) => ({
  order_id, product_id, side: `SIDE_${side}`, quantity, price: money(units),
});
const fill = (match: any) => [match.order_id, match.matched_order_id, match.quantity, Number(match.price.units), match.remaining_quantity];

check('match orders: price, then time', async () => {
  const what = product();
  const seller = new Talk(orders.MatchOrders());
  const [first, second, cheap] = [`${what}-1`, `${what}-2`, `${what}-3`];
  seller.say(offer(first, what, 'SELL', 5, 10)).say(offer(second, what, 'SELL', 5, 10)).say(offer(cheap, what, 'SELL', 1, 9));
  // Offers of another stream are seen once they are on the book: these two fill each other to say so.
  await onTheBook(seller, what);
  const buyer = new Talk(orders.MatchOrders());
  const buy = `${what}-4`;
  buyer.say(offer(buy, what, 'BUY', 8, 10));
  assert.deepStrictEqual([fill(await buyer.next()), fill(await buyer.next()), fill(await buyer.next())], [
    [buy, cheap, 1, 9, 7],
    [buy, first, 5, 10, 2],
    [buy, second, 2, 10, 0],
  ]);
  assert.deepStrictEqual([fill(await seller.next()), fill(await seller.next()), fill(await seller.next())], [
    [cheap, buy, 1, 9, 0],
    [first, buy, 5, 10, 0],
    [second, buy, 2, 10, 3],
  ]);
  await buyer.end();
  await seller.end();
});

/** Waits until the server has taken what a stream has offered so far: its next two offers fill each other. */
async function onTheBook(talk: Talk, what: string): Promise<void> {
  const other = product();
  talk.say(offer(`${other}-sell`, other, 'SELL', 1, 1)).say(offer(`${other}-buy`, other, 'BUY', 1, 1));
  await talk.next();
  await talk.next();
}

check('match orders: a stream that ends takes its offers along', async () => {
  const what = product();
  const seller = new Talk(orders.MatchOrders());
  seller.say(offer(`${what}-1`, what, 'SELL', 5, 10));
  await onTheBook(seller, what);
  await seller.end();
  const buyer = new Talk(orders.MatchOrders());
  buyer.say(offer(`${what}-2`, what, 'BUY', 5, 10));
  await buyer.end();
  // The id is free again; another currency never matches.
  const again = new Talk(orders.MatchOrders());
  again.say(offer(`${what}-1`, what, 'SELL', 5, 10));
  again.say({ ...offer(`${what}-3`, what, 'BUY', 5, 10), price: money(10, 0, 'USD') });
  await onTheBook(again, what);
  await again.end();
});

check('match orders: a bad offer', async () => {
  const what = product();
  const good = offer(what, what, 'BUY', 1, 5);
  for (const bad of [
    { ...good, order_id: '' },
    { ...good, product_id: '' },
    { ...good, side: 'SIDE_UNSPECIFIED' },
    { ...good, quantity: 0 },
    { ...good, quantity: -1 },
    { ...good, price: undefined },
    { ...good, price: money(5, -1) },
    { ...good, price: money(5, 0, 'euro') },
  ]) {
    const talk = new Talk(orders.MatchOrders());
    talk.say(bad);
    is(status.INVALID_ARGUMENT, await talk.fails());
  }
});

check('match orders: an order that is open already', async () => {
  const what = product();
  const seller = new Talk(orders.MatchOrders());
  seller.say(offer(what, what, 'SELL', 1, 5));
  await onTheBook(seller, what);
  const other = new Talk(orders.MatchOrders());
  other.say(offer(what, `${what}-other`, 'SELL', 1, 5));
  is(status.ALREADY_EXISTS, await other.fails());
  await seller.end();
});

check('match orders: too many open offers', async () => {
  const what = product();
  const talk = new Talk(orders.MatchOrders());
  for (let number = 0; number <= 10_000; number++) talk.say(offer(`${what}-${number}`, what, 'SELL', 1, 5));
  is(status.RESOURCE_EXHAUSTED, await talk.fails());
});
