//! What becomes of the options of fsspec's storages that are not used here. Each is harmless or refused with a reason; those that
//! are used stand in the storages themselves.

/// Options of all storages that only affect the Python tool.
const EVERYWHERE: [&str; 9] = [
    "asynchronous",
    "auto_mkdir",
    "batch_size",
    "default_block_size",
    "listings_expiry_time",
    "loop",
    "max_paths",
    "skip_instance_cache",
    "use_listings_cache",
];

/// The options of one storage.
struct Others {
    schemes: &'static [&'static str],
    /// They concern caches, pieces, times and other things that are done in another way here.
    harmless: &'static [&'static str],
    /// Reasons, each with the options that are refused for it.
    refused: &'static [(&'static str, &'static [&'static str])],
    /// The reason for options that stand nowhere, if there is one.
    otherwise: Option<&'static str>,
}

const PYTHON: &str = "it is an object of Python";
const CERTIFICATES: &str = "certificates are always checked; SSL_CERT_FILE and REQUESTS_CA_BUNDLE name those that are trusted";
const PROXIES: &str = "proxies are those of the environment";
const SSH: &str = "the connection is made by ssh; say it in ssh_config(5)";

const TABLE: [Others; 6] = [
    Others {
        schemes: &["az", "abfs", "abfss"],
        harmless: &[
            "assume_container_exists",
            "blocksize",
            "default_cache_type",
            "default_fill_cache",
            "socket_timeout",
            "timeout",
            "version_aware",
        ],
        refused: &[(PYTHON, &["request_session"])],
        otherwise: None,
    },
    Others {
        schemes: &["s3"],
        harmless: &[
            "cache_regions",
            "default_cache_type",
            "default_fill_cache",
            "fixed_upload_size",
            "include_builtin_handlers",
            "local_expiry_check",
            "max_concurrency",
            "version_aware",
        ],
        refused: &[(PYTHON, &["event_hooks", "session", "session_vars"])],
        otherwise: None,
    },
    Others {
        schemes: &["gs", "gcs"],
        harmless: &[
            "block_size",
            "cache_timeout",
            "check_connection",
            "consistency",
            "default_location",
            "finalize_on_close",
            "max_mrd_pool_cache_queue_size",
            "mrd_pool_cache_size",
            "requests_timeout",
            "secure_serialize",
            "timeout",
            "version_aware",
        ],
        refused: &[(PROXIES, &["session_kwargs"])],
        otherwise: None,
    },
    Others {
        schemes: &["webdav", "webdavs"],
        harmless: &[
            "chunk_size",
            "default_encoding",
            "follow_redirects",
            "http1",
            "http2",
            "limits",
            "max_redirects",
            "retry",
            "timeout",
        ],
        refused: &[
            (PYTHON, &["client", "event_hooks", "http_client", "mounts", "transport"]),
            ("it is the root, which is given as a URL", &["base_url"]),
            (CERTIFICATES, &["cert", "verify"]),
            (PROXIES, &["proxy", "trust_env"]),
            ("requests have auth or token, and nothing else of the user", &["cookies", "headers", "params"]),
        ],
        otherwise: None,
    },
    Others {
        schemes: &["sftp", "ssh"],
        harmless: &["max_sessions", "temppath", "timeout"],
        refused: &[(PYTHON, &["pkey", "pool_type", "sock"]), ("it belongs to another program", &["sftp_client_kwargs"])],
        otherwise: Some(SSH),
    },
    Others {
        schemes: &["http", "https"],
        harmless: &["block_size", "cache_options", "cache_type", "encoded", "same_scheme", "simple_links", "size_policy"],
        refused: &[
            (PYTHON, &["get_client"]),
            ("give auth, headers or token themselves", &["client_kwargs"]),
            (CERTIFICATES, &["ssl", "verify_ssl"]),
            (PROXIES, &["proxy", "proxy_auth"]),
        ],
        otherwise: None,
    },
];

/// What becomes of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is accepted and has no effect.
    Harmless,
    /// It is refused for this reason.
    Refused(&'static str),
}

/// Returns what becomes of an option that the storage of this scheme does not use; None if it is no option of fsspec either.
pub fn fate(scheme: &str, option: &str) -> Option<Fate> {
    if EVERYWHERE.contains(&option) {
        return Some(Fate::Harmless);
    }
    let others = TABLE.iter().find(|others| others.schemes.contains(&scheme))?;
    if others.harmless.contains(&option) {
        return Some(Fate::Harmless);
    }
    let refused = others.refused.iter().find(|(_, options)| options.contains(&option)).map(|(reason, _)| *reason);
    refused.or(others.otherwise).map(Fate::Refused)
}
