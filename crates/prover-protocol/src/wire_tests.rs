//! Tests of framing: what is encoded comes back in pieces of any size, and nothing hostile is let through.

use proptest::prelude::*;

use super::*;
use crate::proto::{Event, Heartbeat, Reply, SetupReply, event, frame, reply};

fn frame_with(job_id: u64, call_id: u64, vk: Vec<u8>) -> Frame {
    Frame {
        job_id,
        call_id,
        body: Some(frame::Body::Reply(Reply {
            reply: Some(reply::Reply::Setup(SetupReply {
                vk,
                program_id: vec![7],
            })),
        })),
    }
}

fn read_all(bytes: &[u8]) -> Result<Vec<Frame>, WireError> {
    let mut reader = FrameReader::new(bytes);
    let mut frames = Vec::new();
    while let Some(frame) = reader.read()? {
        frames.push(frame);
    }
    Ok(frames)
}

proptest! {
    #[test]
    fn frames_come_back_from_pieces_of_any_size(
        contents in prop::collection::vec((any::<u64>(), any::<u64>(), prop::collection::vec(any::<u8>(), 0..300)), 0..8),
        piece in 1_usize..40,
    ) {
        let frames: Vec<Frame> = contents.into_iter().map(|(job, call, vk)| frame_with(job, call, vk)).collect();
        let mut bytes = Vec::new();
        for frame in &frames {
            encode(frame, &mut bytes).unwrap();
        }
        let mut decoder = Decoder::default();
        let mut back = Vec::new();
        for part in bytes.chunks(piece) {
            decoder.extend(part);
            while let Some(frame) = decoder.next_frame().unwrap() {
                back.push(frame);
            }
        }
        decoder.finish().unwrap();
        prop_assert_eq!(back, frames);
    }

    #[test]
    fn an_end_inside_a_frame_is_never_orderly(vk in prop::collection::vec(any::<u8>(), 0..300), cut in any::<prop::sample::Index>()) {
        let mut bytes = Vec::new();
        encode(&frame_with(1, 2, vk), &mut bytes).unwrap();
        let cut = 1 + cut.index(bytes.len() - 1);
        prop_assert!(matches!(read_all(&bytes[..cut]), Err(WireError::Truncated)));
    }

    #[test]
    fn any_bytes_are_frames_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        // What is pinned down: no panic, and no frame out of more bytes than there are.
        if let Ok(frames) = read_all(&bytes) {
            prop_assert!(frames.len() <= bytes.len() / 2);
        }
    }
}

#[test]
fn hostile_lengths_are_refused_before_anything_is_kept() {
    let hostile: [&[u8]; 5] = [
        &[0],
        &[0x80, 0x00],
        &[0x81, 0x80, 0x40],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0x80, 0x80, 0x80, 0x80, 0x80],
    ];
    for bytes in hostile {
        let mut decoder = Decoder::default();
        decoder.extend(bytes);
        assert!(matches!(decoder.next_frame(), Err(WireError::Length)), "{bytes:x?}");
    }
}

#[test]
fn the_largest_frame_passes_and_one_byte_more_does_not() {
    let overhead = frame_with(0, 0, vec![1; MAX_FRAME_BYTES / 2]).encoded_len() - MAX_FRAME_BYTES / 2;
    let largest = frame_with(0, 0, vec![1; MAX_FRAME_BYTES - overhead]);
    let mut bytes = Vec::new();
    encode(&largest, &mut bytes).unwrap();
    assert_eq!(read_all(&bytes).unwrap(), [largest]);
    let too_large = frame_with(0, 0, vec![1; MAX_FRAME_BYTES - overhead + 1]);
    bytes.clear();
    assert!(matches!(
        encode(&too_large, &mut bytes),
        Err(WireError::TooLarge(size)) if size == MAX_FRAME_BYTES + 1
    ));
    assert!(bytes.is_empty());
}

#[test]
fn a_heartbeat_has_the_bytes_that_the_manual_shows() {
    let heartbeat = Frame {
        job_id: 0,
        call_id: 0,
        body: Some(frame::Body::Event(Event {
            event: Some(event::Event::Heartbeat(Heartbeat {})),
        })),
    };
    let mut bytes = Vec::new();
    encode(&heartbeat, &mut bytes).unwrap();
    assert_eq!(bytes, [0x04, 0x2a, 0x02, 0x0a, 0x00]);
}
