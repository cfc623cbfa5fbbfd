//! MySQL's and MariaDB's definitions, from the rows of a few queries.
//!
//! These servers give tables and columns no lasting numbers: a table's is made from its name, a column's is its place. Types become those
//! of Postgres that are written alike as text, since that is what maskers know.

use foldhash::HashSetExt;

use super::*;

/// The queries whose rows [`Catalog::from_mysql`] reads, in order. Each text ends without a semicolon.
pub const MYSQL_SNAPSHOT: &[&str] = &[
    "SELECT VERSION(), @@lower_case_table_names, DATABASE()",
    "SELECT t.TABLE_NAME, t.TABLE_TYPE, c.COLUMN_NAME, c.ORDINAL_POSITION, c.DATA_TYPE, c.COLUMN_TYPE, c.IS_NULLABLE, \
     c.CHARACTER_MAXIMUM_LENGTH, c.NUMERIC_PRECISION, c.NUMERIC_SCALE, c.COLUMN_DEFAULT IS NOT NULL, c.GENERATION_EXPRESSION \
     FROM information_schema.TABLES t JOIN information_schema.COLUMNS c ON c.TABLE_SCHEMA = t.TABLE_SCHEMA AND c.TABLE_NAME = t.TABLE_NAME \
     WHERE t.TABLE_SCHEMA = DATABASE() ORDER BY t.TABLE_NAME, c.ORDINAL_POSITION",
    "SELECT TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME",
    "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, NON_UNIQUE, SUB_PART, INDEX_TYPE FROM information_schema.STATISTICS \
     WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX",
    "SELECT k.TABLE_NAME, k.CONSTRAINT_NAME, k.COLUMN_NAME, k.REFERENCED_TABLE_NAME, k.REFERENCED_COLUMN_NAME, r.DELETE_RULE, r.UPDATE_RULE \
     FROM information_schema.KEY_COLUMN_USAGE k JOIN information_schema.REFERENTIAL_CONSTRAINTS r \
     ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME AND r.TABLE_NAME = k.TABLE_NAME \
     WHERE k.TABLE_SCHEMA = DATABASE() AND k.REFERENCED_TABLE_SCHEMA = DATABASE() ORDER BY k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION",
    "SELECT TABLE_NAME, CONSTRAINT_NAME FROM information_schema.TABLE_CONSTRAINTS \
     WHERE TABLE_SCHEMA = DATABASE() AND CONSTRAINT_TYPE = 'CHECK' ORDER BY TABLE_NAME, CONSTRAINT_NAME",
    "SELECT EVENT_OBJECT_TABLE, TRIGGER_NAME, EVENT_MANIPULATION FROM information_schema.TRIGGERS \
     WHERE EVENT_OBJECT_SCHEMA = DATABASE() ORDER BY TRIGGER_NAME",
    "SELECT ROUTINE_NAME, ROUTINE_TYPE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE() ORDER BY ROUTINE_NAME",
];

/// One row: texts, none for NULL.
type Row = [Option<String>];

const TEXT: u32 = 25;
const VARCHAR: u32 = 1043;
/// `VARHDRSZ`, which typmods of Postgres have on top.
const TYPMOD_HEADER: i32 = 4;
/// First number of the types that are made up here: enums.
const ENUMS: u32 = 1 << 24;

/// Whether values of a type are compared as text.
pub fn is_text(type_oid: u32) -> bool {
    matches!(type_oid, TEXT | VARCHAR) || type_oid >= ENUMS
}

