use proptest::strategy::Strategy as _;

use super::*;

fn read<T>(text: &str, read: impl FnOnce(Table<'_>) -> T) -> (T, String) {
    let reader = Reader::new(Arc::new(Source::new("f.toml", text)));
    let value = reader.read(read);
    (value, reader.problems().to_string())
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    let (_, problems) = read("databse = 'shop'\n[pool]\nzzz = 1\n", |mut t| {
        t.string("database");
        if let Some(mut pool) = t.table("pool") {
            pool.integer("size", 1..=9);
            pool.finish();
        }
        t.finish();
    });
    assert_eq!(
        problems,
        "f.toml:3:1: error: unknown key `pool.zzz`; known here: size\n\
         f.toml:1:1: error: unknown key `databse`; did you mean `database`?"
    );
}

#[test]
fn all_problems_of_a_file_are_reported_at_once() {
    let (_, problems) = read("a = 1\nb = 'x'\nc = '5 parsecs'\n", |mut t| {
        t.string("a");
        t.boolean("b");
        t.duration("c");
        t.required("d", "\"x\"");
    });
    assert_eq!(
        problems,
        "f.toml:1:5: error: `a` must be a string, not a whole number; write it like \"text\"\n\
         f.toml:2:5: error: `b` must be true or false, not a string; write it like true\n\
         f.toml:3:5: error: `c` is not a time: \"5 parsecs\"; write it like \"30s\"; units are ms, s, m, h, d\n\
         f.toml: error: `d` is missing; add `d = \"x\"`"
    );
}

#[test]
fn a_syntax_error_names_its_place_and_the_rest_is_still_read() {
    let (value, problems) = read("a = \nb = 'x'\n", |mut t| t.string("b"));
    assert_eq!(value.map(|v| v.value).as_deref(), Some("x"));
    assert!(problems.starts_with("f.toml:1:"), "{problems}");
}

#[test]
fn a_key_given_twice_is_an_error() {
    let (_, problems) = read("a = 'x'\na = 'y'\n", |mut t| t.string("a"));
    assert!(problems.contains("f.toml:2:1: error: duplicate key"), "{problems}");
}

#[test]
fn columns_count_characters_not_bytes() {
    let (_, problems) = read("a = { 'ключ' = 1, b = 2 }\n", |mut t| {
        if let Some(mut a) = t.table("a") {
            a.value("ключ");
            a.string("b");
            a.finish();
        }
    });
    assert!(problems.starts_with("f.toml:1:23: error: `a.b` must be a string"), "{problems}");
}

#[test]
fn words_of_a_closed_list_are_checked() {
    let (value, problems) = read("mode = 'enforc'", |mut t| t.value("mode")?.one_of(&[("enforce", 1), ("observe", 2)]));
    assert_eq!(value, None);
    assert_eq!(problems, "f.toml:1:8: error: `mode` can't be \"enforc\"; did you mean \"enforce\"?");
}

#[test]
fn a_problem_is_shown_with_its_line_and_remedy() {
    let reader = Reader::new(Arc::new(Source::new("f.toml", "data_dir = 'd'\nnmae = 'shop'\n")));
    reader.read(|mut t| {
        t.value("data_dir");
        t.value("name");
        t.finish();
    });
    let expected = "Error: unknown key `nmae`
   ,-[ f.toml:2:1 ]
   |
 2 | nmae = 'shop'
   | ^^|^
   |   `--- here
   |
   | Help: did you mean `name`?
---'
";
    assert_eq!(reader.problems().render(false), expected);
}

#[test]
fn more_problems_than_the_bound_are_only_counted() {
    let text: String = (0..MAX_PROBLEMS + 5).map(|n| format!("k{n} = 1\n")).collect();
    let (_, problems) = read(&text, |t| t.finish());
    assert_eq!(problems.lines().count(), MAX_PROBLEMS + 1);
    assert!(problems.ends_with("and 5 more"), "{problems}");
}

#[test]
fn a_missing_file_says_so() {
    let problem = Source::open(Path::new("/nonexistent/shop.toml")).unwrap_err();
    assert!(problem.to_string().starts_with("/nonexistent/shop.toml: error: can't be read: No such file"), "{problem}");
}

/// Pieces that files are made of, in an order that nobody would write.
fn soup() -> impl proptest::strategy::Strategy<Value = String> {
    let pieces = [
        "database",
        " = ",
        "'shop'",
        "\"",
        "[[rule]]",
        "[table.",
        "\n",
        "match",
        "{",
        "}",
        "[",
        "]",
        ",",
        ".",
        "mask.",
        "é",
        "\u{1F980}",
        "\t",
        "1_0",
        "0x",
        "-",
        "#",
        "true",
        "1979-05-27",
        "\r\n",
        "'''",
        "name",
        "effects",
        "['delete']",
        "action",
        "'block'",
        "\0",
        "connect",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..60).prop_map(|list| list.concat())
}

proptest::proptest! {
    #[test]
    fn no_text_makes_reading_or_rendering_panic(text in soup()) {
        let databases = [crate::DatabaseName { name: "shop".to_owned(), engine: querygate_record::Engine::Postgres }];
        if let Err(problems) = crate::Policy::read(Source::new("f.toml", text), &databases, "v") {
            proptest::prop_assert!(!problems.to_string().is_empty());
            proptest::prop_assert!(!problems.render(false).is_empty());
        }
    }
}
