//! Case files are read, checked and laid out: the whole language once, every case of the suite, every kind of mistake, and
//! every value that WAVE prints. The contract `demo` in `case_contract` exists for these tests only.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use conformance::{
    case::{self, Diagnostics, model::*},
    contract::{Contract, Files},
    payload::schema::Schema,
};
use fixtures::abi::{Type, Value};
use proptest::prelude::*;
use wasm_wave::{
    value::{Type as WaveType, Value as WaveValue},
    wasm::WasmValue,
};

type Test = Result<(), Box<dyn Error>>;

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(path)
}

fn demo() -> Result<Contract, Box<dyn Error>> {
    Ok(Contract::load(&Files::disk(here("case_contract")), "demo")?)
}

/// A file of this text beside the demo contract's own.
fn read(contract: &Contract, name: &str, text: &str) -> Result<Vec<Case>, Diagnostics> {
    let path = here("case_contract/conformance/cases/demo").join(name);
    case::load_text(
        Source {
            name: name.to_owned(),
            path,
            text: text.to_owned(),
        },
        contract,
    )
}

fn case_files(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            case_files(&path, found)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "case")
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(())
}

#[test]
fn every_mistake_is_explained() -> Test {
    let contract = demo()?;
    let mut files = Vec::new();
    case_files(&here("case_errors"), &mut files)?;
    assert!(files.len() > 100);
    for path in files {
        let name = path
            .file_stem()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let text = fs::read_to_string(&path)?;
        let problems = match read(&contract, &format!("{name}.case"), &text) {
            Ok(_) => format!("{name}.case has no mistake"),
            Err(problems) => problems.render(false),
        };
        insta::with_settings!({ snapshot_path => "../case_errors", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, problems);
        });
    }
    Ok(())
}

#[test]
fn the_whole_language() -> Test {
    let contract = demo()?;
    let cases = case::load(&Files::disk(here("case_contract")), &contract)?;
    assert_eq!(
        cases
            .iter()
            .map(|case| case.id.as_str())
            .collect::<Vec<_>>(),
        ["demo.values.calls.all", "demo.values.handlers.all"]
    );
    let [calls, handlers] = cases.as_slice() else {
        return Err("two cases".into());
    };
    assert_eq!(calls.needs, ["limits", "models"]);
    assert_eq!(calls.profile.as_deref(), Some("strict"));
    assert_eq!(handlers.profile, None);
    assert_eq!(calls.quotes, ["first words", "second words"]);
    assert_eq!(calls.guests[0].name, "guest");
    assert_eq!(handlers.needs, ["restart"]);
    assert_eq!(
        handlers
            .guests
            .iter()
            .map(|guest| guest.copies)
            .collect::<Vec<_>>(),
        [4, 0, 0, 0, 0, 0]
    );
    let mut lines = Vec::new();
    for handler in cases
        .iter()
        .flat_map(|case| &case.guests)
        .flat_map(|guest| match &guest.kind {
            GuestKind::Puppet { handlers, .. } => handlers.as_slice(),
            _ => &[],
        })
    {
        lines.push(format!("on {} {:?}", handler.export.name, handler.params));
        lines.extend(
            handler
                .body
                .iter()
                .map(|statement| brief(&format!("{:?}", statement.kind))),
        );
    }
    lines.extend(
        handlers
            .host
            .iter()
            .map(|step| brief(&format!("{:?}", step.kind))),
    );
    insta::assert_snapshot!("the_whole_language", lines.join("\n"));
    Ok(())
}

/// A debug text without places and types.
fn brief(debug: &str) -> String {
    let mut text = debug.to_owned();
    for (start, open, close) in [
        (", span: Span", '{', '}'),
        ("ty: FuncType", '{', '}'),
        (" ty: ", '\0', ','),
    ] {
        while let Some(at) = text.find(start) {
            let mut depth = 0usize;
            let end = text[at + start.len()..].find(|c| {
                let deeper = if open == '\0' { "([{" } else { "{" };
                depth += usize::from(deeper.contains(c));
                let leaves = (open == '\0' && ")]}".contains(c)) || c == close;
                if depth == 0 && c == close && open == '\0' {
                    return true;
                }
                depth = depth.saturating_sub(usize::from(leaves && c != ','));
                open != '\0' && leaves && depth == 0
            });
            let Some(end) = end else { return text };
            text.replace_range(at..=at + start.len() + end, "");
        }
    }
    text
}

