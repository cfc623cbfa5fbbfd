"""Python's MySQL drivers through the gateway: PyMySQL, whose texts carry their values, and Connector/Python, which prepares on the server."""

import datetime
import decimal
import faulthandler
import os
import select
import threading
import time

import mysql.connector
import pymysql

PORT = int(os.environ["QG_PORT"])
LOGIN = {"host": "127.0.0.1", "port": PORT, "user": "agent", "password": os.environ["QG_SECRET"], "database": "shop"}
DBA = {**LOGIN, "user": "dba", "password": os.environ["QG_DBA_SECRET"]}
# How long something may take that happens by itself, on a machine busy with other tests.
LIMIT = 60
# A promise that hangs is broken, and says where.
faulthandler.dump_traceback_later(3 * LIMIT, exit=True)
MASKED = (1, "a***@e***.com", "*******1120", datetime.date(1985, 1, 1), decimal.Decimal("0.00"), 0, datetime.datetime(1970, 1, 1), "new")
COLUMNS = "id, email, ssn, birth_date, credit_limit, points, seen_at, level"


def pymysql_speaks_texts():
    connection = pymysql.connect(**LOGIN, ssl={"check_hostname": False, "verify_mode": "none"})
    with connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {COLUMNS} FROM customers WHERE id = %s", (1,))
        assert cursor.fetchall() == (MASKED,), "masked"
        cursor.execute("INSERT INTO pad VALUES (%s, %s)", (60, "a'b\\c"))
        cursor.execute("SELECT txt FROM pad WHERE id = 60")
        assert cursor.fetchone() == ("a'b\\c",)
        connection.rollback()
        cursor.execute("SELECT COUNT(*) FROM pad WHERE id = 60")
        assert cursor.fetchone() == (0,)
        try:
            cursor.execute("SELECT id FROM customers WHERE ssn = %s", ("078-05-1120",))
            raise AssertionError("a question about a masked column was answered")
        except pymysql.err.MySQLError as error:
            assert error.args[0] == 1235 and "ssn" in error.args[1], error
        connection.ping(reconnect=False)


def connect():
    return mysql.connector.connect(**LOGIN, use_pure=True, ssl_verify_cert=False, ssl_disabled=False)


def connector_prepares_on_the_server():
    connection = connect()
    cursor = connection.cursor(prepared=True)
    for _ in range(2):
        cursor.execute(f"SELECT {COLUMNS} FROM customers WHERE id = ?", (1,))
        row = cursor.fetchall()[0]
        assert row == MASKED, row
    for value in ("x", None, "y" * 300):
        cursor.execute("UPDATE pad SET txt = ? WHERE id = ?", (value, 2))
        assert cursor.rowcount == 1
        cursor.execute("SELECT txt FROM pad WHERE id = ?", (2,))
        assert cursor.fetchall() == [(value,)]
    connection.rollback()
    cursor.execute("SELECT ?, ?, ?", (datetime.datetime(2024, 2, 29, 1, 2, 3), 1.5, b"\xc3\xa9"))
    cursor.fetchall()
    connection.close()


def a_refused_preparation_leaves_the_session_open():
    connection = connect()
    cursor = connection.cursor(prepared=True)
    for attack in ("SELECT id FROM customers WHERE ssn = ?", "SELECT MAX(ssn) FROM customers WHERE id > ?"):
        try:
            cursor.execute(attack, ("078-05-1120",))
            raise AssertionError("a question about a masked column was answered")
        except mysql.connector.Error as error:
            assert error.errno == 1235, error
    cursor.execute("SELECT COUNT(*) FROM pad WHERE id < ?", (3,))
    assert cursor.fetchall() == [(2,)]
    connection.close()


def a_large_value_travels_in_parts():
    size = 17 * 1024 * 1024
    connection = connect()
    cursor = connection.cursor(prepared=True)
    cursor.execute("SELECT CHAR_LENGTH(?)", ("z" * size,))
    assert cursor.fetchall() == [(size,)]
    connection.close()
    # Connector/Python itself loses the second part of such a row.
    connection = pymysql.connect(**LOGIN, ssl={"check_hostname": False, "verify_mode": "none"})
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT REPEAT('z', %s), ssn FROM customers WHERE id = 1", (size,))
        large, masked = cursor.fetchone()
        assert len(large) == size and masked == "*******1120", (len(large), masked)


def opened(login):
    return pymysql.connect(**login, ssl={"check_hostname": False, "verify_mode": "none"})


def number_of(error):
    return error.args[0] if error else None


