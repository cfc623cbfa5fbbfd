use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Whole, builtin};

/// How the values of a Postgres type are written, as far as masking cares.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Kind {
    /// An array; its elements may themselves hold arrays only through a domain.
    Array {
        /// The type of the elements, with the typmod of the column.
        element: Box<FieldType>,
        /// The OID that the binary form carries for the elements.
        element_oid: u32,
    },
    /// `bool`.
    Bool,
    /// `char(n)`: padded with blanks that do not count.
    Bpchar,
    /// `bytea`.
    Bytea,
    /// `cidr`.
    Cidr,
    /// A row type.
    Composite,
    /// `date`.
    Date,
    /// A domain over another type, whose form it has on the wire.
    Domain(Box<FieldType>),
    /// An enumeration.
    Enum {
        /// The label that sorts first.
        first_label: String,
    },
    /// `real`.
    Float4,
    /// `double precision`.
    Float8,
    /// `inet`.
    Inet,
    /// `smallint`.
    Int2,
    /// `integer`.
    Int4,
    /// `bigint`.
    Int8,
    /// `interval`.
    Interval,
    /// `json`.
    Json,
    /// `jsonb`.
    Jsonb,
    /// `money`. Its text form is that of `lc_monetary = C`.
    Money,
    /// `numeric`.
    Numeric,
    /// `oid`.
    Oid,
    /// Any other type: it can only become NULL.
    Other,
    /// A range or multirange.
    Range,
    /// `text`, `varchar`, `name`, `citext`: characters as they are.
    Text,
    /// `time`.
    Time,
    /// `timestamp`.
    Timestamp,
    /// `timestamp with time zone`: an instant, written in the session's zone.
    Timestamptz,
    /// `uuid`.
    Uuid,
    /// A type that is masked as a whole.
    Whole(Whole),
    /// `xml`.
    Xml,
}

impl Kind {
    /// The type's name in messages, as a DBA would write it.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Array { .. } => "array",
            Kind::Bool => "boolean",
            Kind::Bpchar => "character",
            Kind::Bytea => "bytea",
            Kind::Cidr => "cidr",
            Kind::Composite => "composite type",
            Kind::Date => "date",
            Kind::Domain(_) => "domain",
            Kind::Enum { .. } => "enum",
            Kind::Float4 => "real",
            Kind::Float8 => "double precision",
            Kind::Inet => "inet",
            Kind::Int2 => "smallint",
            Kind::Int4 => "integer",
            Kind::Int8 => "bigint",
            Kind::Interval => "interval",
            Kind::Json => "json",
            Kind::Jsonb => "jsonb",
            Kind::Money => "money",
            Kind::Numeric => "numeric",
            Kind::Oid => "oid",
            Kind::Other => "type without a text form known here",
            Kind::Range => "range",
            Kind::Text => "text",
            Kind::Time => "time",
            Kind::Timestamp => "timestamp",
            Kind::Timestamptz => "timestamp with time zone",
            Kind::Uuid => "uuid",
            Kind::Whole(whole) => whole.name(),
            Kind::Xml => "xml",
        }
    }
}

/// The type of one column: its kind and the limits that a masked value must keep to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FieldType {
    /// How its values are written.
    pub kind: Kind,
    /// Most characters, of `varchar(n)` and `char(n)`; bits, of `bit(n)` and `bit varying(n)`.
    pub length: Option<u32>,
    /// Precision (digits in all) and scale (digits after the point, may be negative), of `numeric(p, s)`.
    pub numeric: Option<(u16, i16)>,
    /// Whether values of different bytes may be equal: `citext`, text under a collation that is not deterministic, and whatever MySQL has.
    pub folds: bool,
    /// Whether the column is declared NOT NULL.
    pub not_null: bool,
    /// The type's OID.
    pub oid: u32,
}

impl FieldType {
    /// A type without limits.
    pub fn new(kind: Kind, oid: u32) -> FieldType {
        FieldType { kind, length: None, numeric: None, folds: false, not_null: false, oid }
    }

    /// A built-in Postgres type (or an array of one) from `pg_type.oid`, `pg_type.typname` and `pg_attribute.atttypmod`.
    ///
    /// Types that the catalog alone can describe (enums, domains, composites, ranges and arrays of user types) come back as
    /// [`Kind::Other`]: whoever reads the catalog builds those from the public fields.
    ///
    /// ```
    /// use querygate_mask::{FieldType, Kind};
    /// let column = FieldType::postgres(1700, "numeric", (12 << 16 | 2) + 4, true);
    /// assert_eq!((column.kind, column.numeric), (Kind::Numeric, Some((12, 2))));
    /// ```
    pub fn postgres(oid: u32, name: &str, typmod: i32, not_null: bool) -> FieldType {
        FieldType { not_null, ..builtin::field_type(oid, name, typmod) }
    }

    /// An array of this type; `oid` is the array's own.
    pub fn array_of(self, oid: u32) -> FieldType {
        let element_oid = self.oid;
        FieldType::new(Kind::Array { element: Box::new(FieldType { not_null: false, ..self }), element_oid }, oid)
    }

    /// The same type, whose text is compared by a collation that is not deterministic.
    pub fn folding(mut self) -> FieldType {
        self.kind = match self.kind {
            Kind::Array { element, element_oid } => Kind::Array { element: Box::new(element.folding()), element_oid },
            Kind::Domain(base) => Kind::Domain(Box::new(base.folding())),
            kind => kind,
        };
        FieldType { folds: true, ..self }
    }

    /// The type under all domains.
    pub fn base(&self) -> &FieldType {
        let mut base = self;
        while let Kind::Domain(under) = &base.kind {
            base = under;
        }
        base
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Array { element, .. } => write!(f, "{element}[]"),
            Kind::Domain(base) => write!(f, "domain over {base}"),
            Kind::Text if self.length.is_some() => f.write_str("character varying"),
            kind => f.write_str(kind.name()),
        }?;
        match (self.length, self.numeric) {
            (Some(n), _) => write!(f, "({n})"),
            (_, Some((precision, scale))) => write!(f, "({precision},{scale})"),
            _ => Ok(()),
        }
    }
}
