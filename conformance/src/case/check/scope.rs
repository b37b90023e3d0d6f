//! What names mean at a place of a case.

use fixtures::abi::{ResourceId, Type};

use super::super::{
    diagnostic::{Problem, closest_or_all},
    model::Span,
};
use super::{
    Checker,
    syntax::{Expectation, Name, Outcome, Pattern, Term, TermKind},
};

/// Where in a case a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// In a guest: its own bindings.
    Guest,
    /// In the host steps: their bindings, and the guests' instances.
    Host,
    /// Before anything runs.
    Constant,
}

/// A bound name.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub(super) name: String,
    pub(super) ty: Type,
    /// Whether it counts the turns of a loop.
    pub(super) counter: bool,
    pub(super) span: Span,
}

impl Checker<'_> {
    /// The binding of this name that is nearest.
    pub(super) fn lookup(&self, name: &str) -> Option<&Binding> {
        self.scope.iter().rev().find(|binding| binding.name == name)
    }

    /// Binds a name; a name is bound once at a place.
    pub(super) fn bind(&mut self, name: &Name, ty: Type, counter: bool) {
        if let Some(before) = self.lookup(&name.text) {
            let problem = Problem::new(
                "already-bound",
                name.span,
                format!("`{}` is bound already", name.text),
                "bound again",
            );
            self.problems.push(
                problem
                    .also(before.span, "first bound here")
                    .help("take another name"),
            );
        }
        self.scope.push(Binding {
            name: name.text.clone(),
            ty,
            counter,
            span: name.span,
        });
    }

    /// Runs `check` with bindings of its own.
    pub(super) fn scoped<T>(&mut self, check: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.scope.len();
        let result = check(self);
        self.scope.truncate(before);
        result
    }

    /// Reports a name that means nothing.
    pub(super) fn unknown_name(&mut self, name: &str, span: Span) {
        if self.unbound.contains(name) {
            return;
        }
        let mut names: Vec<&str> = self
            .scope
            .iter()
            .map(|binding| binding.name.as_str())
            .collect();
        if self.side == Side::Host {
            names.extend(self.guests.iter().map(|guest| guest.name.as_str()));
        }
        let help = closest_or_all(name, "bound here", names.iter().copied());
        let help =
            help.unwrap_or_else(|| "nothing is bound here; `let name = ...` binds".to_owned());
        self.problems.push(
            Problem::new(
                "unknown-name",
                span,
                format!("nothing is bound to `{name}` here"),
                "not bound",
            )
            .help(help),
        );
    }

    /// Forgives uses of the names that an expectation which could not be checked would bind.
    pub(super) fn forgive(&mut self, expectation: Option<&Expectation>) {
        for (_, outcome) in expectation
            .iter()
            .flat_map(|expectation| &expectation.outcomes)
        {
            if let Outcome::Value(term) = outcome {
                self.forgive_term(term);
            }
        }
    }

    fn forgive_term(&mut self, term: &Term) {
        match &term.kind {
            TermKind::Pattern(Pattern::Let(name)) => {
                self.unbound.insert(name.text.clone());
            }
            TermKind::Apply(_, _, terms)
            | TermKind::List(terms)
            | TermKind::Tuple(terms)
            | TermKind::Pattern(Pattern::And(terms)) => {
                terms.iter().for_each(|term| self.forgive_term(term));
            }
            TermKind::Record(fields, _) => fields
                .iter()
                .filter_map(|field| field.value.as_ref())
                .for_each(|term| self.forgive_term(term)),
            _ => {}
        }
    }

    /// A name for a type in messages.
    pub(super) fn describe(&self, ty: &Type) -> String {
        describe(ty, 2)
    }
}

/// A type as WIT would write it, records and variants down to `depth`.
pub(super) fn describe(ty: &Type, depth: usize) -> String {
    let inner = |ty: &Type| describe(ty, depth.saturating_sub(1));
    let names = |what: &str, all: &mut dyn Iterator<Item = String>| {
        let all: Vec<String> = all.collect();
        let shown = if all.len() > 6 {
            format!("{}, ...", all[..6].join(", "))
        } else {
            all.join(", ")
        };
        if depth == 0 {
            what.to_owned()
        } else {
            format!("{what} {{{shown}}}")
        }
    };
    match ty {
        Type::Bool => "bool".into(),
        Type::S8 => "s8".into(),
        Type::U8 => "u8".into(),
        Type::S16 => "s16".into(),
        Type::U16 => "u16".into(),
        Type::S32 => "s32".into(),
        Type::U32 => "u32".into(),
        Type::S64 => "s64".into(),
        Type::U64 => "u64".into(),
        Type::F32 => "f32".into(),
        Type::F64 => "f64".into(),
        Type::Char => "char".into(),
        Type::String => "string".into(),
        Type::List(element) => format!("list<{}>", inner(element)),
        Type::FixedList(element, length) => format!("list<{}, {length}>", inner(element)),
        Type::Record(fields) => names(
            "record",
            &mut fields.iter().map(|field| field.name.to_string()),
        ),
        Type::Tuple(types) => format!(
            "tuple<{}>",
            types.iter().map(inner).collect::<Vec<_>>().join(", ")
        ),
        Type::Variant(cases) => names(
            "variant",
            &mut cases.iter().map(|case| case.name.to_string()),
        ),
        Type::Enum(cases) => names("enum", &mut cases.iter().map(|case| case.to_string())),
        Type::Flags(labels) => names("flags", &mut labels.iter().map(|label| label.to_string())),
        Type::Option(some) => format!("option<{}>", inner(some)),
        Type::Result(ok, err) => match (ok, err) {
            (None, None) => "result".into(),
            (Some(ok), None) => format!("result<{}>", inner(ok)),
            (ok, Some(err)) => format!(
                "result<{}, {}>",
                ok.as_deref().map_or("_".into(), inner),
                inner(err)
            ),
        },
        Type::Own(resource) => format!("own<{}>", resource_name(resource)),
        Type::Borrow(resource) => format!("borrow<{}>", resource_name(resource)),
    }
}

/// `queue` of `pie:inferlet/core.queue`.
pub(super) fn resource_name(resource: &ResourceId) -> &str {
    resource.0.rsplit('.').next().unwrap_or(&resource.0)
}

/// Whether the type is `list<u8>`.
pub(super) fn is_bytes(ty: &Type) -> bool {
    matches!(ty, Type::List(element) | Type::FixedList(element, _) if **element == Type::U8)
}

/// Whether values of the type are numbers.
pub(super) fn is_number(ty: &Type) -> bool {
    is_integer(ty) || matches!(ty, Type::F32 | Type::F64)
}

/// Whether values of the type are whole numbers.
pub(super) fn is_integer(ty: &Type) -> bool {
    matches!(
        ty,
        Type::S8 | Type::U8 | Type::S16 | Type::U16 | Type::S32 | Type::U32 | Type::S64 | Type::U64
    )
}
