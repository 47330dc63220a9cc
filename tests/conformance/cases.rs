//! What the well-known conformance suites try, as our own cases: frames in every form, cut anywhere, and what
//! must come back of them.
//!
//! Each case ends with a close, its own or the server's, and is run with the bytes in one write, in pieces of 997
//! and, unless it is large, byte by byte.

use anyhow::Result;

use crate::{
    echo::Echo,
    raw::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, Said, TEXT, close, converse, frame},
};

/// More bytes than this are not sent one by one.
const SMALL: usize = 2000;

/// Runs a conversation with every cut, and gives what the server said, which must be the same each time.
fn said(echo: &Echo, parts: &[Vec<u8>]) -> Result<Said> {
    let bytes = parts.concat();
    let whole = converse(&echo.address, &bytes, bytes.len())?;
    for chop in [997, 1] {
        if chop > 1 || bytes.len() <= SMALL {
            let cut = converse(&echo.address, &bytes, chop)?;
            assert_eq!(cut, whole, "in pieces of {chop}");
        }
    }
    Ok(whole)
}

/// These frames, then a clean close, bring back these messages.
fn echoes(echo: &Echo, frames: &[Vec<u8>], messages: &[(u8, &[u8])]) -> Result<()> {
    let said = said(echo, &[frames, &[close(1000, b"")]].concat())?;
    let seen: Vec<(u8, &[u8])> = said
        .messages
        .iter()
        .map(|(opcode, payload)| (*opcode, &payload[..]))
        .collect();
    // Payloads of megabytes are of no help to anybody.
    assert!(seen == messages, "{} messages came", seen.len());
    assert_eq!(said.code(), Some(1000));
    Ok(())
}

/// These frames end the connection with this code, after these messages; what follows them is not read.
fn ends(echo: &Echo, frames: &[Vec<u8>], code: u16, messages: &[(u8, &[u8])]) -> Result<()> {
    let after = frame(FIN | TEXT, b"after the end");
    let said = said(echo, &[frames, &[after]].concat())?;
    let seen: Vec<(u8, &[u8])> = said
        .messages
        .iter()
        .map(|(opcode, payload)| (*opcode, &payload[..]))
        .collect();
    assert_eq!((seen, said.code()), (messages.to_vec(), Some(code)));
    Ok(())
}

fn text(payload: &[u8]) -> Vec<u8> {
    frame(FIN | TEXT, payload)
}

#[test]
fn messages_of_every_length_form_come_back() -> Result<()> {
    let echo = Echo::start()?;
    for length in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 70_000] {
        let payload = vec![b'*'; length];
        echoes(&echo, &[text(&payload)], &[(TEXT, &payload)])?;
        let payload: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
        let binary = frame(FIN | BINARY, &payload);
        echoes(&echo, &[binary], &[(BINARY, &payload)])?;
    }
    Ok(())
}

#[test]
fn pings_are_answered_with_their_payload_and_pongs_are_not() -> Result<()> {
    let echo = Echo::start()?;
    let longest = [0xfe; 125];
    for payload in [
        &b""[..],
        b"Hello, world!",
        &[0x00, 0xff, 0xfe, 0xfd],
        &longest,
    ] {
        echoes(&echo, &[frame(FIN | PING, payload)], &[(PONG, payload)])?;
        echoes(&echo, &[frame(FIN | PONG, payload)], &[])?;
    }
    let mixed = [
        frame(FIN | PONG, b"nobody asked"),
        frame(FIN | PING, b"one"),
        text(b"between"),
        frame(FIN | PING, b"two"),
    ];
    let answers: [(u8, &[u8]); 3] = [(PONG, b"one"), (TEXT, b"between"), (PONG, b"two")];
    echoes(&echo, &mixed, &answers)?;
    let ten: Vec<Vec<u8>> = (b'0'..=b'9').map(|i| frame(FIN | PING, &[i])).collect();
    let digits: Vec<[u8; 1]> = (b'0'..=b'9').map(|i| [i]).collect();
    let answers: Vec<(u8, &[u8])> = digits.iter().map(|digit| (PONG, &digit[..])).collect();
    echoes(&echo, &ten, &answers)
}

