//! The JSON mapping of WIT values: what goes out comes back, and what does not fit says where.

use std::{fmt::Write as _, sync::Arc};

use conformance::host::json::{from_json, to_json};
use fixtures::abi::{Case, Field, Label, ResourceId, Type, Value};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn labels(names: &[&str]) -> Arc<[Label]> {
    names.iter().map(|name| Label::from(*name)).collect()
}

fn record(fields: &[(&str, Type)]) -> Type {
    Type::Record(
        fields
            .iter()
            .map(|(name, ty)| Field {
                name: Label::from(*name),
                ty: ty.clone(),
            })
            .collect(),
    )
}

fn variant(cases: &[(&str, Option<Type>)]) -> Type {
    Type::Variant(
        cases
            .iter()
            .map(|(name, ty)| Case {
                name: Label::from(*name),
                ty: ty.clone(),
            })
            .collect(),
    )
}

fn list(element: Type) -> Type {
    Type::List(Arc::new(element))
}

fn option(inner: Type) -> Type {
    Type::Option(Arc::new(inner))
}

fn result(ok: Option<Type>, err: Option<Type>) -> Type {
    Type::Result(ok.map(Arc::new), err.map(Arc::new))
}

#[test]
fn mapping_is_the_documented_one() {
    let table: Vec<(Type, Value, Json)> = vec![
        (Type::Bool, Value::Bool(true), json!(true)),
        (Type::S8, Value::S8(-128), json!(-128)),
        (
            Type::U64,
            Value::U64(1 << 53),
            json!(9_007_199_254_740_992u64),
        ),
        (
            Type::U64,
            Value::U64((1 << 53) + 1),
            json!("9007199254740993"),
        ),
        (
            Type::U64,
            Value::U64(u64::MAX),
            json!("18446744073709551615"),
        ),
        (
            Type::S64,
            Value::S64(-(1 << 53)),
            json!(-9_007_199_254_740_992i64),
        ),
        (
            Type::S64,
            Value::S64(i64::MIN),
            json!("-9223372036854775808"),
        ),
        (Type::F32, Value::F32(0.1), json!(f64::from(0.1f32))),
        (Type::F64, Value::F64(f64::NAN), json!("nan")),
        (Type::F32, Value::F32(f32::INFINITY), json!("inf")),
        (Type::F64, Value::F64(f64::NEG_INFINITY), json!("-inf")),
        (Type::F64, Value::F64(-0.0), json!("-0.0")),
        (Type::Char, Value::Char('é'), json!("é")),
        (list(Type::U8), Value::Bytes(vec![0, 255, 1]), json!("AP8B")),
        (
            Type::FixedList(Arc::new(Type::U8), 1),
            Value::Bytes(vec![0]),
            json!("AA=="),
        ),
        (list(Type::S8), Value::List(vec![Value::S8(1)]), json!([1])),
        (
            Type::Tuple([Type::Bool, Type::Char].into()),
            Value::Tuple(vec![Value::Bool(false), Value::Char('x')]),
            json!([false, "x"]),
        ),
        (
            record(&[("a-b", Type::U8)]),
            Value::Record(vec![Value::U8(1)]),
            json!({"a-b": 1}),
        ),
        (
            variant(&[("none", None), ("one", Some(Type::U8))]),
            Value::Variant(0, None),
            json!({"none": null}),
        ),
        (
            variant(&[("none", None), ("one", Some(Type::U8))]),
            Value::Variant(1, Some(Box::new(Value::U8(7)))),
            json!({"one": 7}),
        ),
        (Type::Enum(labels(&["x", "y"])), Value::Enum(1), json!("y")),
        (option(Type::U8), Value::Option(None), json!(null)),
        (
            option(option(Type::U8)),
            Value::Option(Some(Box::new(Value::Option(None)))),
            json!({"some": null}),
        ),
        (
            result(None, Some(Type::String)),
            Value::Result(Ok(None)),
            json!({"ok": null}),
        ),
        (
            result(None, Some(Type::String)),
            Value::Result(Err(Some(Box::new(Value::String("no".into()))))),
            json!({"err": "no"}),
        ),
        (
            Type::Flags(labels(&["r", "w", "x"])),
            Value::Flags(0b101),
            json!(["r", "x"]),
        ),
    ];
    for (ty, value, json) in table {
        assert_eq!(to_json(&ty, &value), json, "{ty:?}");
        let back = from_json(&ty, &json).unwrap_or_else(|error| panic!("{ty:?}: {error}"));
        assert_eq!(to_json(&ty, &back), json, "{ty:?}");
    }
    assert_eq!(from_json(&Type::U64, &json!("12")), Ok(Value::U64(12)));
    assert_eq!(from_json(&Type::U8, &json!(3.0)), Ok(Value::U8(3)));
    assert_eq!(from_json(&Type::F32, &json!(2)), Ok(Value::F32(2.0)));
}