#[test]
fn layout_is_a_fixed_point_and_changes_nothing() -> Test {
    let contract = demo()?;
    let mut files = Vec::new();
    case_files(&here("case_contract"), &mut files)?;
    case_files(&here("../cases"), &mut files)?;
    for path in files {
        let text = fs::read_to_string(&path)?;
        let once = case::format(&text)?;
        assert_eq!(case::format(&once)?, once, "{}", path.display());
        assert_eq!(comments(&text), comments(&once), "{}", path.display());
        if let (Ok(before), Ok(after)) = (
            read(&contract, "a.case", &text),
            read(&contract, "a.case", &once),
        ) {
            let hashes = |cases: &[Case]| {
                cases
                    .iter()
                    .map(|case| case.hash.clone())
                    .collect::<Vec<_>>()
            };
            assert_eq!(hashes(&before), hashes(&after));
        }
    }
    Ok(())
}

fn comments(text: &str) -> usize {
    text.lines()
        .filter(|line| {
            line.trim_start().starts_with("// ") || line.contains("  // ") || line.contains(" // ")
        })
        .count()
}

#[test]
fn layout() -> Test {
    let text = "contract demo\nworld  app\ngroup demo.x\n// about it\n\n\n// more\ncase a robust   // why\n  guest\n    put( \"a\" ,\"b\" )\n    \
        numbers([1,2 , 3])=>contains 3   once|| unordered [ ]\n".replace("||", "|");
    let named = text
        .replace("=>contains", "=>a: contains")
        .replace("| unordered", "| b: unordered");
    insta::assert_snapshot!("layout", case::format(&named)?);
    let long = format!(
        "contract demo\nworld app\ngroup demo.x\n\ncase a robust\n  guest\n    // before\n    numbers([{}]) // behind\n    mix('a', 1, {{x: 1, // inside\n      y: 2}}) => all: ({}, \
         starts-with \"a long text that goes on\") | none: _\n    // at the end\n",
        (1_000_000..1_000_040)
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
            .join(", "),
        "one-of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14)"
    );
    insta::assert_snapshot!("layout_of_long_lines", case::format(&long)?);
    Ok(())
}

#[test]
fn hash_is_of_the_words() -> Test {
    let contract = demo()?;
    let hash = |text: &str| -> Result<String, Box<dyn Error>> {
        Ok(read(&contract, "a.case", text)?.remove(0).hash)
    };
    let head = "contract demo\nworld app\ngroup demo.x\n";
    let plain = hash(&format!(
        "{head}case a robust\n  guest\n    put(\"a\", \"b\")\n"
    ))?;
    assert_eq!(
        plain,
        hash(&format!(
            "// words\n{head}\n\ncase a robust\n\n  guest // here\n    put( \"a\",\n \"b\")\n"
        ))?
    );
    assert_ne!(
        plain,
        hash(&format!(
            "{head}case b robust\n  guest\n    put(\"a\", \"b\")\n"
        ))?
    );
    assert_ne!(
        plain,
        hash(&format!(
            "{head}case a robust\n  guest\n    put(\"a\", \"c\")\n"
        ))?
    );
    Ok(())
}

#[test]
fn hash_is_of_the_schemas_too() -> Test {
    let mut contract = demo()?;
    let text = "contract demo\nworld app\ngroup demo.x\ncase a robust\n  guest\n    bytes([]) => schema \"note\"\n";
    let before = read(&contract, "a.case", text)?.remove(0).hash;
    assert_eq!(before, read(&contract, "a.case", text)?.remove(0).hash);
    let other = Schema::new("note", b"{}".to_vec())?;
    contract.schemas.insert("note".to_owned(), other);
    assert_ne!(before, read(&contract, "a.case", text)?.remove(0).hash);
    Ok(())
}

