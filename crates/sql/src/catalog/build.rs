//! From the document to look-up tables.

use super::*;

pub(super) fn build(document: document::Document, version: String) -> Catalog {
    let schemas: HashMap<u32, Arc<str>> =
        document.schemas.into_iter().flatten().map(|(oid, name)| (oid, name.into())).collect();
    let schema = |oid: u32| schemas.get(&oid).cloned().unwrap_or_else(|| "?".into());
    let mut catalog = Catalog {
        engine: Engine::Postgres,
        folds_names: false,
        version,
        server_version: document.server_version,
        database: document.database,
        schemas: schemas.values().cloned().collect(),
        relations: HashMap::new(),
        relation_names: HashMap::new(),
        types: HashMap::new(),
        type_names: HashMap::new(),
        functions: HashMap::new(),
        function_names: HashMap::new(),
        operators: HashMap::new(),
        casts: HashMap::new(),
        user_casts: Vec::new(),
        parents: HashMap::new(),
        children: HashMap::new(),
        folding: document
            .folding
            .into_iter()
            .flatten()
            .map(|(table, attribute)| ColumnId { table, attribute })
            .collect(),
    };
    for raw in document.relations.into_iter().flatten() {
        let relation = relation(raw, &schema);
        catalog.relation_names.entry(relation.name.clone()).or_default().push((relation.schema.clone(), relation.oid));
        catalog.relations.insert(relation.oid, relation);
    }
    for raw in document.types.into_iter().flatten() {
        let made = data_type(raw, &schema);
        catalog.type_names.entry(made.name.clone()).or_default().push((made.schema.clone(), made.oid));
        catalog.types.insert(made.oid, made);
    }
    for raw in document.functions.into_iter().flatten() {
        let function = function(raw, &schema);
        catalog.function_names.entry(function.name.clone()).or_default().push(function.oid);
        catalog.functions.insert(function.oid, function);
    }
    for raw in document.operators.into_iter().flatten() {
        let name: Arc<str> = raw.name.into();
        catalog.operators.entry(name.clone()).or_default().push(Operator {
            schema: schema(raw.schema),
            name,
            left: raw.left,
            right: raw.right,
            result: raw.result,
            function: raw.function,
            system: raw.oid < FIRST_USER_OID,
        });
    }
    for raw in document.casts.into_iter().flatten() {
        let context = match raw.context {
            'i' => CastContext::Implicit,
            'a' => CastContext::Assignment,
            _ => CastContext::Explicit,
        };
        let cast = Cast {
            source: raw.source,
            target: raw.target,
            function: if raw.method == 'f' { raw.function } else { 0 },
            context,
            system: raw.oid < FIRST_USER_OID,
        };
        if !cast.system {
            catalog.user_casts.push(cast);
        }
        catalog.casts.insert((raw.source, raw.target), cast);
    }
    for (child, parent) in document.inherits.into_iter().flatten() {
        catalog.parents.entry(child).or_default().push(parent);
        catalog.children.entry(parent).or_default().push(child);
    }
    for raw in document.defaults.into_iter().flatten() {
        let columns = catalog.relations.get_mut(&raw.relation).map(|relation| &mut relation.columns);
        if let Some(column) = columns.and_then(|all| all.iter_mut().find(|column| column.id.attribute == raw.column)) {
            column.default_functions = raw.functions;
            column.generated_from = raw.columns.into_iter().filter(|number| *number != raw.column).collect();
        }
    }
    hang(&mut catalog, document.constraints, document.indexes, document.triggers, document.rules, document.policies);
    catalog
}

