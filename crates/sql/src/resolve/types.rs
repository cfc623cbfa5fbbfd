//! What is known of an expression's type, and the types that SQL names.

use sqlparser::ast::{ArrayElemTypeDef, DataType, ObjectName, TimezoneInfo};

use crate::{
    analysis::{Analysis, fold},
    catalog::{Type, TypeKind, schemas_of},
};

/// OIDs of built-in types (`pg_type.dat`).
pub(crate) mod oid {
    pub(crate) const BOOL: u32 = 16;
    pub(crate) const BYTEA: u32 = 17;
    pub(crate) const INT8: u32 = 20;
    pub(crate) const INT2: u32 = 21;
    pub(crate) const INT4: u32 = 23;
    pub(crate) const TEXT: u32 = 25;
    pub(crate) const JSON: u32 = 114;
    pub(crate) const FLOAT4: u32 = 700;
    pub(crate) const FLOAT8: u32 = 701;
    pub(crate) const BPCHAR: u32 = 1042;
    pub(crate) const VARCHAR: u32 = 1043;
    pub(crate) const DATE: u32 = 1082;
    pub(crate) const TIME: u32 = 1083;
    pub(crate) const TIMESTAMP: u32 = 1114;
    pub(crate) const TIMESTAMPTZ: u32 = 1184;
    pub(crate) const INTERVAL: u32 = 1186;
    pub(crate) const TIMETZ: u32 = 1266;
    pub(crate) const BIT: u32 = 1560;
    pub(crate) const VARBIT: u32 = 1562;
    pub(crate) const NUMERIC: u32 = 1700;
    pub(crate) const NAME: u32 = 19;
    pub(crate) const TID: u32 = 27;
    pub(crate) const XID: u32 = 28;
    pub(crate) const CID: u32 = 29;
    pub(crate) const OID: u32 = 26;
    pub(crate) const REGCLASS: u32 = 2205;
    pub(crate) const UUID: u32 = 2950;
    pub(crate) const JSONB: u32 = 3802;
    pub(crate) const TSVECTOR: u32 = 3614;
    pub(crate) const TSQUERY: u32 = 3615;
    pub(crate) const RECORD: u32 = 2249;
    pub(crate) const ANY: u32 = 2276;
    pub(crate) const ANYARRAY: u32 = 2277;
    pub(crate) const ANYELEMENT: u32 = 2283;
    pub(crate) const ANYNONARRAY: u32 = 2776;
    pub(crate) const ANYENUM: u32 = 3500;
    pub(crate) const ANYRANGE: u32 = 3831;
    pub(crate) const ANYMULTIRANGE: u32 = 4537;
    pub(crate) const ANYCOMPATIBLEMULTIRANGE: u32 = 4538;
    pub(crate) const ANYCOMPATIBLE: u32 = 5077;
    pub(crate) const ANYCOMPATIBLEARRAY: u32 = 5078;
    pub(crate) const ANYCOMPATIBLENONARRAY: u32 = 5079;
    pub(crate) const ANYCOMPATIBLERANGE: u32 = 5080;
}

/// What is known of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ty {
    /// This type.
    Oid(u32),
    /// An untyped literal: the server gives it whatever type fits.
    Literal,
    /// A parameter: its type is the client's choice or the server's.
    Parameter,
    /// Not known here.
    Any,
}

impl Ty {
    pub(crate) fn known(self) -> Option<u32> {
        match self {
            Ty::Oid(oid) => Some(oid),
            _ => None,
        }
    }
}