impl Catalog {
    /// Reads the rows that [`MYSQL_SNAPSHOT`] gives, one list for each of its queries.
    pub fn from_mysql(engine: Engine, answers: &[Vec<Vec<Option<String>>>]) -> Result<Catalog, CatalogError> {
        let [session, columns, views, indexes, keys, checks, triggers, routines] = answers else {
            return Err(CatalogError::Rows("another number of answers than questions"));
        };
        let session = session.first().ok_or(CatalogError::Rows("no row about the session"))?;
        let database = text(session, 2).ok_or(CatalogError::Rows("no database is current"))?.to_owned();
        let mut hasher = blake3::Hasher::new();
        for field in answers.iter().flatten().flatten() {
            let field = field.as_deref().unwrap_or("\0");
            hasher.update(&(field.len() as u64).to_le_bytes());
            hasher.update(field.as_bytes());
        }
        let mut catalog = Catalog {
            engine,
            folds_names: text(session, 1) != Some("0"),
            version: hasher.finalize().to_hex().to_string(),
            server_version: version_number(text(session, 0).unwrap_or_default()),
            database,
            schemas: HashSet::new(),
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
            folding: HashSet::new(),
        };
        columns.iter().for_each(|row| catalog.add_column(row));
        for row in views {
            let definition = text(row, 1).filter(|definition| !definition.is_empty());
            if let Some(relation) = catalog.named_mut(text(row, 0)) {
                relation.view = definition.map(Into::into);
            }
        }
        indexes.iter().for_each(|row| catalog.add_index(row));
        keys.iter().for_each(|row| catalog.add_key(row));
        for row in checks {
            let Some(relation) = catalog.named_mut(text(row, 0)) else { continue };
            // Which columns it reads stands in an expression: all of them may be.
            let columns = relation.columns.iter().map(|c| c.id.attribute).collect();
            relation.constraints.push(constraint(text(row, 1), ConstraintKind::Check, columns));
        }
        for row in triggers {
            let event = text(row, 2).unwrap_or_default().to_ascii_uppercase();
            let name: Arc<str> = text(row, 1).unwrap_or_default().into();
            let Some(relation) = catalog.named_mut(text(row, 0)) else { continue };
            relation.triggers.push(Trigger {
                name,
                function: 0,
                insert: event.contains("INSERT"),
                update: event.contains("UPDATE"),
                delete: event.contains("DELETE"),
                truncate: false,
                columns: Vec::new(),
            });
        }
        for (index, row) in routines.iter().enumerate() {
            catalog.add_routine(row, u32::try_from(index).unwrap_or(u32::MAX).saturating_add(FIRST_USER_OID));
        }
        catalog.count_references();
        Ok(catalog)
    }

    fn named_mut(&mut self, name: Option<&str>) -> Option<&mut Relation> {
        let oid = self.relation_in("", name?)?.oid;
        self.relations.get_mut(&oid)
    }

    fn add_column(&mut self, row: &Row) {
        let (Some(table), Some(name)) = (text(row, 0), text(row, 2)) else { return };
        let is_view = text(row, 1).is_some_and(|kind| kind.to_ascii_uppercase().contains("VIEW"));
        if self.relation_in("", table).is_none() {
            let relation = self.new_relation(table, is_view);
            self.relation_names.entry(relation.name.clone()).or_default().push(("".into(), relation.oid));
            self.relations.insert(relation.oid, relation);
        }
        let (type_oid, typmod) = self.type_of(row);
        let expression = text(row, 11).filter(|e| !e.is_empty());
        let Some(relation) = self.named_mut(Some(table)) else { return };
        let Some(attribute) = text(row, 3).and_then(|n| n.parse().ok()) else { return };
        let generated_from = match expression {
            Some(expression) => {
                let named = |c: &&Column| expression.to_lowercase().contains(&c.name.to_lowercase());
                relation.columns.iter().filter(named).map(|c| c.id.attribute).collect()
            }
            None => Vec::new(),
        };
        relation.columns.push(Column {
            id: ColumnId { table: relation.oid, attribute },
            name: name.into(),
            type_oid,
            typmod,
            not_null: text(row, 6) == Some("NO"),
            generated: expression.is_some(),
            identity: false,
            has_default: text(row, 10) == Some("1"),
            default_functions: Vec::new(),
            generated_from,
        });
    }

    fn new_relation(&self, name: &str, is_view: bool) -> Relation {
        let mut oid = number_of(name);
        while self.relations.contains_key(&oid) {
            oid = oid.checked_add(1).unwrap_or(FIRST_USER_OID);
        }
        Relation {
            oid,
            schema: "".into(),
            name: name.into(),
            qualified: name.into(),
            kind: if is_view { RelationKind::View } else { RelationKind::Table },
            row_type: 0,
            system: false,
            row_security: false,
            columns: Vec::new(),
            constraints: Vec::new(),
            indexes: Vec::new(),
            triggers: Vec::new(),
            rules: Vec::new(),
            policies: Vec::new(),
            referenced_by: Vec::new(),
            view: None,
            definition: Default::default(),
        }
    }

