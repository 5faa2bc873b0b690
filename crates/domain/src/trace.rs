//! The trace that a request belongs to: W3C Trace Context, version 00 (<https://www.w3.org/TR/trace-context/>).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Length of a version 00 `traceparent`, in bytes; later versions begin with as much of the same form.
const LENGTH: usize = 55;

/// A sound `traceparent` of version 00: `00-{trace id}-{parent span's id}-{flags}`, 55 lower-case ASCII characters, neither id
/// zero.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TraceContext(String);

/// The text is no sound `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no traceparent of W3C Trace Context")]
pub struct BadTraceContext;

impl TraceContext {
    /// Reads a `traceparent` of any version.
    ///
    /// # Errors
    /// [`BadTraceContext`] for what is not one: it is to be ignored, as the contract says.
    pub fn parse(text: &str) -> Result<Self, BadTraceContext> {
        let (head, rest) = text.split_at_checked(LENGTH).ok_or(BadTraceContext)?;
        let fields: Vec<&str> = head.split('-').collect();
        let &[version, trace, span, flags] = fields.as_slice() else {
            return Err(BadTraceContext);
        };
        // A later version may have more behind, and its first four fields are those of version 00.
        let end_is_sound = rest.is_empty() || (version != "00" && rest.starts_with('-'));
        let sound = hex(version, 2)
            && version != "ff"
            && hex(trace, 32)
            && !zero(trace)
            && hex(span, 16)
            && !zero(span)
            && hex(flags, 2)
            && end_is_sound;
        if !sound {
            return Err(BadTraceContext);
        }
        Ok(Self(format!("00-{trace}-{span}-{flags}")))
    }

    /// As it stands in the header.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The trace's id: 32 lower-case hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        &self.0[3..35]
    }

    /// The id of the span that is the parent of what is done under this: 16 lower-case hexadecimal digits.
    pub fn span_id(&self) -> &str {
        &self.0[36..52]
    }

    /// Whether the trace is recorded, as far as who began it knows.
    pub fn is_sampled(&self) -> bool {
        u8::from_str_radix(&self.0[53..], 16).is_ok_and(|flags| flags & 1 == 1)
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TraceContext {
    type Error = BadTraceContext;

    fn try_from(text: String) -> Result<Self, BadTraceContext> {
        Self::parse(&text)
    }
}

impl From<TraceContext> for String {
    fn from(context: TraceContext) -> Self {
        context.0
    }
}

fn hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn zero(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_sound_one_is_taken() {
        let read = TraceContext::parse(SOUND).expect("sound");
        assert_eq!(read.as_str(), SOUND);
        assert_eq!(read.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(read.span_id(), "00f067aa0ba902b7");
        assert!(read.is_sampled());
        let unsampled = TraceContext::parse(&format!("{}00", &SOUND[..53])).expect("sound");
        assert!(!unsampled.is_sampled());
        let later = format!("cc{}-what-comes-later", &SOUND[2..]);
        assert_eq!(TraceContext::parse(&later), Ok(read));
    }

    #[test]
    fn others_are_not() {
        let of = |from: &str, to: &str| SOUND.replace(from, to);
        let unsound = [
            String::new(),
            SOUND[..54].to_owned(),
            format!("{SOUND}-more"),
            format!("cc{}x", &SOUND[2..]),
            format!("ff{}", &SOUND[2..]),
            of("4bf9", "4BF9"),
            of("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            of("00f067aa0ba902b7", &"0".repeat(16)),
            of("-00f0", "_00f0"),
            of("01", "zz"),
            format!("{}é", &SOUND[..54]),
            "-".repeat(55),
        ];
        for text in unsound {
            assert_eq!(TraceContext::parse(&text), Err(BadTraceContext), "{text:?}");
        }
    }
}