#[test]
fn contracts_of_the_suite() -> Test {
    let files = Files::embedded();
    for name in Contract::names(&files)? {
        let contract = Contract::load(&files, &name)?;
        assert!(
            !contract.worlds.is_empty() && !contract.driver.functions.is_empty(),
            "{name}"
        );
    }
    let pie = Contract::embedded("pie")?;
    let world = pie.world("inferlet").ok_or("no world")?;
    let names: Vec<&str> = world
        .imports
        .iter()
        .map(|function| function.name.as_str())
        .collect();
    for name in [
        "[method]queue.synchronize",
        "[resource-drop]pollable",
        "[resource-drop]model",
        "poll",
        "store-get",
    ] {
        assert!(names.contains(&name), "{name}");
    }
    assert_eq!(
        world.body.as_ref().map(|body| body.name.as_str()),
        Some("run")
    );
    assert_eq!(
        pie.driver_function("restart")
            .and_then(|function| function.capability.as_deref()),
        Some("restart")
    );
    assert_eq!(
        pie.side_event
            .as_ref()
            .map(|side| (side.event, side.source, side.text)),
        Some((0, Some(0), 1))
    );
    assert_eq!(
        pie.ended_event
            .as_ref()
            .map(|ended| (ended.event, ended.finished, ended.terminated)),
        Some((1, 0, 3))
    );
    let uni = Contract::embedded("uni")?;
    let world = uni.world("scalar-plugin").ok_or("no world")?;
    assert!(
        world.body.is_none()
            && world
                .optional
                .iter()
                .any(|function| function.name == "http-get")
    );
    let export = world
        .exports
        .iter()
        .find(|export| export.name == "invoke-scalar")
        .ok_or("no export")?;
    assert!(world.outlet(export).is_some());
    Ok(())
}

#[test]
fn whatever_is_written_is_answered() -> Test {
    let contract = demo()?;
    let text = fs::read_to_string(here("case_contract/conformance/cases/demo/values.case"))?;
    for end in (0..text.len())
        .filter(|end| text.is_char_boundary(*end))
        .step_by(7)
    {
        let _ = read(&contract, "a.case", &text[..end]);
        let _ = case::format(&text[..end]);
    }
    for open in [
        "(",
        "[",
        "{",
        "json [",
        "some(",
        "not (",
        "ipc {list(",
        "$a[",
    ] {
        let deep = format!(
            "contract demo\nworld app\ngroup g\n\ncase a robust\n  guest\n    put({}",
            open.repeat(100_000)
        );
        assert!(read(&contract, "a.case", &deep).is_err());
    }
    Ok(())
}

#[test]
fn the_tutorial_is_right() -> Test {
    let text = fs::read_to_string(here("../../docs/case-tutorial.md"))?;
    let blocks = text
        .split("\n```\n")
        .filter(|block| block.starts_with("contract "));
    let mut count = 0;
    for block in blocks {
        let name = case::contract_of(block).ok_or("no contract")?;
        let contract = Contract::embedded(&name)?;
        let text = format!("{block}\n");
        read(&contract, "tutorial.case", &text)?;
        assert_eq!(case::format(&text)?, text);
        count += 1;
    }
    assert_eq!(count, 4);
    Ok(())
}

