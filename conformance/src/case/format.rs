//! The one layout of case files. It moves blanks, line ends and comments and never changes a token, so a case's hash stays.

use std::{path::PathBuf, sync::Arc};

use super::{
    diagnostic::Diagnostics,
    model::Source,
    syntax::{
        self,
        lexer::{Comment, Lexed, Line, Token, TokenKind},
    },
};

/// Columns a line should stay within.
const WIDTH: usize = 120;

/// Lays a case file out: two spaces a level, one blank line before a case, lines of at most 120 columns where brackets,
/// `=>` and `|` allow it. Comments are kept; one inside brackets moves before its line.
///
/// # Errors
/// When the file cannot be parsed. It need not pass the checks.
pub fn format(text: &str) -> Result<String, Diagnostics> {
    let (lexed, _, problems) = syntax::parse(text);
    if !problems.is_empty() {
        let source = Arc::new(Source {
            name: "case file".to_owned(),
            path: PathBuf::new(),
            text: text.to_owned(),
        });
        return Err(Diagnostics(
            problems
                .into_iter()
                .map(|problem| problem.within(&source))
                .collect(),
        ));
    }
    let mut writer = Writer {
        text,
        lexed: &lexed,
        comment: 0,
        out: String::new(),
        place: 0,
    };
    writer.file();
    Ok(writer.out)
}

struct Writer<'a> {
    text: &'a str,
    lexed: &'a Lexed,
    /// The next comment to be written.
    comment: usize,
    out: String,
    /// Where in `text` what was written last ends.
    place: usize,
}

impl Writer<'_> {
    fn file(&mut self) {
        let mut before = 0;
        for line in &self.lexed.lines {
            let span = line.span();
            let opens = line.level == 0
                && self
                    .lexed
                    .lines
                    .first()
                    .is_some_and(|first| first.span() != span)
                && self.slice(line.tokens.first()) == "case";
            let spoken = self.comments(span.start, line.level, before, opens);
            let last = line
                .tokens
                .last()
                .map_or(span.end, |token| token.span.start);
            while let Some(inner) = self.next_comment(last) {
                self.own_line(inner, line.level, false);
            }
            let trailing = self
                .next_comment(usize::MAX)
                .filter(|next| !next.alone && !self.text[span.end..next.span.start].contains('\n'));
            self.gap(span.start, opens && !spoken);
            self.line(line);
            self.place = span.end;
            if let Some(trailing) = trailing {
                self.out.push(' ');
                self.out
                    .push_str(&self.text[trailing.span.start..trailing.span.end]);
                self.place = trailing.span.end;
                self.comment += 1;
            }
            self.out.push('\n');
            before = line.level;
        }
        self.comments(usize::MAX, 0, before, false);
    }

    /// Comments on lines of their own before byte `end`; whether there are any.
    fn comments(&mut self, end: usize, level: usize, before: usize, opens: bool) -> bool {
        let first = self.comment;
        while let Some(comment) = self.next_comment(end) {
            let line_start = self.text[..comment.span.start]
                .rfind('\n')
                .map_or(0, |at| at + 1);
            let own = (comment.span.start - line_start).div_ceil(2);
            self.own_line(
                comment,
                own.clamp(level, before.max(level)),
                opens && self.comment == first,
            );
        }
        self.comment > first
    }

    fn own_line(&mut self, comment: Comment, level: usize, opens: bool) {
        self.gap(comment.span.start, opens);
        self.out.push_str(&"  ".repeat(level));
        self.out
            .push_str(&self.text[comment.span.start..comment.span.end]);
        self.out.push('\n');
        self.place = comment.span.end;
        self.comment += 1;
    }

    fn next_comment(&self, end: usize) -> Option<Comment> {
        self.lexed
            .comments
            .get(self.comment)
            .copied()
            .filter(|comment| comment.span.start < end)
    }

    /// A blank line, if there was one or must be one.
    fn gap(&mut self, start: usize, wanted: bool) {
        let between = self.text.get(self.place..start).unwrap_or_default();
        if (between.matches('\n').count() > 1 || wanted) && !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    fn slice(&self, token: Option<&Token>) -> &str {
        token
            .and_then(|token| self.text.get(token.span.start..token.span.end))
            .unwrap_or_default()
    }

    fn line(&mut self, line: &Line) {
        let indent = line.level * 2;
        let pieces = pieces(self.text, line);
        let flat: usize = indent + width(&pieces);
        self.out.push_str(&" ".repeat(indent));
        let mut layout = Layout {
            out: &mut self.out,
            column: indent,
        };
        if flat <= WIDTH {
            layout.flat(&pieces);
        } else {
            layout.broken(&pieces, indent);
        }
    }
}

