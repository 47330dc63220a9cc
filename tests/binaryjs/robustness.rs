//! Every way in which BinaryJS crashed, leaked or could be held up, tried against our endpoint.
//!
//! Each test ends with somebody who is still served.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tickwire_protocol::{
    binaryjs::{Frame, Kind},
    error::CloseCode,
    websocket::Opcode,
};
use tickwire_server::net::binaryjs::{
    BinaryJs, Client, Dialect, Value, connect,
    limits::{CLOSING_BYTES_MAX, Limits, SessionLimits},
};
use tokio::{io::AsyncWriteExt, sync::mpsc};

use crate::{
    endpoint::{echo, listen, until},
    raw::{Heard, Raw},
};

/// A frame as BinaryJS writes it.
fn frame(kind: Kind, payload: impl Into<Value>, stream: impl Into<Value>) -> Vec<u8> {
    let frame = Frame {
        kind,
        payload: payload.into(),
        stream: stream.into(),
    };
    frame.encode(Dialect::Reference)
}

fn heard(kind: Kind, payload: impl Into<Value>, stream: impl Into<Value>) -> Heard {
    Heard::Frame(Frame {
        kind,
        payload: payload.into(),
        stream: stream.into(),
    })
}

/// Opens stream 0 and shows that it echoes.
async fn check_echo(raw: &mut Raw, stream: i32) {
    raw.send(&frame(Kind::New, Value::Nil, stream))
        .await
        .expect("it reads");
    raw.send(&frame(Kind::Data, "here", stream))
        .await
        .expect("it reads");
    assert_eq!(raw.hear().await, heard(Kind::Data, "here", stream));
}

/// Somebody else is served.
async fn check_others(url: &str) {
    check_echo(&mut Raw::connect(url).await, 0).await;
}

#[tokio::test]
async fn messages_that_are_none_are_told_to_the_handler_and_the_connection_goes_on() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let endpoint = BinaryJs::builder()
        .on_fault(move |_, fault| tell.send(fault.to_owned()).expect("the test listens"))
        .serve(echo);
    let url = listen(&endpoint).await;
    let mut raw = Raw::connect(&url).await;
    let messages: [(&[u8], &str); 11] = [
        (b"", "unparsable"),
        (b"\xdd\xff\xff\xff\xff", "unparsable"),
        (&[0x91; 3000], "unparsable"),
        (b"\x93\x02\xd9\xff\xff\xff\xff\x00", "unparsable"),
        (b"\x07", "non-array message"),
        (b"\x92\x02\x00", "wrong part count: 2"),
        (b"\x93\xb1x\x00\x00", "non-number type"),
        (b"\x93\x09\x00\x00", "Unrecognized message type received: 9"),
        (b"\x93\x02\x00\x08", "`data` message for unknown stream: 8"),
        (
            b"\x93\x05\xc0\xb3abc",
            "`end` message for unknown stream: abc",
        ),
        (
            b"\x93\x06\xc0\x0a",
            "`close` message for unknown stream: 10",
        ),
    ];
    for (message, says) in messages {
        raw.send(message).await.unwrap();
        let fault = told.recv().await.unwrap();
        assert!(fault.contains(says), "{fault}");
    }
    raw.send_as(Opcode::Text, b"{}").await.unwrap();
    assert!(told.recv().await.unwrap().contains("non-array"));
    check_echo(&mut raw, 0).await;
}

#[tokio::test]
async fn integers_of_64_bits_and_misread_strings_are_values_like_any() {
    let endpoint = BinaryJs::new(echo);
    let mut raw = Raw::connect(&listen(&endpoint).await).await;
    raw.send(b"\x93\x01\xc0\x00").await.unwrap();
    raw.send(b"\x93\x02\xd3\x00\x00\x00\x01\x00\x00\x00\x00\x00")
        .await
        .unwrap();
    assert_eq!(raw.hear().await, heard(Kind::Data, 4_294_967_296.0, 0));
    raw.send(b"\x93\x02\xb6\xf0\x9f\x98\x80\x00").await.unwrap();
    assert_eq!(raw.hear().await, heard(Kind::Data, "😀", 0));
}

