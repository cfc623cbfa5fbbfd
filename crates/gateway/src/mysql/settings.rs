//! What a session's settings must be for its texts to mean what analysis reads.

use querygate_sql::mysql::reads_alike;

/// Reads them in one row; [`hold`] takes it.
pub const READ: &str = "SELECT @@session.sql_mode, @@session.character_set_client, @@session.character_set_connection, \
    @@session.character_set_results, DATABASE()";

/// Whether a row of [`READ`] shows a session in which texts are read as analysed, in its own database.
pub fn hold(row: &[Option<&[u8]>], database: &str) -> bool {
    let text = |index: usize| row.get(index).copied().flatten().and_then(|b| std::str::from_utf8(b).ok());
    let utf8 = |index: usize| text(index).is_some_and(|set| matches!(set, "utf8mb4" | "utf8mb3" | "utf8"));
    let own = text(4).is_some_and(|current| current.eq_ignore_ascii_case(database));
    text(0).is_some_and(reads_alike) && utf8(1) && utf8(2) && utf8(3) && own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_in_another_database_character_set_or_mode_is_not_understood() {
        let row = |fields: [&'static str; 5]| fields.map(|f| Some(f.as_bytes()));
        assert!(hold(&row(["STRICT_TRANS_TABLES", "utf8mb4", "utf8mb4", "utf8mb4", "shop"]), "shop"));
        for bad in [
            ["ANSI_QUOTES", "utf8mb4", "utf8mb4", "utf8mb4", "shop"],
            ["STRICT_TRANS_TABLES,NO_BACKSLASH_ESCAPES", "utf8mb4", "utf8mb4", "utf8mb4", "shop"],
            ["", "gbk", "utf8mb4", "utf8mb4", "shop"],
            ["", "utf8mb4", "utf8mb4", "latin1", "shop"],
            ["", "utf8mb4", "utf8mb4", "utf8mb4", "mysql"],
        ] {
            assert!(!hold(&row(bad), "shop"), "{bad:?}");
        }
        assert!(!hold(&[None; 5], "shop") && !hold(&[], "shop"));
    }
}