    /// The type of Postgres that is written alike as text, and its modifier.
    fn type_of(&mut self, row: &Row) -> (u32, i32) {
        let full = text(row, 5).unwrap_or_default().to_ascii_lowercase();
        let unsigned = full.contains("unsigned");
        let number = |index: usize| text(row, index).and_then(|n| n.parse::<i32>().ok());
        let numeric = |precision: i32, scale: i32| (1700, (precision << 16 | scale) + TYPMOD_HEADER);
        match text(row, 4).unwrap_or_default().to_ascii_lowercase().as_str() {
            "tinyint" | "year" => (21, -1),
            "smallint" if !unsigned => (21, -1),
            "smallint" | "mediumint" => (23, -1),
            "int" | "integer" if !unsigned => (23, -1),
            "int" | "integer" => (20, -1),
            "bigint" if !unsigned => (20, -1),
            "bigint" => numeric(20, 0),
            "decimal" | "numeric" => numeric(number(8).unwrap_or(10), number(9).unwrap_or(0)),
            "float" => (700, -1),
            "double" => (701, -1),
            "date" => (1082, -1),
            "datetime" | "timestamp" => (1114, -1),
            "time" => (1083, -1),
            "json" => (114, -1),
            "uuid" => (2950, -1),
            "char" | "varchar" => (VARCHAR, number(7).unwrap_or(0).saturating_add(TYPMOD_HEADER)),
            "tinytext" | "text" | "mediumtext" | "longtext" => (TEXT, -1),
            // Bytes and sets may be empty: text of no length.
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "set" => {
                (VARCHAR, TYPMOD_HEADER)
            }
            "enum" => (self.enum_type(&full_labels(text(row, 5).unwrap_or_default())), -1),
            // Bits, geometries and whatever is new can only become NULL.
            _ => (0, -1),
        }
    }

    fn enum_type(&mut self, first_label: &str) -> u32 {
        let oid = ENUMS + u32::try_from(self.types.len()).unwrap_or(0);
        self.types.insert(
            oid,
            Type {
                oid,
                schema: "".into(),
                name: "enum".into(),
                kind: TypeKind::Enum,
                category: 'E',
                preferred: false,
                element: 0,
                array: 0,
                relation: 0,
                base: 0,
                typmod: -1,
                subtype: 0,
                first_label: Some(first_label.into()),
                code: None,
                checks: Vec::new(),
            },
        );
        oid
    }

    fn add_index(&mut self, row: &Row) {
        let Some(name) = text(row, 1) else { return };
        let (unique, partial) = (text(row, 3) == Some("0"), text(row, 4).is_some());
        let column = text(row, 2);
        // Such an index serves its own operators alone.
        let sorts = !matches!(text(row, 5), Some("FULLTEXT" | "SPATIAL"));
        let Some(relation) = self.named_mut(text(row, 0)) else { return };
        let key = column.and_then(|c| relation.column(c)).map_or(0, |c| c.id.attribute);
        if relation.indexes.last().is_none_or(|index| &*index.name != name) {
            relation.indexes.push(Index {
                name: name.into(),
                keys: Vec::new(),
                columns: Vec::new(),
                unique,
                primary: name == "PRIMARY",
                exclusion: false,
                valid: sorts,
                immediate: true,
                partial: false,
                expressions: false,
                functions: Vec::new(),
            });
        }
        // An expression may read every column.
        let columns: Vec<i16> = match key {
            0 => relation.columns.iter().map(|c| c.id.attribute).collect(),
            key => vec![key],
        };
        if let Some(index) = relation.indexes.last_mut() {
            index.keys.push(key);
            index.columns.extend(columns);
            // The first characters alone are no whole key.
            index.partial |= partial;
            index.expressions |= key == 0;
        }
    }

