//! Arrow IPC streams and spoilt bytes: literals and patterns.

use fixtures::abi::{Type, Value};

use super::super::{
    diagnostic::{Problem, closest_or_all},
    model::{IpcBatchPattern, IpcColumnPattern, IpcPattern, IpcValuePattern, Span},
};
use super::{
    Checker,
    syntax::{Ipc, IpcBatch, IpcColumn, Name, Piece, Spoil as SpoilTerm, Term, TermKind},
};
use crate::payload::{
    ipc::{encode, known_type, spoil},
    literal::{IpcField, IpcLiteral, IpcValue, Spoil},
};

/// Column types to choose from, for messages.
const TYPES: [&str; 14] = [
    "int32",
    "int64",
    "float32",
    "float64",
    "boolean",
    "utf8",
    "binary",
    "largebinary",
    "largeutf8",
    "date64",
    "timestamp_ms",
    "null",
    "dictionary(utf8)",
    "list(int64)",
];

/// Faults, for messages.
const FAULTS: [&str; 15] = [
    "cut",
    "drop",
    "append",
    "flip",
    "metadata-length",
    "body-length",
    "no-eos",
    "file-format",
    "metadata-v4",
    "big-endian",
    "offsets",
    "utf8",
    "null-count",
    "row-count",
    "twice",
];

