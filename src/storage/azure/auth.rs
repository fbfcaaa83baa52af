//! Sources of credentials.

use super::config::{Config, Secret};
use crate::storage::retry::Policy;
use crate::storage::web;
use crate::storage::web::auth::{Auth, Variables, context, patience};
use reqsign_azure_storage::{
    AzureCliCredentialProvider, AzurePipelinesCredentialProvider, ClientCertificateCredentialProvider,
    ClientSecretCredentialProvider, Credential, ImdsCredentialProvider, RequestSigner, StaticCredentialProvider,
    WorkloadIdentityCredentialProvider,
};
use reqsign_core::{Context, ProvideCredential, ProvideCredentialChain, Signer};
use reqwest::Client;
use std::io;
use std::time::Duration;

/// The time limit to connect to the metadata service. Outside of Azure nothing answers at its address.
const METADATA_LIMIT: Duration = Duration::from_secs(2);
/// The message if no source has credentials.
const MISSING: &str = "no credentials: give account_key, sas_token, connection_string or anon, or log in with az login";

/// Returns what signs the requests for a root. No request is sent yet.
///
/// # Errors
/// If the certificates of this machine can't be read.
pub fn auth(config: &Config, client: &Client) -> io::Result<Auth> {
    let patient = Policy { in_all: Duration::from_secs(60), stall: Duration::from_secs(30), ..patience() };
    let context = context(client.clone(), patient);
    let signer = RequestSigner::new;
    Ok(match &config.secret {
        Secret::Nothing => Auth::anonymous(),
        Secret::Key(key) => {
            let key = StaticCredentialProvider::new_shared_key(&config.account, key);
            Auth::new(Signer::new(context, key, signer()), None)
        }
        Secret::Sas(sas) => Auth::new(Signer::new(context, StaticCredentialProvider::new_sas_token(sas), signer()), None),
        Secret::Application { tenant, client, secret } => {
            let application = ClientSecretCredentialProvider::new().with_tenant_id(tenant).with_client_id(client);
            Auth::new(Signer::new(context, application.with_client_secret(secret), signer()), None)
        }
        Secret::Machine(identity) => Auth::new(Signer::new(context, machine(identity.clone())?, signer()), Some(MISSING)),
    })
}

/// Returns the credentials of this machine: those that a user has set up come first, and those that a network service provides
/// come last.
fn machine(identity: Option<String>) -> io::Result<ProvideCredentialChain<Credential>> {
    let client = web::build(Client::builder().no_proxy(), METADATA_LIMIT, &[])?;
    let named = identity.is_some();
    let variables = match identity {
        Some(_) => vec![("AZURE_CLIENT_ID", identity), ("AZURE_OBJECT_ID", None)],
        None => Vec::new(),
    };
    let context = context(client, patience()).with_env(Variables(variables));
    let metadata = Metadata { context, provider: ImdsCredentialProvider::new() };
    let chain = ProvideCredentialChain::new()
        .push(ClientSecretCredentialProvider::new())
        .push(ClientCertificateCredentialProvider::new())
        .push(AzurePipelinesCredentialProvider::new())
        .push(WorkloadIdentityCredentialProvider::new())
        .push(AzureCliCredentialProvider::new());
    Ok(if named { chain.push_front(metadata) } else { chain.push(metadata) })
}

/// The metadata service. It needs another context than the rest of the chain.
#[derive(Debug)]
struct Metadata {
    context: Context,
    provider: ImdsCredentialProvider,
}

impl ProvideCredential for Metadata {
    type Credential = Credential;

    async fn provide_credential(&self, _: &Context) -> reqsign_core::Result<Option<Credential>> {
        self.provider.provide_credential(&self.context).await
    }
}
