use super::*;
use crate::{Code, Output};

const LIMITS: DecompressionLimits = DecompressionLimits { max_bytes: 4 << 20, max_ratio: 200 };

fn compressions() -> impl Iterator<Item = Compression> {
    Compression::ALL.iter().copied().filter(|one| *one != Compression::Identity)
}

fn received(compression: Compression, message: Vec<u8>) -> Received {
    Received { message: Bytes::from(message), compression }
}

#[test]
fn messages_there_and_back() {
    let text = b"the same again and again, ".repeat(300);
    for compression in compressions() {
        for message in [&text[..], &[0; 1][..].repeat(300_000), &text[..40].repeat(2)] {
            let compressed = compression.compress(message).unwrap();
            assert!(compressed.len() < message.len(), "{compression:?}");
            let back = received(compression, compressed).decompressed(LIMITS).unwrap();
            assert_eq!(back, message, "{compression:?}");
        }
    }
}

/// compression.md: not where it would result in small or negative gains.
#[test]
fn what_would_not_get_smaller_is_sent_as_it_is() {
    for compression in compressions() {
        assert_eq!(compression.compress(b""), None);
        assert_eq!(compression.compress(b"short"), None);
    }
}

#[test]
fn bombs_stop_at_the_limit() {
    let bomb = vec![0; 8 << 20];
    for compression in compressions() {
        let compressed = compression.compress(&bomb).unwrap();
        let ratio = bomb.len() / compressed.len();
        assert!(ratio > 200, "{compression:?} {ratio}");
        let status = received(compression, compressed.clone()).decompressed(LIMITS).unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        // The memory that it took ends with the limit, not with the bomb.
        let out = match compression {
            Compression::Gzip => deflate::decompress(deflate::Wrapper::Gzip, &compressed, 1 << 20),
            Compression::Deflate => deflate::decompress(deflate::Wrapper::Zlib, &compressed, 1 << 20),
            _ => compression.decompress(&compressed.into(), 1 << 20).map(Vec::from),
        };
        assert_eq!(out.unwrap_err(), Broken::TooLong);
    }
}

#[test]
fn the_limits_are_exact() {
    for compression in compressions() {
        let message = received(compression, compression.compress(&[7; 5000]).unwrap());
        let limits = |max_bytes| DecompressionLimits { max_bytes, max_ratio: 200 };
        assert_eq!(message.clone().decompressed(limits(5000)).unwrap().len(), 5000);
        let status = message.decompressed(limits(4999)).unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(status.message().contains("4999"), "{status}");
    }
}

#[test]
fn the_ratio_counts_beyond_what_is_always_allowed() {
    let limits = DecompressionLimits { max_bytes: usize::MAX, max_ratio: 10 };
    for compression in compressions() {
        let small = received(compression, compression.compress(&[7; 1 << 20]).unwrap());
        assert!(small.decompressed(limits).is_ok());
        let large = received(compression, compression.compress(&[7; (1 << 20) + 1]).unwrap());
        let status = large.decompressed(limits).unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(status.message().contains("10 times"), "{status}");
    }
}

/// statuscodes.md: could not decompress, but compression algorithm supported.
#[test]
fn broken_bytes_are_internal() {
    for compression in compressions() {
        let good = compression.compress(&[7; 5000]).unwrap();
        let cut = good[..good.len() - 1].to_vec();
        let longer = [&good[..], b"x"].concat();
        for bytes in [Vec::new(), b"no such format".to_vec(), cut, longer, vec![0xff; 100]] {
            let status = received(compression, bytes.clone()).decompressed(LIMITS).unwrap_err();
            assert_eq!(status.code(), Code::Internal, "{compression:?} {bytes:?}");
        }
    }
}

/// PROTOCOL-HTTP2, Message-Accept-Encoding.
#[test]
fn accept_encoding() {
    let parsed = Encodings::parse(b"identity, gzip ,snappy,deflate");
    assert!(parsed.contains(Compression::Gzip) && parsed.contains(Compression::Identity));
    assert_eq!(parsed.to_string(), "gzip,deflate");
    assert!(Encodings::parse(b"identity").is_empty());
    assert_eq!(Encodings::parse(b"").to_string(), "");
    for compression in Compression::ALL {
        assert_eq!(Compression::from_name(compression.name().as_bytes()), Some(*compression));
    }
    assert_eq!(Compression::from_name(b"GZIP"), None);
}

#[test]
fn on_the_wire() {
    let rules = |compression, max_bytes| Outgoing { max_bytes, compression, compression_minimum_bytes: 100 };
    let put = |rules: &Outgoing, message: &[u8]| {
        let mut out = Output::new();
        let put = put_message(&mut out, rules, |out| {
            out.put_slice(message);
            Ok(())
        });
        put.map(|len| {
            assert_eq!(len, out.len());
            out.to_vec()
        })
    };
    let gzip = rules(Compression::Gzip, 1000);
    assert_eq!(put(&gzip, b"short").unwrap(), b"\0\0\0\0\x05short");
    let sent = put(&gzip, &[7; 100]).unwrap();
    assert_eq!((sent[0], &sent[5..7]), (1, &b"\x1f\x8b"[..]));
    assert_eq!(put(&rules(Compression::Identity, 1000), &[7; 100]).unwrap()[..5], *b"\0\0\0\0\x64");
    // The limit is for the message, not for what it is compressed to.
    for compression in [Compression::Gzip, Compression::Identity] {
        assert!(put(&rules(compression, 100), &[7; 100]).is_ok());
        let status = put(&rules(compression, 99), &[7; 100]).unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
    }
}