fn relation(raw: document::Relation, schema: &impl Fn(u32) -> Arc<str>) -> Relation {
    let schema = schema(raw.schema);
    let kind = match raw.kind {
        'p' => RelationKind::Partitioned,
        'v' => RelationKind::View,
        'm' => RelationKind::MaterializedView,
        'f' => RelationKind::Foreign,
        'S' => RelationKind::Sequence,
        'c' => RelationKind::Composite,
        _ => RelationKind::Table,
    };
    let columns = raw.columns.into_iter().flatten().map(
        |(attribute, name, type_oid, typmod, not_null, generated, has_default, identity)| Column {
            id: ColumnId { table: raw.oid, attribute },
            name: name.into(),
            type_oid,
            typmod,
            not_null,
            generated: !generated.is_empty(),
            identity: !identity.is_empty(),
            has_default,
            default_functions: Vec::new(),
            generated_from: Vec::new(),
        },
    );
    Relation {
        oid: raw.oid,
        qualified: format!("{schema}.{}", raw.name).into(),
        name: raw.name.into(),
        kind,
        row_type: raw.row_type,
        system: raw.oid < FIRST_USER_OID,
        row_security: raw.row_security,
        columns: columns.collect(),
        constraints: Vec::new(),
        indexes: Vec::new(),
        triggers: Vec::new(),
        rules: Vec::new(),
        policies: Vec::new(),
        referenced_by: Vec::new(),
        view: raw.view.map(Into::into),
        definition: Default::default(),
        schema,
    }
}

fn data_type(raw: document::Type, schema: &impl Fn(u32) -> Arc<str>) -> Type {
    let kind = match raw.kind {
        'c' => TypeKind::Composite,
        'd' => TypeKind::Domain,
        'e' => TypeKind::Enum,
        'p' => TypeKind::Pseudo,
        'r' => TypeKind::Range,
        'm' => TypeKind::Multirange,
        _ => TypeKind::Base,
    };
    let checks = raw.checks.into_iter().flatten().filter(|check| !check.functions.is_empty());
    Type {
        oid: raw.oid,
        schema: schema(raw.schema),
        name: raw.name.into(),
        kind,
        category: raw.category,
        preferred: raw.preferred,
        element: if raw.category == 'A' && raw.length == -1 { raw.element } else { 0 },
        array: raw.array,
        relation: raw.relation,
        base: raw.base,
        typmod: raw.typmod,
        subtype: raw.subtype,
        first_label: raw.label.map(Into::into),
        code: [raw.input, raw.output].into_iter().find(|oid| *oid >= FIRST_USER_OID),
        checks: checks.map(|check| DomainCheck { name: check.name.into(), functions: check.functions }).collect(),
    }
}

fn function(raw: document::Function, schema: &impl Fn(u32) -> Arc<str>) -> Function {
    let schema = schema(raw.schema);
    let names = raw.names.unwrap_or_default();
    let is_input =
        |at: usize| raw.modes.as_ref().is_none_or(|modes| modes.get(at).is_some_and(|m| matches!(m, 'i' | 'b' | 'v')));
    let parameters: Vec<Arc<str>> =
        names.iter().enumerate().filter(|(at, _)| is_input(*at)).map(|(_, name)| name.as_str().into()).collect();
    let outputs = match (raw.modes, raw.all) {
        (Some(modes), Some(all)) => modes
            .iter()
            .zip(all)
            .enumerate()
            .filter(|(_, (mode, _))| matches!(mode, 'o' | 'b' | 't'))
            .map(|(i, (_, oid))| {
                (
                    names
                        .get(i)
                        .filter(|name| !name.is_empty())
                        .cloned()
                        .unwrap_or_else(|| format!("column{}", i + 1))
                        .into(),
                    oid,
                )
            })
            .collect(),
        _ => Vec::new(),
    };
    Function {
        oid: raw.oid,
        qualified: format!("{schema}.{}", raw.name).into(),
        schema,
        name: raw.name.into(),
        kind: match raw.kind {
            'p' => FunctionKind::Procedure,
            'a' => FunctionKind::Aggregate,
            'w' => FunctionKind::Window,
            _ => FunctionKind::Function,
        },
        arguments: raw.arguments,
        defaults: raw.defaults.into(),
        variadic: raw.variadic,
        returns: raw.returns,
        set: raw.set,
        outputs,
        parameters,
        body: raw.body.map(|text| Body { text: text.into(), parsed: raw.parsed }),
        default_texts: raw.default_texts.map(Into::into),
        settings: raw.settings.unwrap_or_default(),
        language: raw.language.into(),
        volatility: raw.volatility,
        definer: raw.definer,
        system: raw.oid < FIRST_USER_OID,
    }
}

