use querygate_mask::{FieldType, Kind};
use querygate_sql::catalog::{Catalog, Column, TypeKind};

/// Domains over domains are followed this deep; a deeper one counts as a type that can only become NULL.
const MAX_DOMAIN_DEPTH: usize = 32;

/// A column's type as the maskers see it.
pub fn field_type(catalog: &Catalog, column: &Column) -> FieldType {
    let field_type =
        FieldType { not_null: column.not_null, ..by_oid(catalog, column.type_oid, column.typmod, MAX_DOMAIN_DEPTH) };
    if catalog.folds(column.id) { field_type.folding() } else { field_type }
}

fn by_oid(catalog: &Catalog, oid: u32, typmod: i32, depth: usize) -> FieldType {
    let Some(known) = catalog.type_by_oid(oid) else { return FieldType::postgres(oid, "", typmod, false) };
    let built_in = FieldType::postgres(oid, &known.name, typmod, false);
    if built_in.kind != Kind::Other || depth == 0 {
        return built_in;
    }
    match known.kind {
        TypeKind::Domain => {
            FieldType::new(Kind::Domain(Box::new(by_oid(catalog, known.base, known.typmod, depth - 1))), oid)
        }
        TypeKind::Enum => match &known.first_label {
            Some(label) => FieldType::new(Kind::Enum { first_label: label.to_string() }, oid),
            None => built_in,
        },
        TypeKind::Composite => FieldType::new(Kind::Composite, oid),
        TypeKind::Range | TypeKind::Multirange => FieldType::new(Kind::Range, oid),
        TypeKind::Base if known.element != 0 => by_oid(catalog, known.element, typmod, depth - 1).array_of(oid),
        TypeKind::Base | TypeKind::Pseudo => built_in,
    }
}
