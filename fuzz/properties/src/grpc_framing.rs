//! Length-prefixed messages (PROTOCOL-HTTP2, Length-Prefixed-Message).

use crate::choices::Choices;
use bytes::Bytes;
use gannet_core::{Deframer, Frame, Prefix};

const LIMIT: usize = 4096;

/// A stream of messages, in one piece and cut anywhere, is the same messages and the same end; what waits is never more
/// than what came; and what is announced is never waited for beyond the limit.
pub fn grpc_framing(data: &[u8]) {
    let mut choices = Choices::new(data);
    let (may_be_compressed, detaches, cut) = (choices.flag(), choices.flag(), 1 + choices.below(80));
    let pieces_at_once = 1 + choices.below(4);
    let (stream, messages) = stream(&mut choices);
    let new = || {
        let mut deframer = Deframer::new(LIMIT);
        deframer.allow_compressed(may_be_compressed);
        deframer
    };
    let (mut whole, mut whole_end) = (new(), None);
    whole.push(stream.clone());
    let whole_frames = drain(&mut whole, &mut whole_end);
    let (mut deframer, mut end) = (new(), None);
    let (mut came, mut frames) = (0, Vec::new());
    for (number, piece) in stream.chunks(cut).enumerate() {
        deframer.push(Bytes::copy_from_slice(piece));
        came += piece.len();
        if number % pieces_at_once != 0 && came < stream.len() {
            continue;
        }
        frames.extend(drain(&mut deframer, &mut end));
        if detaches {
            deframer.detach(16);
        }
        let taken: usize = frames.iter().map(|frame| frame.message.len() + Prefix::LEN).sum();
        assert_eq!(taken + deframer.buffered(), came);
        assert!(end.is_some() || deframer.needed() <= Prefix::LEN + LIMIT);
        if end.is_some() {
            break;
        }
    }
    assert_eq!(frames, whole_frames);
    assert_eq!(end, whole_end);
    if end.is_none() {
        assert_eq!(deframer.finish().is_ok(), !deframer.is_mid_message());
        assert_eq!((deframer.needed(), deframer.buffered()), (whole.needed(), whole.buffered()));
    }
    assert!(frames.iter().all(|frame| frame.message.len() <= LIMIT));
    if let Some(messages) = messages {
        assert_eq!((frames, end), (messages, None));
    }
}

/// Arbitrary bytes, or messages that are well-formed and come back.
fn stream(choices: &mut Choices<'_>) -> (Bytes, Option<Vec<Frame>>) {
    let mut stream = Vec::new();
    let mut messages = Vec::new();
    let well_formed = choices.flag();
    while !choices.is_empty() {
        let len = choices.below(200);
        let message = choices.bytes(len);
        if well_formed {
            stream.extend_from_slice(&[0, 0, 0, 0, message.len() as u8]);
            messages.push(Frame { compressed: false, message: Bytes::copy_from_slice(message) });
        } else if choices.rarely(3) {
            let prefix = [choices.byte() & 1, 0, 0, choices.byte() & 0x1f, choices.byte()];
            stream.extend_from_slice(&prefix);
        }
        stream.extend_from_slice(message);
    }
    (stream.into(), well_formed.then_some(messages))
}

/// Every whole message; an error, which stays one, goes to `end`.
fn drain(deframer: &mut Deframer, end: &mut Option<String>) -> Vec<Frame> {
    let mut frames = Vec::new();
    loop {
        match deframer.next() {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => return frames,
            Err(status) => {
                let text = status.to_string();
                assert_eq!(deframer.next().map_err(|again| again.to_string()), Err(text.clone()));
                *end = Some(text);
                return frames;
            }
        }
    }
}
