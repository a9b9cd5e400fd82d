//! The Huffman code of string literals (RFC 7541 §5.2 and Appendix B).

use super::HpackError;
use std::sync::LazyLock;

/// Appends the decoded bytes of a Huffman-encoded string.
///
/// It goes four bits at a time: a state is a node of the code's tree, and four bits emit at most one byte, for the
/// shortest code has five.
pub(super) fn decode(input: &[u8], out: &mut Vec<u8>) -> Result<(), HpackError> {
    let machine = &*MACHINE;
    let mut state = 0u8;
    for &byte in input {
        for nibble in [byte >> 4, byte & 0xf] {
            let step = machine.steps[usize::from(state)][usize::from(nibble)];
            match step.effect {
                Effect::Nothing => {}
                Effect::Emit => out.push(step.symbol),
                // RFC 7541 §5.2: a string that contains EOS is a decoding error.
                Effect::EndOfString => return Err(HpackError("a Huffman string contains EOS")),
            }
            state = step.next;
        }
    }
    // RFC 7541 §5.2: padding is the most significant bits of EOS, and less than eight of them.
    if machine.may_end[usize::from(state)] {
        Ok(())
    } else {
        Err(HpackError("a Huffman string has wrong padding"))
    }
}

/// How many bytes this string takes when it is Huffman-encoded.
#[inline]
pub(super) fn encoded_len(input: &[u8]) -> usize {
    let bits: usize = input.iter().map(|&byte| usize::from(CODES[usize::from(byte)].1)).sum();
    bits.div_ceil(8)
}

