//! What is counted, and what each path needs.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use conformance::case::load_text;
use conformance::case::model::{
    Case, Expectation, Expr, GuestKind, Source, StatementKind, TextPart,
};
use conformance::contract::{Contract, Files};
use conformance::judge::pattern::Scope;
use conformance::judge::walk::{Answer, judge};
use conformance::plan::{Surroundings, Worlds, plan};
use fixtures::abi::{self, Field, GuestMemory, StringEncoding, Type, Value};
use fixtures::puppet::{self, Op, Program};
use reference_host::uni::columns;
use reference_host::uni::ipc::{Expected, read_stream, write_stream};

/// One turn.
pub(crate) type Work = Box<dyn FnMut()>;

/// How often a path is counted in one run.
pub(crate) const TURNS: u32 = 20;

/// A name, and what makes the path of that name ready.
pub(crate) type Named = (&'static str, fn() -> Work);

/// Every path.
pub(crate) const PATHS: [Named; 9] = [
    ("parse", parse),
    ("plan", plan_guest),
    ("generate", generate),
    ("lower", lower),
    ("lift", lift),
    ("transcript", transcript),
    ("judge", judge_answer),
    ("ipc-write", ipc_write),
    ("ipc-read", ipc_read),
];

/// A case whose judging has a list to search.
const CASE: &str = r#"contract pie
world inferlet
group hot

case store-list-keys.long should
  "Retrieves a value from the persistent store for a given key."
  guest
    repeat 10 as turn
      store-set("key", "value")
      store-get("key") => some("value")
    store-list-keys() => contains "key 199" once
"#;

fn contract() -> Contract {
    Contract::load(&Files::embedded(), "pie").expect("the contract is part of the tree")
}

fn source(name: &str, text: &str) -> Source {
    Source {
        name: name.to_owned(),
        path: Path::new(name).to_owned(),
        text: text.to_owned(),
    }
}

fn case(contract: &Contract) -> Case {
    let cases = load_text(source("hot.case", CASE), contract).expect("the case is right");
    cases.into_iter().next().expect("one case")
}

/// A case file of the tree, from text to checked cases.
fn parse() -> Work {
    let contract = contract();
    let name = "conformance/cases/pie/pubsub.case";
    let text = Files::embedded().text(name).expect("part of the tree");
    Box::new(move || {
        let cases = load_text(source(name, &text), &contract).expect("the cases are right");
        black_box(cases);
    })
}

/// A checked case, to the component of its guest and the steps of its judge.
fn plan_guest() -> Work {
    let contract = contract();
    let worlds = Worlds::new(&contract).expect("worlds of the tree");
    let case = case(&contract);
    Box::new(move || {
        let planned = plan(&case, &contract, &worlds, &Surroundings::new()).expect("a plan");
        black_box(planned);
    })
}

/// A puppet alone, with every import of its world.
fn generate() -> Work {
    let contract = contract();
    let declared = contract.world("inferlet").expect("a world of the contract");
    let world = puppet::World::new(&contract.resolve, declared.id).expect("a world for puppets");
    let mut program = Program::new();
    program.options().import_all = true;
    program.entry(0);
    let slot = program.slot();
    for step in 0..200 {
        program.push(Op::Log {
            step,
            words: vec![slot.into()],
        });
    }
    program.push(Op::Trap);
    Box::new(move || {
        black_box(puppet::component(&world, &program).expect("a component"));
    })
}

/// A list of 1,000 records of a text, a number and an option.
fn records() -> (Type, Value) {
    let field = |name: &str, ty| Field {
        name: name.into(),
        ty,
    };
    let record = Type::Record(Arc::new([
        field("name", Type::String),
        field("number", Type::U64),
        field("more", Type::Option(Arc::new(Type::F64))),
    ]));
    let values = (0_u32..1_000).map(|n| {
        Value::Record(vec![
            Value::String(format!("record {n}")),
            Value::U64(n.into()),
            Value::Option((n % 2 == 0).then(|| Box::new(Value::F64(n.into())))),
        ])
    });
    (Type::List(Arc::new(record)), Value::List(values.collect()))
}

fn lower() -> Work {
    let (ty, value) = records();
    Box::new(move || {
        let mut memory = GuestMemory::new(StringEncoding::Utf8);
        black_box(abi::lower_flat(&mut memory, &value, &ty).expect("the value is of the type"));
    })
}

fn lift() -> Work {
    let (ty, value) = records();
    let mut memory = GuestMemory::new(StringEncoding::Utf8);
    let words = abi::lower_flat(&mut memory, &value, &ty).expect("the value is of the type");
    Box::new(move || {
        memory.budget = GuestMemory::BUDGET;
        let value = abi::lift_flat(&mut memory, &mut words.iter().copied(), &ty);
        black_box(value.expect("what was lowered"));
    })
}

/// A dump of 500 records of four words; see `fixtures::puppet::transcript`.
fn transcript() -> Work {
    const BASE: u32 = 0x4000;
    const COUNT: u32 = 500;
    const SIZE: u32 = 16 + 4 * 8;
    let mut words = vec![
        u32::from_le_bytes(*b"PUPT"),
        1,
        BASE,
        BASE + COUNT * SIZE,
        BASE,
        0,
    ];
    for index in 0..COUNT {
        let next = BASE + (index + 1) * SIZE;
        words.extend([if index + 1 < COUNT { next } else { 0 }, index, 4, 0]);
        words.extend([index, 0, 1, 0, 2, 0, 3, 0]);
    }
    let text: String = words
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Box::new(move || {
        let read = puppet::transcript::decode(&text).expect("a dump");
        assert_eq!(read.records.len(), COUNT as usize);
    })
}

/// Names of a case that has none.
struct Nameless;

impl Scope for Nameless {
    fn value(&self, _: &str) -> Option<Value> {
        None
    }

    fn bind(&mut self, _: &str, _: Value, _: &Type) {}

    fn evaluate(&self, expr: &Expr) -> Result<Value, String> {
        Err(format!("a case without names evaluates {expr:?}"))
    }

    fn text(&self, parts: &[TextPart]) -> Result<String, String> {
        parts
            .iter()
            .map(|part| match part {
                TextPart::Literal(text) => Ok(text.clone()),
                other => Err(format!("a case without names has {other:?}")),
            })
            .collect()
    }

    fn distinct(&self, _: &str, _: &Value) -> bool {
        true
    }

    fn same(&self, _: &str, _: &Value) -> bool {
        true
    }

    fn meet(&mut self, _: &str, _: &Value) {}
}

fn judge_answer() -> Work {
    let contract = contract();
    let expect = last_expectation(&case(&contract)).expect("the case ends with a call");
    let keys = (0..1_000).map(|n| Value::String(format!("key {n}")));
    let value = Value::List(keys.collect());
    Box::new(move || {
        let answer = Answer::Returned(Some(&value));
        let judged = judge(&expect, answer, &mut Nameless, &mut Vec::new());
        black_box(judged.expect("the key is there once"));
    })
}

fn last_expectation(case: &Case) -> Option<Expectation> {
    let GuestKind::Puppet { handlers, .. } = &case.guests.first()?.kind else {
        return None;
    };
    match &handlers.first()?.body.last()?.kind {
        StatementKind::Call { expect, .. } => Some(expect.clone()),
        _ => None,
    }
}

/// A column of numbers and one of texts.
fn batch() -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..10_000));
    let texts = (0..10_000).map(|n| format!("row {n}"));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
    columns(vec![numbers, texts], 10_000).expect("columns of one length")
}

fn ipc_write() -> Work {
    let batch = batch();
    Box::new(move || {
        black_box(write_stream(&batch).expect("a flat batch"));
    })
}

fn ipc_read() -> Work {
    let batch = batch();
    let stream = write_stream(&batch).expect("a flat batch");
    let types: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| column.data_type().clone())
        .collect();
    Box::new(move || {
        let expected = Expected {
            columns: &types,
            max_rows: u64::MAX,
            max_batches: 1,
        };
        black_box(read_stream(stream.clone(), expected).expect("its own stream"));
    })
}
