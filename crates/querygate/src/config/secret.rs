use std::{fs, io::Read as _, os::unix::fs::PermissionsExt as _, path::Path};

use querygate_policy::document::Value;
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::Context;

/// The longest secret file, in bytes: room for a certificate chain, far above any password.
const MAX_SECRET_BYTES: u64 = 64 << 10;

/// Reads `{ env = "NAME" }` or `{ file = "path" }`. The final line break of a file does not count.
pub(super) fn read(value: &Value<'_>, context: &Context<'_>) -> Option<SecretString> {
    if value.is_string() {
        value.error(
            format!("`{}` stands in the file in clear", value.path()),
            "write { env = \"NAME\" } or { file = \"path\" }",
        );
        return None;
    }
    let mut table = value.table()?;
    let (env, file, vault) = (table.value("env"), table.value("file"), table.value("vault"));
    table.finish();
    if let Some(vault) = vault {
        vault.error(
            "secrets from a vault are not built in this version",
            "write { env = \"NAME\" } or { file = \"path\" }",
        );
        return None;
    }
    match (env, file) {
        (Some(env), None) => from_environment(&env, context),
        (None, Some(file)) => from_file(&file, context),
        _ => {
            value.error(
                format!("`{}` must name one source", value.path()),
                "write { env = \"NAME\" } or { file = \"path\" }",
            );
            None
        }
    }
}

fn from_environment(value: &Value<'_>, context: &Context<'_>) -> Option<SecretString> {
    let name = value.string()?;
    let found = (context.environment)(&name).filter(|secret| !secret.is_empty());
    if found.is_none() {
        value.error(
            format!("the environment variable {} is not set, or empty", name.value),
            "set it where the gateway is started",
        );
    }
    found.map(SecretString::from)
}

fn from_file(value: &Value<'_>, context: &Context<'_>) -> Option<SecretString> {
    let path = context.path(&value.string()?);
    warn_if_open(value, &path);
    let mut text = Zeroizing::new(String::new());
    let read = fs::File::open(&path).and_then(|f| f.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text));
    if let Err(error) = read {
        value.error(
            format!("{} can't be read: {error}", path.display()),
            "check the path (relative to this file) and its permissions",
        );
        return None;
    }
    let trimmed = text.strip_suffix('\n').unwrap_or(&text);
    let trimmed = trimmed.strip_suffix('\r').unwrap_or(trimmed);
    if trimmed.is_empty() || text.len() as u64 > MAX_SECRET_BYTES {
        value.error(
            format!("{} is empty or too long for a secret", path.display()),
            "write the secret alone into the file",
        );
        return None;
    }
    Some(SecretString::from(trimmed))
}

fn warn_if_open(value: &Value<'_>, path: &Path) {
    if fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o077 != 0) {
        value.warn(format!("{} can be read by others than its owner", path.display()), "chmod 600 it");
    }
}
