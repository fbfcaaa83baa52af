//! Opens a file on which another program, such as Samba, holds a lease. The system asks that program to release the file. Until
//! then, the file can't be opened.

use rustix::io::{Errno, Result};
use std::io;
use std::time::{Duration, Instant};

/// The longest wait. By default, the system breaks a lease after 45 seconds.
const LIMIT: Duration = Duration::from_secs(60);
/// The first and the longest pause between two attempts.
const PAUSES: [Duration; 2] = [Duration::from_micros(100), Duration::from_millis(100)];

/// Opens a file without blocking. Tries again while the system returns EAGAIN, but not for ever.
///
/// # Errors
/// The system's error.
pub fn patiently<T>(open: impl FnMut() -> Result<T>) -> io::Result<T> {
    within(LIMIT, open)
}

fn within<T>(limit: Duration, mut open: impl FnMut() -> Result<T>) -> io::Result<T> {
    let (mut since, mut pause) = (None, PAUSES[0]);
    loop {
        match open() {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                if since.get_or_insert_with(Instant::now).elapsed() >= limit {
                    return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another program holds a lease on it"));
                }
                std::thread::sleep(pause);
                pause = (pause * 2).min(PAUSES[1]);
            }
            opened => return Ok(opened?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_and_does_not_spin() {
        let mut tries = 0;
        let opened = patiently(|| {
            tries += 1;
            if tries < 8 { Err(Errno::AGAIN) } else { Ok(tries) }
        });
        assert_eq!(opened.unwrap(), 8);
        assert_eq!(patiently(|| Err::<(), _>(Errno::NOENT)).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn it_does_not_wait_for_ever() {
        let (start, mut tries) = (Instant::now(), 0);
        let failed = within(Duration::from_millis(30), || {
            tries += 1;
            Err::<(), _>(Errno::AGAIN)
        });
        assert_eq!(failed.unwrap_err().to_string(), "another program holds a lease on it");
        assert!(start.elapsed() >= Duration::from_millis(30) && tries < 20, "{tries} tries");
    }
}
