-- The demo's shop: made-up people, made up the same way each time. No number here belongs to anybody: social security numbers start with 9, which
-- is never issued, and card numbers are in a range that is kept for tests.

CREATE SCHEMA finance;

CREATE TABLE customers (
  id          integer PRIMARY KEY,
  full_name   text NOT NULL,
  email       text UNIQUE,
  ssn         text,
  card_number text,
  birth_date  date,
  segment     text NOT NULL,
  country     char(2) NOT NULL,
  created_at  timestamptz NOT NULL,
  notes       text
);

CREATE TABLE products (
  id    integer PRIMARY KEY,
  name  text NOT NULL,
  price numeric(10,2) NOT NULL,
  stock integer NOT NULL
);

CREATE TABLE orders (
  id          integer PRIMARY KEY,
  customer_id integer NOT NULL REFERENCES customers (id),
  status      text NOT NULL,
  total       numeric(12,2) NOT NULL DEFAULT 0,
  placed_at   timestamptz NOT NULL
);

CREATE TABLE order_items (
  order_id   integer NOT NULL REFERENCES orders (id),
  product_id integer NOT NULL REFERENCES products (id),
  quantity   integer NOT NULL,
  PRIMARY KEY (order_id, product_id)
);

CREATE TABLE finance.invoices (
  id        integer PRIMARY KEY,
  order_id  integer NOT NULL REFERENCES orders (id),
  amount    numeric(12,2) NOT NULL,
  iban      text NOT NULL,
  issued_on date NOT NULL,
  paid      boolean NOT NULL
);

INSERT INTO customers
SELECT n, first || ' ' || last,
       lower(first) || '.' || lower(last) || n || '@' || mail,
       format('9%s-%s-%s', to_char(n * 37 % 100, 'FM00'), to_char(n * 53 % 90 + 10, 'FM00'), to_char(n * 7919 % 10000, 'FM0000')),
       '411111' || to_char(n * 7907::bigint % 10000000000, 'FM0000000000'),
       date '1950-01-01' + n * 97 % 18000,
       (ARRAY['consumer', 'business', 'partner'])[n % 3 + 1],
       (ARRAY['DE', 'FR', 'GB', 'IT', 'PL', 'US'])[n % 6 + 1],
       timestamptz '2024-01-01 08:00:00+00' + n * interval '31 hours',
       CASE n % 5 WHEN 0 THEN 'Prefers calls at +49 30 55501' || to_char(n, 'FM000') WHEN 1 THEN 'Asked for a copy of all personal data' END
FROM generate_series(1, 200) AS n,
     LATERAL (SELECT (ARRAY['Ada', 'Bruno', 'Chloe', 'Dario', 'Elif', 'Finn', 'Greta', 'Hugo', 'Ines', 'Jonas'])[n % 10 + 1] AS first,
                     (ARRAY['Abel', 'Berger', 'Conti', 'Dubois', 'Evans', 'Fischer', 'Garcia', 'Horvat', 'Ivanova', 'Jensen', 'Kowalski'])[n % 11 + 1] AS last,
                     (ARRAY['example.com', 'example.org', 'mail.example.net'])[n % 3 + 1] AS mail) AS person;

INSERT INTO products
SELECT n, initcap((ARRAY['oak', 'steel', 'linen', 'glass', 'paper'])[n % 5 + 1]) || ' ' || (ARRAY['desk', 'lamp', 'chair', 'shelf'])[n % 4 + 1],
       round(15 + n * 7.35, 2), n * 13 % 120
FROM generate_series(1, 40) AS n;

INSERT INTO orders (id, customer_id, status, placed_at)
SELECT n, n * 17 % 200 + 1, (ARRAY['open', 'paid', 'shipped', 'returned'])[n % 4 + 1], timestamptz '2025-01-01 09:00:00+00' + n * interval '7 hours'
FROM generate_series(1, 600) AS n;

INSERT INTO order_items
SELECT n, (n * 11 + i * 5) % 40 + 1, n % 3 + 1
FROM generate_series(1, 600) AS n, generate_series(1, 2) AS i;

UPDATE orders SET total = sums.total
FROM (SELECT order_id, sum(quantity * price) AS total FROM order_items JOIN products ON products.id = product_id GROUP BY order_id) AS sums
WHERE sums.order_id = orders.id;

INSERT INTO finance.invoices
SELECT id, id, total, 'DE' || to_char(id % 90 + 10, 'FM00') || '1001001' || to_char(id * 4099::bigint % 100000000000, 'FM00000000000'),
       placed_at::date, status <> 'open'
FROM orders;

CREATE VIEW customer_contacts AS SELECT id, full_name, email FROM customers;

CREATE VIEW order_totals AS SELECT customer_id, count(*) AS orders, sum(total) AS total FROM orders GROUP BY customer_id;

CREATE FUNCTION order_total(order_number integer) RETURNS numeric LANGUAGE sql STABLE
  AS $$ SELECT total FROM public.orders WHERE id = order_number $$;

ANALYZE;
