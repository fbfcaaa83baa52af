//! A bucket of S3 with many objects, which can only be listed. Each answer comes a fixed time after its request.
//!
//!     listing FORM OBJECTS MILLISECONDS [IN-TURN]
//!
//! FORM is the form of the names: flat, folders, hex; or a file of names, one per line, and OBJECTS has no meaning then. With a
//! fourth argument, `start-after` has no effect, so that the pages can be requested only one after the other. It prints its address
//! when it listens.

use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [form, objects, delay, in_turn @ ..] = &arguments[..] else { panic!("usage: listing FORM OBJECTS MILLISECONDS") };
    let count: u64 = objects.parse().expect("a number of objects");
    let delay = Duration::from_millis(delay.parse().expect("a number of milliseconds"));
    let name = |n: u64| match form.as_str() {
        "flat" => format!("{n:09}"),
        "folders" => format!("{}/{:02}/{:02}/{:04}.jpg", 2000 + n / 840_000, n / 70_000 % 12 + 1, n / 2500 % 28 + 1, n % 2500),
        "hex" => format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        form => panic!("unknown form: {form}"),
    };
    let mut names: Vec<String> = match std::fs::read_to_string(form) {
        Ok(text) => text.lines().map(str::to_string).collect(),
        Err(_) => (0..count).map(name).collect(),
    };
    names.sort_unstable();
    let (names, is_in_turn) = (Arc::new(names), !in_turn.is_empty());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address to listen on");
        println!("listening on {}", listener.local_addr().expect("an address"));
        loop {
            let Ok((client, _)) = listener.accept().await else { continue };
            tokio::spawn(talk(client, names.clone(), delay, is_in_turn));
        }
    });
}

/// Answers the requests of a connection.
async fn talk(client: TcpStream, names: Arc<Vec<String>>, delay: Duration, is_in_turn: bool) {
    let _ = client.set_nodelay(true);
    let (input, mut output) = client.into_split();
    let mut lines = BufReader::new(input).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        while lines.next_line().await.is_ok_and(|line| line.is_some_and(|line| !line.is_empty())) {}
        tokio::time::sleep(delay).await;
        // There is no content, and so no encryption.json.
        let (status, body) = match line.contains("list-type=2") {
            true => ("200 OK", page(&line, &names, is_in_turn)),
            false => ("404 Not Found", "<Error><Code>NoSuchKey</Code></Error>".to_string()),
        };
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/xml\r\ncontent-length: {}\r\n\r\n", body.len());
        if output.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
            return;
        }
    }
}

fn page(request: &str, names: &[String], is_in_turn: bool) -> String {
    let query = request.split(['?', ' ']).nth(2).unwrap_or_default();
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let prefix = value("prefix").unwrap_or_default().replace("%2F", "/");
    let below = names.partition_point(|name| *name < prefix);
    let names = &names[..below + names[below..].partition_point(|name| name.starts_with(&prefix))];
    let first = match (value("continuation-token"), value("start-after").filter(|_| !is_in_turn)) {
        (Some(token), _) => token.parse().unwrap_or(0),
        (None, Some(name)) => {
            let name = name.replace("%2F", "/");
            names.partition_point(|other| *other <= name)
        }
        (None, None) => below,
    };
    let end = (first + 1000).min(names.len());
    let mut page = format!("<ListBucketResult><Name>b</Name><IsTruncated>{}</IsTruncated>", end < names.len());
    if end < names.len() {
        page += &format!("<NextContinuationToken>{end}</NextContinuationToken>");
    }
    for name in &names[first..end] {
        page += &format!(
            "<Contents><Key>{name}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>\
             <ETag>&quot;9a0364b9e99bb480dd25e1f0284c8555&quot;</ETag><Size>7</Size><StorageClass>STANDARD</StorageClass></Contents>"
        );
    }
    page + "</ListBucketResult>"
}
