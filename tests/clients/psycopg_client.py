"""What a program that uses psycopg 3 may rely on through the gateway. Connection strings come from QG_AGENT, QG_DBA and QG_DIRECT.

Each function is one promise; its name says which. The names of those given as arguments are run, else all of them.
"""
import datetime as dt
import decimal
import os
import sys
import threading
import traceback
import uuid

import psycopg
from psycopg import errors, sql
from psycopg.rows import dict_row

AGENT, DBA, DIRECT = (os.environ[name] for name in ("QG_AGENT", "QG_DBA", "QG_DIRECT"))
UTC = dt.timezone.utc

# What an agent sees of row 1, whatever the format on the wire.
MASKED = {
    "id": 1, "name": "name 1", "email": "u***@e***.com", "ssn": "*******3001", "born": dt.date(1984, 1, 1), "joined": dt.datetime(2024, 3, 1),
    "seen": dt.datetime(1970, 1, 1, tzinfo=UTC), "salary": decimal.Decimal("50100.00"), "points": 0, "total": 0, "rank": 0, "ratio": 1.0,
    "share": 0.0, "active": False, "token": uuid.UUID(int=0), "doc": None, "raw": None, "photo": b"", "tags": [], "scores": [], "nick": "x",
}


def rows(where, text, values=None, **options):
    with psycopg.connect(where, autocommit=True) as c:
        return c.execute(text, values, **options).fetchall()


def masked_values_are_the_same_in_text_and_binary():
    for binary in (False, True):
        with psycopg.connect(AGENT, row_factory=dict_row) as c:
            row = c.execute("SELECT * FROM people WHERE id = %s", (1,), binary=binary).fetchone()
            assert row == MASKED, (binary, row)
            described = c.execute("SELECT * FROM people WHERE id = 1", binary=binary).description
            clear = psycopg.connect(DIRECT).execute("SELECT * FROM people WHERE id = 1", binary=binary).description
            assert [(d.name, d.type_code) for d in described] == [(d.name, d.type_code) for d in clear]


def the_dba_sees_what_the_server_holds():
    for binary in (False, True):
        text = "SELECT * FROM people ORDER BY id"
        assert rows(DBA, text, binary=binary) == rows(DIRECT, text, binary=binary)


def statements_prepared_after_five_runs_stay_masked():
    with psycopg.connect(AGENT, autocommit=True) as c:
        seen = [c.execute("SELECT email, salary FROM people WHERE id = %s", (i,)).fetchone() for i in range(1, 12)]
        assert seen == [("u***@e***.com", decimal.Decimal(50100))] * 11, seen
        names = c.execute("SELECT 1 FROM orders WHERE id = %s", (1,), prepare=True).fetchall()
        assert names == [(1,)]
    with psycopg.connect(DBA, autocommit=True) as c:
        for _ in range(7):
            c.execute("SELECT email FROM people WHERE id = %s", (3,), prepare=True)
        c.execute("ALTER TABLE people ADD COLUMN extra text")
        assert c.execute("SELECT email FROM people WHERE id = %s", (3,)).fetchone() == ("user3@example.com",)
        c.execute("ALTER TABLE people DROP COLUMN extra")


def an_error_in_a_pipeline_fails_what_belongs_to_it():
    for where in (DBA, DIRECT):
        with psycopg.connect(where, autocommit=True) as c:
            with c.pipeline() as p:
                one = c.execute("SELECT 1")
                c.execute("INSERT INTO items VALUES (100, 'lost with the error')")
                try:
                    c.execute("SELECT 1 / 0")
                    p.sync()
                    raise AssertionError("no error")
                except errors.DivisionByZero:
                    pass
                assert one.fetchone() == (1,)
                assert c.execute("SELECT 2").fetchone() == (2,)
    assert rows(DIRECT, "SELECT count(*) FROM items WHERE id = 100") == [(0,)]


def a_refusal_in_a_pipeline_rolls_back_as_an_error_would():
    with psycopg.connect(AGENT, autocommit=True) as c:
        with c.pipeline() as p:
            c.execute("INSERT INTO items VALUES (101, 'lost with the refusal')")
            first = c.execute("SELECT email FROM people WHERE id = 1")
            try:
                c.execute("DELETE FROM items")
                p.sync()
                raise AssertionError("no refusal")
            except errors.InsufficientPrivilege as e:
                assert "blocked by policy" in str(e) and e.diag.message_hint is not None, e
            assert first.fetchone() == ("u***@e***.com",)
            assert c.execute("SELECT 3").fetchone() == (3,)
    assert rows(DIRECT, "SELECT count(*) FROM items WHERE id = 101") == [(0,)]


