//! A proxy that makes a service distant: every chunk of bytes arrives a fixed time after it was sent, in both directions.
//!
//!     delay LISTEN SERVICE MILLISECONDS
//!
//! It prints a line when it listens. The bandwidth is not limited.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, service, delay] = &arguments[..] else { panic!("usage: delay LISTEN SERVICE MILLISECONDS") };
    let delay = Duration::from_millis(delay.parse().expect("a number of milliseconds"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind(listen).await.expect("an address to listen on");
        println!("listening on {}", listener.local_addr().expect("an address"));
        loop {
            let Ok((client, _)) = listener.accept().await else { continue };
            let service = service.clone();
            tokio::spawn(async move {
                let Ok(server) = TcpStream::connect(service).await else { return };
                // Without this, the system waits for more bytes before it sends a small packet.
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                tokio::spawn(later(from_client, to_server, delay));
                tokio::spawn(later(from_server, to_client, delay));
            });
        }
    });
}

/// Passes bytes on, each chunk this time after it came.
async fn later(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
    let (sender, mut chunks) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((due, chunk)) = chunks.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&chunk).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    });
    let mut buffer = vec![0; 64 << 10];
    loop {
        match from.read(&mut buffer).await {
            Ok(n) if n > 0 && sender.send((Instant::now() + delay, buffer[..n].to_vec())).is_ok() => {}
            _ => return,
        }
    }
}