/// A token to be written, and what stands before it.
#[derive(Clone, Copy, Debug)]
struct Piece<'a> {
    text: &'a str,
    blank: bool,
}

fn width(pieces: &[Piece<'_>]) -> usize {
    pieces
        .iter()
        .map(|piece| piece.text.chars().count() + usize::from(piece.blank))
        .sum()
}

fn pieces<'a>(text: &'a str, line: &Line) -> Vec<Piece<'a>> {
    let words: Vec<&str> = line
        .tokens
        .iter()
        .map(|token| {
            text.get(token.span.start..token.span.end)
                .unwrap_or_default()
        })
        .collect();
    let waits = matches!(words.first(), Some(&("await" | "never")));
    let mut pieces = Vec::new();
    for (index, token) in line.tokens.iter().enumerate() {
        let before = index
            .checked_sub(1)
            .and_then(|before| line.tokens.get(before));
        let blank = before.is_some_and(|before| {
            let next_to = before.span.end == token.span.start;
            let at = |back: usize| {
                index
                    .checked_sub(back)
                    .and_then(|index| words.get(index))
                    .copied()
                    .unwrap_or_default()
            };
            match (before.kind, at(1), token.kind, at(0)) {
                (TokenKind::Sign(_), "(" | "[" | "{" | "$" | "@" | "." | "/", ..)
                | (.., TokenKind::Sign(_), ")" | "]" | "}" | "," | ":" | "." | "/") => false,
                (TokenKind::Sign(_), ",", ..) => true,
                (TokenKind::Sign(_), "..", ..) | (.., TokenKind::Sign(_), "..") => false,
                // `wasi:io/poll`
                (TokenKind::Sign(_), ":", ..) => !(next_to && words.get(index + 1) == Some(&"/")),
                (TokenKind::Word, _, TokenKind::Sign(_), "(") => !next_to,
                (TokenKind::Word, _, TokenKind::Sign(_), "[") => {
                    !(next_to && (waits || at(2) == "$"))
                }
                _ => true,
            }
        });
        pieces.push(Piece {
            text: words.get(index).copied().unwrap_or_default(),
            blank,
        });
    }
    pieces
}

struct Layout<'o> {
    out: &'o mut String,
    column: usize,
}

