use super::*;
use crate::monitor::Recorder;
use crate::stream::Reader;

fn options() -> Options {
    Options { from: None, time: None, growth: None }
}

fn page(lines: &str) -> Result<String> {
    let records = Reader::new("input", std::io::Cursor::new(lines.as_bytes().to_vec()));
    let monitor: Arc<dyn Monitor> = Arc::new(Recorder::default());
    let mut out = Vec::new();
    report(Opened::Others(Box::new(records)), &options(), &mut out, &monitor)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn the_page_says_what_may_be_missing() {
    let end = r#"{"errors":0,"name":"","records":1,"type":"end"}"#;
    let says = |lines: &str, part: &str| page(lines).unwrap().contains(part);
    assert!(says("", "no end record"));
    assert!(says("{\"name\":\"a\"}\n", "no end record"));
    let whole = format!("{{\"name\":\"a\"}}\n{end}\n");
    assert!(!says(&whole, "no end record") && !says(&whole, "id=\"notices\""));
    assert!(says(&format!("{end}\n"), "Records were left out on the way"));
    let failed = format!("{{\"error\":\"<denied>\",\"name\":\"a\",\"type\":\"error\"}}\n{end}\n");
    assert!(says(&failed, "1 record failed") && says(&failed, "&lt;denied&gt;"));
    assert!(says(&whole.replace("\"records\"", "\"filtered\":true,\"rules\":{},\"records\""), "rules of the scan"));
    assert!(says(&whole.replace("\"records\"", "\"types\":[\"file\"],\"records\""), "Only files were listed"));
}

#[test]
fn rows_and_records_do_not_mix() {
    let row = r#"{"left":null,"name":"a","right":{"name":"a","size":5},"status":"only_right"}"#;
    let refused = |lines: &str| page(lines).unwrap_err().to_string();
    assert!(refused(&format!("{{\"name\":\"A\"}}\n{row}\n")).contains("a: a row of snap-diff"));
    assert!(refused(&format!("{row}\n{{\"name\":\"b\"}}\n")).contains("b: a record among rows"));
    assert!(refused(&row.replace("only_right", "odd")).contains("a: a row with an unknown status"));
    assert!(refused(&row.replace("\"size\":5", "\"size\":-5")).contains("a: right: "));
    assert!(page(row).unwrap().contains("<dd id=\"only_right\" data-n=\"1\">1</dd>"));
    let none = r#"{"diff":true,"errors":0,"name":"","records":0,"type":"end"}"#;
    assert!(page(none).unwrap().contains("<h1>Changes</h1>"), "no rows are rows, too");
}

#[test]
fn the_bytes_of_a_change_are_those_of_the_larger_side_unless_only_metadata_changed() {
    let record = |size: u64, md5: &str| format!(r#"{{"md5":"{}","name":"a","size":{size}}}"#, md5.repeat(32));
    let bytes = |left: &str, right: &str, status: &str| {
        let mut changes = Changes::new();
        let row = format!(r#"{{"left":{left},"name":"a","right":{right},"status":"{status}"}}"#);
        changes.add(&Record::parse(row.as_bytes()).unwrap()).unwrap();
        changes.tree.sum().bytes
    };
    assert_eq!(bytes(&record(7, "a"), &record(5, "b"), "different"), 7);
    assert_eq!(bytes(&record(5, "a"), &record(5, "a"), "different"), 0);
    assert_eq!(bytes("null", &record(5, "a"), "only_right"), 5);
    assert_eq!(bytes(&record(3, "a"), "null", "only_left"), 3);
    assert_eq!(bytes(&record(3, "a"), &record(3, "a"), "equal"), 0);
}

#[test]
fn the_policy_of_the_page_allows_its_own_script_and_no_other() {
    use crate::digest::Digests;
    let page = page("{\"name\":\"</script><script>alert(1)</script>\",\"size\":1}\n").unwrap();
    let script = page.rsplit_once("<script>").unwrap().1.split_once("</script>").unwrap().0;
    let sha256 = crate::json::to_base64(&Digests::of(script.as_bytes()).1.0);
    assert!(page.contains(&format!("script-src 'sha256-{sha256}';")));
    assert_eq!(page.matches("<script").count(), 2, "the data and the script");
    assert!(!page.contains("alert(1)</script") && !page.contains("http://") && !page.contains("https://"));
}

#[test]
fn memory_and_page_stay_small_for_very_many_names() {
    let mut files = Files::new();
    let records = (0..20_000).map(|n| {
        let line = format!(r#"{{"md5":"{:032x}","name":"{:03}/{:05}","size":{}}}"#, n % 7000, n / 100, n, n % 977 + 1);
        Ok(Record::parse(line.as_bytes()).unwrap())
    });
    let contents = files.read(records).unwrap();
    assert_eq!((files.files, contents.distinct), (20_000, 7000));
    let page = page::page(Facts::Files(files, contents), &Seen::default(), &options(), None);
    assert!(page.len() < 200_000, "{}", page.len());
    assert!(page.contains("… and 19,970 more"));
}