#[tokio::test]
async fn data_that_is_late_for_a_closed_stream_is_no_fault() {
    let faults = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&faults);
    let endpoint = BinaryJs::builder()
        .on_fault(move |_, _| {
            counted.fetch_add(1, Ordering::Relaxed);
        })
        .serve(echo);
    let mut raw = Raw::connect(&listen(&endpoint).await).await;
    check_echo(&mut raw, 0).await;
    raw.send(&frame(Kind::Close, Value::Nil, 0)).await.unwrap();
    raw.send(&frame(Kind::Data, "late", 0)).await.unwrap();
    raw.send(&frame(Kind::Close, Value::Nil, 0)).await.unwrap();
    check_echo(&mut raw, 2).await;
    assert_eq!(faults.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_reset_connection_ends_its_handler_and_nothing_else() {
    let endpoint = BinaryJs::new(echo);
    let url = listen(&endpoint).await;
    let mut raw = Raw::connect(&url).await;
    check_echo(&mut raw, 0).await;
    raw.socket.set_zero_linger().unwrap();
    drop(raw);
    until(|| endpoint.clients().is_empty()).await;
    check_others(&url).await;
}

#[tokio::test]
async fn a_disconnect_in_the_middle_of_a_pipe_is_an_error_of_the_pipe() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let endpoint = BinaryJs::new(move |client: Client| {
        let tell = tell.clone();
        async move {
            let mut from = client.accept().await.expect("it is opened");
            let mut to = client.create_stream(Value::Nil).expect("it is connected");
            let piped = tokio::io::copy(&mut from, &mut to).await;
            tell.send(piped).expect("the test listens");
        }
    });
    let url = listen(&endpoint).await;
    let mut raw = Raw::connect(&url).await;
    raw.send(&frame(Kind::New, Value::Nil, 0)).await.unwrap();
    raw.send(&frame(Kind::Data, vec![7_u8; 1000], 0))
        .await
        .unwrap();
    assert_eq!(raw.hear().await, heard(Kind::New, Value::Nil, 1));
    assert_eq!(raw.hear().await, heard(Kind::Data, vec![7_u8; 1000], 1));
    drop(raw);
    let piped = told.recv().await.unwrap();
    assert_eq!(piped.unwrap_err().kind(), io::ErrorKind::NotConnected);
    until(|| endpoint.clients().is_empty()).await;
}

#[tokio::test]
async fn a_handler_that_panics_takes_only_its_own_client_with_it() {
    let endpoint = BinaryJs::new(async |client: Client| {
        assert!(client.id() > 0, "the first is unlucky");
        echo(client).await;
    });
    let url = listen(&endpoint).await;
    let unlucky = connect(&url).await.unwrap();
    let mut stream = unlucky.create_stream(Value::Nil).unwrap();
    assert!(stream.next_value().await.is_err());
    check_others(&url).await;
}

#[tokio::test]
async fn a_message_beyond_the_limit_closes_before_it_is_read() {
    let endpoint = BinaryJs::new(echo);
    let url = listen(&endpoint).await;
    let mut raw = Raw::connect(&url).await;
    // A header that promises 200 MiB, and nothing behind it.
    let mut header = vec![0x82, 0xff];
    header.extend_from_slice(&(200_u64 << 20).to_be_bytes());
    header.extend_from_slice(&[1, 2, 3, 4]);
    raw.socket.write_all(&header).await.unwrap();
    let code = CloseCode::TooBig.number();
    assert_eq!(raw.hear().await, Heard::Closed(Some(code)));
    check_others(&url).await;
}

#[tokio::test]
async fn streams_beyond_the_limit_are_closed_and_the_others_go_on() {
    let endpoint = BinaryJs::new(echo);
    let mut raw = Raw::connect(&listen(&endpoint).await).await;
    for number in 0..=1024 {
        let stream = 2 * number;
        raw.send(&frame(Kind::New, Value::Nil, stream))
            .await
            .unwrap();
    }
    assert_eq!(raw.hear().await, heard(Kind::Close, Value::Nil, 2048));
    raw.send(&frame(Kind::Data, 1, 0)).await.unwrap();
    assert_eq!(raw.hear().await, heard(Kind::Data, 1, 0));
}

#[tokio::test]
async fn ended_streams_are_freed_however_many_there_were() {
    let endpoint = BinaryJs::new(echo);
    let mut raw = Raw::connect(&listen(&endpoint).await).await;
    for number in 0..3000 {
        let stream = 2 * number;
        raw.send(&frame(Kind::New, Value::Nil, stream))
            .await
            .unwrap();
        raw.send(&frame(Kind::End, Value::Nil, stream))
            .await
            .unwrap();
        assert_eq!(raw.hear().await, heard(Kind::End, Value::Nil, stream));
    }
    assert_eq!(endpoint.clients().all()[0].streams_open(), 0);
}

