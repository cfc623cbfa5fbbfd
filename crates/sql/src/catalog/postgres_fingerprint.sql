-- One text that changes whenever anything that the snapshot reads changes: each row's transaction and place, summed over the catalogs. A row that
-- one transaction writes twice has another place each time.
SELECT pg_catalog.concat_ws(',',
  (SELECT pg_catalog.count(*) || ':' || pg_catalog.sum(pg_catalog.hashtextextended(t.xmin::pg_catalog.text || t.ctid::pg_catalog.text, t.oid::pg_catalog.int8)) FROM pg_catalog.pg_class t),
  (SELECT pg_catalog.count(*) || ':' || pg_catalog.sum(pg_catalog.hashtextextended(t.xmin::pg_catalog.text || t.ctid::pg_catalog.text, t.attrelid::pg_catalog.int8 * 4096 + t.attnum)) FROM pg_catalog.pg_attribute t),
  (SELECT pg_catalog.count(*) || ':' || pg_catalog.sum(pg_catalog.hashtextextended(t.xmin::pg_catalog.text || t.ctid::pg_catalog.text, t.oid::pg_catalog.int8)) FROM pg_catalog.pg_proc t),
  (SELECT pg_catalog.count(*) || ':' || pg_catalog.sum(pg_catalog.hashtextextended(t.xmin::pg_catalog.text || t.ctid::pg_catalog.text, t.oid::pg_catalog.int8)) FROM pg_catalog.pg_rewrite t),
  (SELECT pg_catalog.count(*) || ':' || pg_catalog.sum(pg_catalog.hashtextextended(t.xmin::pg_catalog.text || t.ctid::pg_catalog.text, t.oid::pg_catalog.int8)) FROM pg_catalog.pg_constraint t),
  (SELECT pg_catalog.count(*) || ':' || pg_catalog.sum(pg_catalog.hashtextextended(t.xmin::pg_catalog.text || t.ctid::pg_catalog.text, t.oid::pg_catalog.int8)) FROM pg_catalog.pg_trigger t),
  (SELECT pg_catalog.count(*) || ':' || pg_catalog.sum(pg_catalog.hashtextextended(t.xmin::pg_catalog.text || t.ctid::pg_catalog.text, t.oid::pg_catalog.int8)) FROM pg_catalog.pg_type t),
  (SELECT pg_catalog.count(*) || ':' || pg_catalog.sum(pg_catalog.hashtextextended(t.xmin::pg_catalog.text || t.ctid::pg_catalog.text, t.oid::pg_catalog.int8)) FROM pg_catalog.pg_operator t),
  (SELECT pg_catalog.count(*) || ':' || pg_catalog.sum(pg_catalog.hashtextextended(t.xmin::pg_catalog.text || t.ctid::pg_catalog.text, t.oid::pg_catalog.int8)) FROM pg_catalog.pg_cast t),
  (SELECT pg_catalog.count(*) || ':' || pg_catalog.sum(pg_catalog.hashtextextended(t.xmin::pg_catalog.text || t.ctid::pg_catalog.text, t.inhrelid::pg_catalog.int8)) FROM pg_catalog.pg_inherits t),
  (SELECT pg_catalog.count(*) || ':' || pg_catalog.sum(pg_catalog.hashtextextended(t.xmin::pg_catalog.text || t.ctid::pg_catalog.text, t.oid::pg_catalog.int8)) FROM pg_catalog.pg_policy t),
  (SELECT pg_catalog.count(*) || ':' || pg_catalog.sum(pg_catalog.hashtextextended(t.xmin::pg_catalog.text || t.ctid::pg_catalog.text, t.indexrelid::pg_catalog.int8)) FROM pg_catalog.pg_index t),
  (SELECT pg_catalog.count(*) || ':' || pg_catalog.sum(pg_catalog.hashtextextended(t.xmin::pg_catalog.text || t.ctid::pg_catalog.text, t.oid::pg_catalog.int8)) FROM pg_catalog.pg_attrdef t),
  (SELECT pg_catalog.count(*) || ':' || pg_catalog.sum(pg_catalog.hashtextextended(t.xmin::pg_catalog.text || t.ctid::pg_catalog.text, t.oid::pg_catalog.int8)) FROM pg_catalog.pg_enum t),
  (SELECT pg_catalog.count(*) || ':' || pg_catalog.sum(pg_catalog.hashtextextended(t.xmin::pg_catalog.text || t.ctid::pg_catalog.text, t.rngtypid::pg_catalog.int8)) FROM pg_catalog.pg_range t),
  (SELECT pg_catalog.count(*) || ':' || pg_catalog.sum(pg_catalog.hashtextextended(t.xmin::pg_catalog.text || t.ctid::pg_catalog.text, t.oid::pg_catalog.int8)) FROM pg_catalog.pg_namespace t))
