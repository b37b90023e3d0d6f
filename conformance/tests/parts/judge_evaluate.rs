//! Expressions: the values they build, and the words for those that cannot be built.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use conformance::{
    case::model::{Expr, ExprKind, Span, TextPart},
    judge::evaluate::{Lookup, evaluate, text},
};
use fixtures::abi::{Case, Type, Value};

struct Names;

impl Lookup for Names {
    fn var(&self, name: &str) -> Option<Value> {
        match name {
            "text" => Some(Value::String("héllo".to_owned())),
            "bytes" => Some(Value::Bytes(vec![0xff, 0])),
            "a" => Some(Value::String("a-0".to_owned())),
            _ => None,
        }
    }

    fn turn(&self, name: &str) -> Option<u32> {
        match name {
            "i" => Some(7),
            "far" => Some(300),
            _ => None,
        }
    }

    fn surrounding(&self, name: &str) -> Option<String> {
        (name == "http").then(|| "http://127.0.0.1:80".to_owned())
    }

    fn instance(&self, guest: &str, index: u32) -> Option<Value> {
        (guest == "a" && index < 8).then(|| Value::String(format!("a-{index}")))
    }
}

fn expr(ty: Type, kind: ExprKind) -> Expr {
    Expr {
        ty,
        kind,
        span: Span::default(),
    }
}

fn var(ty: Type, name: &str) -> Expr {
    expr(ty, ExprKind::Var(name.to_owned()))
}

fn bytes() -> Type {
    Type::List(Arc::new(Type::U8))
}

fn value(ty: Type, kind: ExprKind) -> Value {
    evaluate(&expr(ty, kind), &Names).unwrap()
}

fn string(text: &str) -> Value {
    Value::String(text.to_owned())
}

#[test]
fn names() {
    assert_eq!(
        evaluate(&var(Type::String, "text"), &Names),
        Ok(string("héllo"))
    );
    for (ty, seven) in [
        (Type::S8, Value::S8(7)),
        (Type::U8, Value::U8(7)),
        (Type::S16, Value::S16(7)),
        (Type::U16, Value::U16(7)),
        (Type::S32, Value::S32(7)),
        (Type::U32, Value::U32(7)),
        (Type::S64, Value::S64(7)),
        (Type::U64, Value::U64(7)),
        (Type::F32, Value::F32(7.0)),
        (Type::F64, Value::F64(7.0)),
    ] {
        assert_eq!(evaluate(&var(ty, "i"), &Names), Ok(seven));
    }
    let copy = |index| ExprKind::Instance {
        guest: "a".to_owned(),
        index: Box::new(index),
    };
    assert_eq!(
        value(Type::String, copy(var(Type::U32, "i"))),
        string("a-7")
    );
    assert_eq!(
        value(
            Type::String,
            copy(expr(Type::U32, ExprKind::Const(Value::U32(3))))
        ),
        string("a-3")
    );
}

#[test]
fn texts() {
    let parts = [
        TextPart::Literal("k-".to_owned()),
        TextPart::Loop("i".to_owned()),
        TextPart::Surrounding("http".to_owned()),
        TextPart::Var("text".to_owned()),
    ];
    let whole = "k-000007http://127.0.0.1:80héllo";
    assert_eq!(text(&parts, &Names).unwrap(), whole);
    assert_eq!(
        value(Type::String, ExprKind::Text(parts.to_vec())),
        string(whole)
    );
    assert_eq!(
        value(bytes(), ExprKind::Text(parts.to_vec())),
        Value::Bytes(whole.into())
    );
    assert_eq!(
        value(Type::String, ExprKind::Repeat(b"ab".to_vec(), 3)),
        string("ababab")
    );
    assert_eq!(
        value(bytes(), ExprKind::Repeat(vec![0xff], 2)),
        Value::Bytes(vec![0xff; 2])
    );
    assert_eq!(
        value(bytes(), ExprKind::Repeat(vec![], u32::MAX)),
        Value::Bytes(vec![])
    );
    let size = expr(
        bytes(),
        ExprKind::SizeLe32(Box::new(var(Type::String, "text"))),
    );
    let parts = vec![size, var(Type::String, "text"), var(bytes(), "bytes")];
    assert_eq!(
        value(bytes(), ExprKind::Concat(parts)),
        Value::Bytes(b"\x06\0\0\0h\xc3\xa9llo\xff\0".to_vec())
    );
}