impl Analysis<'_> {
    /// The type that a name written in SQL means. `Any` where it isn't in the catalog.
    pub(crate) fn data_type(&self, data_type: &DataType) -> Ty {
        let known = |oid: u32| Ty::Oid(oid);
        if !is_keyword(data_type) && schemas_of(&self.settings.search_path).next() != Some("pg_catalog") {
            // A user's type of that name may stand before the server's own.
            let name = data_type.to_string().to_ascii_lowercase();
            return self
                .catalog
                .type_on_path(&self.settings.search_path, &name)
                .map_or(Ty::Any, |found| Ty::Oid(found.oid));
        }
        match data_type {
            DataType::Character(_) | DataType::Char(_) => known(oid::BPCHAR),
            DataType::CharacterVarying(_) | DataType::CharVarying(_) | DataType::Varchar(_) => known(oid::VARCHAR),
            DataType::Uuid => known(oid::UUID),
            DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_) => known(oid::NUMERIC),
            DataType::Int2(_) | DataType::SmallInt(_) => known(oid::INT2),
            DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => known(oid::INT4),
            DataType::Int8(_) | DataType::BigInt(_) => known(oid::INT8),
            DataType::Float4 | DataType::Real => known(oid::FLOAT4),
            DataType::Float8 | DataType::Double(_) | DataType::DoublePrecision => known(oid::FLOAT8),
            DataType::Bool | DataType::Boolean => known(oid::BOOL),
            DataType::Date => known(oid::DATE),
            DataType::Time(_, zone) if has_zone(zone) => known(oid::TIMETZ),
            DataType::Time(_, _) => known(oid::TIME),
            DataType::Timestamp(_, zone) if has_zone(zone) => known(oid::TIMESTAMPTZ),
            DataType::Timestamp(_, _) => known(oid::TIMESTAMP),
            DataType::Interval { .. } => known(oid::INTERVAL),
            DataType::JSON => known(oid::JSON),
            DataType::JSONB => known(oid::JSONB),
            DataType::Regclass => known(oid::REGCLASS),
            DataType::Text => known(oid::TEXT),
            DataType::Bytea => known(oid::BYTEA),
            DataType::Bit(_) => known(oid::BIT),
            DataType::BitVarying(_) | DataType::VarBit(_) => known(oid::VARBIT),
            DataType::TsVector => known(oid::TSVECTOR),
            DataType::TsQuery => known(oid::TSQUERY),
            DataType::Custom(name, _) => self.named_type(name).map_or(Ty::Any, |found| Ty::Oid(found.oid)),
            DataType::Array(
                ArrayElemTypeDef::SquareBracket(element, _)
                | ArrayElemTypeDef::AngleBracket(element)
                | ArrayElemTypeDef::Parenthesis(element)
                | ArrayElemTypeDef::Qualified(element, _),
            ) => self.array_of(self.data_type(element)),
            // What the parser takes for another dialect's keyword is a plain type name here.
            other => self
                .catalog
                .type_on_path(&self.settings.search_path, &other.to_string().to_ascii_lowercase())
                .map_or(Ty::Any, |found| Ty::Oid(found.oid)),
        }
    }

    /// The catalog's type of that name, qualified or found on the search path.
    pub(crate) fn named_type(&self, name: &ObjectName) -> Option<&Type> {
        let parts: Vec<_> = name.0.iter().filter_map(|part| part.as_ident()).map(fold).collect();
        match parts.as_slice() {
            [name] => {
                // Spellings that the server's grammar turns into catalog names.
                let name = match &**name {
                    "int" | "integer" => "int4",
                    "smallint" => "int2",
                    "bigint" => "int8",
                    "real" => "float4",
                    "float" => "float8",
                    "boolean" => "bool",
                    "decimal" | "dec" => "numeric",
                    "char" | "character" if name_is_bare(name) => "bpchar",
                    other => other,
                };
                self.catalog.type_on_path(&self.settings.search_path, name)
            }
            [schema, name] | [_, schema, name] => self.catalog.type_in(schema, name),
            _ => None,
        }
    }

    /// The array type over an element; arrays of arrays are arrays.
    pub(crate) fn array_of(&self, element: Ty) -> Ty {
        let Some(held) = element.known().and_then(|oid| self.catalog.type_by_oid(oid)) else { return Ty::Any };
        match (held.element, held.array) {
            (0, 0) => Ty::Any,
            (0, array) => Ty::Oid(array),
            _ => element,
        }
    }

    /// An array's element.
    pub(crate) fn element_of(&self, array: Ty) -> Ty {
        let held = array.known().and_then(|oid| self.catalog.type_by_oid(self.base_type(oid)));
        held.filter(|held| held.element != 0).map_or(Ty::Any, |held| Ty::Oid(held.element))
    }

    /// What a domain is over, all the way down; any other type itself.
    pub(crate) fn base_type(&self, oid: u32) -> u32 {
        let mut oid = oid;
        for _ in 0..32 {
            match self.catalog.type_by_oid(oid) {
                Some(held) if held.kind == TypeKind::Domain => oid = held.base,
                _ => break,
            }
        }
        oid
    }
}

/// Types whose names the server's grammar reserves, or that have a form of their own; all others are looked up on the search path.
fn is_keyword(data_type: &DataType) -> bool {
    !matches!(
        data_type,
        DataType::Uuid
            | DataType::Int2(None)
            | DataType::Int4(None)
            | DataType::Int8(None)
            | DataType::Float4
            | DataType::Float8
            | DataType::Bool
            | DataType::Date
            | DataType::JSON
            | DataType::JSONB
            | DataType::Regclass
            | DataType::Text
            | DataType::Bytea
            | DataType::TsVector
            | DataType::TsQuery
    )
}

fn name_is_bare(name: &str) -> bool {
    name == "character"
}

fn has_zone(zone: &TimezoneInfo) -> bool {
    matches!(zone, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz)
}
