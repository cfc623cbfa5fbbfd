//! Comments that a server runs: what is analysed is what it runs.

use querygate_testkit::mysql::{Flavor, Login};

use crate::shop::{BOTH, shop};

/// What a text shows, comments sent along; none where it fails.
fn shown(login: &Login, text: &str) -> Option<String> {
    let ran = login.with(&["--batch", "--comments", "--skip-column-names"], text).unwrap();
    (ran.code == Some(0)).then_some(ran.stdout)
}

/// Texts that one server or both run in part.
const TEXTS: &[&str] = &[
    "SELECT 1 /*! +1 */",
    "SELECT 1 /*!50000 +1 */",
    "SELECT 1 /*!50000+1 */",
    "SELECT 1 /*!50700 +1 */",
    "SELECT 1 /*!50999 +1 */",
    "SELECT 1 /*!80000 +1 */",
    "SELECT 1 /*!99999 +1 */",
    "SELECT 1 /*!101118 +1 */",
    "SELECT 1 /*!110000 +1 */",
    "SELECT 1 /*!090000 +1 */",
    "SELECT 1 /*M! +1 */",
    "SELECT 1 /*M!50701 +1 */",
    "SELECT 1 /*M!100100 +1 */",
    "SELECT 1 /*M!999999 +1 */",
    "SELECT 1 /*! +1 *//*!50000 +1*/",
    "SELECT '*/' /*! , '*/' */",
    "SELECT 2 /*!50000 * */ 3",
    "SELECT 1 /* !+1 */",
    "SELECT /*!40001 SQL_NO_CACHE */ id, txt FROM pad WHERE id < 3 ORDER BY id",
    "/*!40101 SET @a = 5 */; SELECT @a",
    "START TRANSACTION /*!40100 WITH CONSISTENT SNAPSHOT */; SELECT 1",
];

/// Texts that the gateway need not read, since nobody writes them; where it does, it reads them as the server.
const ODD: &[&str] = &[
    "SELECT 1 /*!1011180 +1 */",
    "SELECT 1 /*!5000 +1 */",
    "SELECT 1 /*!M +1 */",
    "SELECT 1 /*m! +1 */",
    "SELECT 1 /*! +1 /* x */ +1 */",
    "SELECT 1 /*!99999 +1 /* x */ +1 */",
    "SELECT 1 /*!99999 '*/' */",
    "SELECT 2 /*!50000 **/ 3",
    "SELECT 2 */*!50000 3*/",
    "SELECT 1 /*!50000 + # x */ 1",
    "SELECT 1 /*!50000 + -- x */ 1",
    "SELECT 1 /*! +1",
    "SELECT 1 */",
    "SELECT 1 /*!*/",
    "SELECT 1 /*!50000*/",
    "SELECT 1 /*!50000 -- */\n + 1 */",
];

#[test]
fn what_a_server_runs_of_a_comment_is_what_is_analysed() {
    for flavor in BOTH {
        let shop = shop(flavor);
        for text in TEXTS {
            let through = shown(&shop.dba(), text);
            assert_eq!(through, shown(&shop.direct(), text), "{text} on {flavor:?}: {}", shop.log());
            assert!(through.is_some(), "{text} on {flavor:?}");
        }
        for text in ODD {
            let through = shown(&shop.dba(), text);
            assert!(through.is_none() || through == shown(&shop.direct(), text), "{text} on {flavor:?}: {through:?}");
        }
    }
}

#[test]
fn nothing_masked_hides_in_a_comment() {
    for flavor in BOTH {
        let shop = shop(flavor);
        for text in [
            "SELECT id FROM customers WHERE 1 /*!50000 AND ssn = '078-05-1120' */ ORDER BY id",
            "SELECT id /*! , CONCAT(ssn) */ FROM customers ORDER BY id",
            "SELECT /*!50000 1 FROM customers WHERE ssn = '078-05-1120' UNION SELECT */ 2",
            "/*! SELECT ssn INTO @a FROM customers WHERE id = 1 */",
        ] {
            let refused = shop.agent().with(&["--batch", "--comments"], text).unwrap();
            assert!(refused.stderr.contains("1235"), "{text} on {flavor:?}: {refused:?}");
        }
        let plain = "SELECT id /*!50000 , ssn */ FROM customers WHERE id = 1";
        assert_eq!(shown(&shop.agent(), plain).unwrap().trim(), "1\t*******1120", "{flavor:?}");
    }
    let mariadb = "SELECT id /*M! , CONCAT(ssn) */ FROM customers ORDER BY id";
    assert_eq!(shown(&shop(Flavor::Mysql).agent(), mariadb).unwrap().trim(), "1\n2");
    assert_eq!(shown(&shop(Flavor::Mariadb).agent(), mariadb), None);
}