#[test]
fn misfits_say_where() {
    let outcome = variant(&[("finished", None), ("failed", Some(Type::String))]);
    let ended = record(&[("instance", Type::String), ("outcome", outcome.clone())]);
    let table: Vec<(Type, Json)> = vec![
        (Type::Bool, json!(1)),
        (Type::U8, json!(256)),
        (Type::U8, json!(-1)),
        (Type::U32, json!(1.5)),
        (Type::U32, json!("1")),
        (Type::U64, json!("18446744073709551616")),
        (Type::U64, json!("+1")),
        (Type::S64, json!("")),
        (Type::U64, json!(1e300)),
        (Type::F32, json!(1e39)),
        (Type::F64, json!("NaN")),
        (Type::Char, json!("ab")),
        (Type::String, json!(null)),
        (list(Type::U8), json!("A")),
        (list(Type::U8), json!([1, 2])),
        (Type::FixedList(Arc::new(Type::U8), 2), json!("AA==")),
        (Type::FixedList(Arc::new(Type::Bool), 2), json!([true])),
        (list(list(Type::S8)), json!([[1], [2, "three"]])),
        (Type::Tuple([Type::Bool, Type::Char].into()), json!([true])),
        (ended.clone(), json!({"instance": "a"})),
        (
            ended.clone(),
            json!({"extra": 1, "instance": "a", "outcome": {"finished": null}}),
        ),
        (
            ended.clone(),
            json!({"instance": "a", "outcome": "finished"}),
        ),
        (
            ended.clone(),
            json!({"instance": "a", "outcome": {"finished": "yes"}}),
        ),
        (
            ended,
            json!({"instance": "a", "outcome": {"failed": {"why": "x"}}}),
        ),
        (outcome.clone(), json!({"exploded": null})),
        (outcome, json!({})),
        (Type::Enum(labels(&["x", "y"])), json!("z")),
        (option(Type::U8), json!(7)),
        (option(Type::U8), json!({"some": "x"})),
        (
            result(Some(list(Type::String)), None),
            json!({"ok": ["a", 1]}),
        ),
        (result(None, None), json!({"ok": {}})),
        (result(None, None), json!("ok")),
        (Type::Flags(labels(&["r", "w"])), json!(["r", "r"])),
        (Type::Flags(labels(&["r", "w"])), json!(["q"])),
        (Type::Own(ResourceId("a:b/c.d".into())), json!(1)),
        (Type::U8, json!("x".repeat(1000))),
        (
            Type::U8,
            (0..50)
                .map(|key| (format!("key-{key:02}"), json!(1)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        ),
    ];
    let mut text = String::new();
    for (ty, json) in table {
        let error = from_json(&ty, &json).expect_err("a misfit");
        let shown = json.to_string();
        let shown = if shown.len() > 70 { "..." } else { &shown };
        writeln!(text, "{shown}\n    {error}").expect("a string takes all");
    }
    insta::assert_snapshot!(text);
}

fn types() -> impl Strategy<Value = Type> {
    let leaf = prop::sample::select(vec![
        Type::Bool,
        Type::S8,
        Type::U8,
        Type::S16,
        Type::U16,
        Type::S32,
        Type::U32,
        Type::S64,
        Type::U64,
        Type::F32,
        Type::F64,
        Type::Char,
        Type::String,
        list(Type::U8),
        Type::FixedList(Arc::new(Type::U8), 3),
        Type::Enum(labels(&["a", "b", "c-d"])),
        Type::Flags((0..32).map(|bit| Label::from(format!("f{bit}"))).collect()),
    ]);
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(list),
            inner
                .clone()
                .prop_map(|ty| Type::FixedList(Arc::new(ty), 2)),
            inner.clone().prop_map(option),
            (
                prop::option::of(inner.clone()),
                prop::option::of(inner.clone())
            )
                .prop_map(|(ok, err)| result(ok, err)),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|types| Type::Tuple(types.into())),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|types| {
                Type::Record(
                    types
                        .into_iter()
                        .enumerate()
                        .map(|(i, ty)| Field {
                            name: format!("f{i}").into(),
                            ty,
                        })
                        .collect(),
                )
            }),
            prop::collection::vec(prop::option::of(inner), 1..4).prop_map(|types| {
                Type::Variant(
                    types
                        .into_iter()
                        .enumerate()
                        .map(|(i, ty)| Case {
                            name: format!("c{i}").into(),
                            ty,
                        })
                        .collect(),
                )
            }),
        ]
    })
}

