use super::*;

/// A listing as the service sends it: unquoted etags, empty elements. The emulator sends quotes and leaves elements out.
const SERVICE: &str = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"http://x/\" \
    ContainerName=\"c\"><Prefix>p/</Prefix><MaxResults>5000</MaxResults><Blobs><Blob><Name>p/a</Name><Properties><Creation-Time>\
    Mon, 23 Nov 2026 05:07:40 GMT</Creation-Time><Last-Modified>Mon, 23 Nov 2026 05:07:41 GMT</Last-Modified><Etag>0x8DE2A4\
    </Etag><Content-Length>3</Content-Length><Content-Type>text/plain</Content-Type><Content-Encoding /><Content-Language />\
    <Content-CRC64 /><Content-MD5>rL0Y20zC+Fzt72VPzMSk2A==</Content-MD5><Cache-Control /><Content-Disposition /><BlobType>\
    BlockBlob</BlobType><ServerEncrypted>true</ServerEncrypted><LastAccessTime>Mon, 23 Nov 2026 05:07:42 GMT</LastAccessTime>\
    <TagCount>2</TagCount><ArchiveStatus>rehydrate-pending-to-hot</ArchiveStatus></Properties><Metadata><Owner>me &amp; you\
    </Owner><empty /></Metadata><OrMetadata /></Blob><Blob><Name>p/b</Name><Deleted>false</Deleted><Properties><Last-Modified>\
    Mon, 23 Nov 2026 05:07:41 GMT</Last-Modified><Etag>\"0x8DE2A5\"</Etag><Content-Length>3</Content-Length><Content-MD5 />\
    </Properties><Metadata /></Blob><Blob><Name>p/c</Name><Properties><Content-Length>0</Content-Length></Properties></Blob>\
    </Blobs><NextMarker /></EnumerationResults>";

/// The record that adlfs 2026.8 and the Python tool make of the first blob, without `name`, `type`, `size`, `md5`, `etag`.
const RECORD: &str = r#"{"archive_status": "rehydrate-pending-to-hot", "content_settings": {"cache_control": null,
    "content_disposition": null, "content_encoding": null, "content_language": null, "content_md5": "rL0Y20zC+Fzt72VPzMSk2A==",
    "content_type": "text/plain"}, "creation_time": "2026-11-23T05:07:40+00:00", "deleted": null, "deleted_time": null,
    "last_accessed_on": "2026-11-23T05:07:42+00:00", "last_modified": "2026-11-23T05:07:41+00:00",
    "metadata": {"Owner": "me & you", "empty": null}, "remaining_retention_days": null, "tag_count": 2, "tags": null}"#;

fn more_of(object: &Object) -> serde_json::Map<String, Value> {
    object.more.iter().map(|(name, json)| (name.to_string(), serde_json::from_str(json).unwrap())).collect()
}

#[test]
fn records_are_those_of_the_python_tool() {
    let page = xml::page(SERVICE.as_bytes()).unwrap();
    let objects: Vec<Object> = page.blobs.iter().map(|b| object(b.name.clone().into_bytes(), b).unwrap()).collect();
    let [a, b, c] = &objects[..] else { panic!("{objects:?}") };
    assert_eq!(Value::Object(more_of(a)), serde_json::from_str::<Value>(RECORD).unwrap());
    assert_eq!((a.size, a.modified), (3, Some(Time { sec: 1_795_410_461, nsec: 0 })));
    assert_eq!(a.md5.unwrap().to_string(), "acbd18db4cc2f85cedef654fccc4a4d8");
    assert_eq!((a.etag.as_deref(), b.etag.as_deref(), c.etag.as_deref()), (Some("\"0x8DE2A4\""), Some("\"0x8DE2A5\""), None));
    let (b, c) = (more_of(b), more_of(c));
    assert_eq!((&b["metadata"], &b["deleted"], &b["creation_time"]), (&Value::Null, &json!(false), &Value::Null));
    assert_eq!((&c["metadata"], &c["content_settings"]["content_md5"]), (&json!({}), &Value::Null));
}

#[test]
fn folders_are_known_by_any_of_their_marks() {
    let blob = |name: &str, size: &str, property: Option<(&str, &str)>, metadata: Option<(&str, &str)>| {
        let text = |(name, value): (&str, &str)| (name.to_string(), value.to_string());
        let properties = [Some(("Content-Length", size)), property].into_iter().flatten().map(text).collect();
        let metadata = metadata.map(|(name, value)| (name.to_string(), Some(value.to_string())));
        is_folder(&Blob { name: name.to_string(), properties, metadata: Some(metadata.into_iter().collect()), ..Blob::default() })
    };
    assert!(blob("a", "0", None, Some(("hdi_isfolder", "true"))));
    assert!(blob("a", "0", None, Some(("Hdi_isfolder", "true"))));
    assert!(blob("a", "0", None, Some(("is_directory", "true"))));
    assert!(blob("a", "0", Some(("ResourceType", "directory")), None));
    assert!(blob("a/", "0", None, None));
    assert!(!blob("a/", "3", None, None) && !blob("a", "0", None, None));
    assert!(!blob("a", "0", Some(("ResourceType", "file")), Some(("is_directory", "false"))));
}

#[test]
fn digests_that_are_none_are_left_out() {
    for (text, known) in [("rL0Y20zC+Fzt72VPzMSk2A==", true), ("", false), ("rL0Y", false), ("not base64!", false)] {
        assert_eq!(web::base64_md5(text).is_some(), known, "{text}");
    }
}

#[test]
fn a_blob_with_bytes_is_no_folder_whatever_it_is_marked_as() {
    let blob = |name: &str, size: &str, mark: bool| {
        let metadata = mark.then(|| ("hdi_isfolder".to_string(), Some("true".to_string())));
        Blob {
            name: name.to_string(),
            properties: [("Content-Length".to_string(), size.to_string())].into(),
            metadata: Some(metadata.into_iter().collect()),
            ..Blob::default()
        }
    };
    for (name, size, mark, folder) in [
        ("d", "0", true, true),
        ("d", "5", true, false),
        ("d/", "0", false, true),
        ("d/", "5", false, false),
        ("d/", "5", true, false),
        ("d", "0", false, false),
    ] {
        assert_eq!(is_folder(&blob(name, size, mark)), folder, "{name} {size} {mark}");
    }
}
