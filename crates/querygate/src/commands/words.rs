//! Facts of the log and of requests in words.

use querygate_record::{Effect, Principal, Value};

/// Who, with which roles, and for whom.
pub fn principal(principal: &Principal) -> String {
    let mut words = principal.identity.subject.clone();
    if principal.identity.issuer != Principal::LOCAL {
        words.push_str(&format!(" (from {})", principal.identity.issuer));
    }
    if !principal.roles.is_empty() {
        words.push_str(&format!(", roles {}", principal.roles.join(", ")));
    }
    for subject in &principal.on_behalf_of {
        words.push_str(&format!(", on behalf of {subject}"));
    }
    words
}

/// `delete public.orders; read public.orders`.
pub fn effects(effects: &[(Effect, Vec<String>)]) -> String {
    let one = |(effect, objects): &(Effect, Vec<String>)| {
        format!("{} {}", effect.name(), objects.join(", ")).trim_end().to_owned()
    };
    effects.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// `$1 = 'a'`, one a line; what is kept as a hash says so.
pub fn values(values: &[Value]) -> String {
    let one = |(index, value): (usize, &Value)| {
        let value = match value {
            Value::Null => "NULL".to_owned(),
            Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
            Value::Binary(hex) => format!("\\x{hex} (binary)"),
            Value::Hashed { hash, key } => format!("<hash:{key}:{hash}>"),
            Value::Long { length, hash, key } => format!("<{length} bytes, hash:{key}:{hash}>"),
        };
        format!("${} = {value}", index + 1)
    };
    values.iter().enumerate().map(one).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_apart_from_their_hashes() {
        let hashed = Value::Hashed { hash: "ab12".to_owned(), key: "k".to_owned() };
        assert_eq!(
            values(&[Value::Text("it's".to_owned()), hashed, Value::Null]),
            "$1 = 'it''s'\n$2 = <hash:k:ab12>\n$3 = NULL"
        );
    }

    #[test]
    fn an_effect_without_an_object_is_its_name() {
        let list = [(Effect::Delete, vec!["public.a".to_owned(), "public.b".to_owned()]), (Effect::Session, vec![])];
        assert_eq!(effects(&list), "delete public.a, public.b; session");
    }
}
