//! The session's settings that change what a text means.

/// Tracked settings under which a text is analysed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Effective schemas in the order that the server searches, `$user` resolved, without the implicit `pg_catalog` and temporary schema.
    pub search_path: Vec<String>,
    /// The role that the server resolves `$user` and `current_user` to.
    pub user: String,
    /// Names of temporary relations that this session made; each hides a permanent one of the same name.
    pub temporary: Vec<String>,
}
