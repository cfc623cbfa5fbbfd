use querygate_policy::document::Table;

use super::{Context, account::key_bytes, secret};

/// When the log is on disk, besides having been written before a statement is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Before what can't be undone is sent; the rest within 50 ms.
    #[default]
    Balanced,
    /// Before every statement is sent.
    Strict,
    /// Within 50 ms.
    Process,
}

/// How the log is kept.
#[derive(Debug, Default)]
pub struct Log {
    /// When it is synced.
    pub durability: Durability,
    /// The key under which values of masked columns are hashed; made in `data_dir/keys` when absent.
    pub literal_key: Option<secrecy::SecretBox<[u8; 32]>>,
    /// The seed of the Ed25519 key that signs checkpoints; made in `data_dir/keys` when absent.
    pub signing_key: Option<secrecy::SecretBox<[u8; 32]>>,
}

pub(super) fn read(mut table: Table<'_>, context: &Context<'_>) -> Log {
    let words = [("balanced", Durability::Balanced), ("strict", Durability::Strict), ("process", Durability::Process)];
    let durability = table.value("durability").and_then(|v| v.one_of(&words)).unwrap_or_default();
    let mut key = |name| table.value(name).and_then(|v| key_bytes(&v, &secret::read(&v, context)?));
    let (literal_key, signing_key) = (key("literal_key"), key("signing_key"));
    if let Some(value) = table.value("record_results")
        && value.one_of(&[("masked", true), ("off", false)]) == Some(true)
    {
        value.warn("recording results is not built in this version: none is recorded", "set it to \"off\"");
    }
    table.finish();
    Log { durability, literal_key, signing_key }
}