#[tokio::test]
async fn an_id_that_is_used_again_is_a_new_stream_and_the_old_one_is_closed() {
    let (give, mut taken) = mpsc::unbounded_channel();
    let endpoint = BinaryJs::new(move |client: Client| {
        let give = give.clone();
        async move {
            while let Some(stream) = client.accept().await {
                give.send(stream).expect("the test takes it");
            }
        }
    });
    let mut raw = Raw::connect(&listen(&endpoint).await).await;
    raw.send(&frame(Kind::New, "old", "abc")).await.unwrap();
    raw.send(&frame(Kind::Data, 1, "abc")).await.unwrap();
    raw.send(&frame(Kind::New, "new", "abc")).await.unwrap();
    raw.send(&frame(Kind::Data, 2, "abc")).await.unwrap();
    let (mut old, mut new) = (taken.recv().await.unwrap(), taken.recv().await.unwrap());
    assert_eq!(old.next_value().await.unwrap(), Some(1.into()));
    assert!(old.next_value().await.is_err());
    assert!(
        old.write_value(3).await.is_err(),
        "it may not reach the new one"
    );
    drop(old);
    assert_eq!(new.next_value().await.unwrap(), Some(2.into()));
    new.write_value(4).await.unwrap();
    assert_eq!(raw.hear().await, heard(Kind::Data, 4, "abc"));
}

#[tokio::test]
async fn a_peer_that_is_only_wrong_is_closed_in_the_end() {
    let endpoint = BinaryJs::new(echo);
    let url = listen(&endpoint).await;
    let mut raw = Raw::connect(&url).await;
    while raw.send(b"\x07").await.is_ok() {}
    until(|| endpoint.clients().is_empty()).await;
    check_others(&url).await;
}

/// Short time-outs, and no more than a MiB unread.
fn strict() -> Limits {
    Limits {
        idle_max: Duration::from_millis(400),
        stall_max: Duration::from_millis(400),
        session: SessionLimits {
            unread_bytes_max: 1 << 20,
            ..SessionLimits::default()
        },
        ..Limits::default()
    }
}

#[tokio::test]
async fn a_writer_that_ignores_pause_is_held_back_by_its_socket() {
    let endpoint = BinaryJs::builder()
        .limits(strict())
        .serve(async |client: Client| {
            let stream = client.accept().await;
            client.closed().await;
            drop(stream);
        });
    let url = listen(&endpoint).await;
    let mut raw = Raw::connect(&url).await;
    raw.send(&frame(Kind::New, Value::Nil, 0)).await.unwrap();
    let data = frame(Kind::Data, vec![0_u8; 100_000], 0);
    let mut sent = 0;
    // Nobody reads, so after a MiB the socket is not read either, until the endpoint has had enough.
    while raw.send(&data).await.is_ok() {
        sent += data.len();
    }
    assert!(
        sent < CLOSING_BYTES_MAX + (32 << 20),
        "{sent} bytes were taken, kernel's buffers and what was thrown away included"
    );
    until(|| endpoint.clients().is_empty()).await;
}

#[tokio::test]
async fn a_reader_that_stalls_is_cut_and_its_writer_told() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let endpoint = BinaryJs::builder()
        .limits(strict())
        .serve(move |client: Client| {
            let tell = tell.clone();
            async move {
                let endless = tokio::io::repeat(7);
                let sent = client.send(endless, Value::Nil).await;
                tell.send(sent.map(drop)).expect("the test listens");
            }
        });
    // Connects, and never reads.
    let raw = Raw::connect(&listen(&endpoint).await).await;
    let failed = told.recv().await.unwrap().unwrap_err();
    assert_eq!(failed.kind(), io::ErrorKind::NotConnected);
    drop(raw);
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_closed_and_one_that_does_is_kept() {
    let endpoint = BinaryJs::builder().limits(strict()).serve(echo);
    let url = listen(&endpoint).await;
    // Our own client answers pings, and is silent otherwise.
    let kept = connect(&url).await.unwrap();
    let mut raw = Raw::connect(&url).await;
    let code = CloseCode::Timeout.number();
    assert_eq!(raw.hear().await, Heard::Closed(Some(code)));
    let mut stream = kept.create_stream(Value::Nil).unwrap();
    stream.write_value(1).await.unwrap();
    assert_eq!(stream.next_value().await.unwrap(), Some(1.into()));
}
