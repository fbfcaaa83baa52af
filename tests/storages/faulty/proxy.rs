//! A proxy for TCP that harms what it passes on.

use super::messages::Messages;
use std::collections::{HashMap, VecDeque};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The connection ends.
    Cut,
    /// Nothing is passed on any more, but the connection stays.
    Stall,
    /// One byte changes.
    Flip,
}

/// Whose bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Those of the client.
    Up,
    /// Those of the server.
    Down,
}

/// A fault.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub kind: Kind,
    pub way: Way,
    /// After so many bytes of a connection that go this way.
    pub at: u64,
    /// How many connections it meets.
    pub times: u64,
    /// Count only the bytes of the bodies of HTTP.
    pub in_bodies: bool,
}

/// A proxy; when it is dropped its connections end.
pub struct Proxy {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    shared: Arc<Shared>,
}

type Connections = HashMap<usize, [TcpStream; 2]>;

struct Shared {
    fault: Fault,
    met: AtomicU64,
    /// Both ends of all connections, by number; None when the proxy ended.
    open: Mutex<Option<Connections>>,
    ended: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<Connections>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proxy {
    /// Starts one before a server of this machine.
    pub fn before(to: u16, fault: Fault) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("listen");
        let port = listener.local_addr().expect("an address").port();
        let (open, met) = (Mutex::new(Some(HashMap::new())), AtomicU64::new(0));
        let shared = Arc::new(Shared { fault, met, open, ended: Condvar::new() });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for (number, client) in listener.incoming().filter_map(Result::ok).enumerate() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { continue };
                let copies = [&client, &server].map(|c| c.try_clone().expect("another handle"));
                match &mut *accepting.lock() {
                    Some(open) => drop(open.insert(number, copies)),
                    None => return,
                }
                let methods = Arc::new(Mutex::default());
                for (from, to, way) in [(&client, &server, Way::Up), (&server, &client, Way::Down)] {
                    let (from, to) = (from.try_clone().expect("another handle"), to.try_clone().expect("another handle"));
                    let (shared, methods) = (Arc::clone(&accepting), Arc::clone(&methods));
                    std::thread::spawn(move || {
                        pump(&shared, &from, &to, way, &methods);
                        // Nobody holds it any more: who still sends hears of that.
                        shared.lock().as_mut().and_then(|open| open.remove(&number));
                    });
                }
            }
        });
        Proxy { port, shared }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        for connection in self.shared.lock().take().unwrap_or_default().into_values().flatten() {
            let _ = connection.shutdown(Shutdown::Both);
        }
        self.shared.ended.notify_all();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Passes on one way of a connection.
fn pump(shared: &Shared, mut from: &TcpStream, mut to: &TcpStream, way: Way, methods: &Mutex<VecDeque<String>>) {
    let fault = Some(shared.fault).filter(|fault| fault.way == way);
    let mut messages = Messages::new(way, methods);
    let mut seen = 0;
    let mut buffer = vec![0; 64 << 10];
    while let Ok(n) = from.read(&mut buffer) {
        if n == 0 {
            break;
        }
        let bodies = messages.bodies(&buffer[..n]);
        if let Some(fault) = fault {
            let counted: Vec<usize> = if fault.in_bodies { bodies } else { (0..n).collect() };
            let index = fault.at.checked_sub(seen).and_then(|at| counted.get(at as usize)).copied();
            seen += counted.len() as u64;
            let meets = index.is_some() && shared.met.fetch_add(1, Ordering::SeqCst) < fault.times;
            if let Some(index) = index.filter(|_| meets) {
                match fault.kind {
                    Kind::Flip => buffer[index] ^= 1,
                    Kind::Cut => {
                        let _ = to.write_all(&buffer[..index]);
                        break;
                    }
                    Kind::Stall => {
                        let _ = to.write_all(&buffer[..index]);
                        let open = shared.lock();
                        drop(shared.ended.wait_while(open, |open| open.is_some()));
                        break;
                    }
                }
            }
        }
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
