//! A server's router over TLS.
//!
//! In: a listener, a certificate with its key, and the router of a server that runs. Out: players and HTTP,
//! each connection in a task of its own. The decision to question: hyper and not `axum::serve`, which has no
//! time-outs. The server's own bounds begin behind the upgrade; those in front of it stand here.

use std::{error::Error, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use axum::{Extension, Router, extract::ConnectInfo};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// Connections that are not yet upgraded or answered; further ones wait in the listener's queue.
const CONNECTIONS_MAX: usize = 1024;

/// Time for the handshake, and again for the head of a request. Slower connections are dropped.
const WAIT: Duration = Duration::from_secs(10);

/// How long to wait when accepting fails, most likely for want of file descriptors.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(50);

type Failure = Box<dyn Error + Send + Sync>;

/// TLS with the certificates and the key of two PEM files.
pub(crate) fn acceptor(certificates: &Path, key: &Path) -> Result<TlsAcceptor, Failure> {
    let chain = CertificateDer::pem_file_iter(certificates)?.collect::<Result<_, _>>()?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Accepts connections until it is dropped. Those that have begun go on without it.
pub(crate) async fn serve(listener: TcpListener, tls: TlsAcceptor, router: Router) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // Never closed, so never an error.
        let place = places.clone().acquire_owned().await.ok();
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                eprintln!("a connection could not be accepted: {error}");
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                continue;
            }
        };
        let (tls, router) = (tls.clone(), router.clone());
        tokio::spawn(async move {
            if let Err(error) = answer(stream, address, &tls, router).await {
                eprintln!("{address}: {error}");
            }
            drop(place);
        });
    }
}

/// Answers the requests of one connection; an upgraded one leaves for its worker.
async fn answer(
    stream: TcpStream,
    address: SocketAddr,
    tls: &TlsAcceptor,
    router: Router,
) -> Result<(), Failure> {
    // A snapshot must not wait for the acknowledgement of the last one.
    stream.set_nodelay(true)?;
    let stream = tokio::time::timeout(WAIT, tls.accept(stream)).await??;
    // By it the server knows how many connections an address has.
    let router = router.layer(Extension(ConnectInfo(address)));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(WAIT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades()
        .await?;
    Ok(())
}
