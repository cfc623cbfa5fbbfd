use super::*;
use crate::test_catalog::shop;

fn id(catalog: &Catalog, table: &str, column: &str) -> ColumnId {
    catalog.relation_in("public", table).unwrap().column(column).unwrap().id
}

#[test]
fn a_partition_s_column_is_its_parent_s_column() {
    let catalog = shop();
    let parent = id(catalog, "patients", "mrn");
    let child = id(catalog, "patients_low", "mrn");
    assert_eq!(catalog.ancestors(child), [parent]);
    assert!(catalog.descendants(parent).contains(&child));
    assert!(catalog.descendants(id(catalog, "contractors", "tax_id")).contains(&id(
        catalog,
        "contractors_eu",
        "tax_id"
    )));
}

#[test]
fn pg_catalog_comes_first_unless_the_path_lists_it() {
    let catalog = shop();
    let path = ["staff".to_owned(), "public".to_owned()];
    assert_eq!(&*catalog.relation_on_path(&path, "customers").unwrap().qualified, "staff.customers");
    assert_eq!(&*catalog.relation_on_path(&path, "pg_class").unwrap().qualified, "pg_catalog.pg_class");
    assert!(catalog.relation_on_path(&[], "customers").is_none());
}

#[test]
fn what_hangs_on_a_table_is_found() {
    let catalog = shop();
    let employees = catalog.relation_in("public", "employees").unwrap();
    let grade = employees.column("grade").unwrap();
    assert!(grade.generated);
    assert_eq!(grade.generated_from, [employees.column("salary").unwrap().id.attribute]);
    assert!(employees.constraints.iter().any(|c| c.kind == ConstraintKind::Check && &*c.name == "salary_range"));
    let inbox = catalog.relation_in("public", "inbox").unwrap();
    assert!(inbox.triggers.iter().any(|t| t.insert && &*catalog.function_name(t.function) == "public.fill_note"));
    let tickets = catalog.relation_in("public", "tickets").unwrap();
    assert_eq!(tickets.column("body").unwrap().default_functions.len(), 1);
    assert!(catalog.relation_in("public", "drop_box").unwrap().rules.iter().any(|r| r.event == RuleEvent::Insert));
    assert_eq!(catalog.name_of(grade.id).unwrap(), "public.employees.grade");
}

#[test]
fn a_document_of_another_shape_is_refused() {
    assert!(Catalog::from_json(b"{}").is_err());
    assert!(Catalog::from_json(b"not json").is_err());
}