#[test]
fn a_control_frame_that_is_too_long_or_in_fragments_ends_with_1002() -> Result<()> {
    let echo = Echo::start()?;
    for opcode in [PING, PONG, CLOSE] {
        ends(&echo, &[frame(FIN | opcode, &[0xfe; 126])], 1002, &[])?;
        ends(
            &echo,
            &[frame(opcode, b"half"), frame(FIN, b"other half")],
            1002,
            &[],
        )?;
    }
    Ok(())
}

#[test]
fn reserved_bits_and_opcodes_end_with_1002_after_what_came_before_them() -> Result<()> {
    let echo = Echo::start()?;
    let before: &[(u8, &[u8])] = &[(TEXT, b"before")];
    for bits in 1..8 {
        for opcode in [TEXT, BINARY, PING, PONG, CLOSE] {
            let reserved = frame(FIN | bits << 4 | opcode, b"");
            ends(&echo, &[text(b"before"), reserved], 1002, before)?;
        }
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        for payload in [&b""[..], b"a payload"] {
            let reserved = frame(FIN | opcode, payload);
            ends(&echo, &[text(b"before"), reserved], 1002, before)?;
        }
    }
    Ok(())
}

#[test]
fn a_client_that_does_not_mask_or_wastes_bytes_of_a_length_ends_with_1002() -> Result<()> {
    let echo = Echo::start()?;
    let unmasked = [vec![FIN | TEXT, 2], b"hi".to_vec()].concat();
    ends(&echo, &[unmasked], 1002, &[])?;
    // Lengths that a shorter form would hold, and one beyond what there may be.
    let sixteen = vec![FIN | BINARY, 0x80 | 126, 0, 125, 1, 2, 3, 4];
    let sixty_four = [
        vec![FIN | BINARY, 0x80 | 127],
        65_535_u64.to_be_bytes().to_vec(),
    ]
    .concat();
    let negative = [
        vec![FIN | BINARY, 0x80 | 127],
        (1_u64 << 63).to_be_bytes().to_vec(),
    ]
    .concat();
    for header in [sixteen, sixty_four, negative] {
        ends(&echo, &[header], 1002, &[])?;
    }
    let beyond = [
        vec![FIN | BINARY, 0x80 | 127],
        (1_u64 << 40).to_be_bytes().to_vec(),
        vec![0; 4],
    ];
    ends(&echo, &beyond, 1009, &[])
}

#[test]
fn fragments_become_one_message_with_control_frames_between_them() -> Result<()> {
    let echo = Echo::start()?;
    for kind in [TEXT, BINARY] {
        let two = [frame(kind, b"fragment1"), frame(FIN, b"fragment2")];
        echoes(&echo, &two, &[(kind, b"fragment1fragment2")])?;
        let many = [
            frame(kind, b""),
            frame(FIN | PING, b"first"),
            frame(CONTINUATION, b"a"),
            frame(FIN | PONG, b"nobody asked"),
            frame(CONTINUATION, b""),
            frame(FIN | PING, b"second"),
            frame(FIN, b"b"),
            text(b"the next one"),
        ];
        let answers: [(u8, &[u8]); 4] = [
            (PONG, b"first"),
            (PONG, b"second"),
            (kind, b"ab"),
            (TEXT, b"the next one"),
        ];
        echoes(&echo, &many, &answers)?;
        let empty = [frame(kind, b""), frame(CONTINUATION, b""), frame(FIN, b"")];
        echoes(&echo, &empty, &[(kind, b"")])?;
    }
    Ok(())
}

