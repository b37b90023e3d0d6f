//! Patterns: which values match, what is said of those that do not, and what is bound when.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{cell::Cell, collections::HashMap, sync::Arc};

use conformance::{
    case::model::{
        Comparison, Expr, ExprKind, IpcBatchPattern, IpcColumnPattern, IpcPattern, IpcValuePattern,
        JsonPattern, Pattern, PatternKind, Span, TextPart,
    },
    judge::{
        evaluate::{self, Lookup},
        pattern::{Scope, describe, matches},
    },
    payload::{
        ipc::encode,
        literal::{IpcField, IpcLiteral, IpcValue},
    },
};
use fixtures::abi::{Case, Field, Type, Value};

#[derive(Default)]
struct Names {
    bound: HashMap<String, Value>,
    met: HashMap<String, Vec<Value>>,
    turn: Cell<u32>,
}

impl Lookup for Names {
    fn var(&self, name: &str) -> Option<Value> {
        self.bound.get(name).cloned()
    }

    fn turn(&self, name: &str) -> Option<u32> {
        (name == "i").then_some(self.turn.get())
    }

    fn surrounding(&self, name: &str) -> Option<String> {
        (name == "http").then(|| "http://127.0.0.1:1".to_owned())
    }

    fn instance(&self, guest: &str, index: u32) -> Option<Value> {
        (guest == "a" && index < 2).then(|| Value::String(format!("a{index}")))
    }
}

impl Scope for Names {
    fn value(&self, name: &str) -> Option<Value> {
        self.var(name)
    }

    fn bind(&mut self, name: &str, value: Value, _: &Type) {
        self.bound.insert(name.to_owned(), value);
    }

    fn evaluate(&self, expr: &Expr) -> Result<Value, String> {
        evaluate::evaluate(expr, self)
    }

    fn text(&self, parts: &[TextPart]) -> Result<String, String> {
        evaluate::text(parts, self)
    }

    fn distinct(&self, name: &str, value: &Value) -> bool {
        self.met.get(name).is_none_or(|met| !met.contains(value))
    }

    fn same(&self, name: &str, value: &Value) -> bool {
        self.met
            .get(name)
            .is_none_or(|met| met.iter().all(|met| met == value))
    }

    fn meet(&mut self, name: &str, value: &Value) {
        self.met
            .entry(name.to_owned())
            .or_default()
            .push(value.clone());
    }
}

fn expr(ty: &Type, kind: ExprKind) -> Expr {
    Expr {
        ty: ty.clone(),
        kind,
        span: Span::default(),
    }
}

fn pattern(ty: &Type, kind: PatternKind) -> Pattern {
    Pattern {
        ty: ty.clone(),
        kind,
        span: Span::default(),
    }
}

fn constant(ty: &Type, value: Value) -> Expr {
    expr(ty, ExprKind::Const(value))
}

fn equal(ty: &Type, value: Value) -> Pattern {
    pattern(ty, PatternKind::Equal(constant(ty, value)))
}

fn u32s(value: u32) -> Pattern {
    equal(&Type::U32, Value::U32(value))
}

fn any(ty: &Type) -> Pattern {
    pattern(ty, PatternKind::Any)
}

fn bind(ty: &Type, name: &str) -> Pattern {
    pattern(ty, PatternKind::Bind(name.to_owned()))
}