/// Appends the Huffman-encoded string.
pub(super) fn encode(input: &[u8], out: &mut Vec<u8>) {
    let mut pending = 0u64;
    let mut bits = 0u32;
    for &byte in input {
        let (code, len) = CODES[usize::from(byte)];
        pending = pending << len | u64::from(code);
        bits += u32::from(len);
        while bits >= 8 {
            bits -= 8;
            out.push((pending >> bits) as u8);
        }
    }
    if bits > 0 {
        let padding = 8 - bits;
        out.push((pending << padding) as u8 | ((1u16 << padding) - 1) as u8);
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Effect {
    Nothing,
    Emit,
    EndOfString,
}

#[derive(Clone, Copy)]
struct Step {
    next: u8,
    symbol: u8,
    effect: Effect,
}

struct Machine {
    steps: Vec<[Step; 16]>,
    may_end: Vec<bool>,
}

static MACHINE: LazyLock<Machine> = LazyLock::new(Machine::build);

impl Machine {
    fn build() -> Self {
        let tree = Tree::build();
        let steps =
            (0..tree.nodes.len()).map(|node| std::array::from_fn(|nibble| tree.step(node, nibble))).collect();
        let mut may_end = vec![false; tree.nodes.len()];
        // The root, and up to seven ones from it: EOS is thirty ones.
        let mut node = 0;
        for _ in 0..8 {
            may_end[node] = true;
            match tree.nodes[node][1] {
                Child::Node(next) => node = next,
                _ => break,
            }
        }
        Self { steps, may_end }
    }
}

#[derive(Clone, Copy)]
enum Child {
    Missing,
    Node(usize),
    Symbol(usize),
}

/// The code as a binary tree; 257 leaves make 256 nodes, so a node fits in a byte.
struct Tree {
    nodes: Vec<[Child; 2]>,
}

impl Tree {
    fn build() -> Self {
        let mut nodes = vec![[Child::Missing; 2]];
        for (symbol, &(code, len)) in CODES.iter().enumerate() {
            let mut node = 0;
            for bit in (1..len).rev().map(|shift| (code >> shift & 1) as usize) {
                node = match nodes[node][bit] {
                    Child::Node(next) => next,
                    _ => {
                        nodes.push([Child::Missing; 2]);
                        let next = nodes.len() - 1;
                        nodes[node][bit] = Child::Node(next);
                        next
                    }
                };
            }
            nodes[node][(code & 1) as usize] = Child::Symbol(symbol);
        }
        Self { nodes }
    }

    fn step(&self, start: usize, nibble: usize) -> Step {
        let mut step = Step { next: 0, symbol: 0, effect: Effect::Nothing };
        let mut node = start;
        for bit in [nibble >> 3, nibble >> 2 & 1, nibble >> 1 & 1, nibble & 1] {
            node = match self.nodes[node][bit] {
                Child::Node(next) => next,
                Child::Symbol(END_OF_STRING) | Child::Missing => {
                    step.effect = Effect::EndOfString;
                    return step;
                }
                Child::Symbol(symbol) => {
                    step.symbol = symbol as u8;
                    step.effect = Effect::Emit;
                    0
                }
            };
        }
        step.next = node as u8;
        step
    }
}

const END_OF_STRING: usize = 256;

/// Code and its length in bits for each byte, and for EOS at the end (RFC 7541 Appendix B).
#[rustfmt::skip]
static CODES: [(u32, u8); 257] = [
    (0x1ff8, 13), (0x7fffd8, 23), (0xfffffe2, 28), (0xfffffe3, 28), (0xfffffe4, 28), (0xfffffe5, 28), 
    (0xfffffe6, 28), (0xfffffe7, 28), (0xfffffe8, 28), (0xffffea, 24), (0x3ffffffc, 30), (0xfffffe9, 28), 
    (0xfffffea, 28), (0x3ffffffd, 30), (0xfffffeb, 28), (0xfffffec, 28), (0xfffffed, 28), (0xfffffee, 28), 
    (0xfffffef, 28), (0xffffff0, 28), (0xffffff1, 28), (0xffffff2, 28), (0x3ffffffe, 30), (0xffffff3, 28), 
    (0xffffff4, 28), (0xffffff5, 28), (0xffffff6, 28), (0xffffff7, 28), (0xffffff8, 28), (0xffffff9, 28), 
    (0xffffffa, 28), (0xffffffb, 28), (0x14, 6), (0x3f8, 10), (0x3f9, 10), (0xffa, 12), 
    (0x1ff9, 13), (0x15, 6), (0xf8, 8), (0x7fa, 11), (0x3fa, 10), (0x3fb, 10), 
    (0xf9, 8), (0x7fb, 11), (0xfa, 8), (0x16, 6), (0x17, 6), (0x18, 6), 
    (0x0, 5), (0x1, 5), (0x2, 5), (0x19, 6), (0x1a, 6), (0x1b, 6), 
    (0x1c, 6), (0x1d, 6), (0x1e, 6), (0x1f, 6), (0x5c, 7), (0xfb, 8), 
    (0x7ffc, 15), (0x20, 6), (0xffb, 12), (0x3fc, 10), (0x1ffa, 13), (0x21, 6), 
    (0x5d, 7), (0x5e, 7), (0x5f, 7), (0x60, 7), (0x61, 7), (0x62, 7), 
    (0x63, 7), (0x64, 7), (0x65, 7), (0x66, 7), (0x67, 7), (0x68, 7), 
    (0x69, 7), (0x6a, 7), (0x6b, 7), (0x6c, 7), (0x6d, 7), (0x6e, 7), 
    (0x6f, 7), (0x70, 7), (0x71, 7), (0x72, 7), (0xfc, 8), (0x73, 7), 
    (0xfd, 8), (0x1ffb, 13), (0x7fff0, 19), (0x1ffc, 13), (0x3ffc, 14), (0x22, 6), 
    (0x7ffd, 15), (0x3, 5), (0x23, 6), (0x4, 5), (0x24, 6), (0x5, 5), 
    (0x25, 6), (0x26, 6), (0x27, 6), (0x6, 5), (0x74, 7), (0x75, 7), 
    (0x28, 6), (0x29, 6), (0x2a, 6), (0x7, 5), (0x2b, 6), (0x76, 7), 
    (0x2c, 6), (0x8, 5), (0x9, 5), (0x2d, 6), (0x77, 7), (0x78, 7), 
    (0x79, 7), (0x7a, 7), (0x7b, 7), (0x7ffe, 15), (0x7fc, 11), (0x3ffd, 14), 
    (0x1ffd, 13), (0xffffffc, 28), (0xfffe6, 20), (0x3fffd2, 22), (0xfffe7, 20), (0xfffe8, 20), 
    (0x3fffd3, 22), (0x3fffd4, 22), (0x3fffd5, 22), (0x7fffd9, 23), (0x3fffd6, 22), (0x7fffda, 23), 
    (0x7fffdb, 23), (0x7fffdc, 23), (0x7fffdd, 23), (0x7fffde, 23), (0xffffeb, 24), (0x7fffdf, 23), 
    (0xffffec, 24), (0xffffed, 24), (0x3fffd7, 22), (0x7fffe0, 23), (0xffffee, 24), (0x7fffe1, 23), 
    (0x7fffe2, 23), (0x7fffe3, 23), (0x7fffe4, 23), (0x1fffdc, 21), (0x3fffd8, 22), (0x7fffe5, 23), 
    (0x3fffd9, 22), (0x7fffe6, 23), (0x7fffe7, 23), (0xffffef, 24), (0x3fffda, 22), (0x1fffdd, 21), 
    (0xfffe9, 20), (0x3fffdb, 22), (0x3fffdc, 22), (0x7fffe8, 23), (0x7fffe9, 23), (0x1fffde, 21), 
    (0x7fffea, 23), (0x3fffdd, 22), (0x3fffde, 22), (0xfffff0, 24), (0x1fffdf, 21), (0x3fffdf, 22), 
    (0x7fffeb, 23), (0x7fffec, 23), (0x1fffe0, 21), (0x1fffe1, 21), (0x3fffe0, 22), (0x1fffe2, 21), 
    (0x7fffed, 23), (0x3fffe1, 22), (0x7fffee, 23), (0x7fffef, 23), (0xfffea, 20), (0x3fffe2, 22), 
    (0x3fffe3, 22), (0x3fffe4, 22), (0x7ffff0, 23), (0x3fffe5, 22), (0x3fffe6, 22), (0x7ffff1, 23), 
    (0x3ffffe0, 26), (0x3ffffe1, 26), (0xfffeb, 20), (0x7fff1, 19), (0x3fffe7, 22), (0x7ffff2, 23), 
    (0x3fffe8, 22), (0x1ffffec, 25), (0x3ffffe2, 26), (0x3ffffe3, 26), (0x3ffffe4, 26), (0x7ffffde, 27), 
    (0x7ffffdf, 27), (0x3ffffe5, 26), (0xfffff1, 24), (0x1ffffed, 25), (0x7fff2, 19), (0x1fffe3, 21), 
    (0x3ffffe6, 26), (0x7ffffe0, 27), (0x7ffffe1, 27), (0x3ffffe7, 26), (0x7ffffe2, 27), (0xfffff2, 24), 
    (0x1fffe4, 21), (0x1fffe5, 21), (0x3ffffe8, 26), (0x3ffffe9, 26), (0xffffffd, 28), (0x7ffffe3, 27), 
    (0x7ffffe4, 27), (0x7ffffe5, 27), (0xfffec, 20), (0xfffff3, 24), (0xfffed, 20), (0x1fffe6, 21), 
    (0x3fffe9, 22), (0x1fffe7, 21), (0x1fffe8, 21), (0x7ffff3, 23), (0x3fffea, 22), (0x3fffeb, 22), 
    (0x1ffffee, 25), (0x1ffffef, 25), (0xfffff4, 24), (0xfffff5, 24), (0x3ffffea, 26), (0x7ffff4, 23), 
    (0x3ffffeb, 26), (0x7ffffe6, 27), (0x3ffffec, 26), (0x3ffffed, 26), (0x7ffffe7, 27), (0x7ffffe8, 27), 
    (0x7ffffe9, 27), (0x7ffffea, 27), (0x7ffffeb, 27), (0xffffffe, 28), (0x7ffffec, 27), (0x7ffffed, 27), 
    (0x7ffffee, 27), (0x7ffffef, 27), (0x7fffff0, 27), (0x3ffffee, 26), (0x3fffffff, 30),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7541 §C.4 and §C.6.
    #[test]
    fn examples() {
        let rows: &[(&str, &[u8])] = &[
            ("www.example.com", &[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff]),
            ("no-cache", &[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]),
            ("302", &[0x64, 0x02]),
            ("private", &[0xae, 0xc3, 0x77, 0x1a, 0x4b]),
            ("", &[]),
        ];
        for (text, bytes) in rows {
            let mut out = Vec::new();
            encode(text.as_bytes(), &mut out);
            assert_eq!(out, *bytes, "{text}");
            assert_eq!(encoded_len(text.as_bytes()), bytes.len());
            let mut back = Vec::new();
            decode(bytes, &mut back).unwrap();
            assert_eq!(back, text.as_bytes());
        }
    }

    #[test]
    fn every_byte_there_and_back() {
        let all: Vec<u8> = (0..=255).collect();
        let (mut encoded, mut decoded) = (Vec::new(), Vec::new());
        encode(&all, &mut encoded);
        decode(&encoded, &mut decoded).unwrap();
        assert_eq!(decoded, all);
    }

    /// RFC 7541 §5.2: padding of more than seven bits, padding that is no prefix of EOS, EOS itself.
    #[test]
    fn wrong_padding() {
        for bytes in [&[0xff][..], &[0x64, 0x02, 0xff], &[0b0001_1000], &[0xff, 0xff, 0xff, 0xff]] {
            assert!(decode(bytes, &mut Vec::new()).is_err(), "{bytes:02x?}");
        }
    }
}