#[test]
fn shapes() {
    let seven = || var(Type::U8, "i");
    assert_eq!(
        value(bytes(), ExprKind::List(vec![seven(), seven()])),
        Value::Bytes(vec![7, 7])
    );
    let list = Type::List(Arc::new(Type::U32));
    assert_eq!(
        value(list, ExprKind::List(vec![var(Type::U32, "i")])),
        Value::List(vec![Value::U32(7)])
    );
    assert_eq!(
        value(Type::Tuple([].into()), ExprKind::Tuple(vec![seven()])),
        Value::Tuple(vec![Value::U8(7)])
    );
    assert_eq!(
        value(Type::Record([].into()), ExprKind::Record(vec![seven()])),
        Value::Record(vec![Value::U8(7)])
    );
    let boxed = || Some(Box::new(seven()));
    let inner = || Some(Box::new(Value::U8(7)));
    let option = Type::Option(Arc::new(Type::U8));
    assert_eq!(
        value(option.clone(), ExprKind::Variant(0, None)),
        Value::Option(None)
    );
    assert_eq!(
        value(option, ExprKind::Variant(1, boxed())),
        Value::Option(inner())
    );
    let result = Type::Result(Some(Arc::new(Type::U8)), None);
    assert_eq!(
        value(result.clone(), ExprKind::Variant(0, boxed())),
        Value::Result(Ok(inner()))
    );
    assert_eq!(
        value(result, ExprKind::Variant(1, None)),
        Value::Result(Err(None))
    );
    let variant = Type::Variant(
        [Case {
            name: "x".into(),
            ty: Some(Type::U8),
        }]
        .into(),
    );
    assert_eq!(
        value(variant, ExprKind::Variant(0, boxed())),
        Value::Variant(0, inner())
    );
    assert_eq!(
        value(Type::Enum(["x".into()].into()), ExprKind::Variant(0, None)),
        Value::Enum(0)
    );
}

#[test]
fn what_cannot_be_built() {
    let seven = || Box::new(expr(Type::U32, ExprKind::Const(Value::U32(9))));
    let table = [
        var(Type::U32, "nobody"),
        var(Type::U8, "far"),
        var(Type::Bool, "i"),
        expr(
            Type::String,
            ExprKind::Instance {
                guest: "a".to_owned(),
                index: seven(),
            },
        ),
        expr(
            Type::String,
            ExprKind::Instance {
                guest: "a".to_owned(),
                index: Box::new(var(Type::String, "text")),
            },
        ),
        expr(bytes(), ExprKind::List(vec![var(Type::U32, "i")])),
        expr(Type::Option(Arc::new(Type::U8)), ExprKind::Variant(2, None)),
        expr(
            Type::String,
            ExprKind::Text(vec![TextPart::Loop("j".to_owned())]),
        ),
        expr(
            Type::String,
            ExprKind::Text(vec![TextPart::Surrounding("ftp".to_owned())]),
        ),
        expr(
            Type::String,
            ExprKind::Text(vec![TextPart::Var("bytes".to_owned())]),
        ),
        expr(
            Type::String,
            ExprKind::Text(vec![TextPart::Var("nobody".to_owned())]),
        ),
        expr(Type::String, ExprKind::Repeat(vec![0xff], 1)),
        expr(Type::String, ExprKind::Repeat(vec![b'a'; 1024], u32::MAX)),
        expr(Type::String, ExprKind::Concat(vec![var(Type::U32, "i")])),
        expr(bytes(), ExprKind::SizeLe32(seven())),
    ];
    let errors = table.map(|expr| evaluate(&expr, &Names).unwrap_err());
    insta::assert_snapshot!(errors.join("\n"));
}
