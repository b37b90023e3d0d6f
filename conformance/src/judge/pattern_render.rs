//! Values as WAVE for mismatches, bounded: a megabyte never reaches a terminal.

use fixtures::abi::{Label, Type, Value, wave};

/// Characters of a rendered value.
const LIMIT: usize = 240;
/// Characters of a text and elements of a list that are shown.
const MOST: usize = 80;

/// The value as WAVE, abbreviated with `…`.
pub(super) fn render(ty: &Type, value: &Value) -> String {
    abbreviate(wave::abbreviated(ty, value, MOST))
}

/// The first characters of a text.
pub(super) fn abbreviate(text: String) -> String {
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A text as WAVE quotes it, in full.
pub(super) fn quoted(text: &str) -> String {
    wave::to_string(&Type::String, &Value::String(text.to_owned()))
}

/// The name of a case of a variant, enum, option or result.
pub(super) fn case_name(ty: &Type, case: u32) -> String {
    let index = usize::try_from(case).unwrap_or(usize::MAX);
    let name = match ty {
        Type::Variant(cases) => cases.get(index).map(|case| case.name.to_string()),
        Type::Enum(labels) => labels.get(index).map(Label::to_string),
        Type::Option(_) => ["none", "some"].get(index).map(|name| (*name).to_owned()),
        Type::Result(..) => ["ok", "err"].get(index).map(|name| (*name).to_owned()),
        _ => None,
    };
    name.unwrap_or_else(|| format!("case-{case}"))
}