def a_refusal_leaves_an_explicit_transaction_open():
    with psycopg.connect(AGENT, autocommit=True) as c:
        c.execute("BEGIN")
        c.execute("INSERT INTO items VALUES (102, 'kept')")
        try:
            c.execute("DELETE FROM items")
            raise AssertionError("no refusal")
        except errors.InsufficientPrivilege:
            pass
        assert c.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        c.execute("COMMIT")
        assert c.execute("SELECT label FROM items WHERE id = 102").fetchone() == ("kept",)
        c.execute("DELETE FROM items WHERE id = 102")


def pipelines_of_many_statements_answer_in_order():
    for where in (AGENT, DBA):
        with psycopg.connect(where, autocommit=True) as c, c.pipeline():
            cursors = [c.execute("SELECT id FROM people WHERE id = %s", (1 + i % 20,)) for i in range(300)]
            assert [cursor.fetchone()[0] for cursor in cursors] == [1 + i % 20 for i in range(300)]
    with psycopg.connect(AGENT) as c:
        c.cursor().executemany("INSERT INTO items VALUES (%s, %s)", [(i, f"many {i}") for i in range(1000, 1200)])
        assert c.execute("SELECT count(*) FROM items WHERE id >= 1000").fetchone() == (200,)
        c.rollback()
        assert c.execute("SELECT count(*) FROM items WHERE id >= 1000").fetchone() == (0,)


def copy_out_is_masked_and_copy_in_arrives():
    with psycopg.connect(AGENT) as c:
        with c.cursor().copy("COPY people (id, email, salary, tags, seen) TO STDOUT") as copy:
            out = list(copy.rows())
        assert out[0] == ("1", "u***@e***.com", "50100.00", "{}", "1970-01-01 00:00:00+00"), out[0]
        assert len(out) == 21 and out[20] == ("21", None, None, "{}", "1970-01-01 00:00:00+00"), out[-1]
        with c.cursor().copy("COPY (SELECT id, email FROM people WHERE id <= 2 ORDER BY id) TO STDOUT (FORMAT csv, HEADER)") as copy:
            assert b"".join(copy) == b"id,email\n1,u***@e***.com\n2,u***@e***.com\n"
        with c.cursor().copy("COPY people TO STDOUT (FORMAT binary)") as copy:
            copy.set_types("int4 text text text date timestamp timestamptz numeric int4 int8 int2 float8 float4 bool uuid jsonb json bytea text[] int4[] varchar".split())
            out = list(copy.rows())
        assert out[0] == tuple(MASKED.values()), out[0]
        assert len(out) == 21, len(out)
        c.rollback()
        for options, binary in (("", False), ("(FORMAT binary)", True)):
            with c.cursor().copy(f"COPY items FROM STDIN {options}") as copy:
                if binary:
                    copy.set_types(["int4", "text"])
                for i in range(2000, 7000):
                    copy.write_row((i, f"tab\there {i}"))
            assert c.execute("SELECT count(*), max(label) FROM items WHERE id >= 2000").fetchone() == (5000, "tab\there 6999")
            c.rollback()
        try:
            with c.cursor().copy("COPY items FROM STDIN") as copy:
                copy.write_row(("not a number", "x"))
            raise AssertionError("no error")
        except errors.InvalidTextRepresentation:
            c.rollback()
        try:
            with c.cursor().copy("COPY items FROM STDIN") as copy:
                copy.write_row((1, "given up"))
                raise RuntimeError("the client gives up")
        except RuntimeError:
            c.rollback()
        assert c.execute("SELECT count(*) FROM items").fetchone() == (0,)
    with psycopg.connect(DBA) as c, psycopg.connect(DIRECT) as d:
        for text in ("COPY people TO STDOUT", "COPY people TO STDOUT (FORMAT binary)", "COPY orders TO STDOUT (FORMAT csv)"):
            got, wanted = (b"".join(x.cursor().copy(text).__enter__()) for x in (c, d))
            assert got == wanted, text


def server_side_cursors_are_masked():
    for binary in (False, True):
        with psycopg.connect(AGENT) as c:
            with c.cursor(name="people", binary=binary) as cursor:
                cursor.itersize = 7
                cursor.execute("SELECT id, email, salary FROM people WHERE id <= %s ORDER BY id", (20,))
                got = list(cursor)
                assert got == [(i, "u***@e***.com", decimal.Decimal(50100)) for i in range(1, 21)], (binary, got)
            with c.cursor(name="back", scrollable=True, binary=binary) as cursor:
                cursor.execute("SELECT id, ssn FROM people ORDER BY id")
                cursor.scroll(4)
                assert cursor.fetchmany(2) == [(5, "*******3005"), (6, "*******3006")]
                cursor.scroll(-6)
                assert cursor.fetchone() == (1, "*******3001")


