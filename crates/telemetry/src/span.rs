//! A span: what was done, from when to when, as part of which trace.

use std::{
    borrow::Cow,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use hierophant_domain::TraceContext;
use opentelemetry::{
    Context, KeyValue, SpanId, TraceFlags, TraceId, Value,
    trace::{Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt as _, TraceState, Tracer as _},
};
use opentelemetry_sdk::trace;

use crate::traces::tracer;

/// What part in the work a span has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Answers a caller.
    Server,
    /// Calls another.
    Client,
    /// Takes what was queued.
    Consumer,
    /// None of these.
    Internal,
}

impl From<Kind> for SpanKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Server => Self::Server,
            Kind::Client => Self::Client,
            Kind::Consumer => Self::Consumer,
            Kind::Internal => Self::Internal,
        }
    }
}

/// A span that has begun; it ends when it is dropped. Without an exporter it is nothing but its parent's context.
#[derive(Debug)]
pub struct Span {
    open: Option<Mutex<trace::Span>>,
    context: Option<TraceContext>,
}

impl Span {
    /// Begins a span now; without a parent it begins a trace.
    pub fn begin(name: &'static str, kind: Kind, parent: Option<&TraceContext>) -> Self {
        Self::since(name, kind, parent, None)
    }

    /// A span that began at `start`, in the past.
    pub fn begun_at(name: &'static str, kind: Kind, parent: Option<&TraceContext>, start: SystemTime) -> Self {
        Self::since(name, kind, parent, Some(start))
    }

    fn since(name: &'static str, kind: Kind, parent: Option<&TraceContext>, start: Option<SystemTime>) -> Self {
        let Some(tracer) = tracer() else {
            return Self {
                open: None,
                context: parent.cloned(),
            };
        };
        let mut builder = SpanBuilder::from_name(name).with_kind(kind.into());
        builder.start_time = start;
        let parent = parent.map_or_else(Context::new, |parent| {
            Context::new().with_remote_span_context(remote(parent))
        });
        let span = tracer.build_with_context(builder, &parent);
        let own = span.span_context();
        let (trace, id, flags) = (own.trace_id(), own.span_id(), own.trace_flags().to_u8());
        // After the export has ended the context is empty, which no text stands for.
        let context = TraceContext::parse(&format!("00-{trace}-{id}-{flags:02x}")).ok();
        Self {
            open: Some(Mutex::new(span)),
            context,
        }
    }

    /// What is done under this span has this as its parent; `None` when it belongs to no trace.
    pub fn context(&self) -> Option<&TraceContext> {
        self.context.as_ref()
    }

    /// Notes a fact about what is done. The text is made only where it is exported.
    pub fn note<T: Into<Value>>(&self, key: &'static str, value: impl FnOnce() -> T) {
        self.with(|span| span.set_attribute(KeyValue::new(key, value())));
    }

    /// Notes that something has happened now.
    pub fn event(&self, name: impl Into<Cow<'static, str>>) {
        self.with(|span| span.add_event(name, Vec::new()));
    }

    /// Notes that it did not do what it was to do.
    pub fn failed(&self, why: &str) {
        self.with(|span| span.set_status(Status::error(why.to_owned())));
    }

    fn with(&self, change: impl FnOnce(&mut trace::Span)) {
        if let Some(open) = &self.open {
            change(&mut open.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

fn remote(parent: &TraceContext) -> SpanContext {
    let flags = if parent.is_sampled() {
        TraceFlags::SAMPLED
    } else {
        TraceFlags::default()
    };
    SpanContext::new(
        TraceId::from_hex(parent.trace_id()).expect("a trace context has a trace's id"),
        SpanId::from_hex(parent.span_id()).expect("a trace context has a span's id"),
        flags,
        true,
        TraceState::default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_exporter_the_parent_is_handed_on() {
        let parent = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").ok();
        let span = Span::begin("prove", Kind::Internal, parent.as_ref());
        span.note("request.id", || -> String { panic!("nobody reads it") });
        assert_eq!(span.context(), parent.as_ref());
        assert_eq!(Span::begin("prove", Kind::Internal, None).context(), None);
    }
}
