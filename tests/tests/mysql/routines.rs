//! Procedures: made through the gateway, and called through it by text and prepared.

use std::{path::Path, process::Command};

use querygate_testkit::{
    gateway::Gateway,
    mysql::{Flavor, Login, Server},
};

use crate::shop::{BOTH, DBA_SECRET, SECRET};

const TABLES: &str = "\
CREATE TABLE people (id int PRIMARY KEY, name varchar(40) NOT NULL, ssn varchar(11) NOT NULL);
INSERT INTO people VALUES (1, 'Ada', '078-05-1120'), (2, 'Bob', '219-09-9999');
";

const POLICY: &str = r#"
database = "calls"
connect = ["agent", "dba"]

[table.people]
clear = ["id", "name"]
mask.ssn = "redact"
clear_for = ["dba"]

[functions]
trust = ["names", "leaks"]

[[rule]]
name = "the DBA's code"
roles = ["dba"]
match = { effects = ["call", "define_code"] }
action = "allow"

[[rule]]
name = "trusted procedures"
roles = ["agent"]
match = { effects = ["call"] }
action = "allow"
"#;

/// Through the command line, whose delimiter keeps it from cutting bodies itself.
const PROCEDURES: &str = "\
DELIMITER $$
CREATE PROCEDURE names(IN least int, OUT found int)
BEGIN
  SELECT count(*) INTO found FROM people WHERE id >= least;
  SELECT id, name FROM people WHERE id >= least ORDER BY id;
  SELECT 'done' AS state;
END $$
CREATE PROCEDURE leaks() BEGIN SELECT 'first' AS word; SELECT id, ssn FROM people; END $$
CREATE PROCEDURE adds() BEGIN INSERT INTO people VALUES (3, 'Cleo', '457-55-5462'); SET @added = 1; END $$
DELIMITER ;
";

struct Stage {
    server: Server,
    gateway: Gateway,
    flavor: Flavor,
}

impl Stage {
    fn open(flavor: Flavor) -> Stage {
        let server = Server::start(flavor).unwrap();
        server.script("mysql", "CREATE DATABASE calls CHARACTER SET utf8mb4;").unwrap();
        server.script("calls", TABLES).unwrap();
        let gateway = Gateway::setup()
            .mysql_database("calls", &server, "calls")
            .policy("calls", POLICY)
            .account("agent", &["agent"], SECRET)
            .account("dba", &["dba"], DBA_SECRET)
            .listen("tls = \"self-signed\"")
            .start()
            .unwrap();
        Stage { server, gateway, flavor }
    }

    fn login(&self, account: &str, secret: &str) -> Login {
        self.gateway.mysql_login(self.flavor, account, secret, "calls")
    }

    fn dba(&self, script: &str) -> String {
        self.login("dba", DBA_SECRET).run(script).unwrap().ok().unwrap().stdout
    }

    /// What the agent is shown, and the errors.
    fn agent(&self, script: &str) -> (String, String) {
        let ran = self.login("agent", SECRET).with(&["--batch", "--force"], script).unwrap();
        (ran.stdout, ran.stderr)
    }
}

#[test]
fn procedures_are_made_and_called_and_show_all_their_results() {
    for flavor in BOTH {
        let stage = Stage::open(flavor);
        stage.dba(PROCEDURES);
        let shown = stage.dba("CALL names(2, @n); SELECT @n AS n; CALL adds(); SELECT count(*) AS people FROM people;");
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines, ["id\tname", "2\tBob", "state", "done", "n", "1", "people", "3"], "{flavor:?}");
        let log = stage.gateway.command(&["log", "search", "--effect", "call"], "").unwrap().stdout;
        assert!(log.contains("CALL names(2, @n)") && log.contains("ok, 2 rows"), "{flavor:?}: {log}");
        let refused = stage
            .login("dba", DBA_SECRET)
            .with(&["--batch", "--force", "--delimiter=$$"], "CALL adds(); SELECT 1 $$")
            .unwrap();
        assert!(refused.stderr.contains("beside other statements"), "{flavor:?}: {refused:?}");
    }
}

/// What a driver writes down of calls by text and prepared.
fn driven(login: &Login) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/node/mysql_calls.js");
    let mut command = Command::new("node");
    command.arg("--no-deprecation").arg(script).env("QG_PORT", login.port.to_string()).env("QG_USER", &login.user);
    command.env("QG_SECRET", &login.password).env("QG_DATABASE", &login.database);
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

#[test]
fn a_driver_gets_the_same_results_of_a_procedure_as_past_the_gateway() {
    for flavor in BOTH {
        let stage = Stage::open(flavor);
        stage.dba(PROCEDURES);
        let through = driven(&stage.login("dba", DBA_SECRET));
        assert_eq!(through, driven(&stage.server.admin("calls")), "{flavor:?}");
        assert_eq!(through.matches("Bob").count(), 3, "{through}");
    }
}

#[test]
fn what_a_procedure_shows_of_masked_columns_ends_the_session_before_a_value_is_sent() {
    for flavor in BOTH {
        let stage = Stage::open(flavor);
        stage.dba(PROCEDURES);
        let (shown, errors) = stage.agent("CALL names(1, @n); SELECT id FROM people ORDER BY id LIMIT 1;");
        assert!(
            shown.contains("1\tAda") && shown.contains("done") && errors.is_empty(),
            "{flavor:?}: {shown} {errors}"
        );
        let (_, errors) = stage.agent("CALL adds();");
        assert!(errors.contains("procedure adds"), "{flavor:?}: {errors}");
        let (_, errors) = stage.agent("CALL names((SELECT ssn FROM people LIMIT 1), @n);");
        assert!(errors.contains("ssn"), "{flavor:?}: {errors}");
        let (shown, _) = stage.agent("CALL leaks(); SELECT 'still there' AS word;");
        assert!(shown.contains("first") && !shown.contains("078") && !shown.contains("still"), "{flavor:?}: {shown}");
        let (_, metrics) = stage.gateway.page("/metrics").unwrap();
        assert!(
            metrics.lines().any(|line| line.starts_with("querygate_alarms_total") && line.ends_with(" 1")),
            "{metrics}"
        );
    }
}