def a_cursor_with_hold_outlives_its_transaction():
    with psycopg.connect(AGENT) as c:
        cursor = c.cursor(name="kept", withhold=True)
        cursor.execute("SELECT id, ssn FROM people ORDER BY id")
        assert cursor.fetchone() == (1, "*******3001")
        c.commit()
        assert cursor.fetchmany(2) == [(2, "*******3002"), (3, "*******3003")]
        cursor.close()
        again = c.cursor(name="kept", withhold=False)
        again.execute("SELECT id FROM orders ORDER BY id")
        assert again.fetchone() == (1,)
        c.commit()
        once_more = c.cursor(name="kept")
        once_more.execute("SELECT id, email FROM people ORDER BY id")
        assert once_more.fetchone() == (1, "u***@e***.com")


def notices_and_notifications_arrive():
    with psycopg.connect(DBA, autocommit=True) as c:
        heard = []
        c.add_notice_handler(lambda d: heard.append((d.severity, d.message_primary)))
        c.execute("DROP TABLE IF EXISTS nothing_there")
        assert heard == [("NOTICE", 'table "nothing_there" does not exist, skipping')], heard
        c.execute("LISTEN orders_changed")
        with psycopg.connect(DBA, autocommit=True) as other:
            other.execute("NOTIFY orders_changed, 'order 7'")
        notified = next(c.notifies(timeout=10))
        assert (notified.channel, notified.payload) == ("orders_changed", "order 7"), notified


def transactions_nest_by_savepoints():
    for where in (AGENT, DBA):
        with psycopg.connect(where) as c:
            with c.transaction(force_rollback=True):
                c.execute("INSERT INTO items VALUES (1, 'outer')")
                try:
                    with c.transaction():
                        c.execute("INSERT INTO items VALUES (1, 'twice')")
                except errors.UniqueViolation:
                    pass
                with c.transaction():
                    c.execute("INSERT INTO items VALUES (2, 'inner')")
                assert c.execute("SELECT id FROM items ORDER BY id").fetchall() == [(1,), (2,)]
            assert c.execute("SELECT count(*) FROM items").fetchone() == (0,)


def errors_are_the_servers_own_where_nothing_is_masked():
    statements = ["SELECT nothing FROM orders", "INSERT INTO orders VALUES (1, 1, 'new', 1)", "SELECT 'x'::int", "SELECT 1 / 0",
                  "INSERT INTO orders VALUES (9999, 9999, 'x', 1)", "SELECT * FROM orders WHERE id = 'abc'"]
    for text in statements:
        said = []
        for where in (DBA, DIRECT):
            try:
                rows(where, text)
                raise AssertionError(f"no error: {text}")
            except psycopg.Error as e:
                said.append((e.sqlstate, e.diag.message_primary, e.diag.constraint_name))
        assert said[0] == said[1], (text, said)


def a_statement_is_cancelled_from_another_thread():
    for where in (AGENT, DBA):
        with psycopg.connect(where, autocommit=True) as c, psycopg.connect(DIRECT, autocommit=True) as d:
            d.execute("SELECT pg_advisory_lock(77)")
            sent = []

            def cancel():
                while not rows(DIRECT, "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory'"):
                    pass
                c.cancel_safe(timeout=10)
                sent.append(True)

            thread = threading.Thread(target=cancel)
            thread.start()
            try:
                c.execute("SELECT pg_advisory_lock(77)")
                raise AssertionError("no cancel")
            except errors.QueryCanceled:
                pass
            thread.join()
            assert sent == [True]
            assert c.execute("SELECT 5").fetchone() == (5,)


def values_of_all_kinds_arrive_in_text_and_binary():
    values = (7, "ä \\ ' \"", dt.date(2024, 2, 29), decimal.Decimal("1.50"), [1, 2], uuid.UUID(int=9), b"\x00\xff", True, None)
    text = "SELECT %{f}::int, %{f}::text, %{f}::date, %{f}::numeric, %{f}::int[], %{f}::uuid, %{f}::bytea, %{f}::bool, %{f}::text"
    for where in (AGENT, DBA):
        for form in "stb":
            got = rows(where, text.replace("%{f}", "%" + form), values)
            assert got == [values], (where, form, got)


def identifiers_and_composed_statements_pass():
    with psycopg.connect(AGENT) as c:
        text = sql.SQL("SELECT {} FROM {} WHERE id = {}").format(sql.Identifier("email"), sql.Identifier("public", "people"), 4)
        assert c.execute(text).fetchone() == ("u***@e***.com",)
        assert c.execute("SELECT email FROM contacts WHERE id = 4").fetchone() == ("u***@e***.com",)


def main():
    promises = {name: f for name, f in list(globals().items()) if callable(f) and getattr(f, "__module__", "") == "__main__" and name not in ("rows", "main")}
    failed = 0
    for name in sys.argv[1:] or promises:
        try:
            promises[name]()
            print(f"ok      {name}", flush=True)
        except Exception:
            failed += 1
            print(f"FAILED  {name}\n{traceback.format_exc()}", flush=True)
    sys.exit(1 if failed else 0)


main()
