//! Case files: what the suite is written in. `docs/case-language.md` is the language; [`load`] reads a contract's cases into
//! the checked form of [`model`], [`format()`] lays a file out.

mod check;
mod diagnostic;
mod format;
mod hash;
mod load;
pub mod model;
mod syntax;

use std::io;

pub(crate) use self::check::template;
pub use self::{
    diagnostic::{Diagnostic, Diagnostics},
    format::format,
    load::{contract_of, load, load_file, load_text, parse_value},
};

/// Reads a file that lies beside a case file, by its path relative to that.
pub(crate) type Beside<'a> = dyn Fn(&str) -> io::Result<Vec<u8>> + 'a;
