//! What the planner shows of tables with masks.

use querygate_testkit::Error;

use crate::stage::{Stage, code, rows};

#[test]
fn costs_of_a_table_with_masks_are_not_shown_and_the_shape_of_a_plan_is() -> Result<(), Error> {
    let stage = Stage::open()?;
    let mut agent = stage.client("agent")?;
    let refused = agent.query("EXPLAIN SELECT full_name FROM customers WHERE id = 1")?;
    assert_eq!(code(&refused), "0A000");
    let hint = refused.iter().find_map(|frame| frame.field(b'H')).unwrap_or_default();
    assert!(hint.contains("EXPLAIN (COSTS OFF)"), "{hint}");
    let shape = rows(&agent.query("EXPLAIN (COSTS OFF) SELECT full_name FROM customers WHERE id = 1")?);
    assert!(shape.contains("customers") && !shape.contains("cost="), "{shape}");
    assert_eq!(code(&agent.query("EXPLAIN (COSTS OFF) SELECT id FROM customers WHERE ssn = '900-00-0001'")?), "0A000");
    assert_eq!(code(&agent.query("EXPLAIN (ANALYZE, COSTS OFF) SELECT id FROM customers")?), "0A000");
    assert!(rows(&agent.query("EXPLAIN SELECT * FROM orders WHERE id = 1")?).contains("cost="));
    let mut dba = stage.client("dba")?;
    assert!(rows(&dba.query("EXPLAIN SELECT * FROM customers WHERE ssn = '900-00-0001'")?).contains("cost="));
    Ok(())
}
