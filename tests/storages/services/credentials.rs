//! Where credentials come from: single sign-on, assumed roles, web identities, containers, processes, and the federations of Google
//! and Azure, each from a service of identities of this machine.

use crate::storages::emulators::fake_s3::{FakeS3, Oddities};
use crate::storages::emulators::httpd::{Answer, Request, serve};
use crate::storages::emulators::{self, Emulator, Planted};
use crate::storages::faulty::front::Front;
use crate::storages::faulty::logins::{CERTIFICATES, serve as serve_tls};
use crate::util::World;
use std::sync::{Arc, Mutex};

/// A service that gives out credentials, and what it was asked.
struct Identities {
    port: u16,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Identities {
    fn new() -> Identities {
        let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
        let log = seen.clone();
        let port = serve(move |request| {
            log.lock().expect("no other test has it").push(request.clone());
            identity(request)
        });
        Identities { port, seen }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The requests whose address or body has this text.
    fn asked(&self, text: &str) -> Vec<Request> {
        let seen = self.seen.lock().expect("no other test has it");
        let has = |r: &&Request| r.target.contains(text) || String::from_utf8_lossy(&r.body).contains(text);
        seen.iter().filter(has).cloned().collect()
    }
}

/// An answer, or a refusal without the secret that belongs to it.
fn identity(request: &Request) -> Answer {
    // Some send it in the address.
    let body = format!("{}&{}", request.target, String::from_utf8_lossy(&request.body));
    let header = |name: &str| request.header(name).unwrap_or_default();
    let json = |text: &str| Answer::new(200, text).with("content-type", "application/json");
    let sts = |action: &str, key: &str| {
        let credentials = format!(
            "<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>wrongsecret</SecretAccessKey><SessionToken>token-of-{key}\
             </SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
        );
        let body = format!("<{action}Response><{action}Result>{credentials}</{action}Result></{action}Response>");
        Answer::new(200, body).with("content-type", "text/xml")
    };
    let container = r#"{"AccessKeyId": "ofcontainer", "SecretAccessKey": "wrongsecret", "Token": "token-of-ofcontainer",
        "Expiration": "2099-01-01T00:00:00Z"}"#;
    match request.path() {
        _ if body.contains("Action=AssumeRoleWithWebIdentity") && body.contains("WebIdentityToken=mytoken") => {
            sts("AssumeRoleWithWebIdentity", "ofweb00000000000")
        }
        _ if body.contains("Action=AssumeRole&") && header("authorization").contains("Credential=ofassumed0000000/") => {
            sts("AssumeRole", "oftwice000000000")
        }
        _ if body.contains("Action=AssumeRole&") && header("authorization").contains("Credential=of") => {
            sts("AssumeRole", "ofassumed0000000")
        }
        "/federation/credentials" if header("x-amz-sso_bearer_token") == "mytoken" => json(
            r#"{"roleCredentials": {"accessKeyId": "ofsso", "secretAccessKey": "wrongsecret", "sessionToken": "token-of-ofsso",
                "expiration": 4070908800000}}"#,
        ),
        "/container" if header("authorization") == "mytoken" => json(container),
        // Google and Azure.
        "/token" if body.contains("mytoken") => json(
            r#"{"access_token": "offederation", "expires_in": 3600, "token_type": "Bearer",
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}"#,
        ),
        "/impersonate" if header("authorization") == "Bearer offederation" => {
            json(r#"{"accessToken": "ofimpersonation", "expireTime": "2099-01-01T00:00:00Z"}"#)
        }
        "/tenant/oauth2/v2.0/token" if body.contains("client_assertion=mytoken") => {
            json(r#"{"access_token": "offederation", "expires_in": 3600, "token_type": "Bearer"}"#)
        }
        _ => Answer::new(403, "<Error><Code>AccessDenied</Code></Error>"),
    }
}

