//! The accept loop: from a listener to HTTP connections, as many at a time as allowed.
//!
//! In: a listener and the router. Out: nothing; connections live in their tasks. The choice to question:
//! why not `axum::serve`? It has no time-out for a request's head and no bound on connections: a peer
//! that opens sockets and says nothing would hold them for ever.

use core::{net::SocketAddr, pin::pin, time::Duration};
use std::{io, sync::Arc};

use axum::{Router, extract::ConnectInfo};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tickwire_protocol::time::Micros;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};

use super::{
    gate::{Gate, HttpPermit},
    proxies::Proxies,
};
use crate::limits::{ACCEPT_ERRORS_MAX, HTTP_HEAD_BYTES_MAX, HTTP_HEAD_WAIT, Limits};

/// How long to wait when accepting fails, most likely for want of file descriptors.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(50);

/// What connections need to come in.
pub(super) struct Entrance {
    pub(super) router: Router,
    pub(super) limits: Arc<Limits>,
    pub(super) gate: Arc<Gate>,
    pub(super) proxies: Proxies,
}

impl Entrance {
    /// Accepts connections until `shutdown` is done. Those under way finish their request.
    pub(super) async fn accept(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> io::Result<()> {
        let mut shutdown = pin!(shutdown);
        let places = Arc::new(Semaphore::new(self.limits.http_connections_max));
        let (ending, is_ending) = watch::channel(false);
        let mut errors = 0;
        loop {
            let next = async {
                // Never closed, so never an error; a full house waits in the kernel's queue.
                let place = places.clone().acquire_owned().await.ok();
                (place, listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                () = &mut shutdown => break,
                next = next => next,
            };
            match accepted {
                Ok((stream, address)) => {
                    errors = 0;
                    self.begin(stream, address, place, is_ending.clone());
                }
                Err(error) if errors >= ACCEPT_ERRORS_MAX => return Err(error),
                Err(error) => {
                    errors += u32::from(!is_shortage(&error));
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                }
            }
        }
        // Idle connections close at once, others after their answer.
        let _ = ending.send(true);
        Ok(())
    }

    /// Gives a connection a task of its own, unless its address has too many.
    fn begin(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        place: Option<OwnedSemaphorePermit>,
        is_ending: watch::Receiver<bool>,
    ) {
        let own = (!self.proxies.contain(address.ip())).then_some(address.ip());
        let Some(permit) = self.gate.enter_http(own) else {
            tracing::debug!(%address, "too many HTTP connections of one address");
            return;
        };
        // Who asks and does not read the answer must not hold a place for ever.
        bound_unread(&stream, Some(self.limits.stall_max));
        let connection = Connection {
            router: self.router.clone(),
            address,
            _place: (place, permit),
        };
        tokio::spawn(connection.serve(stream, is_ending));
    }
}

/// Has the kernel cut a connection that takes nothing for so long; with `None` no longer, for one whose stalls
/// somebody else sees, who can say why it ends. Where the kernel cannot, nothing happens.
pub(super) fn bound_unread(stream: &TcpStream, span: Option<Micros>) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Err(error) =
        socket2::SockRef::from(stream).set_tcp_user_timeout(span.map(Duration::from))
    {
        tracing::debug!(%error, "an answer may stay unread");
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (stream, span);
}

/// Whether accepting failed for want of something that others hold: it passes when they let go.
fn is_shortage(error: &io::Error) -> bool {
    #[cfg(unix)]
    let codes = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    #[cfg(not(unix))]
    let codes: [i32; 0] = [];
    error
        .raw_os_error()
        .is_some_and(|code| codes.contains(&code))
}

struct Connection {
    router: Router,
    address: SocketAddr,
    /// Given back when it is over or upgraded.
    _place: (Option<OwnedSemaphorePermit>, HttpPermit),
}

impl Connection {
    /// Answers the requests of one connection; an upgraded one leaves for its worker.
    async fn serve(self, stream: TcpStream, mut ending: watch::Receiver<bool>) {
        let address = self.address;
        let router = TowerToHyperService::new(self.router.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(address));
            hyper::service::Service::call(&router, request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from(HTTP_HEAD_WAIT))
            .max_buf_size(HTTP_HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let mut is_ending = false;
        let result = loop {
            tokio::select! {
                result = &mut connection => break result,
                _ = ending.changed(), if !is_ending => {
                    is_ending = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, %address, "an HTTP connection ended");
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::net::metrics::Metrics;

    // On one thread: once the peer reads the end, the connection's task is over.
    #[tokio::test]
    async fn a_route_that_panics_leaves_no_connection_counted() {
        async fn fail() {
            panic!("on purpose");
        }
        let metrics = Arc::new(Metrics::new(1));
        let limits = Limits::default();
        let entrance = Entrance {
            router: Router::new().route("/", get(fail)),
            gate: Arc::new(Gate::new(&limits, metrics.clone())),
            limits: Arc::new(limits),
            proxies: Proxies::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (stream, address) = listener.accept().await.unwrap();
        let (_going_on, is_ending) = watch::channel(false);
        entrance.begin(stream, address, None, is_ending);
        assert_eq!(metrics.http_connections.read(), 1);
        let request = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n";
        peer.write_all(request).await.unwrap();
        // It ends or is reset: nothing was answered.
        let _ = peer.read_to_end(&mut Vec::new()).await;
        assert_eq!(metrics.http_connections.read(), 0);
    }
}