/// Hangs constraints, indexes, triggers, rules and policies on their tables.
fn hang(
    catalog: &mut Catalog,
    constraints: document::List<document::Constraint>,
    indexes: document::List<document::Index>,
    triggers: document::List<document::Trigger>,
    rules: document::List<document::Rule>,
    policies: document::List<document::Policy>,
) {
    let relations = &mut catalog.relations;
    let mut references = Vec::new();
    for raw in constraints.into_iter().flatten() {
        let Some(relation) = relations.get_mut(&raw.relation) else { continue };
        let writes = |action: char| matches!(action, 'c' | 'n' | 'd');
        if raw.kind == 'f' {
            references.push((raw.target, raw.relation, relation.constraints.len()));
        }
        relation.constraints.push(Constraint {
            name: raw.name.into(),
            kind: match raw.kind {
                'f' => ConstraintKind::Foreign,
                'p' => ConstraintKind::Primary,
                'u' => ConstraintKind::Unique,
                'x' => ConstraintKind::Exclude,
                _ => ConstraintKind::Check,
            },
            columns: raw.columns,
            functions: raw.functions,
            validated: raw.validated,
            target: raw.target,
            target_columns: raw.target_columns,
            writes_on_delete: writes(raw.on_delete),
            writes_on_update: writes(raw.on_update),
        });
    }
    for (target, referencing, index) in references {
        if let Some(relation) = relations.get_mut(&target) {
            relation.referenced_by.push((referencing, index));
        }
    }
    for raw in indexes.into_iter().flatten() {
        let Some(relation) = relations.get_mut(&raw.relation) else { continue };
        let keys = raw.keys.unwrap_or_default();
        let mut columns: Vec<i16> = keys.iter().copied().filter(|key| *key > 0).chain(raw.columns).collect();
        columns.sort_unstable();
        columns.dedup();
        relation.indexes.push(Index {
            name: raw.name.into(),
            keys,
            columns,
            unique: raw.unique,
            primary: raw.primary,
            exclusion: raw.exclusion,
            valid: raw.valid,
            immediate: raw.immediate,
            partial: raw.partial,
            expressions: raw.expressions,
            functions: raw.functions,
        });
    }
    for raw in triggers.into_iter().flatten() {
        let Some(relation) = relations.get_mut(&raw.relation) else { continue };
        // Bits of pg_trigger.tgtype: ROW 1, BEFORE 2, INSERT 4, DELETE 8, UPDATE 16, TRUNCATE 32, INSTEAD 64.
        relation.triggers.push(Trigger {
            name: raw.name.into(),
            function: raw.function,
            insert: raw.kind & 4 != 0,
            delete: raw.kind & 8 != 0,
            update: raw.kind & 16 != 0,
            truncate: raw.kind & 32 != 0,
            columns: raw.columns,
        });
    }
    for raw in rules.into_iter().flatten() {
        let Some(relation) = relations.get_mut(&raw.relation) else { continue };
        let event = match raw.event {
            '1' => RuleEvent::Select,
            '2' => RuleEvent::Update,
            '3' => RuleEvent::Insert,
            _ => RuleEvent::Delete,
        };
        relation.rules.push(Rule { name: raw.name.into(), event });
    }
    for raw in policies.into_iter().flatten() {
        let Some(relation) = relations.get_mut(&raw.relation) else { continue };
        relation.policies.push(Policy {
            name: raw.name.into(),
            command: raw.command,
            columns: raw.columns,
            functions: raw.functions,
        });
    }
}