fn string(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn texts(kind: fn(Expr) -> PatternKind, text: &str) -> Pattern {
    pattern(&Type::String, kind(constant(&Type::String, string(text))))
}

fn list(ty: &Type) -> Type {
    Type::List(Arc::new(ty.clone()))
}

fn numbers(values: &[u32]) -> Value {
    Value::List(values.iter().copied().map(Value::U32).collect())
}

/// `record { code: u32, message: string }`
fn error() -> Type {
    Type::Record(
        [("code", Type::U32), ("message", Type::String)]
            .map(|(name, ty)| Field {
                name: name.into(),
                ty,
            })
            .into(),
    )
}

fn error_value(code: u32, message: &str) -> Value {
    Value::Record(vec![Value::U32(code), string(message)])
}

/// `result<list<u32>, error>`
fn outcome() -> Type {
    Type::Result(Some(Arc::new(list(&Type::U32))), Some(Arc::new(error())))
}

/// `variant { nothing, text(string) }`
fn variant() -> Type {
    Type::Variant(
        [("nothing", None), ("text", Some(Type::String))]
            .map(|(name, ty)| Case {
                name: name.into(),
                ty,
            })
            .into(),
    )
}

fn case(ty: &Type, case: u32, payload: Option<Pattern>) -> Pattern {
    pattern(ty, PatternKind::Case(case, payload.map(Box::new)))
}

fn ok(value: Value) -> Value {
    Value::Result(Ok(Some(Box::new(value))))
}

fn err(value: Value) -> Value {
    Value::Result(Err(Some(Box::new(value))))
}

fn some(value: Value) -> Value {
    Value::Option(Some(Box::new(value)))
}

fn bytes() -> Type {
    list(&Type::U8)
}

fn stream(rows: &[Option<i64>]) -> Vec<u8> {
    let field = IpcField {
        name: "arg0".to_owned(),
        ty: "int64".to_owned(),
        nullable: true,
        metadata: Vec::new(),
    };
    let values = rows
        .iter()
        .map(|row| row.map_or(IpcValue::Null, IpcValue::Integer))
        .collect();
    encode(&IpcLiteral {
        columns: vec![field],
        batches: vec![vec![values]],
        rows: None,
    })
    .unwrap()
}

fn ipc(batch: IpcBatchPattern) -> Pattern {
    pattern(&bytes(), PatternKind::Ipc(IpcPattern::One(batch)))
}

fn column(name: Option<&str>, ty: Option<&str>, values: Option<Vec<IpcValuePattern>>) -> Pattern {
    let column = IpcColumnPattern {
        name: name.map(str::to_owned),
        ty: ty.map(str::to_owned),
        values,
    };
    ipc(IpcBatchPattern {
        columns: Some(vec![column]),
        ..IpcBatchPattern::default()
    })
}

fn trace_of(rows: &[Option<i64>]) -> Value {
    let stream = stream(rows);
    let length = u32::try_from(stream.len()).unwrap().to_le_bytes();
    Value::Bytes([b"NU", length.as_slice(), &stream].concat())
}

fn json(exactly: bool, members: &[(&str, JsonPattern)]) -> Pattern {
    let pattern_ = JsonPattern::Object(
        members
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
    );
    pattern(
        &Type::String,
        PatternKind::Json {
            exactly,
            pattern: pattern_,
        },
    )
}

/// Pattern, a value that matches, a value that does not.
fn table() -> Vec<(Pattern, Value, Value)> {
    let numbers_ty = list(&Type::U32);
    let option = Type::Option(Arc::new(Type::U32));
    let enumeration = Type::Enum(["low", "high"].map(Into::into).into());
    let tuple = Type::Tuple([Type::U32, Type::Bool].into());
    let errors = list(&error());
    let errors_value = |code| Value::List(vec![error_value(1, "a"), error_value(code, "b")]);
    let of = |kind| pattern(&numbers_ty, kind);
    let compare = |comparison, ty: &Type, value| {
        pattern(ty, PatternKind::Compare(comparison, constant(ty, value)))
    };
    let length = |comparison, length| of(PatternKind::Length(comparison, length));
    let float = |value| equal(&Type::F64, Value::F64(value));
    vec![
        (u32s(1), Value::U32(1), Value::U32(2)),
        (float(f64::NAN), Value::F64(-f64::NAN), Value::F64(0.0)),
        (float(-0.0), Value::F64(-0.0), Value::F64(0.0)),
        (
            equal(&Type::String, string("a\n")),
            string("a\n"),
            string("a\r"),
        ),
        (
            equal(&bytes(), Value::Bytes(vec![7; 100])),
            Value::Bytes(vec![7; 100]),
            Value::Bytes([vec![7; 50], vec![8; 50]].concat()),
        ),
        (
            equal(&errors, errors_value(2)),
            errors_value(2),
            errors_value(3),
        ),
        (
            equal(&outcome(), err(error_value(1, "a"))),
            err(error_value(1, "a")),
            err(error_value(1, "b")),
        ),
        (
            equal(&outcome(), ok(numbers(&[1]))),
            ok(numbers(&[1])),
            err(error_value(1, "b")),
        ),
        (
            case(&option, 1, Some(u32s(1))),
            some(Value::U32(1)),
            some(Value::U32(2)),
        ),
        (
            case(&option, 1, None),
            some(Value::U32(1)),
            Value::Option(None),
        ),
        (
            case(&option, 0, None),
            Value::Option(None),
            some(Value::U32(0)),
        ),
        (
            case(&outcome(), 0, None),
            ok(numbers(&[])),
            err(error_value(1, "no")),
        ),
        (
            case(&outcome(), 0, Some(any(&numbers_ty))),
            Value::Result(Ok(None)),
            err(error_value(1, "no")),
        ),
        (
            case(
                &outcome(),
                1,
                Some(pattern(
                    &error(),
                    PatternKind::Record(vec![Some(u32s(1)), None]),
                )),
            ),
            err(error_value(1, "any")),
            err(error_value(2, "any")),
        ),
        (
            case(&variant(), 1, Some(equal(&Type::String, string("x")))),
            Value::Variant(1, Some(Box::new(string("x")))),
            Value::Variant(0, None),
        ),
        (case(&enumeration, 1, None), Value::Enum(1), Value::Enum(0)),
        (
            pattern(&tuple, PatternKind::Tuple(vec![u32s(1), any(&Type::Bool)])),
            Value::Tuple(vec![Value::U32(1), Value::Bool(true)]),
            Value::Tuple(vec![Value::U32(2), Value::Bool(true)]),
        ),
        (
            of(PatternKind::List(vec![u32s(1), u32s(2)])),
            numbers(&[1, 2]),
            numbers(&[1, 3]),
        ),
        (
            of(PatternKind::List(vec![u32s(1)])),
            numbers(&[1]),
            numbers(&[1, 3]),
        ),
        (
            of(PatternKind::Contains(Box::new(u32s(1)), None)),
            numbers(&[0, 1, 1]),
            numbers(&[0]),
        ),
        (
            of(PatternKind::Contains(Box::new(u32s(1)), Some(1))),
            numbers(&[0, 1]),
            numbers(&[1, 1]),
        ),
        (
            of(PatternKind::Contains(Box::new(u32s(1)), Some(2))),
            numbers(&[1, 1]),
            numbers(&[]),
        ),
        (
            of(PatternKind::Each(Box::new(u32s(1)))),
            numbers(&[]),
            numbers(&[1, 1, 2]),
        ),
        (
            of(PatternKind::Unordered(vec![
                any(&Type::U32),
                u32s(1),
                u32s(2),
            ])),
            numbers(&[2, 1, 3]),
            numbers(&[2, 2, 2]),
        ),
        (
            of(PatternKind::Unordered(vec![u32s(1)])),
            numbers(&[1]),
            numbers(&[]),
        ),
        (
            length(Comparison::Equal, 2),
            numbers(&[1, 2]),
            numbers(&[1]),
        ),
        (
            length(Comparison::AtLeast, 2),
            numbers(&[1, 2, 3]),
            numbers(&[]),
        ),
        (
            pattern(&Type::String, PatternKind::Length(Comparison::Less, 3)),
            string("é"),
            string("éé"),
        ),
        (
            compare(Comparison::Greater, &Type::S32, Value::S32(-1)),
            Value::S32(0),
            Value::S32(-1),
        ),
        (
            compare(Comparison::AtMost, &Type::F64, Value::F64(1.5)),
            Value::F64(1.5),
            Value::F64(f64::NAN),
        ),
        (
            pattern(
                &Type::U64,
                PatternKind::Range(
                    constant(&Type::U64, Value::U64(5)),
                    constant(&Type::U64, Value::U64(u64::MAX)),
                ),
            ),
            Value::U64(u64::MAX),
            Value::U64(4),
        ),
        (
            texts(PatternKind::ContainsText, "b"),
            string("abc"),
            string("ac"),
        ),
        (
            texts(PatternKind::StartsWith, "a"),
            string("abc"),
            string("ba"),
        ),
        (
            texts(PatternKind::EndsWith, "c"),
            string("abc"),
            string("ca"),
        ),
        (
            pattern(&Type::String, PatternKind::Matches("^a+$".to_owned())),
            string("aa"),
            string("ab"),
        ),
        (
            pattern(&bytes(), PatternKind::ContainsBytes(vec![1, 2])),
            Value::Bytes(vec![0, 1, 2]),
            Value::Bytes(vec![1, 0, 2]),
        ),
        (
            pattern(
                &Type::String,
                PatternKind::And(vec![
                    texts(PatternKind::StartsWith, "a"),
                    texts(PatternKind::EndsWith, "c"),
                ]),
            ),
            string("abc"),
            string("ab"),
        ),
        (
            pattern(&Type::U32, PatternKind::OneOf(vec![u32s(1), u32s(2)])),
            Value::U32(2),
            Value::U32(3),
        ),
        (
            pattern(&Type::U32, PatternKind::Not(Box::new(u32s(1)))),
            Value::U32(2),
            Value::U32(1),
        ),
        (
            json(
                false,
                &[(
                    "a",
                    JsonPattern::Text(vec![TextPart::Surrounding("http".to_owned())]),
                )],
            ),
            string(r#"{"a": "http://127.0.0.1:1", "b": 1}"#),
            string(r#"{"a": "http://example.com"}"#),
        ),
        (
            json(true, &[("a", JsonPattern::Any)]),
            string(r#"{"a": 1}"#),
            string(r#"{"a": 1, "b": 2}"#),
        ),
        (json(true, &[]), string("{}"), string("no")),
        (
            column(
                None,
                Some("int64"),
                Some(vec![IpcValuePattern::Integer(1), IpcValuePattern::Null]),
            ),
            Value::Bytes(stream(&[Some(1), None])),
            Value::Bytes(stream(&[Some(1), Some(2)])),
        ),
        (
            column(Some("arg0"), None, Some(vec![IpcValuePattern::Any])),
            Value::Bytes(stream(&[None])),
            Value::Bytes(stream(&[])),
        ),
        (
            column(Some("arg0"), Some("int64"), None),
            Value::Bytes(stream(&[])),
            Value::Bytes(b"no".to_vec()),
        ),
        (
            ipc(IpcBatchPattern {
                rows: Some(2),
                ..IpcBatchPattern::default()
            }),
            Value::Bytes(stream(&[None; 2])),
            Value::Bytes(stream(&[None])),
        ),
        (
            pattern(
                &bytes(),
                PatternKind::Trace {
                    rows: vec![Some(2), None, Some(1)],
                    in_order: false,
                },
            ),
            trace_of(&[Some(1), Some(2), None]),
            trace_of(&[Some(1), Some(1), None]),
        ),
        (
            pattern(
                &bytes(),
                PatternKind::Trace {
                    rows: vec![Some(2), Some(1)],
                    in_order: true,
                },
            ),
            trace_of(&[Some(2), Some(1)]),
            trace_of(&[Some(1), Some(2)]),
        ),
        (
            pattern(
                &bytes(),
                PatternKind::Trace {
                    rows: vec![],
                    in_order: true,
                },
            ),
            Value::Bytes(b"N".to_vec()),
            Value::Bytes(b"NN".to_vec()),
        ),
        (
            pattern(&outcome(), PatternKind::Transcript),
            err(error_value(1, "plugin said: witgate/transcript/1 00")),
            err(error_value(1, "witgate/transcripts")),
        ),
        // What a pattern asks about cannot be there: the value does not fit the type.
        (
            pattern(
                &tuple,
                PatternKind::Tuple(vec![any(&Type::U32), any(&Type::Bool)]),
            ),
            Value::Tuple(vec![Value::U32(1), Value::Bool(true)]),
            Value::Bool(true),
        ),
        (
            pattern(&error(), PatternKind::Record(vec![None, None])),
            error_value(1, ""),
            Value::Record(vec![]),
        ),
        (
            of(PatternKind::Each(Box::new(any(&Type::U32)))),
            numbers(&[1]),
            string("x"),
        ),
        (
            pattern(&Type::String, PatternKind::Length(Comparison::Equal, 0)),
            string(""),
            Value::Bool(false),
        ),
    ]
}

#[test]
fn values_that_match() {
    for (pattern, value, _) in table() {
        matches(&pattern, &value, &mut Names::default())
            .unwrap_or_else(|mismatch| panic!("{}: {mismatch}", describe(&pattern)));
        assert_eq!(
            matches(&any(&pattern.ty), &value, &mut Names::default()),
            Ok(())
        );
    }
}

#[test]
fn values_that_do_not_match() {
    let mut said = String::new();
    for (pattern, _, value) in table() {
        let mismatch = matches(&pattern, &value, &mut Names::default()).unwrap_err();
        let opposite = Pattern {
            kind: PatternKind::Not(Box::new(pattern.clone())),
            ..pattern.clone()
        };
        assert_eq!(matches(&opposite, &value, &mut Names::default()), Ok(()));
        said.push_str(&format!("{}\n    {mismatch}\n", describe(&pattern)));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn what_is_bound_is_known_within_the_pattern() {
    let pair = Type::Tuple([Type::U32, Type::U32].into());
    let again = pattern(
        &Type::U32,
        PatternKind::Equal(expr(&Type::U32, ExprKind::Var("x".to_owned()))),
    );
    let both = pattern(
        &pair,
        PatternKind::Tuple(vec![bind(&Type::U32, "x"), again]),
    );
    let value = |a, b| Value::Tuple(vec![Value::U32(a), Value::U32(b)]);
    let mut names = Names::default();
    names.bind("x", Value::U32(9), &Type::U32);
    let mismatch = matches(&both, &value(1, 9), &mut names).unwrap_err();
    assert_eq!(
        (
            mismatch.path.as_str(),
            mismatch.expected.as_str(),
            mismatch.actual.as_str()
        ),
        ("1", "1", "9")
    );
    assert_eq!(names.bound["x"], Value::U32(9), "a mismatch binds nothing");
    matches(&both, &value(2, 2), &mut names).unwrap();
    assert_eq!(names.bound["x"], Value::U32(2));
}

#[test]
fn what_does_not_match_binds_nothing() {
    let ty = Type::U32;
    let only = |value| pattern(&ty, PatternKind::And(vec![bind(&ty, "x"), u32s(value)]));
    let mut names = Names::default();
    let first = pattern(&ty, PatternKind::OneOf(vec![only(1), u32s(2)]));
    matches(&first, &Value::U32(2), &mut names).unwrap();
    let not = pattern(
        &ty,
        PatternKind::Not(Box::new(pattern(&ty, PatternKind::Not(Box::new(only(2)))))),
    );
    matches(&not, &Value::U32(2), &mut names).unwrap();
    assert!(names.bound.is_empty());
    let contains = pattern(
        &list(&ty),
        PatternKind::Contains(Box::new(only(2)), Some(1)),
    );
    matches(&contains, &numbers(&[1, 2, 3]), &mut names).unwrap();
    assert_eq!(names.bound["x"], Value::U32(2));
}

#[test]
fn unordered_finds_partners_and_binds_them() {
    let ty = Type::U32;
    let below = |limit| {
        pattern(
            &ty,
            PatternKind::Compare(Comparison::Less, constant(&ty, Value::U32(limit))),
        )
    };
    let named = |limit, name| pattern(&ty, PatternKind::And(vec![below(limit), bind(&ty, name)]));
    let patterns = vec![named(100, "a"), named(3, "b"), named(2, "c")];
    let mut names = Names::default();
    matches(
        &pattern(&list(&ty), PatternKind::Unordered(patterns)),
        &numbers(&[1, 2, 50]),
        &mut names,
    )
    .unwrap();
    assert_eq!(
        [&names.bound["a"], &names.bound["b"], &names.bound["c"]],
        [&Value::U32(50), &Value::U32(2), &Value::U32(1)]
    );
    // A thousand elements against a thousand patterns in the worst order.
    let many: Vec<u32> = (0..1000).collect();
    let patterns = many.iter().map(|number| below(number + 1)).rev().collect();
    matches(
        &pattern(&list(&ty), PatternKind::Unordered(patterns)),
        &numbers(&many),
        &mut names,
    )
    .unwrap();
}

#[test]
fn distinct_and_same_remember_only_matches() {
    let ty = Type::U32;
    let distinct = pattern(&ty, PatternKind::Distinct("id".to_owned()));
    let same = pattern(&ty, PatternKind::Same("one".to_owned()));
    let mut names = Names::default();
    let failing = pattern(
        &ty,
        PatternKind::And(vec![distinct.clone(), same.clone(), u32s(9)]),
    );
    matches(&failing, &Value::U32(1), &mut names).unwrap_err();
    assert!(names.met.is_empty());
    matches(&distinct, &Value::U32(1), &mut names).unwrap();
    matches(&distinct, &Value::U32(2), &mut names).unwrap();
    let said = matches(&distinct, &Value::U32(1), &mut names)
        .unwrap_err()
        .to_string();
    assert_eq!(said, "expected distinct id, found 1");
    matches(&same, &Value::U32(1), &mut names).unwrap();
    matches(&same, &Value::U32(1), &mut names).unwrap();
    matches(&same, &Value::U32(2), &mut names).unwrap_err();
    // Within one value, too.
    let each =
        |element: &Pattern| pattern(&list(&ty), PatternKind::Each(Box::new(element.clone())));
    assert_eq!(
        matches(&each(&distinct), &numbers(&[5, 6, 5]), &mut names)
            .unwrap_err()
            .path,
        "[2]"
    );
    matches(&each(&distinct), &numbers(&[5, 6]), &mut names).unwrap();
    assert_eq!(
        matches(&each(&same), &numbers(&[1, 1, 3]), &mut names)
            .unwrap_err()
            .path,
        "[2]"
    );
}

#[test]
fn json_knows_what_the_pattern_bound() {
    let pair = Type::Tuple([Type::String, Type::String].into());
    let document = json(
        true,
        &[("id", JsonPattern::Text(vec![TextPart::Var("x".to_owned())]))],
    );
    let both = pattern(
        &pair,
        PatternKind::Tuple(vec![bind(&Type::String, "x"), document]),
    );
    let value = |id: &str| Value::Tuple(vec![string("a"), string(&format!(r#"{{"id": "{id}"}}"#))]);
    matches(&both, &value("a"), &mut Names::default()).unwrap();
    let mismatch = matches(&both, &value("b"), &mut Names::default()).unwrap_err();
    assert_eq!(
        mismatch.to_string(),
        r#"at 1 $.id: expected "a", found "b""#
    );
}

#[test]
fn a_name_without_a_value_is_a_mismatch() {
    let unknown = pattern(
        &Type::U32,
        PatternKind::Equal(expr(&Type::U32, ExprKind::Var("y".to_owned()))),
    );
    let mismatch = matches(&unknown, &Value::U32(1), &mut Names::default()).unwrap_err();
    assert_eq!(mismatch.to_string(), "expected $y, found `$y` has no value");
}

#[test]
fn large_values_are_abbreviated() {
    let ty = list(&list(&Type::String));
    let value = Value::List(vec![
        Value::List(vec![string(&"x".repeat(1000)); 1000]);
        100
    ]);
    let mismatch = matches(
        &equal(&ty, Value::List(vec![])),
        &value,
        &mut Names::default(),
    )
    .unwrap_err();
    assert!(mismatch.actual.chars().count() < 300, "{}", mismatch.actual);
}
