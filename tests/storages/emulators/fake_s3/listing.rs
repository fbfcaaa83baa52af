//! Listings, of both versions.

use super::odd::{Form, Lists, Oddities, escaped};
use super::{Held, error, xml};
use crate::storages::emulators::httpd::Answer;
use std::collections::BTreeMap;

/// A page of the objects, in the order that the service has.
pub fn page(odd: &Oddities, objects: &BTreeMap<String, Held>, query: &BTreeMap<String, String>) -> Answer {
    let asked = |name: &str| query.get(name).map(String::as_str);
    if odd.lists == Lists::Refused && asked("list-type").is_some() {
        return error(501, "NotImplemented", "list-type is not implemented");
    }
    let is_second = odd.lists == Lists::Two && asked("list-type") == Some("2");
    let prefix = asked("prefix").unwrap_or_default();
    let mut names: Vec<&String> = objects.keys().filter(|name| name.starts_with(prefix)).collect();
    if odd.disorder {
        names.sort_by_key(|name| snapshooter::internals::digest::md5_of(name.as_bytes()).0);
    }
    if odd.doubles {
        names.extend(names.first().copied());
    }
    let from = match (is_second, asked("continuation-token"), asked("marker")) {
        (true, Some(token), _) => token.strip_prefix("page/+").and_then(|n| n.parse().ok()).unwrap_or(names.len()),
        (false, _, Some(marker)) => names.iter().position(|name| name.as_str() > marker).unwrap_or(names.len()),
        _ => 0,
    };
    let most = if odd.page == 0 { 1000 } else { odd.page };
    let to = names.len().min(from + most);
    let is_encoded = odd.form == Form::Encoded || asked("encoding-type") == Some("url") && odd.form != Form::NeverEncoded;
    let text = |text: &str| if is_encoded { encoded(text) } else { escaped(text) };
    let mut about = format!("<Name>{}</Name><Prefix>{}</Prefix><MaxKeys>{most}</MaxKeys>", odd.bucket(), text(prefix));
    about += &format!("<IsTruncated>{}</IsTruncated>", to < names.len());
    if is_encoded {
        about += "<EncodingType>url</EncodingType>";
    }
    if is_second {
        about += &format!("<KeyCount>{}</KeyCount>", to - from);
    } else {
        about += &format!("<Marker>{}</Marker>", text(asked("marker").unwrap_or_default()));
    }
    match odd.lists {
        _ if to == names.len() => {}
        _ if is_second => about += &format!("<NextContinuationToken>page/+{to}</NextContinuationToken>"),
        Lists::One { next: false } => {}
        _ => about += &format!("<NextMarker>{}</NextMarker>", text(names[to - 1])),
    }
    let one = |name: &&String| {
        let held = &objects[*name];
        format!(
            "<Contents><Key>{}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>{}</ETag><Size>{}</Size></Contents>",
            text(name),
            held.etag.replace('"', "&quot;"),
            held.content.len()
        )
    };
    let listed: String = names[from..to].iter().map(one).collect();
    let inner = if odd.form == Form::ObjectsFirst { listed + &about } else { about + &listed };
    let whole = format!("<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{inner}</ListBucketResult>");
    match odd.form {
        Form::Prefixed => {
            let prefixed =
                whole.replace("</", "\u{1}").replace('<', "<s3:").replace('\u{1}', "</s3:").replace("xmlns=", "xmlns:s3=");
            xml(200, prefixed)
        }
        Form::Marked => {
            let mut answer = xml(200, whole);
            answer.body = ["\u{feff}".as_bytes(), &answer.body].concat();
            answer
        }
        _ => xml(200, whole),
    }
}

/// A name as Amazon writes it in a URL: a space is a plus.
fn encoded(text: &str) -> String {
    let one = |byte: u8| match byte {
        b' ' => "+".to_string(),
        b'/' | b'-' | b'.' | b'_' | b'*' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}