    fn add_key(&mut self, row: &Row) {
        let (Some(name), Some(target)) = (text(row, 1), text(row, 3)) else { return };
        let Some(target) = self.relation_in("", target) else { return };
        let target_column = text(row, 4).and_then(|c| target.column(c)).map_or(0, |c| c.id.attribute);
        let target = target.oid;
        let writes = |index: usize| matches!(text(row, index), Some("CASCADE" | "SET NULL" | "SET DEFAULT"));
        let (on_delete, on_update) = (writes(5), writes(6));
        let column = text(row, 2);
        let Some(relation) = self.named_mut(text(row, 0)) else { return };
        let column = column.and_then(|c| relation.column(c)).map_or(0, |c| c.id.attribute);
        let known = relation.constraints.iter_mut().find(|c| c.kind == ConstraintKind::Foreign && &*c.name == name);
        match known {
            Some(known) => {
                known.columns.push(column);
                known.target_columns.push(target_column);
            }
            None => relation.constraints.push(Constraint {
                target,
                target_columns: vec![target_column],
                writes_on_delete: on_delete,
                writes_on_update: on_update,
                ..constraint(Some(name), ConstraintKind::Foreign, vec![column])
            }),
        }
    }

    fn add_routine(&mut self, row: &Row, oid: u32) {
        let Some(name) = text(row, 0) else { return };
        let is_procedure = text(row, 1) == Some("PROCEDURE");
        let function = Function {
            oid,
            schema: "".into(),
            name: name.into(),
            qualified: name.into(),
            kind: if is_procedure { FunctionKind::Procedure } else { FunctionKind::Function },
            arguments: Vec::new(),
            defaults: 0,
            variadic: 0,
            returns: 0,
            set: false,
            outputs: Vec::new(),
            parameters: Vec::new(),
            body: None,
            default_texts: None,
            settings: Vec::new(),
            language: "sql".into(),
            volatility: 'v',
            definer: true,
            system: false,
        };
        self.function_names.entry(name.to_lowercase().into()).or_default().push(oid);
        self.functions.insert(oid, function);
    }

    fn count_references(&mut self) {
        let mut references = Vec::new();
        for relation in self.relations.values() {
            let keys = relation.constraints.iter().enumerate().filter(|(_, c)| c.kind == ConstraintKind::Foreign);
            references.extend(keys.map(|(index, key)| (key.target, relation.oid, index)));
        }
        references.sort_unstable();
        for (target, referencing, index) in references {
            if let Some(relation) = self.relations.get_mut(&target) {
                relation.referenced_by.push((referencing, index));
            }
        }
    }
}

fn text(row: &Row, index: usize) -> Option<&str> {
    row.get(index)?.as_deref()
}

fn constraint(name: Option<&str>, kind: ConstraintKind, columns: Vec<i16>) -> Constraint {
    Constraint {
        name: name.unwrap_or_default().into(),
        kind,
        columns,
        functions: Vec::new(),
        validated: true,
        target: 0,
        target_columns: Vec::new(),
        writes_on_delete: false,
        writes_on_update: false,
    }
}

/// A number that stays a table's as long as its name does.
fn number_of(name: &str) -> u32 {
    let hash = blake3::hash(name.as_bytes());
    let bytes = hash.as_bytes().first_chunk::<4>().copied().unwrap_or_default();
    FIRST_USER_OID + u32::from_le_bytes(bytes) % (u32::MAX - FIRST_USER_OID)
}

/// `8.4.1` as 80401.
fn version_number(version: &str) -> u32 {
    let mut parts = version.split(|c: char| !c.is_ascii_digit()).map(|p| p.parse::<u32>().unwrap_or(0).min(999));
    let mut next = || parts.next().unwrap_or(0);
    (next() * 100 + next()) * 100 + next()
}

/// The first label of `enum('a','b')`.
fn full_labels(column_type: &str) -> String {
    let inside = column_type.split_once("('").map_or("", |(_, rest)| rest);
    let mut label = String::new();
    let mut characters = inside.chars().peekable();
    while let Some(c) = characters.next() {
        if c == '\'' {
            if characters.peek() != Some(&'\'') {
                break;
            }
            characters.next();
        }
        label.push(c);
    }
    label
}
