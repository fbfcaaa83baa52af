//! Signing of requests, and where its credentials come from.

use super::config::{Config, Secret};
use reqsign_azure_storage::{
    AzureCliCredentialProvider, AzurePipelinesCredentialProvider, ClientCertificateCredentialProvider,
    ClientSecretCredentialProvider, Credential, ImdsCredentialProvider, RequestSigner, StaticCredentialProvider,
    WorkloadIdentityCredentialProvider,
};
use reqsign_command_execute_tokio::TokioCommandExecute;
use reqsign_core::{Context, Env, OsEnv, ProvideCredential, ProvideCredentialChain, Signer};
use reqsign_file_read_tokio::TokioFileRead;
use reqsign_http_send_reqwest::ReqwestHttpSend;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// No credential may take longer to get: `az` takes seconds.
const LIMIT: Duration = Duration::from_secs(60);

/// A machine outside of Azure has no metadata service, and often nobody who would say so.
const METADATA_LIMIT: Duration = Duration::from_secs(2);

/// Signs requests, or does not.
#[derive(Debug)]
pub struct Auth {
    signer: Option<Signer<Credential>>,
    /// Where credentials were looked for in vain, for the message.
    machine: bool,
}

impl Auth {
    /// For a root. Nothing is asked of anybody yet.
    ///
    /// # Errors
    /// If the certificates of this machine can't be read.
    pub fn new(config: &Config) -> io::Result<Auth> {
        let client = reqwest::Client::builder().connect_timeout(Duration::from_secs(10)).timeout(Duration::from_secs(30));
        let context = Context::new()
            .with_env(Named(None))
            .with_file_read(TokioFileRead)
            .with_command_execute(TokioCommandExecute)
            .with_http_send(ReqwestHttpSend::new(client.build().map_err(io::Error::other)?));
        let signed = |provider| Some(Signer::new(context.clone(), provider, RequestSigner::new()));
        let signer = match &config.secret {
            Secret::Nothing => None,
            Secret::Key(key) => signed(chain().push(StaticCredentialProvider::new_shared_key(&config.account, key))),
            Secret::Sas(sas) => signed(chain().push(StaticCredentialProvider::new_sas_token(sas))),
            Secret::Application { tenant, client, secret } => {
                let application = ClientSecretCredentialProvider::new().with_tenant_id(tenant).with_client_id(client);
                let application = application.with_client_secret(secret);
                // Alone, not in a chain, which would keep its reasons for itself.
                Some(Signer::new(context.clone(), application, RequestSigner::new()))
            }
            Secret::Machine(identity) => signed(machine(&context, identity.clone())?),
        };
        Ok(Auth { signer, machine: matches!(config.secret, Secret::Machine(_)) })
    }

    /// Signs a request.
    ///
    /// # Errors
    /// `PermissionDenied` if there is no credential; the flag tells whether another try may help.
    pub async fn sign(&self, request: &mut http::request::Parts) -> Result<(), (io::Error, bool)> {
        let Some(signer) = &self.signer else { return Ok(()) };
        let denied = |text: String| io::Error::new(io::ErrorKind::PermissionDenied, text);
        match tokio::time::timeout(LIMIT, signer.sign(request, None)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) if self.machine => {
                let text = "no credentials: give account_key, sas_token, connection_string or anon, or log in with az login";
                Err((denied(text.to_string()), false))
            }
            Ok(Err(e)) => {
                let text = super::errors::short(&e.to_string());
                Err((denied(format!("no credentials: {text}")), e.is_retryable()))
            }
            Err(_) => Err((denied(format!("no credentials within {} seconds", LIMIT.as_secs())), true)),
        }
    }
}

fn chain() -> ProvideCredentialChain<Credential> {
    ProvideCredentialChain::new()
}

/// What this machine is allowed to: first what somebody set up on purpose, last what is asked of the network.
fn machine(context: &Context, identity: Option<String>) -> io::Result<ProvideCredentialChain<Credential>> {
    let client = reqwest::Client::builder().no_proxy().connect_timeout(METADATA_LIMIT).timeout(5 * METADATA_LIMIT);
    let client = client.build().map_err(io::Error::other)?;
    let named = identity.is_some();
    let context = context.clone().with_http_send(ReqwestHttpSend::new(client)).with_env(Named(identity));
    let metadata = Within { context, provider: ImdsCredentialProvider::new() };
    let chain = chain()
        .push(ClientSecretCredentialProvider::new())
        .push(ClientCertificateCredentialProvider::new())
        .push(AzurePipelinesCredentialProvider::new())
        .push(WorkloadIdentityCredentialProvider::new())
        .push(AzureCliCredentialProvider::new());
    Ok(if named { chain.push_front(metadata) } else { chain.push(metadata) })
}

/// A provider that looks through other windows than the rest of its chain.
#[derive(Debug)]
struct Within<P> {
    context: Context,
    provider: P,
}

impl<P: ProvideCredential> ProvideCredential for Within<P> {
    type Credential = P::Credential;

    async fn provide_credential(&self, _: &Context) -> reqsign_core::Result<Option<P::Credential>> {
        self.provider.provide_credential(&self.context).await
    }
}

/// The environment, with the client id of a managed identity in it.
#[derive(Debug)]
struct Named(Option<String>);

impl Env for Named {
    fn var(&self, key: &str) -> Option<String> {
        self.0.clone().filter(|_| key == "AZURE_CLIENT_ID").or_else(|| OsEnv.var(key))
    }

    fn vars(&self) -> HashMap<String, String> {
        // Not `std::env::vars`, which panics on what is not UTF-8.
        let all = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let mut all: HashMap<String, String> = all.collect();
        if let Some(id) = &self.0 {
            all.insert("AZURE_CLIENT_ID".to_string(), id.clone());
            all.remove("AZURE_OBJECT_ID");
        }
        all
    }

    fn home_dir(&self) -> Option<PathBuf> {
        OsEnv.home_dir()
    }
}
