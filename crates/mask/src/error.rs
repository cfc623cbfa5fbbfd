use crate::Format;

/// A masker cannot do what the policy asks of it: the policy's author erred.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MaskError {
    /// The fixed value is not one of the type, or is one that cannot be written in both formats.
    #[error("fixed value {value:?} cannot stand for type {field_type}: {remedy}")]
    BadConstant {
        /// The value as the policy gives it.
        value: String,
        /// The column's type.
        field_type: String,
        /// What would pass.
        remedy: &'static str,
    },
    /// The step of `round` does not fit the type.
    #[error("round = {step} cannot apply to type {field_type}: {remedy}")]
    BadStep {
        /// The step as the policy gives it.
        step: u64,
        /// The column's type.
        field_type: String,
        /// What would pass.
        remedy: String,
    },
    /// No key has the name that the masker gives.
    #[error("masker {masker} needs the key {key:?}, which the configuration does not have; add a [[key]] of that name")]
    NoKey {
        /// The masker's name.
        masker: &'static str,
        /// The key's name.
        key: String,
    },
    /// A token would not fit into the column.
    #[error(
        "a token of masker {masker} has {length} characters, more than type {field_type} holds; use fpe, or redact"
    )]
    TokenTooLong {
        /// The masker's name.
        masker: &'static str,
        /// The column's type.
        field_type: String,
        /// Characters of a token.
        length: usize,
    },
    /// The type cannot carry the masker.
    #[error("masker {masker} cannot apply to type {field_type}; maskers that can: {}", allowed.join(", "))]
    Unsuitable {
        /// The masker's name.
        masker: &'static str,
        /// The column's type.
        field_type: String,
        /// Names of the maskers that the type can carry.
        allowed: Vec<&'static str>,
    },
}

/// The server sent a field that is not what its type says. The field must not reach the client: end the session. The value is
/// never part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// It cannot be read as a value of its type.
    #[error("the server sent a field in {format} format that does not read as {kind}; it was not passed on")]
    Malformed {
        /// The type's name.
        kind: &'static str,
        /// The format that it was read in.
        format: Format,
    },
    /// The masked form would be longer than a field may be.
    #[error("a masked field of type {kind} would be longer than the protocol allows; it was not passed on")]
    TooLong {
        /// The type's name.
        kind: &'static str,
    },
}

/// A mask that works, but that its author should know something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MaskWarning {
    /// Clients will read NULL from a column that promises never to be.
    #[error("clients read NULL from a column declared NOT NULL; a fixed value avoids it")]
    NullInNotNull,
}
