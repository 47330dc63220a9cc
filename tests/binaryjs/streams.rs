//! What a user of the endpoint may expect, with our own client at the other end.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use tickwire_server::net::binaryjs::{
    BinaryJs, BinaryStream, Client, Value, connect, connect_with, limits::Limits,
};
use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};

use crate::{
    endpoint::{connected, echo, listen, serve, until},
    raw::Raw,
};

/// Bytes that no two places of look alike.
fn pattern(bytes: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(5);
    std::iter::repeat_with(|| random.u8(..))
        .take(bytes)
        .collect()
}

/// An endpoint whose streams come out of a channel.
async fn handed_over() -> (BinaryJs, Client, mpsc::UnboundedReceiver<BinaryStream>) {
    let (give, taken) = mpsc::unbounded_channel();
    let (endpoint, client) = connected(BinaryJs::builder(), move |client: Client| {
        let give = give.clone();
        async move {
            while let Some(stream) = client.accept().await {
                if give.send(stream).is_err() {
                    return;
                }
            }
        }
    })
    .await;
    (endpoint, client, taken)
}

/// Both ends of one stream; the endpoint is kept by its server's task.
async fn pair() -> (BinaryStream, BinaryStream) {
    let (_, client, mut taken) = handed_over().await;
    let ours = client.create_stream("meta").expect("it is connected");
    let theirs = taken.recv().await.expect("the stream arrives");
    assert_eq!(theirs.metadata(), &Value::from("meta"));
    (ours, theirs)
}

#[tokio::test]
async fn an_address_of_ipv6_is_dialled_without_its_brackets() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else {
        return eprintln!("this machine has no IPv6: not tested");
    };
    let endpoint = BinaryJs::new(echo);
    let client = connect(&serve(&endpoint, listener)).await.unwrap();
    let mut stream = client.create_stream(Value::Nil).unwrap();
    stream.write_value(1).await.unwrap();
    assert_eq!(stream.next_value().await.unwrap(), Some(1.into()));
}

#[tokio::test]
async fn values_of_every_kind_come_back_as_they_were() {
    let (_, client) = connected(BinaryJs::builder(), echo).await;
    let mut stream = client.create_stream(Value::Nil).unwrap();
    let values = [
        Value::Nil,
        true.into(),
        0.into(),
        (-33).into(),
        (1_u64 << 40).into(),
        1.5.into(),
        "é€😀".into(),
        vec![0_u8, 255].into(),
        Value::Array(vec![1.into(), Value::Binary(vec![7; 70_000])]),
        Value::Map(vec![("__proto__".into(), "x".into())]),
    ];
    for value in &values {
        stream.write_value(value.clone()).await.unwrap();
    }
    stream.end();
    for value in values {
        let back = stream.next_value().await.unwrap().expect("not the end yet");
        // Integers beyond 32 bits travel as doubles.
        assert_eq!(back.as_f64(), value.as_f64());
        assert!(back == value || back.is_f64(), "{back} {value}");
    }
    assert_eq!(stream.next_value().await.unwrap(), None);
}

#[tokio::test]
async fn bytes_are_piped_through_and_ended() {
    let (_, client, mut taken) = handed_over().await;
    let file = pattern(5 << 20);
    let sent = file.clone();
    let answered = tokio::spawn(async move { client.send(&sent[..], Value::Nil).await });
    let mut stream = taken.recv().await.unwrap();
    let mut received = Vec::new();
    let bytes = tokio::io::copy(&mut stream, &mut received).await.unwrap();
    assert_eq!(bytes, 5 << 20);
    assert!(received == file, "bytes arrive in order");
    // The other half is still open.
    stream.write_value(bytes).await.unwrap();
    let mut ours = answered.await.unwrap().unwrap();
    assert_eq!(ours.next_value().await.unwrap(), Some(Value::from(bytes)));
}

#[tokio::test]
async fn bytes_travel_in_chunks_of_the_size_that_is_set() {
    let (_, client) = connected(
        BinaryJs::builder().chunk_bytes(1000),
        async |client: Client| {
            let pushed = client.send(&[7; 2500][..], "push").await;
            drop(pushed.expect("it is connected"));
        },
    )
    .await;
    let mut stream = client.accept().await.unwrap();
    assert_eq!(stream.metadata().as_str(), Some("push"));
    for bytes in [1000, 1000, 500] {
        let value = stream.next_value().await.unwrap();
        assert_eq!(value, Some(Value::Binary(vec![7; bytes])));
    }
    assert_eq!(stream.next_value().await.unwrap(), None);
}

