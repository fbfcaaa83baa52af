//! The one runtime that all network storages share. All code outside of `storage` is blocking.

use std::io;
use std::sync::OnceLock;
use tokio::runtime::{Builder, Runtime};

const WORKERS: usize = 2;

/// Waits for a future. It must not be called from within a future.
///
/// # Errors
/// If the threads of the runtime can't be started.
pub fn block_on<F: Future>(future: F) -> io::Result<F::Output> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = match RUNTIME.get() {
        Some(runtime) => runtime,
        None => {
            // The runtime panics if it can't start its threads. So the same number of threads is started and ended first.
            let (done, is_done) = crossbeam_channel::bounded::<()>(0);
            let wait = |_| {
                let is_done = is_done.clone();
                crate::parallel::spawn(move || is_done.recv().is_ok())
            };
            let threads: Vec<_> = (0..WORKERS + 2).map(wait).collect::<io::Result<_>>()?;
            drop(done);
            threads.into_iter().for_each(|thread| drop(thread.join()));
            let new = Builder::new_multi_thread().worker_threads(WORKERS).thread_name("network").enable_all().build()?;
            RUNTIME.get_or_init(|| new)
        }
    };
    Ok(runtime.block_on(future))
}
