//! Values and calls that stand outside case files: what `contract.toml` says about environments, outlets and side channels.

use std::{io, path::PathBuf, sync::Arc};

use fixtures::abi::Type;

use super::{
    super::{
        diagnostic::{Diagnostics, Problem},
        model::{Call, Expr, ExprKind, Pattern, Source, Span},
        syntax,
    },
    Checker,
    scope::{Binding, Side},
};
use crate::contract::Contract;

/// A value that is known at once.
pub(crate) fn constant(contract: &Contract, text: &str, ty: &Type) -> Result<Expr, Diagnostics> {
    run(contract, text, |checker| {
        let term = syntax::parse_term(text)?;
        let value = checker.constant(&term, ty);
        Ok(value.map(|value| Expr {
            ty: ty.clone(),
            kind: ExprKind::Const(value),
            span: term.span,
        }))
    })
}

/// An environment: a value that may name the surroundings.
pub(crate) fn environment(contract: &Contract, text: &str) -> Result<Expr, Diagnostics> {
    run(contract, text, |checker| {
        let term = syntax::parse_term(text)?;
        checker.side = Side::Host;
        Ok(checker.value(&term, &contract.driver.environment))
    })
}

/// A value in which `$text` is a text.
pub(crate) fn with_text(contract: &Contract, text: &str, ty: &Type) -> Result<Expr, Diagnostics> {
    run(contract, text, |checker| {
        let term = syntax::parse_term(text)?;
        checker.bind_text();
        Ok(checker.value(&term, ty))
    })
}

/// A pattern of values of this type; it binds nothing.
pub(crate) fn pattern(contract: &Contract, text: &str, ty: &Type) -> Result<Pattern, Diagnostics> {
    run(contract, text, |checker| {
        let term = syntax::parse_term(text)?;
        Ok(checker.pattern(&term, ty))
    })
}

/// A call of an import of this world in which `$text` is a text.
pub(crate) fn call_with_text(
    contract: &Contract,
    world: &str,
    text: &str,
) -> Result<Call, Diagnostics> {
    run(contract, text, |checker| {
        let call = syntax::parse_call(text)?;
        checker.bind_text();
        checker.world = world.to_owned();
        Ok(checker.call(&call))
    })
}

impl Checker<'_> {
    fn bind_text(&mut self) {
        self.side = Side::Guest;
        self.scope.push(Binding {
            name: "text".to_owned(),
            ty: Type::String,
            counter: false,
            span: Span::default(),
        });
    }
}

fn run<T>(
    contract: &Contract,
    text: &str,
    check: impl FnOnce(&mut Checker<'_>) -> Result<Option<T>, Box<Problem>>,
) -> Result<T, Diagnostics> {
    let source = Arc::new(Source {
        name: "contract.toml".to_owned(),
        path: PathBuf::new(),
        text: text.to_owned(),
    });
    let none = |_: &str| Err(io::ErrorKind::NotFound.into());
    let mut checker = Checker::new(contract, &source, &none);
    let checked = check(&mut checker);
    let mut problems = std::mem::take(&mut checker.problems);
    match checked {
        Ok(Some(value)) if problems.is_empty() => return Ok(value),
        Ok(_) => {}
        Err(problem) => problems.push(*problem),
    }
    Err(Diagnostics(
        problems
            .into_iter()
            .map(|problem| problem.within(&source))
            .collect(),
    ))
}
