import java.math.BigDecimal;
import java.sql.*;
import java.util.Properties;

/** An everyday session of a MySQL driver; it writes down what it got. Arguments: URL, user, password. */
public class MysqlSession {
    static void say(String line) {
        System.out.println(line);
    }

    static Connection open(String[] args, String... settings) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", args[1]);
        properties.setProperty("password", args[2]);
        properties.setProperty("sslMode", args[0].startsWith("jdbc:mysql:") ? "REQUIRED" : "trust");
        for (int i = 0; i < settings.length; i += 2) properties.setProperty(settings[i], settings[i + 1]);
        return DriverManager.getConnection(args[0], properties);
    }

    static void rows(ResultSet rows) throws SQLException {
        ResultSetMetaData meta = rows.getMetaData();
        StringBuilder head = new StringBuilder();
        for (int i = 1; i <= meta.getColumnCount(); i++) head.append(meta.getColumnLabel(i)).append(':').append(meta.getColumnClassName(i)).append(' ');
        say(head.toString());
        while (rows.next()) {
            StringBuilder line = new StringBuilder();
            for (int i = 1; i <= meta.getColumnCount(); i++) {
                Object value = rows.getObject(i);
                if (value instanceof byte[]) {
                    StringBuilder hex = new StringBuilder("0x");
                    for (byte b : (byte[]) value) hex.append(String.format("%02x", b));
                    value = hex;
                }
                line.append(value).append(" | ");
            }
            say(line.toString());
        }
    }

    static void reads(Connection c) throws SQLException {
        try (Statement s = c.createStatement()) {
            rows(s.executeQuery("SELECT id, full_name, email, ssn, birth_date, credit_limit, points, seen_at, level, photo FROM customers ORDER BY id"));
            rows(s.executeQuery("SELECT COUNT(*) AS n, MAX(total) AS most FROM orders"));
        }
        try (PreparedStatement p = c.prepareStatement("SELECT id, full_name, email, ssn, birth_date, credit_limit, points, seen_at, level, photo FROM customers WHERE id = ?")) {
            for (int id = 1; id <= 3; id++) {
                p.setInt(1, id);
                rows(p.executeQuery());
            }
        }
        try (PreparedStatement p = c.prepareStatement("SELECT o.id, o.total, c.full_name, c.email FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.total > ? AND c.segment IN (?, ?) ORDER BY o.id")) {
            p.setBigDecimal(1, new BigDecimal("5.00"));
            p.setString(2, "gold");
            p.setString(3, "silver");
            rows(p.executeQuery());
        }
    }

    static void changes(Connection c) throws SQLException {
        try (Statement s = c.createStatement()) {
            s.executeUpdate("DELETE FROM pad WHERE id IN (100, 101, 102, 103)");
        }
        c.setAutoCommit(false);
        try (PreparedStatement p = c.prepareStatement("INSERT INTO pad (id, txt) VALUES (?, ?)")) {
            for (int id = 100; id < 104; id++) {
                p.setInt(1, id);
                p.setString(2, "pädding " + id);
                p.addBatch();
            }
            int[] counts = p.executeBatch();
            say("batch of " + counts.length);
        }
        Savepoint savepoint = c.setSavepoint("here");
        try (Statement s = c.createStatement()) {
            say("updated " + s.executeUpdate("UPDATE pad SET txt = 'x' WHERE id = 100"));
            c.rollback(savepoint);
            rows(s.executeQuery("SELECT id, txt FROM pad WHERE id IN (100, 101, 102, 103) ORDER BY id"));
        }
        c.commit();
        try (Statement s = c.createStatement()) {
            s.executeUpdate("UPDATE pad SET txt = 'gone' WHERE id = 101");
            c.rollback();
            rows(s.executeQuery("SELECT txt FROM pad WHERE id = 101"));
        }
        c.setAutoCommit(true);
        try (PreparedStatement p = c.prepareStatement("INSERT INTO orders (customer_id, total, note) VALUES (?, ?, ?)", Statement.RETURN_GENERATED_KEYS)) {
            p.setInt(1, 1);
            p.setBigDecimal(2, new BigDecimal("3.25"));
            p.setNull(3, Types.VARCHAR);
            say("inserted " + p.executeUpdate());
            ResultSet keys = p.getGeneratedKeys();
            long key = keys.next() ? keys.getLong(1) : 0;
            say("a key " + (key > 0));
            try (PreparedStatement d = c.prepareStatement("DELETE FROM orders WHERE id = ?")) {
                d.setLong(1, key);
                say("deleted " + d.executeUpdate());
            }
        }
    }

    static void failures(Connection c) throws SQLException {
        for (String text : new String[] {"SELECT nothing FROM pad", "SELECT 1 FROM nowhere", "INSERT INTO pad (id, txt) VALUES (1, 'twice')", "SELEC 1"}) {
            try (Statement s = c.createStatement()) {
                s.execute(text);
                say("no error: " + text);
            } catch (SQLException e) {
                say("error of " + text.split(" ")[0] + ": " + (e.getErrorCode() > 0));
            }
        }
        try (Statement s = c.createStatement()) {
            rows(s.executeQuery("SELECT 1 AS still_there"));
        }
        say("valid " + c.isValid(5));
    }

    static void metadata(Connection c) throws SQLException {
        DatabaseMetaData meta = c.getMetaData();
        String catalog;
        try (Statement s = c.createStatement(); ResultSet row = s.executeQuery("SELECT DATABASE()")) {
            row.next();
            // The gateway may have another name for it than the server, by which its catalog is asked.
            catalog = row.getString(1);
        }
        ResultSet tables = meta.getTables(catalog, null, "%", new String[] {"TABLE"});
        while (tables.next()) say("table " + tables.getString("TABLE_NAME"));
        ResultSet columns = meta.getColumns(catalog, null, "pad", "%");
        while (columns.next()) say("column " + columns.getString("COLUMN_NAME") + " " + columns.getString("TYPE_NAME"));
        ResultSet keys = meta.getPrimaryKeys(catalog, null, "orders");
        while (keys.next()) say("key " + keys.getString("COLUMN_NAME"));
        ResultSet foreign = meta.getImportedKeys(catalog, null, "orders");
        while (foreign.next()) say("foreign " + foreign.getString("PKTABLE_NAME"));
    }

    static void streamed(Connection c, int fetchSize) throws SQLException {
        try (Statement s = c.createStatement(ResultSet.TYPE_FORWARD_ONLY, ResultSet.CONCUR_READ_ONLY)) {
            s.setFetchSize(fetchSize);
            rows(s.executeQuery("SELECT id, email FROM customers ORDER BY id"));
        }
        try (PreparedStatement p = c.prepareStatement("SELECT id, txt FROM pad WHERE id < ? ORDER BY id")) {
            p.setFetchSize(fetchSize);
            p.setInt(1, 100);
            rows(p.executeQuery());
        }
    }

    /** Two cursors at once, other statements and ends of transactions between their rows. */
    static void interleaved(Connection c) throws SQLException {
        c.setAutoCommit(false);
        String sql = "SELECT id, email, ssn FROM customers ORDER BY id";
        try (PreparedStatement first = c.prepareStatement(sql); PreparedStatement second = c.prepareStatement(sql); Statement other = c.createStatement()) {
            ResultSet one = first.executeQuery(), two = second.executeQuery();
            while (one.next()) {
                say("one " + one.getString(2) + " " + one.getString(3));
                other.executeUpdate("UPDATE pad SET txt = 'between' WHERE id = 2");
                if (two.next()) say("two " + two.getString(2) + " " + two.getString(3));
                c.rollback();
            }
            rows(first.executeQuery());
        }
        c.setAutoCommit(true);
    }

    public static void main(String[] args) throws Exception {
        boolean oracle = args[0].startsWith("jdbc:mysql:");
        try (Connection c = open(args)) {
            say("texts");
            reads(c);
            changes(c);
            failures(c);
            metadata(c);
            c.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
            c.setReadOnly(true);
            c.setReadOnly(false);
            say("isolation " + c.getTransactionIsolation());
        }
        try (Connection c = open(args, "useServerPrepStmts", "true", "cachePrepStmts", "true", "rewriteBatchedStatements", "true")) {
            say("prepared by the server");
            reads(c);
            changes(c);
            failures(c);
        }
        try (Connection c = oracle ? open(args, "useCursorFetch", "true", "defaultFetchSize", "1") : open(args, "defaultFetchSize", "1")) {
            say("by cursor");
            reads(c);
            streamed(c, 1);
            if (oracle) interleaved(c);
        }
        try (Connection c = open(args)) {
            say("streamed");
            streamed(c, oracle ? Integer.MIN_VALUE : 1);
        }
        try (Connection c = open(args); Statement s = c.createStatement()) {
            say("with a limit of time");
            s.setQueryTimeout(20);
            rows(s.executeQuery("SELECT 1 AS in_time"));
            s.setQueryTimeout(1);
            try {
                rows(s.executeQuery("SELECT SLEEP(15) AS slept"));
            } catch (SQLException e) {
                say("cut off");
            }
            s.setQueryTimeout(0);
            rows(s.executeQuery("SELECT 2 AS after"));
        }
    }
}