#[test]
fn continuations_of_nothing_and_messages_inside_another_end_with_1002() -> Result<()> {
    let echo = Echo::start()?;
    for first in [FIN, CONTINUATION] {
        ends(&echo, &[frame(first, b"of nothing")], 1002, &[])?;
        let after_a_whole = [text(b"whole"), frame(first, b"of nothing")];
        ends(&echo, &after_a_whole, 1002, &[(TEXT, b"whole")])?;
        let after_fragments = [frame(TEXT, b"a"), frame(FIN, b"b"), frame(first, b"c")];
        ends(&echo, &after_fragments, 1002, &[(TEXT, b"ab")])?;
    }
    for second in [TEXT, BINARY, FIN | TEXT, FIN | BINARY] {
        ends(
            &echo,
            &[frame(TEXT, b"begun"), frame(second, b"inside")],
            1002,
            &[],
        )?;
    }
    Ok(())
}

/// Text that is UTF-8 in all its length classes and at their edges.
const VALID: [&str; 9] = [
    "Hello-µ@ßöäüàá-UTF-8!!",
    "κόσμε",
    "\u{0}",
    "\u{7f}\u{80}\u{7ff}",
    "\u{800}\u{fffd}\u{ffff}",
    "\u{d7ff}\u{e000}",
    "\u{fdd0}\u{fffe}",
    "\u{10000}\u{10ffff}",
    "\u{1f680}\u{200d}\u{1f468}",
];

/// Bytes that are none: lone continuations, sequences cut short, overlong forms, surrogates, what is beyond
/// Unicode, bytes that never occur.
const INVALID: [&[u8]; 19] = [
    b"\x80",
    b"\xbf\xbf",
    b"\xce",
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
    b"\xc0\xaf",
    b"\xc1\xbf",
    b"\xe0\x80\xaf",
    b"\xe0\x9f\xbf",
    b"\xf0\x80\x80\xaf",
    b"\xf0\x8f\xbf\xbf",
    b"\xed\xa0\x80",
    b"\xed\xad\xbf\xed\xb0\x80",
    b"\xed\xbf\xbf",
    b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xfc\x84\x80\x80\x80\x80",
    b"\xfe",
    b"\xff\xff",
    b"cut short: \xf0\x9f\x9a",
];

#[test]
fn text_is_utf8_however_it_is_cut() -> Result<()> {
    let echo = Echo::start()?;
    for valid in VALID.map(str::as_bytes) {
        echoes(&echo, &[text(valid)], &[(TEXT, valid)])?;
        for cut in 1..valid.len() {
            let (head, tail) = valid.split_at(cut);
            let pieces = [frame(TEXT, head), frame(FIN, tail)];
            echoes(&echo, &pieces, &[(TEXT, valid)])?;
        }
        let each: Vec<Vec<u8>> = [frame(TEXT, b"")]
            .into_iter()
            .chain(valid.iter().map(|byte| frame(CONTINUATION, &[*byte])))
            .chain([frame(FIN, b"")])
            .collect();
        echoes(&echo, &each, &[(TEXT, valid)])?;
    }
    for invalid in INVALID {
        ends(&echo, &[text(invalid)], 1007, &[])?;
        for cut in 0..invalid.len() {
            let (head, tail) = invalid.split_at(cut);
            ends(&echo, &[frame(TEXT, head), frame(FIN, tail)], 1007, &[])?;
        }
        // As bytes it is as good as any.
        echoes(&echo, &[frame(FIN | BINARY, invalid)], &[(BINARY, invalid)])?;
    }
    Ok(())
}

#[test]
fn text_that_can_never_become_utf8_ends_before_its_message_does() -> Result<()> {
    let echo = Echo::start()?;
    // The message is not over; only a reader that looks at once can say no.
    let never_ending = [
        frame(TEXT, "κόσμε".as_bytes()),
        frame(CONTINUATION, b"\xf4\x90"),
    ];
    ends(&echo, &never_ending, 1007, &[])?;
    // Neither is the frame: of a thousand bytes, these have come.
    let mut begun = frame(FIN | TEXT, &[b'a'; 1000]);
    begun.truncate(8 + 20);
    let last = begun.len() - 1;
    begun[last] ^= b'a' ^ 0xff;
    let said = converse(&echo.address, &begun, begun.len())?;
    assert_eq!(said.code(), Some(1007));
    Ok(())
}

