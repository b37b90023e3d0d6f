//! Host steps that speak with the testbed.

use std::{
    io,
    time::{Duration, Instant},
};

use fixtures::abi::Value;

use super::{
    scope::Scope,
    steps::{Steps, Stop, broken, failed},
};
use crate::{
    case::model::{Expectation, Expr, HostStepKind, Observed, Span},
    judge::walk::Answer,
    testbed::{FileKind, FrameKind, Push, Testbed, ToolCallKind},
};

/// How long to wait before the testbed is looked at again; the host is heard meanwhile.
const PAUSE: Duration = Duration::from_millis(5);

impl Steps<'_, '_> {
    /// Carries out a step of the testbed.
    pub(super) fn outside(
        &mut self,
        step: &HostStepKind,
        scope: &mut Scope<'_>,
        span: Span,
    ) -> Result<(), Stop> {
        match step {
            HostStepKind::Observe {
                what,
                within,
                expect,
            } => self.observe(*what, *within, expect, scope, span),
            HostStepKind::Push {
                path,
                message,
                within,
            } => {
                let push = match value(scope, message, span)? {
                    Value::String(text) => Push::Text(text),
                    other => Push::Binary(bytes(other)),
                };
                self.push("push", path, &push, *within, scope, span)
            }
            HostStepKind::HangUp { path, within } => {
                self.push("hang-up", path, &Push::Close, *within, scope, span)
            }
            HostStepKind::File { path, content } => {
                let content = bytes(value(scope, content, span)?);
                let path = text(scope, path, span)?;
                self.made("file", self.testbed.write(&path, &content), span)
            }
            HostStepKind::Directory { path } => {
                let path = text(scope, path, span)?;
                self.made("directory", self.testbed.make_dir(&path), span)
            }
            HostStepKind::Link { path, target } => {
                let (path, target) = (text(scope, path, span)?, text(scope, target, span)?);
                self.made("link", self.testbed.link(&path, &target), span)
            }
            _ => Ok(()),
        }
    }

    /// Judges what the testbed saw; with a time, as soon as it is as expected, or when the time is up.
    fn observe(
        &mut self,
        what: Observed,
        within: Option<Duration>,
        expect: &Expectation,
        scope: &mut Scope<'_>,
        span: Span,
    ) -> Result<(), Stop> {
        self.line(what.name(), String::new());
        let end = within.map(|within| Instant::now() + within);
        loop {
            let seen = seen(self.testbed, what)
                .map_err(|error| broken(span, format!("`{}`: {error}", what.name())))?;
            let judged = self.judge(expect, Answer::Returned(Some(&seen)), scope, span, "");
            let over = end.is_none_or(|end| Instant::now() >= end) || self.session.is_over();
            if judged.is_ok() || over {
                return judged;
            }
            self.session.pump_until(Some(PAUSE), |_| false)?;
        }
    }

    /// Lets the server speak on a path, as soon as somebody is connected there.
    fn push(
        &mut self,
        what: &str,
        path: &Expr,
        push: &Push,
        within: Duration,
        scope: &Scope<'_>,
        span: Span,
    ) -> Result<(), Stop> {
        let path = text(scope, path, span)?;
        self.line(what, format!("{path:?}"));
        let end = Instant::now() + within;
        while self.testbed.push(&path, push) == 0 {
            if Instant::now() >= end || self.session.is_over() {
                return Err(failed(
                    span,
                    format!("a WebSocket connection to {path}"),
                    "nobody is connected there".to_owned(),
                ));
            }
            self.session.pump_until(Some(PAUSE), |_| false)?;
        }
        Ok(())
    }

    fn made(&mut self, what: &str, made: io::Result<()>, span: Span) -> Result<(), Stop> {
        self.line(what, String::new());
        made.map_err(|error| broken(span, format!("`{what}`: {error}")))
    }
}

fn value(scope: &Scope<'_>, expr: &Expr, span: Span) -> Result<Value, Stop> {
    scope
        .evaluate(expr)
        .map_err(|message| broken(span, message))
}

fn text(scope: &Scope<'_>, expr: &Expr, span: Span) -> Result<String, Stop> {
    match value(scope, expr, span)? {
        Value::String(text) => Ok(text),
        _ => Err(broken(span, "a path is a text".to_owned())),
    }
}

fn bytes(value: Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.into_bytes(),
        Value::Bytes(bytes) => bytes,
        // An empty list may come without knowing that it is one of bytes.
        _ => Vec::new(),
    }
}

/// A value of the type that [`Observed::ty`] gives.
fn seen(testbed: &Testbed, what: Observed) -> io::Result<Value> {
    let string = |text: String| Value::String(text);
    let rows: Vec<Value> = match what {
        Observed::Files => {
            let row = |file: crate::testbed::File| {
                let kind = match file.kind {
                    FileKind::File => 0,
                    FileKind::Directory => 1,
                    FileKind::Link => 2,
                };
                Value::Record(vec![
                    string(file.path),
                    Value::Enum(kind),
                    Value::Bytes(file.content),
                ])
            };
            testbed.files()?.into_iter().map(row).collect()
        }
        Observed::Frames => {
            let row = |frame: crate::testbed::Frame| {
                let kind = match frame.kind {
                    FrameKind::Open => 0,
                    FrameKind::Text => 1,
                    FrameKind::Binary => 2,
                    FrameKind::Ping => 3,
                    FrameKind::Pong => 4,
                    FrameKind::Close => 5,
                    FrameKind::Lost => 6,
                };
                Value::Record(vec![
                    string(frame.path),
                    Value::U32(frame.connection),
                    Value::Enum(kind),
                    string(frame.text),
                ])
            };
            testbed.frames().into_iter().map(row).collect()
        }
        Observed::Requests => {
            let row = |request: crate::testbed::Request| {
                let headers = request.headers.into_iter();
                let headers =
                    headers.map(|(name, value)| Value::Tuple(vec![string(name), string(value)]));
                Value::Record(vec![
                    string(request.method),
                    string(request.path),
                    Value::List(headers.collect()),
                    string(String::from_utf8_lossy(&request.body).into_owned()),
                ])
            };
            testbed.requests().into_iter().map(row).collect()
        }
        Observed::ToolCalls => {
            let row = |call: crate::testbed::ToolCall| {
                let kind = match call.kind {
                    ToolCallKind::Start => 0,
                    ToolCallKind::Initialize => 1,
                    ToolCallKind::List => 2,
                    ToolCallKind::Call => 3,
                };
                Value::Record(vec![
                    string(call.server),
                    Value::Enum(kind),
                    string(call.tool),
                    string(call.arguments),
                ])
            };
            testbed.tool_calls().into_iter().map(row).collect()
        }
    };
    Ok(Value::List(rows))
}
