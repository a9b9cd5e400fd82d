"""OrderService: every method and every error of the contract."""
from google.protobuf import timestamp_pb2

from order.v1 import order_pb2 as pb

from checks import check
from shop import Code, Talk, details, equal, expect, fails, new_user, orders, recent, unique

LARGEST = 2**63 - 1


def money(units, nanos=0, currency="EUR"):
    return pb.Money(currency_code=currency, units=units, nanos=nanos)


def item(price, quantity=1, product="tea"):
    return pb.OrderItem(product_id=product, quantity=quantity, price=price)


def create(user_id, *items):
    return orders.CreateOrder(pb.CreateOrderRequest(user_id=user_id, items=items))


def get(id):
    return orders.GetOrder(pb.GetOrderRequest(id=id))


def move(order_id, to, message=""):
    status = pb.OrderStatus.Value(f"ORDER_STATUS_{to}") if isinstance(to, str) else to
    request = pb.UpdateOrderStatusRequest(order_id=order_id, status=status, message=message)
    return orders.UpdateOrderStatus(request)


def short(status):
    return pb.OrderStatus.Name(status).removeprefix("ORDER_STATUS_")


def new_order():
    return create(new_user().id, item(money(5)))


@check("create order and get order")
def create_order():
    user = new_user()
    discount = item(money(-1, -500_000_000), 1, "discount")
    order = create(user.id, item(money(2, 999_999_999), 3), discount)
    equal(order.total, money(7, 499_999_997))
    equal((order.user_id, short(order.status), order.items[1]), (user.id, "PENDING", discount))
    recent(order.created_at)
    equal(get(order.id), order)
    fails(Code.NOT_FOUND, lambda: get("123"))


@check("create order: what is refused")
def create_order_refused():
    id = new_user().id
    fails(Code.NOT_FOUND, lambda: create("123", item(money(5))))
    for items in (
        [],
        [item(money(5), 0)],
        [item(money(5), -1)],
        [item(money(5)), item(money(5, 0, "USD"))],
        [item(money(5, 0, ""))],
        [item(money(5, 0, "eur"))],
        [item(money(5, 0, "EURO"))],
        [item(None)],
        [item(money(5, -1))],
        [item(money(-5, 1))],
        [item(money(5, 1_000_000_000))],
        [item(money(-5, -1_000_000_000))],
    ):
        fails(Code.INVALID_ARGUMENT, lambda: create(id, *items))
    fails(Code.OUT_OF_RANGE, lambda: create(id, item(money(LARGEST), 2)))
    fails(Code.OUT_OF_RANGE, lambda: create(id, item(money(LARGEST, 999_999_999)), item(money(0, 1))))
    largest = create(id, item(money(LARGEST, 999_999_998)), item(money(0, 1)))
    equal(largest.total, money(LARGEST, 999_999_999))


@check("update order status: along its life")
def update_order_status():
    order = new_order()
    for step in ("PROCESSING", "SHIPPED", "DELIVERED"):
        equal(short(move(order.id, step).status), step)
    equal(short(move(new_order().id, "CANCELLED").status), "CANCELLED")
    begun = new_order()
    move(begun.id, "PROCESSING")
    equal(short(move(begun.id, "CANCELLED").status), "CANCELLED")


@check("update order status: what is refused")
def update_order_status_refused():
    for before, refused in (
        ((), ("PENDING", "SHIPPED", "DELIVERED")),
        (("PROCESSING",), ("PENDING", "PROCESSING", "DELIVERED")),
        (("PROCESSING", "SHIPPED"), ("PENDING", "PROCESSING", "SHIPPED", "CANCELLED")),
        (("PROCESSING", "SHIPPED", "DELIVERED"), ("PENDING", "SHIPPED", "DELIVERED", "CANCELLED")),
        (("CANCELLED",), ("PENDING", "PROCESSING", "CANCELLED")),
    ):
        order = new_order()
        for step in before:
            move(order.id, step)
        for step in refused:
            error = fails(Code.FAILED_PRECONDITION, lambda: move(order.id, step))
            equal(len(details(error, "PreconditionFailure").violations), 1)
    order = new_order()
    fails(Code.NOT_FOUND, lambda: move("123", "PROCESSING"))
    fails(Code.INVALID_ARGUMENT, lambda: move(order.id, "UNSPECIFIED"))
    fails(Code.INVALID_ARGUMENT, lambda: move(order.id, 77))


def watch(id):
    return orders.WatchOrder(pb.WatchOrderRequest(order_id=id))


def seen(update):
    return short(update.old_status), short(update.new_status), update.message


@check("watch order")
def watch_order():
    order = new_order()
    watches = [watch(order.id), watch(order.id)]
    for each in watches:
        first = next(each)
        equal((first.order_id, seen(first)[:2]), (order.id, ("PENDING", "PENDING")))
    move(order.id, "PROCESSING", "packing")
    move(order.id, "SHIPPED")
    move(order.id, "DELIVERED", "at the door")
    for each in watches:
        equal(
            [seen(update) for update in each],
            [("PENDING", "PROCESSING", "packing"), ("PROCESSING", "SHIPPED", ""), ("SHIPPED", "DELIVERED", "at the door")],
        )
    (only,) = watch(order.id)
    equal(seen(only)[:2], ("DELIVERED", "DELIVERED"))
    fails(Code.NOT_FOUND, lambda: watch("123"))
    left = watch(new_order().id)
    next(left)
    left.cancel()


