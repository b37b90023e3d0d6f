//! Two values that are not equal: the innermost place where they differ.

use fixtures::abi::{Type, Value};

use super::{evaluate, pattern::Mismatch, pattern_render::render};

/// Adds a step to a path; the first one has no dot.
pub(super) fn push_step(path: &mut String, step: &str) {
    path.push_str(if path.is_empty() {
        step.trim_start_matches('.')
    } else {
        step
    });
}

/// The innermost place where two values differ.
pub(super) fn difference(ty: &Type, expected: &Value, actual: &Value, path: String) -> Mismatch {
    let inside = |step: &str, ty: &Type, expected: &Value, actual: &Value| {
        let mut path = path.clone();
        push_step(&mut path, step);
        difference(ty, expected, actual, path)
    };
    let pairs =
        |types: &mut dyn Iterator<Item = (String, &Type)>, expected: &[Value], actual: &[Value]| {
            let mut pairs = types
                .zip(expected.iter().zip(actual))
                .filter(|(_, (expected, actual))| expected != actual);
            let ((step, ty), (expected, actual)) = pairs.next()?;
            Some(inside(&step, ty, expected, actual))
        };
    let found = match (ty, expected, actual) {
        (Type::Record(fields), Value::Record(expected), Value::Record(actual)) => pairs(
            &mut fields
                .iter()
                .map(|field| (format!(".{}", field.name), &field.ty)),
            expected,
            actual,
        ),
        (Type::Tuple(types), Value::Tuple(expected), Value::Tuple(actual)) => pairs(
            &mut types
                .iter()
                .enumerate()
                .map(|(index, ty)| (format!(".{index}"), ty)),
            expected,
            actual,
        ),
        (Type::List(ty) | Type::FixedList(ty, _), Value::List(expected), Value::List(actual))
            if expected.len() == actual.len() =>
        {
            pairs(
                &mut (0..expected.len()).map(|index| (format!("[{index}]"), &**ty)),
                expected,
                actual,
            )
        }
        (
            Type::Variant(cases),
            Value::Variant(case, Some(expected)),
            Value::Variant(other, Some(actual)),
        ) if case == other => {
            let case = usize::try_from(*case).ok().and_then(|case| cases.get(case));
            case.and_then(|case| {
                Some(inside(
                    &format!(".{}", case.name),
                    case.ty.as_ref()?,
                    expected,
                    actual,
                ))
            })
        }
        (Type::Option(ty), Value::Option(Some(expected)), Value::Option(Some(actual))) => {
            Some(inside(".some", ty, expected, actual))
        }
        (
            Type::Result(Some(ty), _),
            Value::Result(Ok(Some(expected))),
            Value::Result(Ok(Some(actual))),
        ) => Some(inside(".ok", ty, expected, actual)),
        (
            Type::Result(_, Some(ty)),
            Value::Result(Err(Some(expected))),
            Value::Result(Err(Some(actual))),
        ) => Some(inside(".err", ty, expected, actual)),
        _ => None,
    };
    found.unwrap_or_else(|| {
        let mut text = render(ty, actual);
        // Long runs of bytes look alike at their start.
        if let (Some(expected), Some(actual)) = (evaluate::bytes(expected), evaluate::bytes(actual))
            && expected.len().max(actual.len()) > 32
        {
            let equal = expected
                .iter()
                .zip(actual)
                .take_while(|(expected, actual)| expected == actual)
                .count();
            text.push_str(&format!(
                " ({} bytes, differs from byte {equal} on)",
                actual.len()
            ));
        }
        Mismatch {
            path,
            expected: render(ty, expected),
            actual: text,
        }
    })
}
