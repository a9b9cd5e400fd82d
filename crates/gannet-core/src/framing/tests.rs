use super::*;
use crate::code::Code;
use proptest::prelude::*;

fn framed(messages: &[&[u8]]) -> Vec<u8> {
    let mut wire = Vec::new();
    for message in messages {
        wire.extend_from_slice(&Prefix::new(false, message.len()).unwrap().encode());
        wire.extend_from_slice(message);
    }
    wire
}

fn drain(deframer: &mut Deframer) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| deframer.next().unwrap()).map(|frame| frame.message.to_vec()).collect()
}

#[test]
fn an_idle_deframer_is_small_and_has_no_memory() {
    assert!(size_of::<Deframer>() <= 64, "{}", size_of::<Deframer>());
    let mut deframer = Deframer::new(10);
    assert_eq!(deframer.next().unwrap(), None);
    assert!(deframer.spanning.is_none());
    assert_eq!((deframer.needed(), deframer.buffered(), deframer.finish().is_ok()), (0, 0, true));
}

#[test]
fn messages_in_one_piece_are_slices_of_it() {
    let wire = Bytes::from(framed(&[b"one", b"", b"three"]));
    let mut deframer = Deframer::new(10);
    deframer.push(wire.clone());
    assert_eq!(deframer.needed(), 0);
    for start in [5, 13, 18] {
        let message = deframer.next().unwrap().unwrap().message;
        if !message.is_empty() {
            assert_eq!(message.as_ptr(), wire[start..].as_ptr());
        }
    }
    assert_eq!(deframer.next().unwrap(), None);
    assert!(deframer.spanning.is_none() && !deframer.is_mid_message());
}

#[test]
fn a_begun_message_says_what_it_needs() {
    let mut deframer = Deframer::new(100);
    deframer.push(Bytes::from_static(b"\0\0"));
    assert_eq!(deframer.needed(), 3);
    assert_eq!(deframer.next().unwrap(), None);
    assert_eq!(deframer.needed(), 3);
    deframer.push(Bytes::from_static(b"\0\0\x0aab"));
    assert_eq!(deframer.needed(), 8);
    assert_eq!(deframer.next().unwrap(), None);
    assert_eq!((deframer.needed(), deframer.buffered(), deframer.is_mid_message()), (8, 7, true));
    let error = deframer.finish().unwrap_err();
    assert_eq!(error.to_string(), "INTERNAL: the stream ended 8 bytes before the end of a message");
    deframer.push(Bytes::from_static(b"cdefghij\0"));
    assert_eq!(deframer.needed(), 0);
    assert_eq!(deframer.next().unwrap().unwrap().message, "abcdefghij");
    assert_eq!(deframer.needed(), 4);
}

#[test]
fn the_buffer_grows_with_what_came() {
    let limit = 64 * 1024 * 1024;
    let mut deframer = Deframer::new(limit);
    let prefix = Prefix::new(false, limit).unwrap().encode();
    deframer.push(Bytes::copy_from_slice(&prefix));
    let mut came = 0;
    for _ in 0..100 {
        assert_eq!(deframer.next().unwrap(), None);
        let capacity = deframer.spanning.as_ref().unwrap().begun.capacity();
        assert!(capacity <= 8 * came + 2048, "{capacity} for {came} bytes");
        deframer.push(Bytes::from(vec![7; 1000]));
        came += 1000;
    }
}

#[test]
fn a_finished_message_has_no_memory_to_spare() {
    let message = vec![7; 100_000];
    let mut deframer = Deframer::new(100_000);
    for piece in framed(&[&message]).chunks(16_384) {
        deframer.push(Bytes::copy_from_slice(piece));
        let _ = deframer.next().unwrap().map(|frame| assert_eq!(frame.message, message));
    }
    assert!(deframer.spanning.is_none());
}

