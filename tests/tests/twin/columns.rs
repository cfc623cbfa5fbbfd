//! One masked column for each type and masker: a value of it, its mask, and what the column holds in the twin.

/// A column of the test's table.
pub struct Column {
    /// Its type.
    pub sql_type: &'static str,
    /// What one of its rows holds; the others hold NULL and `other`.
    pub value: &'static str,
    /// What another of its rows holds.
    pub other: &'static str,
    /// Its masker as the policy has it.
    pub masker: &'static str,
    /// What the twin holds, as an expression over the column `v`.
    pub twin: &'static str,
}

const fn column(
    sql_type: &'static str,
    (value, other): (&'static str, &'static str),
    masker: &'static str,
    twin: &'static str,
) -> Column {
    Column { sql_type, value, other, masker, twin }
}

/// The twin holds what the gateway shows in text: no SQL expression makes it.
pub const SHOWN: &str = "NULL";

const REDACT: &str = "'redact'";

/// Types that the test's schema defines.
pub const TYPES: &str = "
CREATE EXTENSION citext;
CREATE TYPE mood AS ENUM ('calm', 'sad', 'glad');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN nick AS varchar(9) CHECK (length(VALUE) < 9);
CREATE DOMAIN age AS int NOT NULL;
";

/// The columns.
pub const COLUMNS: &[Column] = &[
    column("text", ("'jane doe'", "''"), REDACT, "'[redacted]'"),
    column("varchar(6)", ("'jane'", "''"), REDACT, "'[redac'"),
    column("char(14)", ("'jane'", "'x'"), REDACT, "'[redacted]'"),
    column("char(3)", ("'abc'", "'x'"), REDACT, "'[re'"),
    column("name", ("'jane'", "''"), REDACT, "'[redacted]'"),
    column("citext", ("'Jane'", "''"), REDACT, "'[redacted]'"),
    column("\"char\"", ("'j'", "'x'"), REDACT, "'['"),
    column("bool", ("true", "false"), REDACT, "false"),
    column("int2", ("-7", "32767"), REDACT, "0"),
    column("int4", ("-7", "2147483647"), REDACT, "0"),
    column("int8", ("-7", "9223372036854775807"), REDACT, "0"),
    column("oid", ("7", "4294967295"), REDACT, "0"),
    column("float4", ("-0.1", "'NaN'"), REDACT, "0"),
    column("float8", ("1e300", "'-Infinity'"), REDACT, "0"),
    column("numeric", ("1e40", "'NaN'"), REDACT, "0"),
    column("numeric(8,3)", ("-12345.678", "0"), REDACT, "0"),
    column("numeric(5,-2)", ("1234500", "0"), REDACT, "0"),
    column("money", ("-12.34", "0"), REDACT, "0"),
    column("date", ("'0044-03-15 BC'", "'infinity'"), REDACT, "'1970-01-01'"),
    column("time", ("'23:59:59.5'", "'24:00'"), REDACT, "'00:00'"),
    column("timetz", ("'23:59:59.5-11'", "'24:00+02'"), REDACT, "'00:00+00'"),
    column("timestamp", ("'2024-02-29 01:02:03'", "'-infinity'"), REDACT, "'1970-01-01'"),
    column("timestamptz", ("'2024-02-29 01:02:03+05'", "'infinity'"), REDACT, "'1970-01-01 00:00+00'"),
    column("interval", ("'-1 year 3 days'", "'0'"), REDACT, "'0'"),
    column(
        "uuid",
        ("'6a2f41a3-c54c-fce8-32d2-0324e1c32e22'", "gen_random_uuid()"),
        REDACT,
        "'00000000-0000-0000-0000-000000000000'",
    ),
    column("json", ("'{\"a\": 1}'", "'3'"), REDACT, "'null'"),
    column("jsonb", ("'{\"a\": 1}'", "'3'"), REDACT, "'null'"),
    column("jsonpath", ("'$.a[*]'", "'$.b'"), REDACT, "'$'"),
    column("xml", ("'<a>secret</a>'", "'<b/>'"), REDACT, "'<redacted/>'"),
    column("bytea", ("'\\x00ff'", "''"), REDACT, "''"),
    column("bit(11)", ("B'10101010101'", "B'00000000001'"), REDACT, "B'00000000000'"),
    column("varbit(20)", ("B'101'", "B''"), REDACT, "B''"),
    column("inet", ("'192.168.7.9/24'", "'::1'"), REDACT, "'0.0.0.0'"),
    column("cidr", ("'192.168.7.0/24'", "'::1'"), REDACT, "'0.0.0.0/32'"),
    column("macaddr", ("'08:00:2b:01:02:03'", "'ff:00:00:00:00:00'"), REDACT, "'00:00:00:00:00:00'"),
    column("macaddr8", ("'08:00:2b:01:02:03:04:05'", "'ff:00:00:00:00:00:00:00'"), REDACT, "'00:00:00:00:00:00:00:00'"),
    column("tsvector", ("'a:1 secret:2'", "''"), REDACT, "''"),
    column("tsquery", ("'secret & !a'", "'b'"), REDACT, "''"),
    column("point", ("'(1,2)'", "'(3,4)'"), REDACT, "'(0,0)'"),
    column("line", ("'{1,2,3}'", "'{2,2,2}'"), REDACT, "'{1,0,0}'"),
    column("lseg", ("'[(1,2),(3,4)]'", "'[(1,1),(2,2)]'"), REDACT, "'[(0,0),(0,0)]'"),
    column("box", ("'(3,4),(1,2)'", "'(1,1),(0,0)'"), REDACT, "'(0,0),(0,0)'"),
    column("path", ("'[(1,2),(3,4)]'", "'((1,1))'"), REDACT, "'((0,0))'"),
    column("polygon", ("'((1,2),(3,4))'", "'((1,1))'"), REDACT, "'((0,0))'"),
    column("circle", ("'<(1,2),3>'", "'<(1,1),1>'"), REDACT, "'<(0,0),0>'"),
    column("pg_lsn", ("'16/B374D848'", "'1/1'"), REDACT, "'0/0'"),
    column("int4range", ("'[1,5)'", "'empty'"), REDACT, "NULL"),
    column("tstzrange", ("'[2024-01-01,)'", "'empty'"), REDACT, "NULL"),
    column("nummultirange", ("'{[1,2],(5,6)}'", "'{}'"), REDACT, "NULL"),
    column("mood", ("'sad'", "'glad'"), REDACT, "'calm'"),
    column("pair", ("'(7,secret)'", "'(8,)'"), REDACT, "NULL"),
    column("nick", ("'jane'", "''"), REDACT, "NULL"),
    column("text[]", ("'{{a,NULL},{\"b c\",d}}'", "'[0:1]={x,y}'"), REDACT, "'{}'"),
    column("int4[]", ("'[-2:-1]={7,NULL}'", "'{}'"), REDACT, "'{}'"),
    column("bytea[]", ("ARRAY['\\x00ff'::bytea]", "'{}'"), REDACT, "'{}'"),
    column("mood[]", ("'{sad}'", "'{}'"), REDACT, "'{}'"),
    column("pair[]", ("ARRAY['(7,x)'::pair]", "'{}'"), REDACT, "'{}'"),
    column("box[]", ("'{(3,4),(1,2);(1,1),(0,0)}'", "'{}'"), REDACT, "'{}'"),
    column("int4range[]", ("'{\"[1,5)\"}'", "'{}'"), REDACT, "'{}'"),
    column("datemultirange[]", ("'{\"{[2024-01-01,2024-01-05)}\"}'", "'{}'"), REDACT, "'{}'"),
    column("timestamptz[]", ("'{2024-01-01 00:00+00}'", "'{}'"), REDACT, "'{}'"),
    column("int4range", ("'[1,5)'", "'empty'"), "'null'", "NULL"),
    column("text", ("'jane'", "''"), "{ fixed = \"it's\\t\\\"x\\\" \\\\N\" }", "E'it''s\\t\"x\" \\\\N'"),
    column("int4", ("7", "8"), "{ fixed = '-9' }", "-9"),
    column("numeric(8,3)", ("7", "8"), "{ fixed = '-12345.678' }", "-12345.678"),
    column(
        "interval",
        ("'1 day'", "'0'"),
        "{ fixed = '-1 years -2 mons +3 days -04:05:06.7' }",
        "'-1 years -2 mons +3 days -04:05:06.7'",
    ),
    column("bytea", ("'a'", "''"), "{ fixed = '\\x005cff41' }", "'\\x005cff41'"),
    column("bit(11)", ("B'00000000001'", "B'00000000001'"), "{ fixed = '10101010101' }", "B'10101010101'"),
    column("varbit", ("B'1'", "B''"), "{ fixed = '010' }", "B'010'"),
    column(
        "macaddr",
        ("'08:00:2b:01:02:03'", "'ff:00:00:00:00:00'"),
        "{ fixed = '0a:00:00:00:00:0B' }",
        "'0a:00:00:00:00:0b'",
    ),
    column("inet", ("'10.0.0.1'", "'::1'"), "{ fixed = '10.1.2.3/8' }", "'10.1.2.3/8'"),
    column("jsonb", ("'1'", "'2'"), "{ fixed = '{\"b\": [1.50], \"a\": null}' }", "'{\"b\": [1.50], \"a\": null}'"),
    column("text[]", ("'{a}'", "'{}'"), "{ fixed = '{a,NULL,\"b c\",\"\"}' }", "'{a,NULL,\"b c\",\"\"}'"),
    column("date[]", ("'{2024-01-01}'", "'{}'"), "{ fixed = '{1999-12-31}' }", "'{1999-12-31}'"),
    column("mood", ("'sad'", "'glad'"), "{ fixed = 'calm' }", "'calm'"),
    column("nick", ("'jane'", "''"), "{ fixed = 'x' }", "'x'"),
    column(
        "varchar(12)",
        ("'jane@example.com'::varchar(12)", "'a@bc.com'"),
        "'email'",
        "CASE WHEN v = 'a@bc.com' THEN 'a***@b***.com'::varchar(12) WHEN v IS NOT NULL THEN '***' END",
    ),
    column(
        "nick",
        ("'a@bc.com'", "'x'"),
        "'email'",
        "CASE WHEN v = 'a@bc.com' THEN 'a***@b***' WHEN v IS NOT NULL THEN '***' END",
    ),
    column(
        "text",
        ("'078-05-1120'", "'äöü'"),
        "{ keep_last = 4 }",
        "CASE WHEN v = 'äöü' THEN '***' WHEN v IS NOT NULL THEN '*******1120' END",
    ),
    column("char(8)", ("'abc'", "'日本語'"), "{ keep_first = 1 }", "left(v, 1) || '**'"),
    column(
        "text[]",
        ("'{{abc,NULL},{\"b\\\"c\",d}}'", "'[0:0]={xyz}'"),
        "{ keep_first = 1 }",
        "CASE WHEN v = '[0:0]={xyz}' THEN '[0:0]={x**}'::text[] WHEN v IS NOT NULL THEN '{{a**,NULL},{b**,*}}' END",
    ),
    column("date", ("'0044-03-15 BC'", "'infinity'"), "'year'", "date_trunc('year', v)::date"),
    column("date", ("'2024-07-15'", "'-infinity'"), "'month'", "date_trunc('month', v)::date"),
    column("timestamp", ("'2024-07-15 01:02:03.4'", "'infinity'"), "'month'", "date_trunc('month', v)"),
    column("timestamptz", ("'2024-01-01 01:00+05'", "'infinity'"), "'year'", "date_trunc('year', v, 'UTC')"),
    column(
        "timestamptz[]",
        ("'{2024-07-15 01:00+05,NULL}'", "'{}'"),
        "'month'",
        "CASE WHEN v = '{}' THEN v WHEN v IS NOT NULL THEN '{2024-07-01 00:00+00,NULL}' END",
    ),
    column("int2", ("-151", "32767"), "{ round = 100 }", "CASE v WHEN -151 THEN -200 WHEN 32767 THEN 32700 END"),
    column("int8", ("-150", "149"), "{ round = 100 }", "CASE v WHEN -150 THEN -200 WHEN 149 THEN 100 END"),
    column(
        "numeric",
        ("12345678901234567890.5", "'NaN'"),
        "{ round = 1000 }",
        "CASE WHEN v = 'NaN' THEN v ELSE round(v, -3) END",
    ),
    column(
        "numeric(8,3)",
        ("-149.999", "99999.999"),
        "{ round = 100 }",
        "CASE v WHEN -149.999 THEN -100 WHEN 99999.999 THEN 99900 END",
    ),
    column("float4", ("-149.5", "'NaN'"), "{ round = 100 }", "CASE WHEN v = -149.5 THEN -100 ELSE v END"),
    column("float8", ("151.5", "'Infinity'"), "{ round = 100 }", "CASE WHEN v = 151.5 THEN 200 ELSE v END"),
    column(
        "int4[]",
        ("'[-2:-1]={151,NULL}'", "'{}'"),
        "{ round = 100 }",
        "CASE WHEN v = '{}' THEN v WHEN v IS NOT NULL THEN '[-2:-1]={200,NULL}' END",
    ),
    column("age", ("151", "0"), "{ round = 100 }", "CASE v WHEN 151 THEN 200 ELSE 0 END"),
    column(
        "text",
        ("'078-05-1120'", "''"),
        "{ keep_last = 4, nulls = 'hide' }",
        "CASE WHEN v = '' THEN '' ELSE coalesce('*******' || right(v, 4), '[redacted]') END",
    ),
    column("int4", ("151", "0"), "{ round = 100, nulls = 'hide' }", "CASE v WHEN 151 THEN 200 ELSE 0 END"),
    column(
        "nick",
        ("'abc'", "'x'"),
        "{ keep_first = 1, nulls = 'hide' }",
        "CASE v WHEN 'abc' THEN 'a**' WHEN 'x' THEN '*' ELSE '[redacted' END::varchar(9)",
    ),
    column("text", ("'jane'", "''"), "{ hash = 'twin' }", SHOWN),
    column("varchar(31)", ("'jane'", "''"), "{ hash = 'twin' }", SHOWN),
    column("char(40)", ("'jane'", "'x  '"), "{ hash = 'twin' }", SHOWN),
    column("text[]", ("'[0:0][2:3]={{a,NULL}}'", "'{}'"), "{ hash = 'twin' }", SHOWN),
    column("int4", ("7", "-2147483648"), "{ hash = 'twin' }", SHOWN),
    column("int8", ("7", "9223372036854775807"), "{ hash = 'twin' }", SHOWN),
    column("age", ("7", "8"), "{ hash = 'twin' }", SHOWN),
    column("int8[]", ("'{7,8}'", "'{}'"), "{ hash = 'twin' }", SHOWN),
    column("numeric", ("7.50", "'NaN'"), "{ hash = 'twin' }", SHOWN),
    column("uuid", ("'6a2f41a3-c54c-fce8-32d2-0324e1c32e22'", "gen_random_uuid()"), "{ hash = 'twin' }", SHOWN),
    column("bytea", ("'\\x00ff'", "''"), "{ hash = 'twin' }", SHOWN),
    column("text", ("'4111 1111 1111 1111'", "'12'"), "{ fpe = 'twin' }", SHOWN),
    column("varchar(9)", ("'AB-123456'", "'é'"), "{ fpe = 'twin' }", SHOWN),
    column("char(12)", ("'123456'", "'1'"), "{ fpe = 'twin', nulls = 'hide' }", SHOWN),
    column(
        "text",
        ("'pay 4111 1111 1111 1111, mail jane@example.com'", "'nothing'"),
        "'scan'",
        "CASE WHEN v = 'nothing' THEN v WHEN v IS NOT NULL THEN 'pay [card], mail [email]' END",
    ),
    column(
        "varchar(11)",
        ("'078-05-1120'", "'x@y.org z'"),
        "'scan'",
        "CASE v WHEN '078-05-1120' THEN '[ssn]' WHEN 'x@y.org z' THEN '[email] z' END",
    ),
    column(
        "json",
        ("'{ \"to\": \"x@y.org\", \"n\": [1.50, 4111111111111111] }'", "'1'"),
        "'scan'",
        "CASE WHEN v::text = '1' THEN v WHEN v IS NOT NULL THEN '{ \"to\": \"[email]\", \"n\": [1.50, \"[card]\"] }' END",
    ),
    column(
        "jsonb",
        ("'{\"abcdefgh\": 1.50, \"jane@example.com\": \"a\\u0040b.com\"}'", "'1'"),
        "'scan'",
        "CASE WHEN v = '1' THEN v WHEN v IS NOT NULL THEN '{\"abcdefgh\": 1.50, \"[email]\": \"[email]\"}' END",
    ),
    column(
        "text[]",
        ("'{x@y.org,NULL}'", "'{}'"),
        "'scan'",
        "CASE WHEN v = '{}' THEN v WHEN v IS NOT NULL THEN ARRAY['[email]', NULL] END",
    ),
];