/// A type, a value of it and how WAVE writes the value.
fn typed() -> impl Strategy<Value = (Type, Value)> {
    let scalar = prop_oneof![
        any::<bool>().prop_map(|v| (Type::Bool, Value::Bool(v))),
        any::<u8>().prop_map(|v| (Type::U8, Value::U8(v))),
        any::<i16>().prop_map(|v| (Type::S16, Value::S16(v))),
        any::<i32>().prop_map(|v| (Type::S32, Value::S32(v))),
        any::<u64>().prop_map(|v| (Type::U64, Value::U64(v))),
        any::<i64>().prop_map(|v| (Type::S64, Value::S64(v))),
        any::<f32>().prop_map(|v| (Type::F32, Value::F32(v))),
        any::<f64>().prop_map(|v| (Type::F64, Value::F64(v))),
        any::<char>().prop_map(|v| (Type::Char, Value::Char(v))),
        any::<String>().prop_map(|v| (Type::String, Value::String(v))),
        proptest::collection::vec(any::<u8>(), 0..8)
            .prop_map(|v| (Type::List(Type::U8.into()), Value::Bytes(v))),
        (0u32..3).prop_map(|v| (
            Type::Enum(["ok", "true", "plain"].map(Into::into).into()),
            Value::Enum(v)
        )),
        (0u32..8).prop_map(|v| (
            Type::Flags(["a", "b-c", "nan"].map(Into::into).into()),
            Value::Flags(v)
        )),
    ];
    scalar.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            (inner.clone(), any::<bool>()).prop_map(|((ty, value), some)| (
                Type::Option(ty.into()),
                Value::Option(some.then(|| value.into()))
            )),
            (inner.clone(), inner.clone(), any::<bool>()).prop_map(|((a, x), (b, y), good)| {
                let value = if good {
                    Ok(Some(x.into()))
                } else {
                    Err(Some(y.into()))
                };
                (
                    Type::Result(Some(a.into()), Some(b.into())),
                    Value::Result(value),
                )
            }),
            any::<bool>().prop_map(|good| (
                Type::Result(None, None),
                Value::Result(if good { Ok(None) } else { Err(None) })
            )),
            (inner.clone(), 0usize..4)
                .prop_filter("bytes", |((ty, _), _)| *ty != Type::U8)
                .prop_map(|((ty, value), count)| (
                    Type::List(ty.into()),
                    Value::List(vec![value; count])
                )),
            proptest::collection::vec(inner.clone(), 1..4).prop_map(|parts| {
                let (types, values): (Vec<Type>, Vec<Value>) = parts.into_iter().unzip();
                (Type::Tuple(types.into()), Value::Tuple(values))
            }),
            proptest::collection::vec(inner.clone(), 1..4).prop_map(|parts| {
                let fields =
                    parts
                        .iter()
                        .enumerate()
                        .map(|(index, (ty, _))| fixtures::abi::Field {
                            name: ["a", "true", "f-2"][index].into(),
                            ty: ty.clone(),
                        });
                (
                    Type::Record(fields.collect()),
                    Value::Record(parts.iter().map(|(_, value)| value.clone()).collect()),
                )
            }),
            (
                proptest::collection::vec(proptest::option::of(inner), 1..4),
                any::<prop::sample::Index>()
            )
                .prop_map(|(parts, at)| {
                    let at = at.index(parts.len());
                    let cases = parts
                        .iter()
                        .enumerate()
                        .map(|(index, part)| fixtures::abi::Case {
                            name: ["none", "b", "c-3"][index].into(),
                            ty: part.as_ref().map(|part| part.0.clone()),
                        });
                    (
                        Type::Variant(cases.collect()),
                        Value::Variant(
                            u32::try_from(at).unwrap_or_default(),
                            parts[at].as_ref().map(|part| part.1.clone().into()),
                        ),
                    )
                }),
        ]
    })
}

fn wave_type(ty: &Type) -> WaveType {
    let side = |ty: &Option<std::sync::Arc<Type>>| ty.as_deref().map(wave_type);
    let some = |ty: Option<WaveType>| ty.unwrap_or(WaveType::BOOL);
    match ty {
        Type::Bool => WaveType::BOOL,
        Type::U8 => WaveType::U8,
        Type::S16 => WaveType::S16,
        Type::S32 => WaveType::S32,
        Type::U64 => WaveType::U64,
        Type::S64 => WaveType::S64,
        Type::F32 => WaveType::F32,
        Type::F64 => WaveType::F64,
        Type::Char => WaveType::CHAR,
        Type::String => WaveType::STRING,
        Type::List(element) => WaveType::list(wave_type(element)),
        Type::Tuple(types) => some(WaveType::tuple(
            types.iter().map(wave_type).collect::<Vec<_>>(),
        )),
        Type::Record(fields) => some(WaveType::record(
            fields
                .iter()
                .map(|field| (&*field.name, wave_type(&field.ty))),
        )),
        Type::Variant(cases) => some(WaveType::variant(
            cases
                .iter()
                .map(|case| (&*case.name, case.ty.as_ref().map(wave_type))),
        )),
        Type::Enum(cases) => some(WaveType::enum_ty(cases.iter().map(|case| &**case))),
        Type::Flags(labels) => some(WaveType::flags(labels.iter().map(|label| &**label))),
        Type::Option(some) => WaveType::option(wave_type(some)),
        Type::Result(ok, err) => WaveType::result(side(ok), side(err)),
        _ => WaveType::BOOL,
    }
}