impl Layout<'_> {
    fn flat(&mut self, pieces: &[Piece<'_>]) {
        for piece in pieces {
            self.piece(*piece, piece.blank);
        }
    }

    fn piece(&mut self, piece: Piece<'_>, blank: bool) {
        if blank {
            self.out.push(' ');
        }
        self.out.push_str(piece.text);
        self.column += piece.text.chars().count() + usize::from(blank);
    }

    fn new_line(&mut self, indent: usize) {
        self.out.push('\n');
        self.out.push_str(&" ".repeat(indent));
        self.column = indent;
    }

    /// Writes a line that is too long: it goes on in the next line before `=>`, and before each `|` if that is not enough.
    fn broken(&mut self, pieces: &[Piece<'_>], indent: usize) {
        let arrow = outside(pieces, "=>").next().unwrap_or(pieces.len());
        let (left, right) = pieces.split_at(arrow);
        self.groups(left, indent);
        if right.is_empty() || indent + width(left) > WIDTH && self.column + width(right) <= WIDTH {
            return self.flat(right);
        }
        let indent = indent + 2;
        let ends = if indent + width(right) <= WIDTH {
            Vec::new()
        } else {
            outside(right, "|").collect()
        };
        let mut start = 0;
        for end in ends.into_iter().chain([right.len()]) {
            self.new_line(indent);
            if let Some((head, rest)) = right.get(start..end).and_then(<[Piece<'_>]>::split_first) {
                self.piece(*head, false);
                self.groups(rest, indent);
            }
            start = end;
        }
    }

    /// Writes pieces; brackets that do not fit are opened out, one element a line.
    fn groups(&mut self, pieces: &[Piece<'_>], indent: usize) {
        if self.column + width(pieces) <= WIDTH {
            return self.flat(pieces);
        }
        let mut at = 0;
        while let Some(piece) = pieces.get(at) {
            if !matches!(piece.text, "(" | "[" | "{") {
                self.piece(*piece, piece.blank);
                at += 1;
                continue;
            }
            let close = closing(pieces, at);
            let inner = &pieces[at + 1..close];
            if inner.is_empty()
                || self.column + width(&pieces[at..=close.min(pieces.len() - 1)]) <= WIDTH
            {
                self.flat(&pieces[at..=close.min(pieces.len() - 1)]);
            } else {
                self.piece(*piece, piece.blank);
                self.opened(piece.text, inner, indent);
                if let Some(close) = pieces.get(close) {
                    self.piece(*close, false);
                }
            }
            at = close + 1;
        }
    }

    /// Writes what stands in a bracket that does not fit: if only its last element is long, that one is opened out instead.
    fn opened(&mut self, bracket: &str, inner: &[Piece<'_>], indent: usize) {
        let elements = split(inner);
        if let Some((last, before)) = elements.split_last()
            && (bracket == "(" || bracket == "[" && before.is_empty())
            && let Some(open) = last
                .iter()
                .position(|piece| matches!(piece.text, "(" | "[" | "{"))
            && closing(last, open) + 1 == last.len()
            && self.column
                + before.iter().map(|element| width(element)).sum::<usize>()
                + width(&last[..=open])
                <= WIDTH
        {
            before.iter().for_each(|element| self.flat(element));
            return self.groups(last, indent);
        }
        for (index, element) in elements.iter().enumerate() {
            if index > 0 && self.column + width(element) <= WIDTH {
                self.flat(element);
                continue;
            }
            self.new_line(indent + 2);
            let whole: Vec<Piece<'_>> = element
                .iter()
                .enumerate()
                .map(|(at, piece)| Piece {
                    blank: piece.blank && at > 0,
                    ..*piece
                })
                .collect();
            self.groups(&whole, indent + 2);
        }
        self.new_line(indent);
    }
}

/// Where this sign stands outside brackets.
fn outside<'p>(pieces: &'p [Piece<'_>], sign: &'p str) -> impl Iterator<Item = usize> + 'p {
    let mut depth = 0usize;
    pieces.iter().enumerate().filter_map(move |(index, piece)| {
        match piece.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        (depth == 0 && piece.text == sign && index > 0).then_some(index)
    })
}

/// The index of the bracket that closes the one at `open`.
fn closing(pieces: &[Piece<'_>], open: usize) -> usize {
    let mut depth = 0usize;
    for (index, piece) in pieces.iter().enumerate().skip(open) {
        match piece.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return index;
        }
    }
    pieces.len()
}

/// Elements with the commas behind them.
fn split<'p, 'a>(pieces: &'p [Piece<'a>]) -> Vec<&'p [Piece<'a>]> {
    let mut elements = Vec::new();
    let (mut start, mut depth) = (0, 0usize);
    for (index, piece) in pieces.iter().enumerate() {
        match piece.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            "," if depth == 0 => {
                elements.push(&pieces[start..=index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    if start < pieces.len() {
        elements.push(&pieces[start..]);
    }
    elements
}
