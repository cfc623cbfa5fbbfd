//! Placeholder.
/// Placeholder.
#[derive(Debug)]
pub struct FieldMask;