fn wave_value(ty: &Type, value: &Value) -> WaveValue {
    let whole = wave_type(ty);
    let inside =
        |ty: Option<&Type>, value: &Option<Box<Value>>| Some(wave_value(ty?, value.as_deref()?));
    let made = match (ty, value) {
        (_, Value::Bool(v)) => Ok(WaveValue::make_bool(*v)),
        (_, Value::U8(v)) => Ok(WaveValue::make_u8(*v)),
        (_, Value::S16(v)) => Ok(WaveValue::make_s16(*v)),
        (_, Value::S32(v)) => Ok(WaveValue::make_s32(*v)),
        (_, Value::U64(v)) => Ok(WaveValue::make_u64(*v)),
        (_, Value::S64(v)) => Ok(WaveValue::make_s64(*v)),
        (_, Value::F32(v)) => Ok(WaveValue::make_f32(*v)),
        (_, Value::F64(v)) => Ok(WaveValue::make_f64(*v)),
        (_, Value::Char(v)) => Ok(WaveValue::make_char(*v)),
        (_, Value::String(v)) => Ok(WaveValue::make_string(v.into())),
        (_, Value::Bytes(v)) => {
            WaveValue::make_list(&whole, v.iter().map(|byte| WaveValue::make_u8(*byte)))
        }
        (Type::List(element), Value::List(v)) => {
            WaveValue::make_list(&whole, v.iter().map(|v| wave_value(element, v)))
        }
        (Type::Tuple(types), Value::Tuple(v)) => {
            WaveValue::make_tuple(&whole, types.iter().zip(v).map(|(ty, v)| wave_value(ty, v)))
        }
        (Type::Record(fields), Value::Record(v)) => WaveValue::make_record(
            &whole,
            fields
                .iter()
                .zip(v)
                .map(|(field, v)| (&*field.name, wave_value(&field.ty, v))),
        ),
        (Type::Variant(cases), Value::Variant(index, v)) => {
            let case = &cases[*index as usize];
            WaveValue::make_variant(&whole, &case.name, inside(case.ty.as_ref(), v))
        }
        (Type::Enum(cases), Value::Enum(index)) => {
            WaveValue::make_enum(&whole, &cases[*index as usize])
        }
        (Type::Flags(labels), Value::Flags(bits)) => WaveValue::make_flags(
            &whole,
            labels
                .iter()
                .enumerate()
                .filter(|(bit, _)| bits >> bit & 1 == 1)
                .map(|(_, label)| &**label),
        ),
        (Type::Option(some), Value::Option(v)) => {
            WaveValue::make_option(&whole, inside(Some(some), v))
        }
        (Type::Result(ok, err), Value::Result(v)) => {
            let v = match v {
                Ok(v) => Ok(inside(ok.as_deref(), v)),
                Err(v) => Err(inside(err.as_deref(), v)),
            };
            WaveValue::make_result(&whole, v)
        }
        _ => Ok(WaveValue::make_bool(false)),
    };
    made.unwrap_or_else(|error| WaveValue::make_string(error.to_string().into()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_wave_prints_is_read((ty, value) in typed()) {
        let text = wasm_wave::to_string(&wave_value(&ty, &value)).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let contract = demo().map_err(|error| TestCaseError::fail(error.to_string()))?;
        let read = case::parse_value(&text, &ty, &contract);
        prop_assert!(read.as_ref().is_ok_and(|read| same(read, &value)), "{text}: {read:?}");
    }

    #[test]
    fn any_text_is_answered(text in "(?s).{0,200}") {
        let _ = case::format(&text);
    }
}

/// Equality in which NaN equals NaN.
fn same(a: &Value, b: &Value) -> bool {
    format!("{a:?}") == format!("{b:?}")
}