#[test]
fn a_close_is_answered_with_its_code_and_nothing_after_it_is_read() -> Result<()> {
    let echo = Echo::start()?;
    // Codes that may travel: those of the RFC, its registry, and all for libraries and programs.
    let codes = (1000..=1003)
        .chain(1007..=1014)
        .chain([3000, 3999, 4000, 4999]);
    for code in codes {
        ends(
            &echo,
            &[text(b"hi"), close(code, b"")],
            code,
            &[(TEXT, b"hi")],
        )?;
    }
    ends(&echo, &[close(1000, "späť".as_bytes())], 1000, &[])?;
    // 123 bytes of reason are the most there can be.
    ends(&echo, &[close(1000, &[b'*'; 123])], 1000, &[])?;
    let empty = said(&echo, &[frame(FIN | CLOSE, b"")])?;
    assert_eq!(empty.close, Some(vec![]));
    // A second close, a ping, the rest of a fragmented message: all too late.
    for late in [
        close(1001, b""),
        frame(FIN | PING, b"?"),
        frame(FIN, b"rest"),
    ] {
        ends(
            &echo,
            &[frame(TEXT, b"begun"), close(1000, b""), late],
            1000,
            &[],
        )?;
    }
    // A large message before it is answered in full.
    let large = vec![7; 256 * 1024];
    echoes(&echo, &[frame(FIN | BINARY, &large)], &[(BINARY, &large)])
}

#[test]
fn a_close_that_breaks_the_rules_is_answered_with_what_it_broke() -> Result<()> {
    let echo = Echo::start()?;
    ends(&echo, &[frame(FIN | CLOSE, b"\x03")], 1002, &[])?;
    ends(
        &echo,
        &[frame(FIN | CLOSE, &[3, 232].repeat(63))],
        1002,
        &[],
    )?;
    let wrong = [
        0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535,
    ];
    for code in wrong {
        ends(&echo, &[close(code, b"")], 1002, &[])?;
        ends(&echo, &[close(code, b"a reason")], 1002, &[])?;
    }
    for invalid in INVALID {
        ends(&echo, &[close(1000, invalid)], 1007, &[])?;
    }
    Ok(())
}

#[test]
fn megabytes_come_back_whole_in_frames_of_any_size() -> Result<()> {
    let echo = Echo::start()?;
    let bytes: Vec<u8> = (0..4 << 20)
        .map(|i: u32| (i.wrapping_mul(31) >> 7) as u8)
        .collect();
    echoes(&echo, &[frame(FIN | BINARY, &bytes)], &[(BINARY, &bytes)])?;
    let letters = "Grüße ".repeat(500_000);
    echoes(
        &echo,
        &[text(letters.as_bytes())],
        &[(TEXT, letters.as_bytes())],
    )?;
    for piece_bytes in [64, 1300, 65_536] {
        let part = &bytes[..1 << 20];
        let mut frames = vec![frame(BINARY, b"")];
        frames.extend(
            part.chunks(piece_bytes)
                .map(|piece| frame(CONTINUATION, piece)),
        );
        frames.push(frame(FIN, b""));
        echoes(&echo, &frames, &[(BINARY, part)])?;
    }
    // Many small ones in one go.
    let small: Vec<Vec<u8>> = (0..2000_u16)
        .map(|i| text(format!("{i}").as_bytes()))
        .collect();
    let texts: Vec<String> = (0..2000_u16).map(|i| i.to_string()).collect();
    let answers: Vec<(u8, &[u8])> = texts.iter().map(|it| (TEXT, it.as_bytes())).collect();
    echoes(&echo, &small, &answers)
}