fn payloads(ty: Option<&Type>) -> BoxedStrategy<Option<Box<Value>>> {
    match ty {
        None => Just(None).boxed(),
        Some(ty) => values(ty).prop_map(|value| Some(Box::new(value))).boxed(),
    }
}

fn sequences<'a>(types: impl Iterator<Item = &'a Type>) -> BoxedStrategy<Vec<Value>> {
    types.map(values).collect::<Vec<_>>().boxed()
}

fn values(ty: &Type) -> BoxedStrategy<Value> {
    match ty {
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::S8 => any::<i8>().prop_map(Value::S8).boxed(),
        Type::U8 => any::<u8>().prop_map(Value::U8).boxed(),
        Type::S16 => any::<i16>().prop_map(Value::S16).boxed(),
        Type::U16 => any::<u16>().prop_map(Value::U16).boxed(),
        Type::S32 => any::<i32>().prop_map(Value::S32).boxed(),
        Type::U32 => any::<u32>().prop_map(Value::U32).boxed(),
        Type::S64 => any::<i64>().prop_map(Value::S64).boxed(),
        Type::U64 => any::<u64>().prop_map(Value::U64).boxed(),
        // NaN is not equal to itself; the table above has it.
        Type::F32 => any::<u32>()
            .prop_map(f32::from_bits)
            .prop_filter("NaN", |f| !f.is_nan())
            .prop_map(Value::F32)
            .boxed(),
        Type::F64 => any::<u64>()
            .prop_map(f64::from_bits)
            .prop_filter("NaN", |f| !f.is_nan())
            .prop_map(Value::F64)
            .boxed(),
        Type::Char => any::<char>().prop_map(Value::Char).boxed(),
        Type::String => any::<String>().prop_map(Value::String).boxed(),
        Type::List(element) if **element == Type::U8 => {
            any::<Vec<u8>>().prop_map(Value::Bytes).boxed()
        }
        Type::FixedList(element, length) if **element == Type::U8 => {
            prop::collection::vec(any::<u8>(), *length as usize)
                .prop_map(Value::Bytes)
                .boxed()
        }
        Type::List(element) => prop::collection::vec(values(element), 0..4)
            .prop_map(Value::List)
            .boxed(),
        Type::FixedList(element, length) => {
            prop::collection::vec(values(element), *length as usize)
                .prop_map(Value::List)
                .boxed()
        }
        Type::Tuple(types) => sequences(types.iter()).prop_map(Value::Tuple).boxed(),
        Type::Record(fields) => sequences(fields.iter().map(|field| &field.ty))
            .prop_map(Value::Record)
            .boxed(),
        Type::Variant(cases) => {
            let cases = cases.iter().zip(0u32..).map(|(case, index)| {
                payloads(case.ty.as_ref())
                    .prop_map(move |payload| Value::Variant(index, payload))
                    .boxed()
            });
            prop::strategy::Union::new(cases).boxed()
        }
        Type::Enum(labels) => (0..labels.len() as u32).prop_map(Value::Enum).boxed(),
        Type::Option(inner) => prop::option::of(values(inner))
            .prop_map(|value| Value::Option(value.map(Box::new)))
            .boxed(),
        Type::Result(ok, err) => prop_oneof![
            payloads(ok.as_deref()).prop_map(|payload| Value::Result(Ok(payload))),
            payloads(err.as_deref()).prop_map(|payload| Value::Result(Err(payload))),
        ]
        .boxed(),
        Type::Flags(_) => any::<u32>().prop_map(Value::Flags).boxed(),
        Type::Own(_) | Type::Borrow(_) => unreachable!("no handle travels"),
    }
}

fn scalars() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ]
}

proptest! {
    #[test]
    fn values_travel((ty, value) in types().prop_flat_map(|ty| { let values = values(&ty); (Just(ty), values) })) {
        let line = to_json(&ty, &value).to_string();
        let json: Json = serde_json::from_str(&line).expect("JSON");
        prop_assert_eq!(from_json(&ty, &json), Ok(value));
    }

    #[test]
    fn nothing_panics(ty in types(), json in scalars().prop_recursive(3, 16, 4, |inner| prop_oneof![
        prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
        prop::collection::btree_map("ok|err|some|f0|f1|c0|c1|x", inner, 0..3)
            .prop_map(|members| Json::from(members.into_iter().collect::<serde_json::Map<_, _>>())),
    ])) {
        if let Ok(value) = from_json(&ty, &json) {
            let again = from_json(&ty, &to_json(&ty, &value)).expect("its own JSON");
            prop_assert_eq!(to_json(&ty, &again), to_json(&ty, &value));
        }
    }
}
