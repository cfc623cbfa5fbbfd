import java.sql.*;
import java.util.*;
import java.util.concurrent.*;

/**
 * What a JDBC program may rely on through the gateway. Arguments: the database's URL through the gateway, and the direct one. Each test is one
 * promise; the program ends with 1 if one is broken.
 */
public final class JdbcClient {
    static final String NAMES =
        "id name email ssn born joined seen salary points total rank ratio share active token doc raw photo tags scores nick";
    static final String MASKED =
        "1|name 1|u***@e***.com|*******3001|1984-01-01|2024-03-01 00:00:00.0|1970-01-01 00:00:00.0|50100.00|0|0|0|1.0|0.0|false|"
            + "00000000-0000-0000-0000-000000000000|null|null|[]|{}|{}|x";
    static String gateway;
    static String direct;

    interface Test {
        void run(Properties options) throws Exception;
    }

    static Connection open(String url, String user, String password, Properties options) throws SQLException {
        Properties all = new Properties();
        all.putAll(options);
        all.put("user", user);
        all.put("password", password);
        return DriverManager.getConnection(url, all);
    }

    static Connection agent(Properties options) throws SQLException {
        return open(gateway, "agent", "agentpw", options);
    }

    static Connection dba(Properties options) throws SQLException {
        return open(gateway, "dba", "dbapw", options);
    }

    static Connection direct(Properties options) throws SQLException {
        return open(direct, "admin", "adminpw", options);
    }

    static void equal(Object got, Object wanted) {
        if (!Objects.equals(got, wanted)) {
            throw new AssertionError("got    " + got + "\nwanted " + wanted);
        }
    }

    static String row(ResultSet set) throws SQLException {
        List<String> values = new ArrayList<>();
        for (int i = 1; i <= set.getMetaData().getColumnCount(); i++) {
            Object value = set.getObject(i);
            if (value instanceof byte[]) {
                value = Arrays.toString((byte[]) value);
            }
            values.add(String.valueOf(value));
        }
        return String.join("|", values);
    }

    static List<String> rows(ResultSet set) throws SQLException {
        List<String> all = new ArrayList<>();
        while (set.next()) {
            all.add(row(set));
        }
        return all;
    }

    static void preparedStatementsStayMasked(Properties options) throws Exception {
        try (Connection c = agent(options); PreparedStatement s = c.prepareStatement("SELECT * FROM people WHERE id = ?")) {
            for (int i = 0; i < 8; i++) {
                s.setInt(1, 1);
                try (ResultSet set = s.executeQuery()) {
                    List<String> names = new ArrayList<>();
                    for (int n = 1; n <= set.getMetaData().getColumnCount(); n++) {
                        names.add(set.getMetaData().getColumnName(n));
                    }
                    equal(String.join(" ", names), NAMES);
                    equal(set.next(), true);
                    equal(row(set), MASKED);
                }
            }
        }
    }

    static void theDbaSeesWhatTheServerHolds(Properties options) throws Exception {
        List<List<String>> seen = new ArrayList<>();
        for (Connection c : new Connection[] {dba(options), direct(options)}) {
            try (c; PreparedStatement s = c.prepareStatement("SELECT * FROM people ORDER BY id")) {
                rows(s.executeQuery());
                rows(s.executeQuery());
                seen.add(rows(s.executeQuery()));
            }
        }
        equal(seen.get(0), seen.get(1));
    }

