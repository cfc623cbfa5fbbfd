-- What the tests with real clients stand on: one table with a masked column of every type, and plain ones beside it.
CREATE TABLE people (
  id int PRIMARY KEY, name text NOT NULL, email text, ssn text, born date, joined timestamp, seen timestamptz, salary numeric(12,2),
  points int, total bigint, rank smallint, ratio float8, share real, active bool, token uuid, doc jsonb, raw json, photo bytea,
  tags text[], scores int[], nick varchar(5));
INSERT INTO people SELECT i, 'name ' || i, 'user' || i || '@example.com', '900-12-' || 3000 + i, date '1984-05-17' + i,
  timestamp '2024-03-05 06:07:08' + i * interval '1 hour', timestamptz '2025-02-03 04:05:06+00' + i * interval '1 day', 50123.45 + i,
  700 + i, 8000000000 + i, 30 + i, 0.625 * i, 1.5 * i, true, ('00000000-0000-4000-8000-' || lpad(i::text, 12, '7'))::uuid,
  jsonb_build_object('secret', i), json_build_object('secret', i), decode(md5(i::text), 'hex'), ARRAY['secret' || i, 'b'], ARRAY[i, i + 1],
  'nick' || i % 10 FROM generate_series(1, 20) AS i;
INSERT INTO people (id, name) VALUES (21, 'name 21');
CREATE TABLE orders (id int PRIMARY KEY, person_id int NOT NULL REFERENCES people, status text NOT NULL DEFAULT 'new', amount numeric(10,2), note text);
INSERT INTO orders SELECT i, 1 + i % 20, CASE WHEN i % 2 = 0 THEN 'paid' ELSE 'new' END, i * 1.25, NULL FROM generate_series(1, 200) AS i;
CREATE INDEX orders_by_person ON orders (person_id);
CREATE TABLE items (id int PRIMARY KEY, label text);
CREATE VIEW contacts AS SELECT id, name, email FROM people;
CREATE SCHEMA other;
CREATE TABLE other.items (id int PRIMARY KEY, label text);
INSERT INTO other.items VALUES (1, 'of the other schema');
CREATE TABLE other.people (id int PRIMARY KEY, email text);
INSERT INTO other.people VALUES (1, 'public@other.example');
CREATE TABLE moving (id int PRIMARY KEY, secret text);
INSERT INTO moving VALUES (1, 'before');