class Running(threading.Thread):
    """A statement that runs meanwhile: what it gives, or its error."""

    def __init__(self, connection, text):
        super().__init__(daemon=True)
        self.connection, self.text, self.rows, self.error = connection, text, None, None
        self.start()

    def run(self):
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(self.text)
                self.rows = cursor.fetchall()
        except pymysql.err.MySQLError as error:
            self.error = error


def tried(connection, text):
    try:
        with connection.cursor() as cursor:
            cursor.execute(text)
            return None
    except pymysql.err.MySQLError as error:
        return number_of(error)


def a_connection_is_killed_by_those_of_its_own_account_alone():
    first, second, other = opened(DBA), opened(DBA), opened(LOGIN)
    number = first.thread_id()
    running = Running(first, "SELECT SLEEP(120) + 1 AS slept")
    until = time.monotonic() + LIMIT
    working = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(120)%'"
    while True:
        with second.cursor() as cursor:
            cursor.execute(working)
            if cursor.fetchone() == (1,):
                break
        assert time.monotonic() < until, "the statement did not begin"
    assert tried(other, f"KILL QUERY {number}") == 1094
    assert tried(second, "KILL QUERY 4000000000") == 1094
    for text in (f"SELECT 1; KILL QUERY {number}", f"KILL QUERY {number}; SELECT 1"):
        assert tried(second, text) in (1064, 1235), text
    assert tried(second, "KILL QUERY ID 5") == 1227
    with second.cursor() as cursor:
        cursor.execute(working)
        assert cursor.fetchone() == (1,), "it was killed by somebody else"
    assert tried(second, f"KILL QUERY {number}") is None
    running.join(LIMIT)
    assert not running.is_alive() and (running.rows == ((2,),) or number_of(running.error) == 1317), running.error
    assert tried(first, "SELECT 7") is None, "only the statement was to end"
    assert tried(second, f"KILL {number}") is None
    while tried(first, "SELECT 7") is None:
        assert time.monotonic() < until, "the connection did not end"
    assert tried(second, "SELECT 7") is None


def a_connection_is_as_new_after_a_reset():
    connection = connect()
    number = connection.connection_id
    cursor = connection.cursor()
    cursor.execute("SET @kept = 5, sql_select_limit = 1")
    cursor.execute("CREATE TEMPORARY TABLE own (id INT)")
    cursor.execute("UPDATE pad SET txt = 'undone' WHERE id = 1")
    prepared = connection.cursor(prepared=True)
    prepared.execute("SELECT id FROM pad WHERE id = ?", (1,))
    prepared.fetchall()
    for _ in range(3):
        connection.cmd_reset_connection()
    cursor = connection.cursor()
    cursor.execute("SELECT @kept, @@sql_select_limit > 1, txt FROM pad WHERE id = 1")
    assert cursor.fetchall() == [(None, 1, "one")], "something was kept"
    prepared = connection.cursor(prepared=True)
    prepared.execute(f"SELECT {COLUMNS} FROM customers WHERE id = ?", (1,))
    assert prepared.fetchall() == [MASKED]
    assert connection.connection_id == number
    connection.close()


def a_client_that_changes_its_user_is_another_and_starts_anew():
    connection = connect()
    number = connection.connection_id
    cursor = connection.cursor()
    cursor.execute("SET @kept = 5")
    cursor.execute("CREATE TEMPORARY TABLE own (id INT)")
    cursor.execute("UPDATE pad SET txt = 'undone' WHERE id = 1")
    for _ in range(2):
        connection.cmd_change_user(DBA["user"], DBA["password"], "shop")
        cursor = connection.cursor()
        cursor.execute("SELECT @kept, (SELECT ssn FROM customers WHERE id = 1), txt FROM pad WHERE id = 1")
        assert cursor.fetchall() == [(None, "078-05-1120", "one")], "something was kept"
        connection.cmd_change_user(LOGIN["user"], LOGIN["password"], "shop")
        cursor = connection.cursor(prepared=True)
        cursor.execute(f"SELECT {COLUMNS} FROM customers WHERE id = ?", (1,))
        assert cursor.fetchall() == [MASKED]
    assert connection.connection_id == number
    try:
        connection.cmd_change_user(DBA["user"], LOGIN["password"], "shop")
        raise AssertionError("a wrong password let it in")
    except mysql.connector.Error as error:
        assert error.errno == 1045, error
    try:
        connection.cmd_query("SELECT 1")
        raise AssertionError("the connection outlived a failed log-in")
    except mysql.connector.Error as error:
        assert error.errno in (2006, 2013, 2055), error


