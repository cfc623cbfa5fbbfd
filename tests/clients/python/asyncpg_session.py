"""A session of asyncpg, written down line by line. The connection comes from libpq's variables; QG_MASKED says that this account sees masks.

The same lines are expected past the gateway and through it, but for masked values. What only an account that may define
things does is left out where QG_MASKED is set.
"""
import asyncio
import datetime as dt
import decimal
import io
import os

import asyncpg

MASKED = "QG_MASKED" in os.environ


def say(what, value):
    print(f"{what}: {value!r}", flush=True)


async def failing(what, awaitable):
    try:
        say(what, await awaitable)
    except asyncpg.PostgresError as e:
        say(what, (type(e).__name__, e.sqlstate))


async def queries(c):
    say("version", c.get_server_version()[0])
    say("setting", c.get_settings().server_encoding)
    say("encrypted", c._transport.get_extra_info("ssl_object") is not None)
    say("fetch", [tuple(r) for r in await c.fetch("SELECT id, name, email, ssn FROM people ORDER BY id LIMIT 3")])
    say("fetchrow", dict(await c.fetchrow("SELECT id, email FROM people WHERE id = $1", 4)))
    say("fetchval", await c.fetchval("SELECT count(*) FROM orders WHERE status = $1 AND amount > $2", "paid", decimal.Decimal("10.5")))
    say("types", list((await c.fetchrow(
        "SELECT $1::int[], $2::jsonb, $3::timestamptz, $4::interval, $5::uuid, $6::numeric, $7::bytea, $8::inet, $9::daterange, ROW(1, 'x')",
        [1, 2], '{"a": 1}', dt.datetime(2024, 1, 2, tzinfo=dt.timezone.utc), dt.timedelta(hours=3), "00000000-0000-4000-8000-000000000001",
        decimal.Decimal("1.50"), b"\x00\x01", "10.0.0.1", asyncpg.Range(dt.date(2024, 1, 1), dt.date(2024, 2, 1)))).values()))
    say("script", await c.execute("SELECT 1; SELECT 2; SELECT email FROM people WHERE id = 1"))
    statement = await c.prepare("SELECT email, status, amount FROM orders JOIN people ON people.id = person_id WHERE orders.id = $1")
    say("parameters", [t.name for t in statement.get_parameters()])
    say("attributes", [(a.name, a.type.name) for a in statement.get_attributes()])
    say("prepared", [tuple(await statement.fetchrow(i)) for i in (1, 2, 3)])
    say("explain", "Index" in str(await c.fetch("EXPLAIN SELECT * FROM orders WHERE id = 1")))


async def transactions(c):
    async with c.transaction(isolation="repeatable_read"):
        await c.execute("INSERT INTO items VALUES ($1, $2)", 10, "outer")
        try:
            async with c.transaction():
                await c.execute("INSERT INTO items VALUES (11, 'inner')")
                await c.execute("INSERT INTO items VALUES (10, 'again')")
        except asyncpg.UniqueViolationError as e:
            say("unique", (e.constraint_name, e.table_name, e.detail))
        say("after the savepoint", [tuple(r) for r in await c.fetch("SELECT * FROM items WHERE id IN (10, 11)")])
        cursor = await c.cursor("SELECT id, email FROM people ORDER BY id")
        say("cursor", [tuple(r) for r in await cursor.fetch(2)])
        say("moved", await cursor.forward(2))
        say("cursor", [tuple(r) for r in await cursor.fetch(1)])
        say("iterated", [r["ssn"] async for r in c.cursor("SELECT ssn FROM people ORDER BY id LIMIT 4", prefetch=3)])
        say("deleted", await c.execute("DELETE FROM items WHERE id = 10"))
    async with c.transaction(readonly=True, deferrable=True, isolation="serializable"):
        await failing("read only", c.execute("INSERT INTO items VALUES (12, 'x')"))
    for what, sql in (("division", "SELECT 1 / 0"), ("no table", "SELECT * FROM nowhere"), ("no column", "SELECT nothing FROM orders")):
        await failing(what, c.fetch(sql))
    await failing("constraint", c.execute("INSERT INTO orders (id, person_id) VALUES (1000, 999)"))


