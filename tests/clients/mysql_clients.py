"""Python's MySQL drivers through the gateway: PyMySQL, whose texts carry their values, and Connector/Python, which prepares on the server."""

import datetime
import decimal
import os

import mysql.connector
import pymysql

PORT = int(os.environ["QG_PORT"])
LOGIN = {"host": "127.0.0.1", "port": PORT, "user": "agent", "password": os.environ["QG_SECRET"], "database": "shop"}
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


for promise in (pymysql_speaks_texts, connector_prepares_on_the_server, a_refused_preparation_leaves_the_session_open, a_large_value_travels_in_parts):
    promise()
    print("kept:", promise.__name__)