    static void aFetchSizeStreamsMaskedRows(Properties options) throws Exception {
        Properties sized = new Properties();
        sized.putAll(options);
        sized.put("defaultRowFetchSize", "3");
        try (Connection c = agent(sized)) {
            c.setAutoCommit(false);
            for (int i = 0; i < 7; i++) {
                try (PreparedStatement s = c.prepareStatement("SELECT id, ssn FROM people WHERE id <= ? ORDER BY id")) {
                    s.setInt(1, 10);
                    List<String> got = rows(s.executeQuery());
                    equal(got.size(), 10);
                    equal(got.get(9), "10|*******3010");
                }
            }
            // Two at once, and one left half read.
            PreparedStatement a = c.prepareStatement("SELECT email FROM people WHERE id <= 20");
            PreparedStatement b = c.prepareStatement("SELECT id FROM orders ORDER BY id");
            ResultSet first = a.executeQuery();
            ResultSet second = b.executeQuery();
            for (int i = 1; i <= 8; i++) {
                equal(first.next() && second.next(), true);
                equal(first.getString(1) + second.getInt(1), "u***@e***.com" + i);
            }
            first.close();
            c.commit();
        }
    }

    static void batchesArrive(Properties options) throws Exception {
        try (Connection c = agent(options)) {
            c.setAutoCommit(false);
            try (PreparedStatement s = c.prepareStatement("INSERT INTO items (id, label) VALUES (?, ?)")) {
                for (int i = 0; i < 500; i++) {
                    s.setInt(1, 3000 + i);
                    s.setString(2, "batch " + i);
                    s.addBatch();
                }
                equal(s.executeBatch().length, 500);
            }
            try (Statement s = c.createStatement(); ResultSet set = s.executeQuery("SELECT count(*) FROM items")) {
                equal(rows(set), List.of("500"));
            }
            try (Statement s = c.createStatement()) {
                s.addBatch("UPDATE items SET label = 'x' WHERE id = 3000");
                s.addBatch("DELETE FROM items WHERE id = 3001");
                equal(Arrays.toString(s.executeBatch()), "[1, 1]");
            }
            c.rollback();
        }
    }

    static void metadataIsWhatTheServerSays(Properties options) throws Exception {
        List<List<String>> said = new ArrayList<>();
        for (Connection c : new Connection[] {agent(options), dba(options), direct(options)}) {
            try (c) {
                DatabaseMetaData data = c.getMetaData();
                List<String> all = new ArrayList<>();
                all.addAll(rows(data.getTables(null, null, "%", new String[] {"TABLE", "VIEW"})));
                all.addAll(rows(data.getColumns(null, "public", "%", "%")));
                all.addAll(rows(data.getPrimaryKeys(null, "public", "people")));
                all.addAll(rows(data.getImportedKeys(null, "public", "orders")));
                all.addAll(rows(data.getExportedKeys(null, "public", "people")));
                all.addAll(rows(data.getSchemas()));
                all.addAll(rows(data.getCatalogs()));
                all.addAll(rows(data.getTypeInfo()));
                all.add(data.getDatabaseProductVersion());
                said.add(all);
            }
        }
        equal(said.get(0), said.get(2));
        equal(said.get(1), said.get(2));
    }

    static void indexesAreListed(Properties options) throws Exception {
        List<List<String>> said = new ArrayList<>();
        for (Connection c : new Connection[] {dba(options), direct(options)}) {
            try (c) {
                said.add(rows(c.getMetaData().getIndexInfo(null, "public", "orders", false, true)));
            }
        }
        equal(said.get(0), said.get(1));
    }

    static void aStatementIsCancelled(Properties options) throws Exception {
        try (Connection c = agent(options); Connection d = direct(options)) {
            try (Statement lock = d.createStatement()) {
                lock.execute("SELECT pg_advisory_lock(78)");
            }
            Statement s = c.createStatement();
            Future<?> cancelled = CompletableFuture.runAsync(() -> {
                try (Statement look = d.createStatement()) {
                    while (rows(look.executeQuery("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory'")).isEmpty()) {
                        Thread.onSpinWait();
                    }
                    s.cancel();
                } catch (SQLException e) {
                    throw new IllegalStateException(e);
                }
            });
            try {
                s.execute("SELECT pg_advisory_lock(78)");
                throw new AssertionError("not cancelled");
            } catch (SQLException e) {
                equal(e.getSQLState(), "57014");
            }
            cancelled.get();
            equal(rows(s.executeQuery("SELECT 5")), List.of("5"));
        }
    }