@check("import orders")
def import_orders():
    user_id, existing = new_user().id, new_order()
    id = f"imported-{existing.id}"

    def order(**fields):
        return pb.Order(**{"user_id": user_id, "items": [item(money(5), 2)], **fields})

    made = timestamp_pb2.Timestamp(seconds=1000, nanos=5)
    answer = orders.ImportOrders(iter([
        order(id=id, status=pb.ORDER_STATUS_SHIPPED, total=money(99), created_at=made),
        order(id=existing.id),
        order(items=[]),
        order(user_id="123"),
        order(id="x" * 129),
        order(id=id),
        order(),
        order(items=[item(money(LARGEST), 2)]),
    ]))
    equal((answer.success_count, answer.failure_count), (2, 6))
    equal(
        [(failure.index, failure.code) for failure in answer.failures],
        [
            (index, code.value[0])
            for index, code in (
                (1, Code.ALREADY_EXISTS),
                (2, Code.INVALID_ARGUMENT),
                (3, Code.NOT_FOUND),
                (4, Code.INVALID_ARGUMENT),
                (5, Code.ALREADY_EXISTS),
                (7, Code.OUT_OF_RANGE),
            )
        ],
    )
    expect(all(failure.message for failure in answer.failures), "a failure says nothing")
    kept = get(id)
    equal((short(kept.status), kept.total, kept.created_at), ("SHIPPED", money(10), made))


@check("import orders: failures past 3 MiB")
def import_orders_truncated():
    many = (pb.Order(id="y" * 200, user_id="123") for _ in range(30_000))
    answer, call = orders.ImportOrders.with_call(many)
    equal((answer.success_count, answer.failure_count), (0, 30_000))
    equal(dict(call.trailing_metadata()).get("failures-truncated"), "true")
    expect(1_000 < len(answer.failures) < 30_000, len(answer.failures))


def offer(order_id, product_id, side, quantity, units, currency="EUR"):
    side = pb.Side.Value(f"SIDE_{side}")
    price = money(units, 0, currency)
    return pb.OrderMatch(order_id=order_id, product_id=product_id, side=side, quantity=quantity, price=price)


def fill(match):
    return match.order_id, match.matched_order_id, match.quantity, match.price.units, match.remaining_quantity


def on_the_book(talk):
    """Waits until the server has taken what a stream has offered so far: its next two offers fill each other."""
    other = unique("other")
    talk.say(offer(f"{other}-sell", other, "SELL", 1, 1), offer(f"{other}-buy", other, "BUY", 1, 1))
    talk.next(), talk.next()


@check("match orders: price, then time")
def match_orders():
    what = unique("product")
    first, second, cheap, buy = (f"{what}-{place}" for place in range(4))
    seller = Talk(orders.MatchOrders)
    seller.say(offer(first, what, "SELL", 5, 10), offer(second, what, "SELL", 5, 10), offer(cheap, what, "SELL", 1, 9))
    on_the_book(seller)
    buyer = Talk(orders.MatchOrders).say(offer(buy, what, "BUY", 8, 10))
    equal([fill(buyer.next()) for _ in range(3)], [(buy, cheap, 1, 9, 7), (buy, first, 5, 10, 2), (buy, second, 2, 10, 0)])
    equal([fill(seller.next()) for _ in range(3)], [(cheap, buy, 1, 9, 0), (first, buy, 5, 10, 0), (second, buy, 2, 10, 3)])
    buyer.end()
    seller.end()


@check("match orders: a stream that ends takes its offers along")
def match_orders_withdrawn():
    what = unique("product")
    seller = Talk(orders.MatchOrders).say(offer(f"{what}-1", what, "SELL", 5, 10))
    on_the_book(seller)
    seller.end()
    again = Talk(orders.MatchOrders).say(offer(f"{what}-2", what, "BUY", 5, 10))
    # The id of the offer that went is free; another currency never matches.
    again.say(offer(f"{what}-1", what, "SELL", 5, 10, "USD"))
    on_the_book(again)
    again.end()


@check("match orders: what is refused")
def match_orders_refused():
    what = unique("product")
    for bad in (
        offer("", what, "BUY", 1, 5),
        offer(what, "", "BUY", 1, 5),
        offer(what, what, "UNSPECIFIED", 1, 5),
        offer(what, what, "BUY", 0, 5),
        offer(what, what, "BUY", -1, 5),
        offer(what, what, "BUY", 1, 5, "euro"),
        pb.OrderMatch(order_id=what, product_id=what, side=pb.SIDE_BUY, quantity=1),
        pb.OrderMatch(order_id=what, product_id=what, side=pb.SIDE_BUY, quantity=1, price=money(5, -1)),
    ):
        Talk(orders.MatchOrders).say(bad).fails(Code.INVALID_ARGUMENT)
    seller = Talk(orders.MatchOrders).say(offer(what, what, "SELL", 1, 5))
    on_the_book(seller)
    Talk(orders.MatchOrders).say(offer(what, f"{what}-other", "SELL", 1, 5)).fails(Code.ALREADY_EXISTS)
    seller.end()
    many = Talk(orders.MatchOrders)
    many.say(*(offer(f"{what}-{number}", what, "SELL", 1, 5) for number in range(10_001)))
    many.fails(Code.RESOURCE_EXHAUSTED)
