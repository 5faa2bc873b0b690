//! The W3C trace context, version 00.

use http::HeaderMap;

const HEADER: &str = "traceparent";
/// Length of a version 00 `traceparent`, in bytes; later versions begin with as much of the same form.
const LENGTH: usize = 55;

/// The caller's `traceparent` as version 00, if there is exactly one and it is sound.
pub(super) fn parent(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(HEADER).iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let text = value.to_str().ok()?;
    let (head, rest) = text.split_at_checked(LENGTH)?;
    let version = &head[..2];
    // A later version may have more behind, and its first four fields are those of version 00.
    let end_is_sound = rest.is_empty() || (version != "00" && rest.starts_with('-'));
    let fields: Vec<&str> = head.split('-').collect();
    let &[_, trace, span, flags] = fields.as_slice() else {
        return None;
    };
    let sound = hex(version, 2)
        && version != "ff"
        && hex(trace, 32)
        && !zero(trace)
        && hex(span, 16)
        && !zero(span)
        && hex(flags, 2)
        && end_is_sound;
    sound.then(|| format!("00-{trace}-{span}-{flags}"))
}

fn hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn zero(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'0')
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const SOUND: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn read(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        parent(&headers)
    }

    #[test]
    fn a_sound_one_is_taken() {
        assert_eq!(read(&[SOUND]).as_deref(), Some(SOUND));
        let later = format!("cc{}-what-comes-later", &SOUND[2..]);
        assert_eq!(read(&[&later]).as_deref(), Some(SOUND));
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
            assert_eq!(read(&[&text]), None, "{text:?}");
        }
        assert_eq!(read(&[SOUND, SOUND]), None);
        assert_eq!(read(&[]), None);
    }
}
