//! The shop database's catalog, for unit tests.

use std::sync::OnceLock;

use crate::catalog::Catalog;

pub(crate) fn shop() -> &'static Catalog {
    static SHOP: OnceLock<Catalog> = OnceLock::new();
    SHOP.get_or_init(|| Catalog::from_json(include_bytes!("../tests/data/shop_catalog.json")).unwrap())
}
