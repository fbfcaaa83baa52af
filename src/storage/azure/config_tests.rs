use super::*;
use std::ffi::OsStr;

/// Reads a configuration from a URL, options, and variables without their prefix `AZURE_STORAGE_`.
fn read(url: &str, options: &str, environment: &[(&str, &str)]) -> Result<Config> {
    let options = Options::parse(OsStr::new(options), "--file-storage-options").unwrap();
    let (scheme, rest) = url.split_once("://").unwrap();
    config(scheme, rest, &options, &|name| {
        let name = name.strip_prefix("AZURE_STORAGE_")?;
        environment.iter().find(|(n, _)| *n == name).map(|(_, v)| v.to_string())
    })
}

fn secret(options: &str, environment: &[(&str, &str)]) -> Secret {
    read("az://box/data", options, environment).unwrap().secret
}

const KEYED: &str = r#"{"account_name": "me", "account_key": "a2V5"}"#;

#[test]
fn urls_name_container_and_folder_literally() {
    for (url, container, prefix, shown) in [
        ("az://box", "box", "", "az://box"),
        ("az://box/", "box", "", "az://box"),
        ("abfs://box/a/b c%20+#?/", "box", "a/b c%20+#?/", "abfs://box/a/b c%20+#?"),
        ("abfss://box/a//b", "box", "a//b/", "abfss://box/a//b"),
        ("az://$web/x", "$web", "x/", "az://$web/x"),
        ("abfss://box@me.dfs.core.windows.net/a", "box", "a/", "abfss://box@me.dfs.core.windows.net/a"),
    ] {
        let c = read(url, KEYED, &[]).unwrap();
        assert_eq!((&*c.root.name, &*c.root.prefix, &*c.root.url), (container, prefix, shown));
        assert_eq!(c.endpoint, "https://me.blob.core.windows.net", "{url}");
    }
}

#[test]
fn urls_that_name_no_container_are_refused() {
    for (url, reason) in [
        ("az://", "no container"),
        ("az:///data", "no container"),
        ("abfs://@me.dfs.core.windows.net/data", "no container"),
        ("az://me.blob.core.windows.net/box", "only letters"),
        ("az://box?sig=x/data", "only letters"),
        ("az://box@me.example.org/data", "the host"),
        ("az://box@me/data", "the host"),
        ("az://box@.dfs.core.windows.net/data", "the host"),
        ("az://box@me.dfs.core.windows.net:1@evil/data", "the host"),
        ("az://box/a/../b", "the name has a part"),
        ("az://box/a\\b", "a backslash"),
    ] {
        let e = read(url, KEYED, &[]).unwrap_err().to_string();
        assert!(e.contains(reason), "{url}: {e}");
    }
}

