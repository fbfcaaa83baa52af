//! `snap-merge`: several streams as one, in order: parts of a backup that were made side by side, on several machines or disks.

use crate::error::Result;
use crate::monitor::Monitor;
use crate::record::Kind;
use crate::sort::{self, Spool};
use crate::stream::{End, Records, Tally};
use std::sync::{Arc, Mutex, PoisonError};

/// The records of all inputs in order. A name that several have is kept once where they say the same of it.
///
/// There is an end record if every input has one. It is `filtered` if one of them is, has the types that any was asked for, and
/// the root that all name.
///
/// # Errors
/// Those of the inputs, and a name that stands for two different things.
pub fn union(inputs: Vec<Records>, monitor: Arc<dyn Monitor>) -> Result<Records> {
    let count = inputs.len();
    let ends = Arc::new(Mutex::new(Vec::new()));
    let seen = ends.clone();
    // A record behind an end record is an error of the input it is in, which its reader finds; here ends are taken out.
    let records = inputs.into_iter().flatten().filter(move |record| match record {
        Ok(record) if record.kind() == Kind::End => {
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(End::of(record));
            false
        }
        _ => true,
    });
    let spool = Spool::collect(Box::new(records), sort::BUDGET, &*monitor)?;
    let ends = std::mem::take(&mut *ends.lock().unwrap_or_else(PoisonError::into_inner));
    let end = (ends.len() == count).then(|| join(&ends));
    let mut tally = Tally::default();
    let mut records = Some(spool.read());
    Ok(Box::new(std::iter::from_fn(move || match records.as_mut()?.next() {
        Some(record) => Some(record.inspect(|record| tally.pass(record))),
        None => {
            records = None;
            end.as_ref().map(|end| Ok(tally.close(&end.record())))
        }
    })))
}

/// What all the ends say together. The counts of records are made anew by whoever writes them.
fn join(ends: &[End]) -> End {
    let mut types = Some(Vec::new());
    for end in ends {
        types = types.zip(end.types.clone()).map(|(all, more): (Vec<String>, _)| {
            let new: Vec<String> = more.into_iter().filter(|t| !all.contains(t)).collect();
            [all, new].concat()
        });
    }
    let root = ends.first().and_then(|end| end.root.clone());
    End {
        records: 0,
        errors: ends.iter().map(|end| end.errors).sum(),
        filtered: ends.iter().any(|end| end.filtered),
        diff: ends.iter().any(|end| end.diff),
        types: types.filter(|t| !t.is_empty()),
        root: root.filter(|root| ends.iter().all(|end| end.root.as_ref() == Some(root))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Recorder;
    use crate::stream::Reader;

    fn joined(inputs: &[&'static str]) -> Result<Vec<String>> {
        let inputs = inputs.iter().map(|text| Box::new(Reader::new("input", text.as_bytes())) as Records).collect();
        union(inputs, Arc::new(Recorder::default()))?.map(|r| Ok(String::from_utf8_lossy(r?.text()).into_owned())).collect()
    }

    #[test]
    fn the_whole_covers_the_types_of_all_and_has_a_root_if_they_have_one() {
        let end = |types: &[&str], root: &str| End {
            types: (!types.is_empty()).then(|| types.iter().map(ToString::to_string).collect()),
            root: Some(root.to_string()),
            ..End::default()
        };
        let joined = join(&[end(&["file"], "a"), end(&["file", "link"], "a")]);
        assert_eq!(joined.types.unwrap(), ["file", "link"]);
        assert_eq!(joined.root.as_deref(), Some("a"));
        let joined = join(&[end(&["file"], "a"), end(&[], "b")]);
        assert_eq!((joined.types, joined.root), (None, None));
    }

    #[test]
    fn streams_become_one_in_order_and_whole_only_if_all_are() {
        let a =
            "{\"name\":\"b\"}\n{\"name\":\"d\"}\n{\"errors\":1,\"name\":\"\",\"records\":2,\"root\":\"/r\",\"type\":\"end\"}\n";
        let b =
            "{\"name\":\"a\"}\n{\"errors\":0,\"filtered\":true,\"name\":\"\",\"records\":1,\"root\":\"/r\",\"type\":\"end\"}\n";
        let end = "{\"errors\":1,\"filtered\":true,\"name\":\"\",\"records\":3,\"root\":\"/r\",\"type\":\"end\"}";
        assert_eq!(joined(&[a, b]).unwrap(), [r#"{"name":"a"}"#, r#"{"name":"b"}"#, r#"{"name":"d"}"#, end]);
        assert_eq!(joined(&[a, "{\"name\":\"c\"}\n"]).unwrap().len(), 3, "one is not whole");
    }

    #[test]
    fn one_name_for_two_things_is_refused() {
        assert!(joined(&["{\"name\":\"a\",\"size\":1}\n", "{\"name\":\"a\",\"size\":2}\n"]).is_err());
        assert_eq!(joined(&["{\"name\":\"a\"}\n", "{\"name\":\"a\"}\n"]).unwrap().len(), 1);
    }
}
