//! The active W3C trace. The host asks `tracing-opentelemetry` for the context of the current span, so a span whose
//! context is exactly the case's `traceparent` is entered around each call; nothing is exported.

use std::{borrow::Cow, cell::RefCell, time::SystemTime};

use opentelemetry::{
    Context, KeyValue,
    trace::{
        Span, SpanBuilder, SpanContext, SpanId, Status, TraceFlags, TraceId, TraceState, Tracer,
    },
};

/// Target of the spans that carry the trace.
pub(super) const TARGET: &str = "witgate-trace";

thread_local! {
    static ACTIVE: RefCell<SpanContext> = const { RefCell::new(SpanContext::NONE) };
}

/// A W3C `traceparent` of version 00.
#[derive(Clone, Debug)]
pub(crate) struct Traceparent(SpanContext);

impl Traceparent {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parse = || {
            let mut parts = text.split('-');
            let (version, trace, span, flags) =
                (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
            let lengths = [version.len(), trace.len(), span.len(), flags.len()];
            if parts.next().is_some() || version != "00" || lengths != [2, 32, 16, 2] {
                return None;
            }
            let context = SpanContext::new(
                TraceId::from_hex(trace).ok()?,
                SpanId::from_hex(span).ok()?,
                TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
                false,
                TraceState::NONE,
            );
            context.is_valid().then_some(Self(context))
        };
        parse().ok_or_else(|| format!("{text:?} is no traceparent"))
    }

    /// Does something with this as the active trace.
    pub(crate) fn within<T>(self, action: impl FnOnce() -> T) -> T {
        ACTIVE.set(self.0);
        let span = tracing::info_span!(target: TARGET, "call");
        let result = span.in_scope(action);
        ACTIVE.set(SpanContext::NONE);
        result
    }
}

/// Makes spans of the active trace.
#[derive(Clone, Debug)]
pub(crate) struct Active;

impl Tracer for Active {
    type Span = ActiveSpan;

    fn build_with_context(&self, _: SpanBuilder, _: &Context) -> ActiveSpan {
        ActiveSpan(ACTIVE.with_borrow(Clone::clone))
    }
}

#[derive(Debug)]
pub(crate) struct ActiveSpan(SpanContext);

impl Span for ActiveSpan {
    fn add_event_with_timestamp<T: Into<Cow<'static, str>>>(
        &mut self,
        _: T,
        _: SystemTime,
        _: Vec<KeyValue>,
    ) {
    }

    fn span_context(&self) -> &SpanContext {
        &self.0
    }

    fn is_recording(&self) -> bool {
        false
    }

    fn set_attribute(&mut self, _: KeyValue) {}

    fn set_status(&mut self, _: Status) {}

    fn update_name<T: Into<Cow<'static, str>>>(&mut self, _: T) {}

    fn add_link(&mut self, _: SpanContext, _: Vec<KeyValue>) {}

    fn end_with_timestamp(&mut self, _: SystemTime) {}
}
