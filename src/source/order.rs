//! The order of a listing of objects.

use crate::error::{Error, Result};
use crate::name::Name;
use crate::record::{Kind, Record};
use crate::sort;
use crate::storage::Store;
use crate::stream::Records;
use std::io::{self, ErrorKind};

/// Returns the records of a listing in the order of their names. Some storages allow several objects of one name. Then it is not
/// known which of them a request is about, and an error record stands for all. A listing in pages that has a name twice is wrong.
pub(super) fn in_order(
    store: &dyn Store,
    records: Records,
    failure: impl Fn(&Name, &str) -> Record + Send + 'static,
) -> Result<Records> {
    if store.lists_in_order() {
        return Ok(records);
    }
    let pages = store.lists_in_pages().then(|| format!("list {}", store.url()));
    let mut sorted = sort::Spool::with_doubles(records, sort::BUDGET)?.read().peekable();
    Ok(Box::new(std::iter::from_fn(move || {
        let first = match sorted.next()? {
            Ok(first) => first,
            e => return Some(e),
        };
        let mut count = 1u64;
        while sorted.next_if(|next| next.as_ref().is_ok_and(|next| next.name() == first.name())).is_some() {
            count += 1;
        }
        Some(match &pages {
            _ if count == 1 || first.kind() == Kind::Error => Ok(first),
            Some(what) => {
                let reason = format!("the listing has {} twice", first.name().printable());
                Err(Error::io(what.clone(), io::Error::new(ErrorKind::InvalidData, reason)))
            }
            None => Ok(failure(first.name(), &format!("{count} objects have this name: rename all but one, or delete them"))),
        })
    })))
}
