-- Orders and their items. Prices are exact: whole units and nano units, as google.type.Money has them.
CREATE TABLE orders (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    status INTEGER NOT NULL,
    -- When the status last changed.
    status_changed_at_ns INTEGER NOT NULL,
    total_currency TEXT NOT NULL,
    total_units INTEGER NOT NULL,
    total_nanos INTEGER NOT NULL,
    -- Not one number of nanoseconds: an imported order may be of any year that a Timestamp can say.
    created_at_seconds INTEGER NOT NULL,
    created_at_nanos INTEGER NOT NULL
) STRICT;
CREATE TABLE order_items (
    order_id TEXT NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    product_id TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    price_currency TEXT NOT NULL,
    price_units INTEGER NOT NULL,
    price_nanos INTEGER NOT NULL,
    PRIMARY KEY (order_id, place)
) STRICT, WITHOUT ROWID;