    static void aBatchIsCancelledAndNothingAfterIt(Properties options) throws Exception {
        try (Connection c = agent(options); Connection d = direct(options); Connection look = direct(options)) {
            d.setAutoCommit(false);
            try (Statement s = d.createStatement()) {
                s.execute("INSERT INTO items (id, label) VALUES (4100, 'theirs')");
            }
            c.setAutoCommit(false);
            PreparedStatement s = c.prepareStatement("INSERT INTO items (id, label) VALUES (?, ?)");
            for (int i = 4000; i < 4200; i++) {
                s.setInt(1, i);
                s.setString(2, "batch " + i);
                s.addBatch();
            }
            Future<?> cancelled = CompletableFuture.runAsync(() -> {
                try (Statement locks = look.createStatement()) {
                    String waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted";
                    while (rows(locks.executeQuery(waiting)).isEmpty()) {
                        Thread.onSpinWait();
                    }
                    s.cancel();
                } catch (SQLException e) {
                    throw new IllegalStateException(e);
                }
            });
            try {
                s.executeBatch();
                throw new AssertionError("not cancelled");
            } catch (SQLException e) {
                equal(e.getSQLState(), "57014");
            }
            cancelled.get();
            c.rollback();
            d.rollback();
            try (Statement count = c.createStatement()) {
                equal(rows(count.executeQuery("SELECT count(*) FROM items")), List.of("0"));
            }
            c.commit();
        }
    }

    static void anUpdatableResultSetWrites(Properties options) throws Exception {
        try (Connection c = agent(options)) {
            c.setAutoCommit(false);
            try (Statement s = c.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
                ResultSet set = s.executeQuery("SELECT id, status, note FROM orders WHERE id = 5");
                equal(set.next(), true);
                set.updateString("note", "seen");
                set.updateRow();
                equal(set.getString("note"), "seen");
                equal(rows(s.executeQuery("SELECT note FROM orders WHERE id = 5")), List.of("seen"));
            }
            c.rollback();
        }
    }

    static void savepointsAndRefusalsKeepTheTransaction(Properties options) throws Exception {
        try (Connection c = agent(options); Statement s = c.createStatement()) {
            c.setAutoCommit(false);
            s.execute("INSERT INTO items VALUES (1, 'kept')");
            Savepoint point = c.setSavepoint("a");
            try {
                s.execute("INSERT INTO items VALUES (1, 'twice')");
                throw new AssertionError("no error");
            } catch (SQLException e) {
                equal(e.getSQLState(), "23505");
            }
            c.rollback(point);
            try {
                s.execute("DELETE FROM items");
                throw new AssertionError("no refusal");
            } catch (SQLException e) {
                equal(e.getSQLState(), "42501");
            }
            equal(rows(s.executeQuery("SELECT label FROM items")), List.of("kept"));
            c.releaseSavepoint(c.setSavepoint());
            c.rollback();
            equal(rows(s.executeQuery("SELECT label FROM items")), List.of());
        }
    }

    static void readOnlyAndIsolationAreTheServersOwn(Properties options) throws Exception {
        try (Connection c = agent(options); Statement s = c.createStatement()) {
            c.setReadOnly(true);
            c.setAutoCommit(false);
            c.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
            equal(rows(s.executeQuery("SHOW transaction_isolation")), List.of("serializable"));
            try {
                s.execute("INSERT INTO items VALUES (1, 'x')");
                throw new AssertionError("no error");
            } catch (SQLException e) {
                equal(e.getSQLState(), "25006");
            }
            c.rollback();
            c.setReadOnly(false);
            c.setAutoCommit(true);
            c.setSchema("other");
            equal(rows(s.executeQuery("SELECT label FROM items")), List.of("of the other schema"));
            equal(c.getSchema(), "other");
            equal(c.isValid(5), true);
            c.setClientInfo("ApplicationName", "report");
        }
    }