#[tokio::test]
async fn a_hundred_streams_at_once_keep_their_order() {
    let (_, client) = connected(BinaryJs::builder(), echo).await;
    let streams = (0..100_u64).map(|number| {
        let client = client.clone();
        tokio::spawn(async move {
            let (mut reader, mut writer) = client.create_stream(number)?.into_split();
            let writing = tokio::spawn(async move {
                for value in 0..200 {
                    writer.write_value(number * 1000 + value).await?;
                }
                io::Result::Ok(())
            });
            for value in 0..200 {
                let back = reader.next_value().await?;
                assert_eq!(back, Some(Value::from(number * 1000 + value)));
            }
            assert_eq!(
                reader.next_value().await?,
                None,
                "a dropped writer has ended"
            );
            writing.await.expect("it does not panic")
        })
    });
    for stream in streams.collect::<Vec<_>>() {
        stream.await.unwrap().unwrap();
    }
    assert_eq!(client.streams_open(), 0);
}

#[tokio::test]
async fn what_came_before_anyone_accepted_is_kept() {
    let (_, client, mut taken) = handed_over().await;
    let mut ours = client.create_stream(Value::Nil).unwrap();
    for value in 0..300 {
        ours.write_value(value).await.unwrap();
    }
    ours.close();
    let mut theirs = taken.recv().await.unwrap();
    for value in 0..300 {
        assert_eq!(theirs.next_value().await.unwrap(), Some(value.into()));
    }
    let closed = theirs.next_value().await.unwrap_err();
    assert_eq!(closed.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_reader_that_waits_pauses_its_writer_and_one_that_reads_lets_it_go_on() {
    let (mut ours, mut theirs) = pair().await;
    let chunk = pattern(10_000);
    let mut written = 0;
    while !ours.is_paused() {
        let write = poll_fn(
            |context| match Pin::new(&mut ours).poll_write(context, &chunk) {
                Poll::Pending => Poll::Ready(Ok(0)),
                ready => ready,
            },
        );
        written += write.await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!((256 * 1024..16 << 20).contains(&written), "{written}");
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).await.map(|_| all.len())
    });
    for _ in 0..400 {
        ours.write_all(&chunk).await.unwrap();
        written += chunk.len();
    }
    ours.end();
    assert_eq!(reading.await.unwrap().unwrap(), written);
}

#[tokio::test]
async fn pausing_by_hand_holds_the_writer_until_resumed() {
    let (ours, theirs) = pair().await;
    theirs.pause();
    until(|| ours.is_paused()).await;
    theirs.resume();
    until(|| !ours.is_paused()).await;
}

