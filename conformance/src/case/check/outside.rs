//! Host steps that speak with the testbed: what it saw, what it says, what lies in the case's folder.

use fixtures::abi::Type;

use super::super::model::{Expr, HostStepKind};
use super::{
    Checker,
    host::WITHIN,
    pattern::Judged,
    syntax::{self, Term, TermKind},
};

impl Checker<'_> {
    /// A step of the testbed.
    pub(super) fn outside(&mut self, step: &syntax::HostStepKind) -> Option<HostStepKind> {
        Some(match step {
            syntax::HostStepKind::Observe {
                what,
                within,
                expect,
            } => {
                let ty = what.ty();
                let judged = Judged {
                    ty: Some(&ty),
                    trap: false,
                    timeout: false,
                    returns: false,
                    what: what.name(),
                };
                HostStepKind::Observe {
                    what: *what,
                    within: *within,
                    expect: self.expectation(expect, judged)?,
                }
            }
            syntax::HostStepKind::Push {
                path,
                message,
                within,
            } => HostStepKind::Push {
                path: self.value(path, &Type::String)?,
                message: self.text_or_bytes(message)?,
                within: within.unwrap_or(WITHIN),
            },
            syntax::HostStepKind::HangUp { path, within } => HostStepKind::HangUp {
                path: self.value(path, &Type::String)?,
                within: within.unwrap_or(WITHIN),
            },
            syntax::HostStepKind::File { path, content } => HostStepKind::File {
                path: self.value(path, &Type::String)?,
                content: self.text_or_bytes(content)?,
            },
            syntax::HostStepKind::Directory { path } => HostStepKind::Directory {
                path: self.value(path, &Type::String)?,
            },
            syntax::HostStepKind::Link { path, target } => HostStepKind::Link {
                path: self.value(path, &Type::String)?,
                target: self.value(target, &Type::String)?,
            },
            _ => return None,
        })
    }

    /// A value of the one type or the other, as it is written; what can be either is text.
    fn text_or_bytes(&mut self, term: &Term) -> Option<Expr> {
        let ty = if self.is_bytes_term(term) {
            Type::List(Type::U8.into())
        } else {
            Type::String
        };
        self.value(term, &ty)
    }

    fn is_bytes_term(&self, term: &Term) -> bool {
        match &term.kind {
            TermKind::Hex(_)
            | TermKind::Utf8(_)
            | TermKind::Ipc(_)
            | TermKind::Spoil(..)
            | TermKind::List(_)
            | TermKind::Json { bytes: true, .. } => true,
            TermKind::Repeat(inner, _) => self.is_bytes_term(inner),
            TermKind::Var(name, _) => self
                .lookup(&name.text)
                .is_some_and(|binding| binding.ty == Type::List(Type::U8.into())),
            TermKind::Apply(_, _, terms) => terms.iter().any(|term| self.is_bytes_term(term)),
            _ => false,
        }
    }
}
