//! What is wrong in a case file, shown as a compiler would: code, message, the place, and what was expected.

use std::{fmt, sync::Arc};

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents,
};

use super::model::{Source, Span};

/// A mistake, before it is known in which file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    code: &'static str,
    message: String,
    span: Span,
    label: String,
    other: Option<(Span, String)>,
    help: Option<String>,
}

impl Problem {
    /// A mistake of the kind `code` at `span`; `label` stands beside the caret.
    pub(crate) fn new(
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        Problem {
            code,
            message: message.into(),
            span,
            label: label.into(),
            other: None,
            help: None,
        }
    }

    /// Says what would be right.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, if there is something to say.
    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// Points at a second place.
    pub(crate) fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.other = Some((span, label.into()));
        self
    }

    /// Says in which file.
    pub(crate) fn within(self, source: &Arc<Source>) -> Diagnostic {
        Diagnostic {
            problem: self,
            source: Arc::clone(source),
        }
    }
}

/// One mistake in a case file.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    problem: Problem,
    source: Arc<Source>,
}

impl Diagnostic {
    /// The kind of mistake, as in `unknown-function`: stable, for machines.
    pub fn code(&self) -> &'static str {
        self.problem.code
    }

    /// The file.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Where in the file.
    pub fn span(&self) -> Span {
        self.problem.span
    }

    /// What would be right, if that can be said.
    pub fn help(&self) -> Option<&str> {
        self.problem.help.as_deref()
    }

    /// Line and column of the place, from 1; columns count characters.
    pub fn position(&self) -> (usize, usize) {
        let start = self.problem.span.start.min(self.source.text.len());
        let before = self.source.text.get(..start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        (line, column)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Diagnostic {}

impl miette::Diagnostic for Diagnostic {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.problem.code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem
            .help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place =
            |span: Span| SourceSpan::new(span.start.into(), span.end.saturating_sub(span.start));
        let main = LabeledSpan::new_primary_with_span(
            Some(self.problem.label.clone()),
            place(self.problem.span),
        );
        let other = self.problem.other.iter().map(move |(span, label)| {
            LabeledSpan::new_with_span(Some(label.clone()), place(*span))
        });
        Some(Box::new(std::iter::once(main).chain(other)))
    }
}

impl SourceCode for Diagnostic {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let contents = self.source.text.as_str().read_span(span, before, after)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.source.name.clone(),
            contents.data(),
            *contents.span(),
            contents.line(),
            contents.column(),
            contents.line_count(),
        )))
    }
}

/// Every mistake that was found, in order of the files.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// `Ok` when there are none.
    pub fn into_result<T>(self, value: T) -> Result<T, Diagnostics> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }

    /// The mistakes as text for people, each with the lines it is about; `color` adds terminal colours.
    pub fn render(&self, color: bool) -> String {
        let theme = if color {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(110)
            .with_links(false);
        let mut text = String::new();
        for diagnostic in &self.0 {
            if handler.render_report(&mut text, diagnostic).is_err() {
                text.push_str(&diagnostic.to_string());
            }
            text.push('\n');
        }
        text
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

/// `did you mean ...?`, when one of the names is close to what was written.
pub(crate) fn closest<'a>(
    written: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let length = written.chars().count();
    let limit = (length / 3).max(1).min(length.saturating_sub(1));
    names
        .into_iter()
        .map(|name| (strsim::osa_distance(written, name), name))
        .filter(|(distance, name)| {
            *distance <= limit
                || (name.len() > 4
                    && written.len() > 4
                    && (name.contains(written) || written.contains(name)))
        })
        .min()
        .map(|(_, name)| format!("did you mean `{name}`?"))
}

/// `did you mean ...?`, or else everything there is.
pub(crate) fn closest_or_all<'a>(
    written: &str,
    what: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let names: Vec<&str> = names.into_iter().collect();
    closest(written, names.iter().copied()).or_else(|| match names.as_slice() {
        [] => None,
        some if some.len() <= 24 => Some(format!("{what}: {}", some.join(", "))),
        many => Some(format!("{what}: {}, ...", many[..24].join(", "))),
    })
}

impl Problem {
    /// Where it is.
    pub(crate) fn span(&self) -> Span {
        self.span
    }

    /// Whether it may be there only because something before it could not be read.
    pub(crate) fn may_follow(&self) -> bool {
        matches!(
            self.code,
            "empty-block"
                | "no-choice"
                | "no-return"
                | "not-launched"
                | "unknown-guest"
                | "unknown-name"
                | "unknown-signal"
        )
    }

    /// Where it starts, for sorting.
    pub(crate) fn start(&self) -> usize {
        self.span.start
    }
}