#[tokio::test]
async fn an_end_leaves_the_other_half_open_and_a_close_does_not() {
    let (mut ours, mut theirs) = pair().await;
    ours.end();
    assert_eq!(theirs.next_value().await.unwrap(), None);
    let refused = ours.write_value(1).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::BrokenPipe);
    theirs.write_value("still here").await.unwrap();
    assert_eq!(ours.next_value().await.unwrap(), Some("still here".into()));
    theirs.close();
    let closed = ours.next_value().await.unwrap_err();
    assert_eq!(closed.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_dropped_stream_is_closed_and_a_dropped_reader_holds_nobody_up() {
    let (ours, mut theirs) = pair().await;
    drop(ours);
    assert!(theirs.next_value().await.is_err());
    assert!(theirs.write_value(1).await.is_err());

    let (mut ours, theirs) = pair().await;
    let (reader, mut writer) = theirs.into_split();
    drop(reader);
    // Ten times what a stream may leave unread.
    ours.write_all(&pattern(2_560_000)).await.unwrap();
    ours.end();
    writer.write_value("read by nobody").await.unwrap();
    assert_eq!(
        ours.next_value().await.unwrap(),
        Some("read by nobody".into())
    );
}

#[tokio::test]
async fn a_picture_of_one_is_passed_on_to_all_others() {
    let endpoint = BinaryJs::new(async |client: Client| {
        while let Some(mut picture) = client.accept().await {
            let mut bytes = Vec::new();
            if picture.read_to_end(&mut bytes).await.is_ok() {
                for other in client.clients().others(client.id()) {
                    let _ = other.send(&bytes[..], picture.metadata().clone()).await;
                }
            }
        }
    });
    let url = listen(&endpoint).await;
    let sender = connect(&url).await.unwrap();
    let receivers = [connect(&url).await.unwrap(), connect(&url).await.unwrap()];
    until(|| endpoint.clients().len() == 3).await;
    let picture = pattern(100_000);
    sender.send(&picture[..], "flower.png").await.unwrap();
    for receiver in &receivers {
        let mut stream = receiver.accept().await.unwrap();
        assert_eq!(stream.metadata().as_str(), Some("flower.png"));
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        assert!(bytes == picture);
    }
    drop(receivers);
}

#[tokio::test]
async fn a_closed_connection_ends_its_streams_and_frees_its_place() {
    let (endpoint, client, mut taken) = handed_over().await;
    let mut ours = client.create_stream(Value::Nil).unwrap();
    ours.write_value("last").await.unwrap();
    let mut theirs = taken.recv().await.unwrap();
    client.close();
    assert_eq!(theirs.next_value().await.unwrap(), Some("last".into()));
    let over = theirs.next_value().await.unwrap_err();
    assert_eq!(over.kind(), io::ErrorKind::NotConnected);
    client.closed().await;
    assert!(client.accept().await.is_none());
    assert!(client.create_stream(Value::Nil).is_err());
    until(|| endpoint.clients().is_empty()).await;
}

#[tokio::test]
async fn a_handler_that_has_returned_takes_no_more_streams_and_keeps_those_it_has() {
    let (endpoint, client) = connected(BinaryJs::builder(), async |client: Client| {
        if let Some(mut stream) = client.accept().await {
            tokio::spawn(async move {
                while let Ok(Some(value)) = stream.next_value().await {
                    let _ = stream.write_value(value).await;
                }
            });
        }
    })
    .await;
    let mut first = client.create_stream(Value::Nil).unwrap();
    first.write_value(1).await.unwrap();
    assert_eq!(first.next_value().await.unwrap(), Some(1.into()));
    let mut second = client.create_stream(Value::Nil).unwrap();
    assert!(second.next_value().await.is_err());
    first.write_value(2).await.unwrap();
    assert_eq!(first.next_value().await.unwrap(), Some(2.into()));
    assert_eq!(endpoint.clients().len(), 1);
}

#[tokio::test]
async fn who_hears_that_a_client_is_gone_finds_nothing_of_it() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let endpoint = BinaryJs::new(move |client: Client| {
        let tell = tell.clone();
        async move {
            let stream = client.accept().await.expect("it is opened");
            client.close();
            client.closed().await;
            let left = (client.clients().len(), client.streams_open());
            tell.send(left).expect("the test listens");
            drop(stream);
        }
    });
    // It does not answer the close, so the socket stays for a while.
    let mut raw = Raw::connect(&listen(&endpoint).await).await;
    raw.send(&[0x93, 1, 0xc0, 0]).await.unwrap();
    assert_eq!(told.recv().await, Some((0, 0)));
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/elsewhere", listener.local_addr().unwrap());
    let limits = Limits {
        idle_max: Duration::from_millis(20),
        ..Limits::default()
    };
    let failed = connect_with(&url, limits).await.unwrap_err();
    assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn who_takes_no_streams_has_them_closed_and_waits_for_none() {
    let (_, client, mut taken) = handed_over().await;
    let _ours = client.create_stream(Value::Nil).unwrap();
    let theirs = taken.recv().await.unwrap();
    let mut waits = pin!(client.accept());
    assert!(poll_fn(|context| Poll::Ready(waits.as_mut().poll(context).is_pending())).await);
    client.stop_accepting();
    assert!(waits.await.is_none());
    drop(theirs);
}

#[tokio::test]
async fn who_is_not_let_in_is_told_so_before_the_upgrade() {
    let is_open = Arc::new(AtomicBool::new(false));
    let looked_at = Arc::clone(&is_open);
    let endpoint = BinaryJs::builder()
        .verify(move |request| {
            request.uri.query() == Some("key=1") && looked_at.load(Ordering::Relaxed)
        })
        .limits(Limits {
            connections_max: 1,
            ..Limits::default()
        })
        .serve(echo);
    let url = format!("{}?key=1", listen(&endpoint).await);
    let refused = |error: io::Error| error.to_string();
    assert!(refused(connect(&url).await.unwrap_err()).contains("401"));
    is_open.store(true, Ordering::Relaxed);
    let first = connect(&url).await.unwrap();
    assert!(refused(connect(&url).await.unwrap_err()).contains("503"));
    let elsewhere = url.replace("/binaryjs", "/elsewhere");
    assert!(refused(connect(&elsewhere).await.unwrap_err()).contains("404"));
    endpoint.close();
    first.closed().await;
    until(|| endpoint.clients().is_empty()).await;
    assert!(refused(connect(&url).await.unwrap_err()).contains("503"));
}