    static void generatedKeysComeBack(Properties options) throws Exception {
        try (Connection c = agent(options)) {
            c.setAutoCommit(false);
            try (PreparedStatement s = c.prepareStatement("INSERT INTO items VALUES (?, ?)", Statement.RETURN_GENERATED_KEYS)) {
                s.setInt(1, 9);
                s.setString(2, "nine");
                equal(s.executeUpdate(), 1);
                equal(rows(s.getGeneratedKeys()), List.of("9|nine"));
            }
            c.rollback();
        }
    }

    static void copyIsMaskedAndArrives(Properties options) throws Exception {
        try (Connection c = agent(options)) {
            c.setAutoCommit(false);
            org.postgresql.copy.CopyManager copy = c.unwrap(org.postgresql.PGConnection.class).getCopyAPI();
            java.io.StringWriter out = new java.io.StringWriter();
            equal(copy.copyOut("COPY (SELECT id, email FROM people WHERE id < 3 ORDER BY id) TO STDOUT", out), 2L);
            equal(out.toString(), "1\tu***@e***.com\n2\tu***@e***.com\n");
            equal(copy.copyIn("COPY items FROM STDIN", new java.io.StringReader("1\tone\n2\ttwo\n")), 2L);
            c.rollback();
        }
    }

    static Properties options(String... pairs) {
        Properties all = new Properties();
        for (int i = 0; i < pairs.length; i += 2) {
            all.put(pairs[i], pairs[i + 1]);
        }
        return all;
    }

    public static void main(String[] arguments) throws Exception {
        TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
        gateway = arguments[0];
        direct = arguments[1];
        Map<String, Test> tests = new LinkedHashMap<>();
        tests.put("prepared statements stay masked", JdbcClient::preparedStatementsStayMasked);
        tests.put("the DBA sees what the server holds", JdbcClient::theDbaSeesWhatTheServerHolds);
        tests.put("a fetch size streams masked rows", JdbcClient::aFetchSizeStreamsMaskedRows);
        tests.put("batches arrive", JdbcClient::batchesArrive);
        tests.put("metadata is what the server says", JdbcClient::metadataIsWhatTheServerSays);
        tests.put("indexes are listed", JdbcClient::indexesAreListed);
        tests.put("a statement is cancelled", JdbcClient::aStatementIsCancelled);
        tests.put("a batch is cancelled, and nothing after it", JdbcClient::aBatchIsCancelledAndNothingAfterIt);
        tests.put("an updatable result set writes", JdbcClient::anUpdatableResultSetWrites);
        tests.put("savepoints and refusals keep the transaction", JdbcClient::savepointsAndRefusalsKeepTheTransaction);
        tests.put("read only and isolation are the server's own", JdbcClient::readOnlyAndIsolationAreTheServersOwn);
        tests.put("generated keys come back", JdbcClient::generatedKeysComeBack);
        tests.put("COPY is masked and arrives", JdbcClient::copyIsMaskedAndArrives);
        Map<String, Properties> ways = new LinkedHashMap<>();
        ways.put("default", options());
        ways.put("prepareThreshold=1, binaryTransfer", options("prepareThreshold", "1", "binaryTransfer", "true"));
        ways.put("prepareThreshold=-1, binary at once", options("prepareThreshold", "-1", "binaryTransfer", "true"));
        ways.put("no binary, batches rewritten", options("binaryTransfer", "false", "reWriteBatchedInserts", "true", "prepareThreshold", "5"));
        ways.put("simple protocol", options("preferQueryMode", "simple"));
        int broken = 0;
        for (Map.Entry<String, Properties> way : ways.entrySet()) {
            for (Map.Entry<String, Test> test : tests.entrySet()) {
                String name = test.getKey() + " (" + way.getKey() + ")";
                try {
                    test.getValue().run(way.getValue());
                    System.out.println("ok      " + name);
                } catch (Exception | AssertionError e) {
                    broken++;
                    System.out.println("FAILED  " + name);
                    e.printStackTrace(System.out);
                }
            }
        }
        System.exit(broken == 0 ? 0 : 1);
    }
}