async def many(c):
    await c.executemany("INSERT INTO items VALUES ($1, $2)", [(i, f"many {i}") for i in range(300, 400)])
    say("fetchmany", [tuple(r) for r in await c.fetchmany("UPDATE items SET label = $2 WHERE id = $1 RETURNING id, label", [(300, "a"), (301, "b")])])
    say("copied in", await c.copy_records_to_table("items", records=[(i, f"record {i}") for i in range(400, 900)], columns=["id", "label"]))
    say("copied in", await c.copy_to_table("items", source=io.BytesIO(b"900,x\n901,\n"), format="csv"))
    for format in ("text", "csv"):
        out = io.BytesIO()
        say("copied out", await c.copy_from_query("SELECT id, email FROM people WHERE id < $1 ORDER BY id", 4, output=out, format=format))
        say("lines", out.getvalue())
    out = io.BytesIO()
    say("copied out", await c.copy_from_table("items", columns=["id"], output=out, format="binary"))
    say("bytes", len(out.getvalue()))
    say("deleted", await c.execute("DELETE FROM items WHERE id = ANY($1)", list(range(300, 902))))


async def cancelling(c):
    try:
        await c.fetch("SELECT pg_sleep(30)", timeout=0.2)
    except asyncio.TimeoutError:
        say("timed out", True)
    say("goes on", await c.fetchval("SELECT 5"))


async def listening(c, other):
    heard = asyncio.Queue()

    def hear(connection, pid, channel, payload):
        heard.put_nowait(channel)

    await c.add_listener("orders", hear)
    await other.execute("NOTIFY orders, 'one'")
    say("heard", await asyncio.wait_for(heard.get(), 20))
    await c.remove_listener("orders", hear)
    notices = []
    c.add_log_listener(lambda connection, message: notices.append((message.severity, message.sqlstate)))
    await c.execute("ROLLBACK")
    await c.fetchval("SELECT 1")
    say("notices", notices)


async def defining(c):
    await c.execute("CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TYPE pair AS (x int, y text); CREATE DOMAIN small AS int CHECK (value < 10)")
    try:
        await c.execute("CREATE TABLE typed (id serial PRIMARY KEY, m mood, p pair, s small, ms mood[])")
        await c.execute("INSERT INTO typed (m, p, s, ms) VALUES ($1, $2, $3, $4)", "glad", (1, "y"), 3, ["sad"])
        await failing("domain", c.execute("INSERT INTO typed (s) VALUES ($1)", 12))
        say("typed", [tuple(r) for r in await c.fetch("SELECT * FROM typed")])
        await c.set_type_codec("mood", encoder=str.lower, decoder=str.upper, schema="public", format="text")
        say("decoded", await c.fetchval("SELECT m FROM typed"))
        async with c.transaction():
            await c.execute("ALTER TABLE typed ADD COLUMN more text DEFAULT 'm'")
        say("after the change", [tuple(r) for r in await c.fetch("SELECT * FROM typed")])
    finally:
        await c.execute("DROP TABLE IF EXISTS typed; DROP DOMAIN small; DROP TYPE pair; DROP TYPE mood")


async def pooled():
    async with asyncpg.create_pool(min_size=2, max_size=2) as pool:
        async with pool.acquire() as c:
            await c.execute("SET statement_timeout = '9s'")
            say("set", await c.fetchval("SHOW statement_timeout"))
        say("reset", await pool.fetchval("SHOW statement_timeout"))
        say("at once", sorted(await asyncio.gather(*(pool.fetchval("SELECT $1::int", i) for i in range(20)))))
        say("rows", [tuple(r) for r in await pool.fetch("SELECT email FROM people WHERE id < 3 ORDER BY id")])


async def main():
    c, other = await asyncpg.connect(), await asyncpg.connect()
    await queries(c)
    await transactions(c)
    await many(c)
    await cancelling(c)
    await listening(c, other)
    await pooled()
    if not MASKED:
        await defining(c)
    await c.close()
    await other.close()


asyncio.run(main())
