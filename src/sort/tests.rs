use super::*;
use crate::monitor::Recorder;
use proptest::prelude::*;

fn file(name: &str, md5: u8) -> Record {
    let mut line = String::from("{\"name\":");
    crate::json::push_string(&mut line, name.as_bytes());
    line.push_str(&format!(",\"md5\":\"{md5:032x}\"}}"));
    Record::parse(line.as_bytes()).unwrap()
}

fn collect(records: Vec<Record>, budget: usize) -> (Result<Spool>, Vec<String>) {
    let monitor = Recorder::default();
    let spool = Spool::collect(Box::new(records.into_iter().map(Ok)), budget, &monitor);
    (spool, monitor.messages())
}

fn names(spool: &Spool) -> Vec<String> {
    spool.read().map(|r| r.unwrap().name().printable()).collect()
}

#[test]
fn duplicates_are_kept_once_or_refused() {
    for budget in [0, 1 << 20] {
        let (spool, heard) = collect(vec![file("b", 1), file("a", 1), file("b", 1)], budget);
        assert_eq!(names(&spool.unwrap()), ["a", "b"]);
        assert_eq!(heard, ["b: this name came twice with the same content, once is kept"]);
        let (spool, _) = collect(vec![file("b", 1), file("a", 1), file("b", 2)], budget);
        assert_eq!(spool.err().unwrap().to_string(), "b: this name stands for two different things in the input");
    }
}

#[test]
fn errors_are_sorted_along_and_the_end_is_last() {
    let end = Record::parse(br#"{"name":"","type":"end","records":2}"#).unwrap();
    let failure = Record::failure(&Name::new(&b"b"[..]), "bad");
    for budget in [0, 1 << 20] {
        let records = vec![file("c", 1), failure.clone(), failure.clone(), file("b", 1), file("a", 3), end.clone()];
        let (spool, heard) = collect(records, budget);
        let spool = spool.unwrap();
        assert_eq!(names(&spool), ["a", "b", "b", "b", "c", ""]);
        assert_eq!(names(&spool), ["a", "b", "b", "b", "c", ""]);
        let counts = spool.counts();
        assert_eq!((counts.entries, counts.errors, counts.changes, counts.listing.records), (3, 2, 0, 5));
        assert!(heard.is_empty());
    }
}

proptest! {
    #[test]
    fn any_order_and_any_budget(names in prop::collection::vec("[a-c/\u{e9}\u{1f600}-]{1,5}", 0..60), budget in 0usize..8000) {
        let records: Vec<Record> = names.iter().map(|n| file(n, 7)).collect();
        let mut expected: Vec<Name> = records.iter().map(|r| r.name().clone()).collect();
        expected.sort();
        expected.dedup();
        let (spool, heard) = collect(records.clone(), budget);
        let spool = spool.unwrap();
        let out: Vec<Record> = spool.read().map(Result::unwrap).collect();
        let mut listing = Listing::default();
        out.iter().for_each(|record| listing.add(record));
        prop_assert_eq!(spool.counts().listing, listing);
        prop_assert_eq!(out.iter().map(|r| r.name().clone()).collect::<Vec<_>>(), expected);
        prop_assert_eq!(heard.len(), (records.len() - out.len()).min(NAMED as usize + 1));
    }
}
