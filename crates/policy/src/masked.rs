use foldhash::HashSet;
use querygate_sql::statement::ColumnId;

/// Columns that are masked from a principal, by the server's identity of them: those that the policy masks, and those that show the same values
/// under another identity (a view's or materialised view's columns, partitions and children, generated columns).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MaskedColumns(HashSet<ColumnId>);

impl MaskedColumns {
    /// Whether the column that the server names (`pg_class.oid`, `pg_attribute.attnum`) is one of them.
    pub fn contains(&self, table: u32, attribute: i16) -> bool {
        self.0.contains(&ColumnId { table, attribute })
    }

    /// Whether nothing is masked.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl FromIterator<ColumnId> for MaskedColumns {
    fn from_iter<T: IntoIterator<Item = ColumnId>>(columns: T) -> MaskedColumns {
        MaskedColumns(columns.into_iter().collect())
    }
}
