//! Finds replies in what a server sends: in HTTP/2 frames with headers or data, in HTTP/1.1 everything.
//!
//! The two are told apart by the first byte: HTTP/1.1 begins with "HTTP/", and HTTP/2 with a SETTINGS frame, whose length
//! begins with 0.

/// Bytes of a frame's header: length (3), type, flags, stream (4). RFC 9113, 4.1.
const FRAME_HEADER_BYTES: usize = 9;
/// Frame types that carry replies. RFC 9113, 6.1 and 6.2.
const DATA: u8 = 0;
const HEADERS: u8 = 1;

/// Where in the server's bytes we are.
#[derive(Debug, Default)]
pub(super) enum Replies {
    /// Nothing was sent yet.
    #[default]
    Start,
    /// Plain text: every byte is of a reply.
    Text,
    /// In a frame's header: the bytes of it that were sent.
    Header(Vec<u8>),
    /// In a frame's payload: the bytes of it that are to come.
    Payload(usize),
}

impl Replies {
    /// Goes on by `bytes`; asks `lose` for each reply that begins in them whether it is to be lost, and says where the
    /// first of those begins. A header that began in earlier bytes counts from 0: its beginning is harmless alone.
    pub(super) fn first_lost(&mut self, bytes: &[u8], mut lose: impl FnMut() -> bool) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            match self {
                Self::Start => {
                    *self = if bytes[at] == 0 {
                        Self::Header(Vec::new())
                    } else {
                        Self::Text
                    }
                }
                Self::Text => return lose().then_some(at),
                Self::Header(seen) => {
                    let begin = at;
                    let taken = (FRAME_HEADER_BYTES - seen.len()).min(bytes.len() - at);
                    seen.extend_from_slice(&bytes[at..at + taken]);
                    at += taken;
                    if seen.len() == FRAME_HEADER_BYTES {
                        let length = usize::from(seen[0]) << 16 | usize::from(seen[1]) << 8 | usize::from(seen[2]);
                        let reply = seen[3] == HEADERS || seen[3] == DATA && length > 0;
                        if reply && lose() {
                            return Some(begin);
                        }
                        *self = Self::Payload(length);
                    }
                }
                Self::Payload(left) => {
                    let taken = (*left).min(bytes.len() - at);
                    *left -= taken;
                    at += taken;
                    if *left == 0 {
                        *self = Self::Header(Vec::new());
                    }
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, 0, 0, 0, 0, 1];
        frame.extend(std::iter::repeat_n(0xAA, length.into()));
        frame
    }

    const SETTINGS: u8 = 4;
    const PING: u8 = 6;

    /// Whatever pieces the bytes come in, exactly what is before the first reply passes, but for a piece of its header.
    #[test]
    fn control_frames_pass_and_the_first_reply_is_found_in_any_pieces() {
        let control = [frame(SETTINGS, 12), frame(SETTINGS, 0), frame(PING, 8), frame(DATA, 0)].concat();
        let all = [control.clone(), frame(HEADERS, 30), frame(DATA, 5)].concat();
        for piece in 1..=all.len() {
            let mut replies = Replies::default();
            let mut passed = 0;
            for bytes in all.chunks(piece) {
                if let Some(at) = replies.first_lost(bytes, || true) {
                    passed += at;
                    break;
                }
                passed += bytes.len();
            }
            let header = control.len()..control.len() + FRAME_HEADER_BYTES;
            assert!(
                header.contains(&passed),
                "{passed} bytes passed in pieces of {piece}, not {header:?}"
            );
        }
    }

    #[test]
    fn every_reply_is_asked_for_once() {
        let all = [
            frame(SETTINGS, 0),
            frame(HEADERS, 9),
            frame(DATA, 200),
            frame(HEADERS, 0),
        ]
        .concat();
        let mut asked = 0;
        let mut replies = Replies::default();
        for bytes in all.chunks(7) {
            assert_eq!(
                replies.first_lost(bytes, || {
                    asked += 1;
                    false
                }),
                None
            );
        }
        assert_eq!(asked, 3);
    }

    #[test]
    fn text_is_a_reply_from_its_first_byte() {
        assert_eq!(Replies::default().first_lost(b"HTTP/1.1 200 OK\r\n", || true), Some(0));
        assert_eq!(Replies::default().first_lost(b"HTTP/1.1 200 OK\r\n", || false), None);
    }
}