/// A world without credentials, whose file root is on this service.
fn world(fake: &FakeS3, identities: &Identities, config: &str) -> World {
    let mut world = World::new();
    world.put("home/.aws/config", config);
    for (name, value) in [
        ("FILE_ROOT", "s3://bucket"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL_S3", &format!("http://127.0.0.1:{}", fake.port)),
        ("AWS_ENDPOINT_URL_STS", &identities.url()),
        ("AWS_ENDPOINT_URL_SSO", &format!("{}/", identities.url())),
    ] {
        world.set(name, value);
    }
    world
}

/// Scans, and checks with which key and token the service was asked.
fn uses(fake: &FakeS3, world: &World, key: &str, has_token: bool) {
    let before = fake.seen().len();
    world.sh("snap-scan").ok().silent();
    let seen = fake.seen();
    assert!(seen.len() > before, "{key}: nothing was asked");
    for request in &seen[before..] {
        let login = request.header("authorization").unwrap_or_default();
        assert!(login.contains(&format!("Credential={key}/")), "{key}: {login}");
        let token = format!("token-of-{key}");
        assert_eq!(request.header("x-amz-security-token"), has_token.then_some(&*token), "{key}");
    }
}

fn service() -> FakeS3 {
    let fake = FakeS3::that(Oddities::default());
    fake.plant("a", "content");
    fake
}

#[test]
fn roles_are_assumed_with_the_credentials_that_the_profile_names() {
    let (fake, identities) = (service(), Identities::new());
    let role = "role_arn = arn:aws:iam::123456789012:role/backup";
    let config = format!(
        "[default]\n{role}\nsource_profile = base\nexternal_id = outside\nrole_session_name = nightly\n\
         [profile twice]\n{role}\nsource_profile = default\n[profile environment]\n{role}\ncredential_source = Environment\n\
         [profile web]\n{role}\nweb_identity_token_file = TOKEN\n[profile base]\nregion = us-east-1\n\
         [profile loop]\n{role}\nsource_profile = pool\n[profile pool]\n{role}\nsource_profile = loop\n\
         [profile mfa]\n{role}\nsource_profile = base\nmfa_serial = arn:aws:iam::123456789012:mfa/me\n[profile none]\n{role}\n"
    );
    let mut world = world(&fake, &identities, "");
    let token = world.put("token", "mytoken");
    world.put("home/.aws/config", config.replace("TOKEN", &token.display().to_string()));
    world.put("home/.aws/credentials", "[base]\naws_access_key_id = ofbase\naws_secret_access_key = wrongsecret\n");
    uses(&fake, &world, "ofassumed0000000", true);
    let asked = identities.asked("Action=AssumeRole&");
    let body = format!("{}{}", asked[0].target, String::from_utf8_lossy(&asked[0].body));
    assert!(body.contains("ExternalId=outside") && body.contains("RoleSessionName=nightly"), "{body}");
    // What is signed is the name of Amazon's server.
    assert!(asked[0].header("host").is_some_and(|host| host.starts_with("sts.") && host.ends_with("amazonaws.com")));
    for (profile, key) in [("twice", "oftwice000000000"), ("web", "ofweb00000000000"), ("base", "ofbase")] {
        world.set("FILE_STORAGE_OPTIONS", format!(r#"{{"profile": "{profile}"}}"#));
        uses(&fake, &world, key, key != "ofbase");
    }
    for (profile, reason) in [
        ("loop", "is a source of its own credentials"),
        ("mfa", "asks for a code (mfa_serial), which is not supported"),
        ("none", "has a role_arn, but neither a source_profile nor a credential_source"),
    ] {
        world.set("FILE_STORAGE_OPTIONS", format!(r#"{{"profile": "{profile}"}}"#));
        let done = world.sh("snap-scan").status(2);
        assert!(done.err().contains(reason) && done.err().lines().count() == 1, "{done}");
    }
    world.set("FILE_STORAGE_OPTIONS", r#"{"profile": "environment"}"#);
    world.set("AWS_ACCESS_KEY_ID", "ofenvironment");
    world.set("AWS_SECRET_ACCESS_KEY", "wrongsecret");
    uses(&fake, &world, "ofassumed0000000", true);
}

#[test]
fn a_role_that_is_refused_is_told_without_secrets() {
    let (fake, identities) = (service(), Identities::new());
    let config = "[default]\nrole_arn = arn:aws:iam::123456789012:role/backup\nsource_profile = base\n";
    let world = world(&fake, &identities, config);
    world.put("home/.aws/credentials", "[base]\naws_access_key_id = unknown\naws_secret_access_key = wrongsecret\n");
    let done = world.sh("snap-scan").status(2);
    assert!(done.err().contains("no credentials: ") && done.err().lines().count() == 1, "{done}");
    assert!(!done.err().contains("secret") && fake.seen().is_empty(), "{done}");
}

#[test]
fn single_sign_on_uses_the_token_that_is_kept() {
    let (fake, identities) = (service(), Identities::new());
    // The sha1 of `corp`, and of the address.
    let names = ["sso_session = corp", "sso_start_url = https://corp.test/start\nsso_region = eu-1"];
    for (how, is_session) in names.into_iter().zip([true, false]) {
        let config = format!(
            "[default]\n{how}\nsso_account_id = 123456789012\nsso_role_name = backup\n\
             [sso-session corp]\nsso_region = eu-1\nsso_start_url = https://corp.test/start\n"
        );
        let world = world(&fake, &identities, &config);
        let text = if is_session { "corp" } else { "https://corp.test/start" };
        let token = r#"{"accessToken": "mytoken", "expiresAt": "2099-01-01T00:00:00Z"}"#;
        world.put("home/token", token);
        let keep = format!(
            "mkdir -p ~/.aws/sso/cache && mv ~/token ~/.aws/sso/cache/$(printf %s '{text}' | sha1sum | cut -d' ' -f1).json"
        );
        world.sh(&keep).ok();
        uses(&fake, &world, "ofsso", true);
        let asked = identities.asked("/federation/credentials");
        let query = asked.last().expect("a request").query();
        assert_eq!((query["account_id"].as_str(), query["role_name"].as_str()), ("123456789012", "backup"));
        world.sh("rm ~/.aws/sso/cache/*").ok();
        let done = world.sh("snap-scan").status(2);
        assert!(done.err().contains("no credentials") && done.err().lines().count() == 1, "{done}");
    }
}

#[test]
fn web_identities_containers_and_processes_give_credentials() {
    let (fake, identities) = (service(), Identities::new());
    let mut web = world(&fake, &identities, "");
    let token = web.put("token", "mytoken");
    web.set("AWS_WEB_IDENTITY_TOKEN_FILE", token);
    web.set("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/backup");
    uses(&fake, &web, "ofweb00000000000", true);
    let mut container = world(&fake, &identities, "");
    container.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/container", identities.url()));
    container.set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "mytoken");
    uses(&fake, &container, "ofcontainer", true);
    let process = world(&fake, &identities, "");
    let said =
        r#"{"Version": 1, "AccessKeyId": "ofprocess", "SecretAccessKey": "wrongsecret", "SessionToken": "token-of-ofprocess"}"#;
    let said = process.put("said", said).display().to_string();
    process.put("home/.aws/config", format!("[default]\ncredential_process = cat {said}\n"));
    uses(&fake, &process, "ofprocess", true);
}

#[test]
fn google_takes_federated_and_impersonated_identities() {
    let (google, identities) = (emulators::fake_gcs(), Identities::new());
    let root = google.fresh();
    google.plant(&root, &[Planted::new("a", "content")]);
    let front = Front::before(google.port(), |_, _| None);
    for (more, token) in
        [("", "offederation"), (r#", "service_account_impersonation_url": "URL/impersonate""#, "ofimpersonation")]
    {
        let mut world = World::new();
        let subject = world.put("subject", "mytoken").display().to_string();
        let account = format!(
            r#"{{"type": "external_account", "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": "URL/token",
                "credential_source": {{"file": "{subject}"}}{more}}}"#
        );
        let file = world.put("account.json", account.replace("URL", &identities.url()));
        world.set("FILE_ROOT", &root.url);
        for as_option in [false, true] {
            let endpoint = format!("http://127.0.0.1:{}", front.port);
            let mut options = serde_json::json!({"endpoint_url": endpoint});
            if as_option {
                options["token"] = file.display().to_string().into();
            } else {
                world.set("GOOGLE_APPLICATION_CREDENTIALS", &file);
            }
            world.set("FILE_STORAGE_OPTIONS", options.to_string());
            let before = front.seen().len();
            world.sh("snap-scan").ok().silent();
            let expected = format!("Bearer {token}");
            let seen = front.seen();
            assert!(seen.len() > before && seen[before..].iter().all(|(_, r)| r.header("authorization") == Some(&expected)));
            world.unset("GOOGLE_APPLICATION_CREDENTIALS");
        }
    }
}

#[test]
fn azure_takes_federated_identities() {
    let identities = Identities::new();
    let mut world = World::new();
    world.sh(CERTIFICATES).ok();
    let (_server, port) = serve_tls(&world, "good");
    let token = world.put("token", "mytoken");
    let store = format!("DefaultEndpointsProtocol=https;AccountName=me;BlobEndpoint=https://localhost:{port}/me;");
    for (name, value) in [
        ("FILE_ROOT", "az://box"),
        ("SSL_CERT_FILE", "ca.pem"),
        ("AZURE_STORAGE_CONNECTION_STRING", &store),
        ("AZURE_FEDERATED_TOKEN_FILE", &token.display().to_string()),
        ("AZURE_TENANT_ID", "tenant"),
        ("AZURE_CLIENT_ID", "client"),
        ("AZURE_AUTHORITY_HOST", &identities.url()),
    ] {
        world.set(name, value);
    }
    world.sh("snap-scan").ok().silent();
    assert!(!identities.asked("client_assertion=mytoken").is_empty());
    world.put("token", "another");
    let done = world.sh("snap-scan").status(2);
    assert!(done.err().contains("no credentials") && !done.err().contains("another"), "{done}");
}
