-- One row, one text column: the JSON document that Catalog::from_json reads. Runs on Postgres 14 to 18 without special rights.
-- View texts are printed under search_path = pg_catalog, so that every name outside it comes out qualified.
WITH pinned AS MATERIALIZED (
  SELECT pg_catalog.set_config('search_path', 'pg_catalog', true) AS path
), used AS (
  SELECT d.classid, d.objid, d.objsubid, d.refclassid, d.refobjid, d.refobjsubid
  FROM pg_catalog.pg_depend d
  WHERE d.classid IN ('pg_catalog.pg_attrdef'::pg_catalog.regclass, 'pg_catalog.pg_constraint'::pg_catalog.regclass,
                      'pg_catalog.pg_policy'::pg_catalog.regclass, 'pg_catalog.pg_class'::pg_catalog.regclass)
    AND d.refclassid IN ('pg_catalog.pg_class'::pg_catalog.regclass, 'pg_catalog.pg_proc'::pg_catalog.regclass,
                         'pg_catalog.pg_operator'::pg_catalog.regclass)
    AND d.objid >= 16384
), code AS (
  SELECT u.classid, u.objid, u.objsubid, pg_catalog.json_agg(DISTINCT coalesce(o.oprcode::pg_catalog.oid, u.refobjid)::pg_catalog.int8) AS functions
  FROM used u LEFT JOIN pg_catalog.pg_operator o ON u.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass AND o.oid = u.refobjid
  WHERE u.refclassid <> 'pg_catalog.pg_class'::pg_catalog.regclass
  GROUP BY 1, 2, 3
), touched AS (
  SELECT u.classid, u.objid, u.refobjid AS relation, pg_catalog.json_agg(DISTINCT u.refobjsubid) AS columns
  FROM used u
  WHERE u.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND u.refobjsubid > 0
  GROUP BY 1, 2, 3
), computed AS (
  -- Before Postgres 15 what a generated column is computed from depends on the column itself, and not on its expression.
  SELECT d.oid, pg_catalog.json_agg(DISTINCT u.refobjsubid) AS columns
  FROM pg_catalog.pg_attrdef d JOIN used u ON u.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND u.refobjid = d.adrelid AND u.refobjsubid > 0
  WHERE (u.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND u.objid = d.oid)
    OR (u.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND u.objid = d.adrelid AND u.objsubid = d.adnum)
  GROUP BY 1
)
SELECT pg_catalog.json_build_object(
  'server_version', pg_catalog.current_setting('server_version_num')::pg_catalog.int4,
  'database', pg_catalog.current_database(),
  'schemas', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(n.oid::pg_catalog.int8, n.nspname) ORDER BY n.oid)
    FROM pg_catalog.pg_namespace n WHERE n.nspname !~ '^pg_(toast_)?temp_'),
  'types', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
      'oid', t.oid::pg_catalog.int8, 'schema', t.typnamespace::pg_catalog.int8, 'name', t.typname, 'kind', t.typtype, 'category', t.typcategory,
      'preferred', t.typispreferred, 'element', t.typelem::pg_catalog.int8, 'array', t.typarray::pg_catalog.int8, 'relation', t.typrelid::pg_catalog.int8,
      'base', t.typbasetype::pg_catalog.int8, 'typmod', t.typtypmod, 'length', t.typlen, 'input', t.typinput::pg_catalog.oid::pg_catalog.int8,
      'output', t.typoutput::pg_catalog.oid::pg_catalog.int8, 'subtype', coalesce(r.rngsubtype, 0)::pg_catalog.int8,
      'label', (SELECT e.enumlabel FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder LIMIT 1),
      'checks', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', c.conname, 'functions', coalesce(k.functions, '[]')))
        FROM pg_catalog.pg_constraint c LEFT JOIN code k ON k.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.objid = c.oid
        WHERE c.contypid = t.oid AND t.oid <> 0 AND c.contype = 'c')) ORDER BY t.oid)
    FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid OR r.rngmultitypid = t.oid
    WHERE t.typnamespace IN (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname !~ '^pg_(toast_)?temp_')),
  'relations', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
      'oid', c.oid::pg_catalog.int8, 'schema', c.relnamespace::pg_catalog.int8, 'name', c.relname, 'kind', c.relkind, 'type', c.reltype::pg_catalog.int8,
      'row_security', c.relrowsecurity,
      'view', CASE WHEN c.relkind IN ('v', 'm') AND c.oid >= 16384 AND (SELECT p.path FROM pinned p) = 'pg_catalog' THEN pg_catalog.pg_get_viewdef(c.oid) END,
      'columns', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(a.attnum, a.attname, a.atttypid::pg_catalog.int8, a.atttypmod, a.attnotnull,
          a.attgenerated, a.atthasdef, a.attidentity) ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)) ORDER BY c.oid)
    FROM pg_catalog.pg_class c
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND c.relpersistence <> 't'
      AND c.relnamespace <> (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = 'pg_toast')),
  'folding', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(a.attrelid::pg_catalog.int8, a.attnum))
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_collation o ON o.oid = a.attcollation AND NOT o.collisdeterministic
    WHERE a.attnum > 0 AND NOT a.attisdropped),
  'defaults', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('relation', d.adrelid::pg_catalog.int8, 'column', d.adnum,
      'functions', coalesce(k.functions, l.functions, '[]'),
      'columns', coalesce((SELECT m.columns FROM computed m WHERE m.oid = d.oid), '[]')))
    FROM pg_catalog.pg_attrdef d
    LEFT JOIN code k ON k.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND k.objid = d.oid
    LEFT JOIN code l ON l.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND l.objid = d.adrelid AND l.objsubid = d.adnum
    WHERE d.adrelid >= 16384),
  'constraints', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('relation', c.conrelid::pg_catalog.int8, 'name', c.conname, 'kind', c.contype,
      'columns', coalesce(pg_catalog.to_json(c.conkey), '[]'), 'functions', coalesce(k.functions, '[]'), 'validated', c.convalidated,
      'target', c.confrelid::pg_catalog.int8, 'target_columns', coalesce(pg_catalog.to_json(c.confkey), '[]'),
      'on_delete', c.confdeltype, 'on_update', c.confupdtype))
    FROM pg_catalog.pg_constraint c
    LEFT JOIN code k ON k.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.objid = c.oid
    WHERE c.conrelid >= 16384 AND c.contype IN ('c', 'f', 'p', 'u', 'x')),
  'indexes', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('relation', i.indrelid::pg_catalog.int8, 'name', c.relname,
      'keys', (SELECT pg_catalog.json_agg(x.n ORDER BY x.o) FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY x(n, o) WHERE x.o <= i.indnkeyatts),
      'unique', i.indisunique, 'primary', i.indisprimary, 'exclusion', i.indisexclusion, 'valid', i.indisvalid AND i.indisready AND i.indislive, 'immediate', i.indimmediate,
      'partial', i.indpred IS NOT NULL, 'expressions', i.indexprs IS NOT NULL,
      'columns', coalesce((SELECT t.columns FROM touched t WHERE t.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND t.objid = i.indexrelid AND t.relation = i.indrelid), '[]'),
      'functions', coalesce(k.functions, '[]')))
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    LEFT JOIN code k ON k.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND k.objid = i.indexrelid AND k.objsubid = 0
    WHERE i.indrelid >= 16384),
  'triggers', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('relation', g.tgrelid::pg_catalog.int8, 'name', g.tgname,
      'function', g.tgfoid::pg_catalog.int8, 'type', g.tgtype, 'columns', coalesce(pg_catalog.to_json(g.tgattr::pg_catalog.int2[]), '[]')))
    FROM pg_catalog.pg_trigger g WHERE NOT g.tgisinternal AND g.tgenabled <> 'D'),
  'rules', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('relation', w.ev_class::pg_catalog.int8, 'name', w.rulename, 'event', w.ev_type))
    FROM pg_catalog.pg_rewrite w WHERE w.rulename <> '_RETURN' AND w.ev_enabled <> 'D' AND w.ev_class >= 16384),
  'policies', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('relation', p.polrelid::pg_catalog.int8, 'name', p.polname, 'command', p.polcmd,
      'columns', coalesce((SELECT t.columns FROM touched t WHERE t.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND t.objid = p.oid AND t.relation = p.polrelid), '[]'),
      'functions', coalesce(k.functions, '[]')))
    FROM pg_catalog.pg_policy p
    LEFT JOIN code k ON k.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND k.objid = p.oid),
  'inherits', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(h.inhrelid::pg_catalog.int8, h.inhparent::pg_catalog.int8) ORDER BY h.inhrelid, h.inhseqno)
    FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_class c ON c.oid = h.inhrelid WHERE c.relkind IN ('r', 'p', 'f')),
  'functions', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
      'oid', f.oid::pg_catalog.int8, 'schema', f.pronamespace::pg_catalog.int8, 'name', f.proname, 'kind', f.prokind,
      'arguments', pg_catalog.to_json(f.proargtypes::pg_catalog.oid[]::pg_catalog.int8[]), 'defaults', f.pronargdefaults,
      'variadic', f.provariadic::pg_catalog.int8, 'returns', f.prorettype::pg_catalog.int8, 'set', f.proretset,
      'names', f.proargnames, 'modes', f.proargmodes, 'all', f.proallargtypes::pg_catalog.int8[],
      'body', CASE WHEN f.oid >= 16384 AND f.prokind = 'f' AND l.lanname = 'sql' AND (SELECT p.path FROM pinned p) = 'pg_catalog'
        THEN coalesce(pg_catalog.pg_get_function_sqlbody(f.oid), f.prosrc) END, 'parsed', f.prosqlbody IS NOT NULL,
      'default_texts', CASE WHEN f.oid >= 16384 AND (SELECT p.path FROM pinned p) = 'pg_catalog' THEN pg_catalog.pg_get_expr(f.proargdefaults, 0) END,
      'settings', f.proconfig, 'language', l.lanname, 'volatility', f.provolatile, 'definer', f.prosecdef) ORDER BY f.oid)
    FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_language l ON l.oid = f.prolang
    WHERE f.pronamespace IN (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname !~ '^pg_(toast_)?temp_')),
  'operators', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('oid', o.oid::pg_catalog.int8, 'schema', o.oprnamespace::pg_catalog.int8, 'name', o.oprname,
      'left', o.oprleft::pg_catalog.int8, 'right', o.oprright::pg_catalog.int8, 'result', o.oprresult::pg_catalog.int8,
      'function', o.oprcode::pg_catalog.oid::pg_catalog.int8) ORDER BY o.oid)
    FROM pg_catalog.pg_operator o),
  'casts', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('oid', k.oid::pg_catalog.int8, 'source', k.castsource::pg_catalog.int8, 'target', k.casttarget::pg_catalog.int8,
      'function', k.castfunc::pg_catalog.int8, 'context', k.castcontext, 'method', k.castmethod) ORDER BY k.oid)
    FROM pg_catalog.pg_cast k)
)::pg_catalog.text
