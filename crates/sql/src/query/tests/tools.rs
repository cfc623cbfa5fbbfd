use super::*;

/// What tools ask of the catalogs holds definitions alone, so that a role with masks can use them.
#[test]
fn what_tools_ask_of_the_catalogs_can_all_be_named() {
    let texts: Vec<&str> = include_str!("../../../tests/data/tools.sql").split("\n--;\n").collect();
    assert!(texts.len() > 150);
    for text in texts {
        assert!(opaque(text).is_empty(), "{text}: {:?}", opaque(text));
    }
}
