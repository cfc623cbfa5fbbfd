use crate::{FieldType, Kind, Whole};

/// `VARHDRSZ`: Postgres adds it to the typmods of character and numeric types (src/include/c.h).
const TYPMOD_HEADER: i32 = 4;

/// Most characters of `name` (`NAMEDATALEN` - 1).
const NAME_LENGTH: u32 = 63;

/// OIDs of array types and their elements (src/include/catalog/pg_type.dat).
const ARRAYS: &[(u32, u32)] = &[
    (143, 142),
    (199, 114),
    (629, 628),
    (651, 650),
    (719, 718),
    (775, 774),
    (791, 790),
    (1000, 16),
    (1001, 17),
    (1002, 18),
    (1003, 19),
    (1005, 21),
    (1007, 23),
    (1009, 25),
    (1014, 1042),
    (1015, 1043),
    (1016, 20),
    (1017, 600),
    (1018, 601),
    (1019, 602),
    (1020, 603),
    (1021, 700),
    (1022, 701),
    (1027, 604),
    (1028, 26),
    (1040, 829),
    (1041, 869),
    (1115, 1114),
    (1182, 1082),
    (1183, 1083),
    (1185, 1184),
    (1187, 1186),
    (1231, 1700),
    (1270, 1266),
    (1561, 1560),
    (1563, 1562),
    (2951, 2950),
    (3221, 3220),
    (3643, 3614),
    (3645, 3615),
    (3807, 3802),
    (3905, 3904),
    (3907, 3906),
    (3909, 3908),
    (3911, 3910),
    (3913, 3912),
    (3927, 3926),
    (4073, 4072),
    (6150, 4451),
    (6151, 4532),
    (6152, 4533),
    (6153, 4534),
    (6155, 4535),
    (6157, 4536),
];

/// The type behind an OID that is the same in every Postgres database, or a well-known extension type by its name.
pub(crate) fn field_type(oid: u32, name: &str, typmod: i32) -> FieldType {
    if let Some(&(_, element)) = ARRAYS.iter().find(|(array, _)| *array == oid) {
        return scalar(element, "", typmod).array_of(oid);
    }
    scalar(oid, name, typmod)
}

fn scalar(oid: u32, name: &str, typmod: i32) -> FieldType {
    let kind = match oid {
        16 => Kind::Bool,
        17 => Kind::Bytea,
        19 | 25 | 1043 => Kind::Text,
        20 => Kind::Int8,
        21 => Kind::Int2,
        23 => Kind::Int4,
        26 => Kind::Oid,
        114 => Kind::Json,
        142 => Kind::Xml,
        650 => Kind::Cidr,
        700 => Kind::Float4,
        701 => Kind::Float8,
        790 => Kind::Money,
        869 => Kind::Inet,
        1042 => Kind::Bpchar,
        1082 => Kind::Date,
        1083 => Kind::Time,
        1114 => Kind::Timestamp,
        1184 => Kind::Timestamptz,
        1186 => Kind::Interval,
        1700 => Kind::Numeric,
        2950 => Kind::Uuid,
        3802 => Kind::Jsonb,
        3904 | 3906 | 3908 | 3910 | 3912 | 3926 | 4451 | 4532 | 4533 | 4534 | 4535 | 4536 => Kind::Range,
        _ if name == "citext" => Kind::Text,
        _ => Whole::by_oid(oid).map_or(Kind::Other, Kind::Whole),
    };
    let length = match oid {
        19 => Some(NAME_LENGTH),
        // Bit strings have no header in their typmod.
        1560 | 1562 => u32::try_from(typmod).ok().filter(|bits| *bits > 0),
        1042 | 1043 => typmod.checked_sub(TYPMOD_HEADER).and_then(|n| u32::try_from(n).ok()),
        _ => None,
    };
    let numeric = if kind == Kind::Numeric { precision_and_scale(typmod) } else { None };
    let folds = kind == Kind::Text && name == "citext";
    FieldType { length, numeric, folds, ..FieldType::new(kind, oid) }
}

/// Precision in the upper half; scale in the lower eleven bits, signed (`numeric_typmod_scale` in numeric.c, since Postgres 15).
fn precision_and_scale(typmod: i32) -> Option<(u16, i16)> {
    let packed = typmod.checked_sub(TYPMOD_HEADER).filter(|packed| *packed >= 0)?;
    let scale = ((packed & 0x7ff) ^ 1024) - 1024;
    Some((u16::try_from(packed >> 16).ok()?, i16::try_from(scale).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typmods_give_the_limits_that_postgres_means() {
        assert_eq!(FieldType::postgres(1043, "varchar", 24, false).length, Some(20));
        assert_eq!(FieldType::postgres(1042, "bpchar", 7, true).length, Some(3));
        assert_eq!(FieldType::postgres(25, "text", -1, false).length, None);
        assert_eq!(FieldType::postgres(1700, "numeric", 786_438, false).numeric, Some((12, 2)));
        // numeric(3,-2) has atttypmod 198658 on Postgres 15.
        assert_eq!(FieldType::postgres(1700, "numeric", 198_658, false).numeric, Some((3, -2)));
        assert_eq!(FieldType::postgres(1700, "numeric", -1, false).numeric, None);
        let Kind::Array { element, element_oid } = FieldType::postgres(1015, "_varchar", 14, false).kind else {
            panic!("an array")
        };
        assert_eq!((element.kind, element.length, element_oid), (Kind::Text, Some(10), 1043));
        assert_eq!(FieldType::postgres(50_000, "citext", -1, false).kind, Kind::Text);
        assert_eq!(FieldType::postgres(18, "char", -1, false).kind, Kind::Whole(Whole::Char));
    }
}