#[test]
fn a_message_in_frames_is_gathered_where_an_earlier_one_was() {
    let message = vec![7; 65_536];
    let mut deframer = Deframer::new(65_536);
    let mut places = Vec::new();
    for _ in 0..3 {
        for piece in framed(&[&message]).chunks(16_384) {
            deframer.push(Bytes::copy_from_slice(piece));
            places.extend(deframer.next().unwrap().map(|frame| frame.message.as_ptr()));
        }
    }
    assert_eq!(places, [places[0]; 3]);
}

#[test]
fn broken_streams() {
    for (wire, code, message) in [
        (
            &b"\x02\0\0\0\0"[..],
            Code::Internal,
            "a message begins with the byte 2 where only 0 or 1 may stand",
        ),
        (
            b"\x01\0\0\0\0",
            Code::Internal,
            "a message has the Compressed-Flag but the stream has no grpc-encoding",
        ),
        (b"\0\0\0\0\x0b", Code::ResourceExhausted, "a message of 11 bytes is larger than the limit of 10"),
        (
            b"\0\xff\xff\xff\xff",
            Code::ResourceExhausted,
            "a message of 4294967295 bytes is larger than the limit of 10",
        ),
    ] {
        for cut in 0..wire.len() {
            let mut deframer = Deframer::new(10);
            deframer.push(Bytes::copy_from_slice(&wire[..cut]));
            assert_eq!(deframer.next().unwrap(), None);
            deframer.push(Bytes::copy_from_slice(&wire[cut..]));
            for _ in 0..2 {
                let error = deframer.next().unwrap_err();
                assert_eq!((error.code(), error.message()), (code, message), "cut at {cut}");
            }
        }
    }
}

#[test]
fn compressed_messages_where_they_are_allowed() {
    let mut deframer = Deframer::new(10);
    deframer.allow_compressed(true);
    deframer.push(Bytes::from_static(b"\x01\0\0\0\x01z"));
    let frame = Frame { compressed: true, message: Bytes::from_static(b"z") };
    assert_eq!(deframer.next().unwrap(), Some(frame));
}

#[test]
fn detaching_lets_go_of_the_read_buffer() {
    let buffer = Bytes::from([framed(&[b"a"]), vec![0; 60_000]].concat());
    let mut deframer = Deframer::new(10);
    deframer.push(buffer.slice(..6));
    deframer.push(buffer.slice(6..7));
    deframer.detach(4096);
    assert!(buffer.try_into_mut().is_ok());
    assert_eq!(deframer.next().unwrap().unwrap().message, "a");
}

proptest! {
    #[test]
    fn any_messages_cut_anywhere(
        messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..6),
        cuts in proptest::collection::vec(0..20usize, 0..40),
        eager: bool,
    ) {
        let mut wire = Bytes::from(framed(&messages.iter().map(Vec::as_slice).collect::<Vec<_>>()));
        let total = wire.len();
        let mut deframer = Deframer::new(40);
        let (mut got, mut consumed) = (Vec::new(), 0);
        for cut in cuts {
            deframer.push(wire.split_to(cut.min(wire.len())));
            if eager {
                got.extend(drain(&mut deframer));
                consumed = got.iter().map(|message| message.len() + Prefix::LEN).sum();
            }
            prop_assert_eq!(deframer.buffered(), total - wire.len() - consumed);
            prop_assert_eq!(deframer.needed() <= 45, true);
        }
        deframer.push(wire);
        got.extend(drain(&mut deframer));
        prop_assert_eq!(got, messages);
        prop_assert!(!deframer.is_mid_message());
        prop_assert!(deframer.spanning.is_none());
    }

    #[test]
    fn arbitrary_bytes_never_panic(pieces: Vec<Vec<u8>>) {
        let mut deframer = Deframer::new(1 << 20);
        for piece in pieces {
            deframer.push(Bytes::from(piece));
            while let Ok(Some(_)) = deframer.next() {}
            let _ = (deframer.needed(), deframer.buffered(), deframer.finish());
        }
    }
}