def field_list(connection, table):
    connection._execute_command(pymysql.constants.COMMAND.COM_FIELD_LIST, table + "\0")
    names = []
    while True:
        packet = connection._read_packet()
        if packet.is_eof_packet():
            return names
        packet.read_length_coded_string()
        parts = [packet.read_length_coded_string() for _ in range(5)]
        packet.advance(13)
        names.append((parts[4].decode(), packet.read_length_coded_string()))


def a_table_s_fields_are_listed_as_show_columns_lists_them():
    agent, dba = opened(LOGIN), opened(DBA)
    assert [name for name, _ in field_list(agent, "customers")][:3] == ["id", "full_name", "email"]
    assert field_list(agent, "wishes") == field_list(dba, "wishes") == [("id", None), ("what", b"nothing")]
    for table in ("none", "mysql`.`user"):
        try:
            field_list(agent, table)
            raise AssertionError(f"{table} has fields")
        except pymysql.err.MySQLError as error:
            assert number_of(error) in (1146, 1235), error
    assert tried(agent, "SELECT 7") is None


def a_line_of_statistics_tells_of_the_session_alone():
    connection = connect()
    connection.cmd_query("SELECT 7")
    connection.get_rows()
    told = connection.cmd_statistics()
    assert told["Threads"] == 1 and told["Questions"] >= 1, told
    connection.close()


def a_result_is_cut_off_at_its_bounds_and_the_session_goes_on():
    capped = {**LOGIN, "user": "capped"}
    four = "SELECT id FROM pad WHERE id < 3 UNION ALL SELECT id FROM seats WHERE id < 3"
    connection = opened({**capped, "client_flag": pymysql.constants.CLIENT.MULTI_STATEMENTS})
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM seats ORDER BY id")
        assert len(cursor.fetchall()) == 3
    for _ in range(3):
        assert tried(connection, four) == 1153
        assert tried(connection, f"{four}; SELECT 1") == 1153
        assert tried(connection, "SELECT REPEAT('x', 5000), 1") == 1153
        with connection.cursor() as cursor:
            cursor.execute("SELECT 7")
            assert cursor.fetchall() == ((7,),)
    connection.begin()
    assert tried(connection, "INSERT INTO pad VALUES (70, 'kept')") is None
    assert tried(connection, four) == 1153
    assert tried(connection, "SELECT id FROM pad WHERE id = 70") is None
    connection.rollback()


def a_statement_and_an_idle_transaction_end_in_their_time():
    capped = {**LOGIN, "user": "capped"}
    connection = opened(capped)
    for variable in ("max_execution_time", "max_statement_time"):
        tried(connection, f"SET {variable} = 0")
    columns = "information_schema.columns"
    assert tried(connection, f"SELECT COUNT(*) FROM {columns} a, {columns} b, {columns} c, {columns} d") == 1317
    assert tried(connection, "SELECT 7") is None
    connection.begin()
    assert tried(connection, "INSERT INTO pad VALUES (71, 'gone')") is None
    readable, _, _ = select.select([connection._sock], [], [], LIMIT)
    assert readable, "nothing was said to who did nothing inside a transaction"
    assert tried(connection, "SELECT 7") is not None
    assert tried(opened(capped), "INSERT INTO pad VALUES (71, 'free')") is None
    assert tried(opened(capped), "DELETE FROM pad WHERE id = 71") is None


def what_waits_for_a_reviewer_is_taken_back_by_kill():
    first, second = opened(LOGIN), opened(LOGIN)
    waiting = Running(first, "UPDATE pad SET txt = 'everywhere'")
    until = time.monotonic() + LIMIT
    while waiting.is_alive():
        assert time.monotonic() < until, "the statement still waits"
        assert tried(second, f"KILL QUERY {first.thread_id()}") is None
        waiting.join(0.05)
    assert number_of(waiting.error) == 1317, waiting.error
    assert tried(first, "SELECT 7") is None


for promise in (pymysql_speaks_texts, connector_prepares_on_the_server, a_refused_preparation_leaves_the_session_open, a_large_value_travels_in_parts,
                a_result_is_cut_off_at_its_bounds_and_the_session_goes_on, a_statement_and_an_idle_transaction_end_in_their_time,
                a_connection_is_as_new_after_a_reset, a_connection_is_killed_by_those_of_its_own_account_alone, what_waits_for_a_reviewer_is_taken_back_by_kill,
                a_client_that_changes_its_user_is_another_and_starts_anew, a_table_s_fields_are_listed_as_show_columns_lists_them,
                a_line_of_statistics_tells_of_the_session_alone):
    promise()
    print("kept:", promise.__name__)
