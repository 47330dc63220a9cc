//! An endpoint on a port of its own, for as long as a test's runtime lives.

use axum::Router;
use tickwire_server::net::binaryjs::{BinaryJs, Builder, Client, connect};
use tokio::net::TcpListener;

/// Serves an endpoint at `/binaryjs` and gives its address.
pub(crate) async fn listen(endpoint: &BinaryJs) -> String {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    serve(endpoint, listener)
}

/// As [`listen`], on a port that is bound.
pub(crate) fn serve(endpoint: &BinaryJs, listener: TcpListener) -> String {
    let address = listener.local_addr().expect("it is bound");
    let router: Router = Router::new().route("/binaryjs", endpoint.route());
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("ws://{address}/binaryjs")
}

/// An endpoint and one client of it.
pub(crate) async fn connected<F, Fut>(builder: Builder, serve: F) -> (BinaryJs, Client)
where
    F: Fn(Client) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let endpoint = builder.serve(serve);
    let url = listen(&endpoint).await;
    let client = connect(&url).await.expect("the endpoint answers");
    (endpoint, client)
}

/// Sends every value back, on every stream, and ends when the client ends.
pub(crate) async fn echo(client: Client) {
    while let Some(mut stream) = client.accept().await {
        tokio::spawn(async move {
            while let Some(value) = stream.next_value().await? {
                stream.write_value(value).await?;
            }
            stream.end();
            std::io::Result::Ok(())
        });
    }
}

/// Gives the others a turn until a condition holds. A test whose condition never holds never ends.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}