#[test]
fn the_host_of_a_url_gives_account_and_endpoint() {
    let c = read("abfss://box@me.dfs.core.chinacloudapi.cn/x", r#"{"account_key": "a2V5"}"#, &[]).unwrap();
    assert_eq!((&*c.account, &*c.endpoint), ("me", "https://me.blob.core.chinacloudapi.cn"));
    let e = read("abfss://box@me.dfs.core.windows.net/x", r#"{"account_name": "you"}"#, &[]).unwrap_err();
    assert!(e.to_string().ends_with("two accounts: me and you"), "{e}");
}

#[test]
fn an_option_beats_the_environment_even_an_emulator() {
    let emulator = [("CONNECTION_STRING", "UseDevelopmentStorage=true")];
    let key = |c: Config| (c.account, c.endpoint, c.secret);
    for options in
        [r#"{"account_name": "me", "account_key": "a2V5"}"#, r#"{"connection_string": "AccountName=me;AccountKey=a2V5"}"#]
    {
        let expected = ("me".to_string(), "https://me.blob.core.windows.net".to_string(), Secret::Key("a2V5".into()));
        assert_eq!(key(read("az://box", options, &emulator).unwrap()), expected, "{options}");
        assert!(read("az://box", options, &[("CONNECTION_STRING", "AccountName=me")]).is_ok(), "{options}");
    }
    let of_url = read("abfss://box@me.dfs.core.windows.net", "{}", &emulator).unwrap();
    assert_eq!(of_url.endpoint, "http://127.0.0.1:10000/devstoreaccount1", "an emulator stands for the account of a URL");
}

#[test]
fn connection_strings_in_all_their_forms() {
    for (text, account, endpoint, secret) in [
        (
            "UseDevelopmentStorage=true",
            "devstoreaccount1",
            "http://127.0.0.1:10000/devstoreaccount1",
            Secret::Key(EMULATOR[1].into()),
        ),
        (
            "DefaultEndpointsProtocol=https;AccountName=me;AccountKey=a2V5cw==;EndpointSuffix=core.usgovcloudapi.net",
            "me",
            "https://me.blob.core.usgovcloudapi.net",
            Secret::Key("a2V5cw==".into()),
        ),
        ("accountname=me;accountkey=a2V5;", "me", "https://me.blob.core.windows.net", Secret::Key("a2V5".into())),
        (
            "BlobEndpoint=http://127.0.0.1:1/me/;SharedAccessSignature=?sv=1&sig=x%3D;QueueEndpoint=http://q/",
            "",
            "http://127.0.0.1:1/me",
            Secret::Sas("sv=1&sig=x%3D".into()),
        ),
    ] {
        let by_option = read("az://box", &format!(r#"{{"connection_string": "{text}"}}"#), &[]).unwrap();
        let by_variable = read("az://box", "{}", &[("CONNECTION_STRING", text)]).unwrap();
        assert_eq!((&*by_option.account, &*by_option.endpoint, &by_option.secret), (account, endpoint, &secret), "{text}");
        assert_eq!(by_option, by_variable);
    }
    for text in ["secret", "AccountKey=a2V5", "AccountName=me;secret"] {
        let e = read("az://box", &format!(r#"{{"connection_string": "{text}"}}"#), &[]).unwrap_err().to_string();
        assert!(e.contains("connection_string: expected") && !e.contains("secret"), "{e}");
        let e = read("az://box", "{}", &[("CONNECTION_STRING", text)]).unwrap_err().to_string();
        assert!(e.contains("AZURE_STORAGE_CONNECTION_STRING") && !e.contains("secret"), "{e}");
    }
}

#[test]
fn options_count_before_the_environment() {
    let both = [("ACCOUNT_NAME", "me"), ("ACCOUNT_KEY", "ZW52"), ("SAS_TOKEN", "?sv=1&sig=env"), ("ANON", "true")];
    assert_eq!(secret("{}", &both), Secret::Key("ZW52".into()));
    assert_eq!(secret(r#"{"sas_token": "?sv=1&sig=x"}"#, &both), Secret::Sas("sv=1&sig=x".into()));
    assert_eq!(secret(r#"{"anon": true}"#, &both), Secret::Nothing);
    assert_eq!(secret(r#"{"anon": true, "account_key": "a2V5"}"#, &both), Secret::Key("a2V5".into()));
    assert_eq!(secret(r#"{"credential": "a2V5"}"#, &both), Secret::Key("a2V5".into()));
    assert_eq!(secret(r#"{"credential": "sv=1&sig=x"}"#, &both), Secret::Sas("sv=1&sig=x".into()));
    assert_eq!(
        secret(r#"{"credential": null}"#, &both[2..].iter().chain(&both[..1]).copied().collect::<Vec<_>>()),
        Secret::Sas("sv=1&sig=env".into())
    );
    assert_eq!(secret("{}", &[("ACCOUNT", "me"), ("ANON", "1")]), Secret::Nothing);
    for no in ["false", "0", "F"] {
        assert_eq!(secret("{}", &[("ACCOUNT", "me"), ("ANON", no)]), Secret::Machine(None));
    }
    let application = r#"{"account_name": "me", "tenant_id": "t", "client_id": "c", "client_secret": "s"}"#;
    let told = Secret::Application { tenant: "t".into(), client: "c".into(), secret: "s".into() };
    assert_eq!(secret(application, &[("ACCOUNT_NAME", "me")]), told);
    let identity = r#"{"account_name": "me", "managed_identity_client_id": "id"}"#;
    assert_eq!(secret(identity, &[]), Secret::Machine(Some("id".into())));
}

#[test]
fn the_environments_credential_of_another_account_is_not_used() {
    let other = [("ACCOUNT_NAME", "other"), ("ACCOUNT_KEY", "ZW52"), ("SAS_TOKEN", "sv=1&sig=x")];
    assert_eq!(secret(r#"{"account_name": "me"}"#, &other), Secret::Machine(None));
    assert_eq!(secret(r#"{"account_name": "other"}"#, &other), Secret::Key("ZW52".into()));
    let string = [("CONNECTION_STRING", "AccountName=other;AccountKey=ZW52")];
    let c = read("az://box", r#"{"account_name": "me"}"#, &string).unwrap();
    assert_eq!((&*c.account, c.secret), ("me", Secret::Machine(None)));
}

#[test]
fn what_can_not_work_is_said_at_once_and_without_secrets() {
    for (options, reason) in [
        ("{}", "which account?"),
        (r#"{"account_name": "me", "account_key": "secret!"}"#, "not base64"),
        (r#"{"account_name": "me", "sas_token": "secret"}"#, "no sig="),
        (r#"{"account_host": "secret@host", "anon": true}"#, "no URL"),
        (r#"{"account_host": "ftp://host", "anon": true}"#, "not https"),
        (r#"{"account_host": "host", "account_key": "a2V5"}"#, "needs an account_name"),
        (r#"{"account_name": "me", "account_host": "http://host"}"#, "https only"),
        (r#"{"account_name": "me", "location_mode": "secondary"}"#, "location_mode"),
        (r#"{"acount_name": "me"}"#, "did you mean account_name?"),
    ] {
        let e = read("az://box", options, &[]).unwrap_err().to_string();
        assert!(e.contains(reason) && !e.contains("secret"), "{options}: {e}");
    }
    let e = read("az://box", "{}", &[]).unwrap_err();
    assert!(e.help().is_some_and(|h| h.contains("account_name") && h.contains("AZURE_STORAGE_ACCOUNT_NAME")), "{e}");
}

#[test]
fn secrets_do_not_show_in_debug() {
    let c = read("az://box", r#"{"account_name": "me", "account_key": "c2VjcmV0"}"#, &[]).unwrap();
    assert!(!format!("{c:?}").contains("c2Vj"));
}

#[test]
fn blobs_get_a_tier_that_they_can_have() {
    let read = |tier: &str| {
        let options = KEYED.replace('}', &format!(", \"standard_blob_tier\": \"{tier}\", \"encryption_scope\": \"mine\"}}"));
        read("az://box", &options, &[]).map(|config| (config.tier, config.scope)).map_err(|e| e.to_string())
    };
    assert_eq!(read("Cold"), Ok((Some("Cold".to_string()), Some("mine".to_string()))));
    let e = read("P10").unwrap_err();
    assert!(e.ends_with("standard_blob_tier: expected Hot, Cool, Cold, Archive"), "{e}");
}