impl Checker<'_> {
    /// The bytes of `ipc ...` as a value.
    pub(super) fn ipc_bytes(&mut self, ipc: &Ipc, span: Span) -> Option<Vec<u8>> {
        let mut literal = IpcLiteral {
            columns: Vec::new(),
            batches: Vec::new(),
            rows: None,
        };
        for (number, batch) in ipc.batches.iter().enumerate() {
            let (columns, values) = self.ipc_batch(batch, ipc.schema_only)?;
            if number == 0 {
                literal.columns = columns;
            } else if literal.columns != columns {
                let problem = Problem::new(
                    "ipc",
                    batch.span,
                    "this batch has other columns than the first",
                    "another schema",
                );
                let first = ipc.batches.first().map_or(span, |batch| batch.span);
                self.problems.push(
                    problem
                        .also(first, "the first batch")
                        .help("names, types and `nonnull` must be the same in every batch"),
                );
                return None;
            }
            if !ipc.schema_only {
                literal.batches.push(values);
                if literal.columns.is_empty() {
                    literal
                        .rows
                        .get_or_insert_default()
                        .push(usize::try_from(batch.rows.unwrap_or(0)).unwrap_or(usize::MAX));
                }
            }
        }
        encode(&literal)
            .map_err(|error| {
                self.problems.push(Problem::new(
                    "ipc",
                    span,
                    error.to_string(),
                    "this stream cannot be written",
                ))
            })
            .ok()
    }

    fn ipc_batch(
        &mut self,
        batch: &IpcBatch,
        schema_only: bool,
    ) -> Option<(Vec<IpcField>, Vec<Vec<IpcValue>>)> {
        if batch.columns.is_some()
            || (batch.rows.is_some() && !batch.fields.is_empty())
            || batch.rows.is_some_and(|rows| rows > 1 << 20)
        {
            let problem = Problem::new(
                "ipc",
                batch.span,
                "this is a pattern, not a stream",
                "not a value",
            );
            self.problems.push(problem.help(
                "in a value, `rows N` stands only in a batch without columns, up to 1048576",
            ));
            return None;
        }
        let mut columns = Vec::new();
        let mut values = Vec::new();
        for (number, column) in batch.fields.iter().enumerate() {
            let Some(ty) = column.ty.as_ref().filter(|_| !column.any_name) else {
                return self.ipc_wildcard(column.span);
            };
            self.column_type(ty)?;
            let name = column
                .name
                .as_ref()
                .map_or_else(|| format!("arg{number}"), |name| name.text.clone());
            columns.push(IpcField {
                name,
                ty: ty.text.clone(),
                nullable: !column.nonnull,
                metadata: column.metadata.clone(),
            });
            values.push(match &column.values {
                Some(Term {
                    kind: TermKind::List(terms),
                    ..
                }) => self.each(terms, |this, term| this.ipc_value(term))?,
                None if schema_only => Vec::new(),
                _ => return self.ipc_wildcard(column.span),
            });
        }
        Some((columns, values))
    }

    fn ipc_wildcard<T>(&mut self, span: Span) -> Option<T> {
        self.problems.push(Problem::new(
            "pattern-as-value",
            span,
            "`_` in a stream that is to be written",
            "not a value",
        ));
        None
    }

    fn column_type(&mut self, ty: &Name) -> Option<()> {
        match known_type(&ty.text) {
            Ok(_) => Some(()),
            Err(error) => {
                let problem = Problem::new(
                    "unknown-column-type",
                    ty.span,
                    error.to_string(),
                    "not a column type",
                );
                self.problems.push(problem.maybe_help(closest_or_all(
                    &ty.text,
                    "column types",
                    TYPES,
                )));
                None
            }
        }
    }

    fn ipc_value(&mut self, term: &Term) -> Option<IpcValue> {
        match self.ipc_item(term)? {
            Some(IpcValuePattern::Null) => Some(IpcValue::Null),
            Some(IpcValuePattern::Bool(value)) => Some(IpcValue::Bool(value)),
            Some(IpcValuePattern::Integer(value)) => Some(IpcValue::Integer(value)),
            Some(IpcValuePattern::Float(value)) => Some(IpcValue::Float(value)),
            Some(IpcValuePattern::Text(value)) => Some(IpcValue::Text(value)),
            Some(IpcValuePattern::Bytes(value)) => Some(IpcValue::Bytes(value)),
            Some(IpcValuePattern::Any) => self.ipc_wildcard(term.span),
            Some(IpcValuePattern::List(_)) | None => match &term.kind {
                TermKind::List(terms) => self
                    .each(terms, |this, term| this.ipc_value(term))
                    .map(IpcValue::List),
                _ => None,
            },
        }
    }

    /// A value of a column; `Some(None)` is a list, whose elements are left to the caller.
    fn ipc_item(&mut self, term: &Term) -> Option<Option<IpcValuePattern>> {
        Some(Some(match &term.kind {
            TermKind::Wildcard => IpcValuePattern::Any,
            TermKind::Word(word, false) => match word.as_str() {
                "null" => IpcValuePattern::Null,
                "true" => IpcValuePattern::Bool(true),
                "false" => IpcValuePattern::Bool(false),
                "nan" => IpcValuePattern::Float(f64::NAN),
                "inf" => IpcValuePattern::Float(f64::INFINITY),
                _ => return self.not_in_column(term),
            },
            TermKind::Number(text) => match (text.parse::<i64>(), text.parse::<f64>()) {
                (Ok(_), _) if text == "-0" => IpcValuePattern::Float(-0.0),
                (Ok(integer), _) => IpcValuePattern::Integer(integer),
                (_, Ok(float)) => IpcValuePattern::Float(float),
                _ => return self.not_in_column(term),
            },
            TermKind::Text(pieces) => match pieces.as_slice() {
                [Piece::Literal(text)] => IpcValuePattern::Text(text.clone()),
                _ => return self.not_in_column(term),
            },
            TermKind::Hex(bytes) => IpcValuePattern::Bytes(bytes.clone()),
            TermKind::Utf8(_) | TermKind::Repeat(..) | TermKind::Ipc(_) | TermKind::Spoil(..) => {
                match self.constant(term, &Type::List(Type::U8.into()))? {
                    Value::Bytes(bytes) => IpcValuePattern::Bytes(bytes),
                    _ => return self.not_in_column(term),
                }
            }
            TermKind::List(_) => return Some(None),
            _ => return self.not_in_column(term),
        }))
    }

    fn not_in_column<T>(&mut self, term: &Term) -> Option<T> {
        let problem = Problem::new(
            "ipc",
            term.span,
            "this cannot be a value of a column",
            "not a column value",
        );
        self.problems.push(problem.help(
            "numbers, constant text, `true`, `false`, `null`, `hex \"..\"` and lists of these",
        ));
        None
    }

    fn ipc_value_pattern(&mut self, term: &Term) -> Option<IpcValuePattern> {
        match (self.ipc_item(term)?, &term.kind) {
            (Some(pattern), _) => Some(pattern),
            (None, TermKind::List(terms)) => self
                .each(terms, |this, term| this.ipc_value_pattern(term))
                .map(IpcValuePattern::List),
            _ => None,
        }
    }

    /// `ipc ...` as a pattern.
    pub(super) fn ipc_pattern(&mut self, ipc: &Ipc, span: Span) -> Option<IpcPattern> {
        if ipc.schema_only {
            self.problems.push(
                Problem::new(
                    "ipc",
                    span,
                    "`ipc schema` is a value, not a pattern",
                    "not a pattern",
                )
                .help("a stream without batches is `ipc []`"),
            );
            return None;
        }
        let mut batches = Vec::new();
        for batch in &ipc.batches {
            let mut columns = Vec::new();
            for (number, column) in batch.fields.iter().enumerate() {
                columns.push(self.ipc_column_pattern(column, number)?);
            }
            let asked = !columns.is_empty() || (batch.rows.is_none() && batch.columns.is_none());
            batches.push(IpcBatchPattern {
                rows: batch.rows,
                column_count: batch.columns,
                columns: asked.then_some(columns),
            });
        }
        match (ipc.many, batches.pop()) {
            (false, Some(batch)) => Some(IpcPattern::One(batch)),
            (_, last) => {
                batches.extend(last);
                Some(IpcPattern::Batches(batches))
            }
        }
    }

    fn ipc_column_pattern(
        &mut self,
        column: &IpcColumn,
        number: usize,
    ) -> Option<IpcColumnPattern> {
        if let Some(ty) = &column.ty {
            self.column_type(ty)?;
        }
        if column.nonnull || !column.metadata.is_empty() {
            let problem = Problem::new(
                "ipc",
                column.span,
                "a pattern does not ask for `nonnull` or metadata",
                "only in values",
            );
            self.problems.push(problem);
            return None;
        }
        let name = match (&column.name, column.any_name) {
            (Some(name), _) => Some(name.text.clone()),
            (None, true) => None,
            (None, false) => Some(format!("arg{number}")),
        };
        let values = match column.values.as_ref().map(|term| &term.kind) {
            Some(TermKind::List(terms)) => {
                Some(self.each(terms, |this, term| this.ipc_value_pattern(term))?)
            }
            _ => None,
        };
        Some(IpcColumnPattern {
            name,
            ty: column.ty.as_ref().map(|ty| ty.text.clone()),
            values,
        })
    }

    /// The bytes of `spoil(...)`.
    pub(super) fn spoilt(
        &mut self,
        inner: &Term,
        faults: &[SpoilTerm],
        ty: &Type,
        span: Span,
    ) -> Option<Vec<u8>> {
        let Value::Bytes(mut bytes) = self.constant(inner, ty)? else {
            return None;
        };
        if faults.is_empty() {
            self.problems.push(
                Problem::new(
                    "spoil",
                    span,
                    "`spoil` without a fault",
                    "expected `, FAULT`",
                )
                .help(format!("faults: {}", FAULTS.join(", "))),
            );
            return None;
        }
        for fault in faults {
            let (fault, place) = self.fault(fault)?;
            match spoil(bytes, &fault) {
                Ok(spoilt) => bytes = spoilt,
                Err(error) => {
                    self.problems.push(Problem::new(
                        "spoil",
                        place,
                        error.to_string(),
                        "this fault",
                    ));
                    return None;
                }
            }
        }
        Some(bytes)
    }

    fn fault(&mut self, fault: &SpoilTerm) -> Option<(Spoil, Span)> {
        let (name, number) = match fault {
            SpoilTerm::Append(term) => {
                return match self.constant(term, &Type::List(Type::U8.into()))? {
                    Value::Bytes(bytes) => Some((Spoil::Append(bytes), term.span)),
                    _ => None,
                };
            }
            SpoilTerm::Number(name, number) => (name, *number),
            SpoilTerm::Plain(name) => (name, 0),
        };
        let size = usize::try_from(number).ok();
        let long = i64::try_from(number).ok();
        let made = match name.text.as_str() {
            "cut" => size.map(Spoil::Cut),
            "drop" => size.map(Spoil::DropLast),
            "flip" => size.map(Spoil::Flip),
            "metadata-length" => i32::try_from(number).ok().map(Spoil::MetadataLength),
            "body-length" => long.map(Spoil::BodyLength),
            "null-count" => long.map(Spoil::NullCount),
            "row-count" => long.map(Spoil::RowCount),
            "no-eos" => Some(Spoil::NoEos),
            "file-format" => Some(Spoil::FileFormat),
            "metadata-v4" => Some(Spoil::MetadataV4),
            "big-endian" => Some(Spoil::BigEndian),
            "offsets" => Some(Spoil::Offsets),
            "utf8" => Some(Spoil::Utf8),
            "twice" => Some(Spoil::Twice),
            other => {
                let problem = Problem::new(
                    "unknown-fault",
                    name.span,
                    format!("there is no fault `{other}`"),
                    "unknown fault",
                );
                self.problems
                    .push(problem.maybe_help(closest_or_all(other, "faults", FAULTS)));
                return None;
            }
        };
        if made.is_none() {
            self.problems.push(Problem::new(
                "number-range",
                name.span,
                format!("{number} is out of range for `{}`", name.text),
                "out of range",
            ));
        }
        made.map(|made| (made, name.span))
    }
}
