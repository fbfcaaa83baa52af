//! The chain of credentials of AWS: environment, profile, single sign-on, web identity, `credential_process`, containers, instances.
//! A profile can name a role to assume, and where the credentials for that come from.

use super::profile::profile_value;
use crate::display::printable;
use crate::error::{Error, Result};
use crate::storage::text_variable;
use reqsign_aws_v4::{
    AssumeRoleCredentialProvider, AssumeRoleWithWebIdentityCredentialProvider, Credential, DefaultCredentialProvider,
    ECSCredentialProvider, EnvCredentialProvider, IMDSv2CredentialProvider, RequestSigner, SSOCredentialProvider,
};
use reqsign_core::{Context, ProvideCredentialDyn, Signer};
use std::sync::Arc;

/// The longest chain of profiles, each of which has the credentials to assume the role of the one before.
const DEEPEST: usize = 8;

/// A source of credentials.
pub type Source = Arc<dyn ProvideCredentialDyn<Credential = Credential>>;

/// What the sources are made from.
pub struct Sources<'a> {
    /// The text of `~/.aws/config`.
    pub shared: &'a str,
    /// What the sources can use.
    pub context: Context,
    /// The region of the bucket.
    pub region: &'a str,
}

impl Sources<'_> {
    /// Returns the source of credentials, and whether it is a single one, whose reason for having none is then told.
    ///
    /// # Errors
    /// If a profile names a role to assume, but not with which credentials.
    pub fn source(&self, chosen: Option<&str>, profile: Option<&str>) -> Result<(Source, bool)> {
        let has_keys = || text_variable("AWS_ACCESS_KEY_ID").is_some() && text_variable("AWS_SECRET_ACCESS_KEY").is_some();
        if chosen.is_some() || !has_keys() {
            let named = chosen.or(profile).unwrap_or("default");
            if let Some(source) = self.followed(named, 0)? {
                return Ok((source, true));
            }
        }
        let chain = || DefaultCredentialProvider::builder();
        Ok(match (chosen, profile) {
            // Otherwise the keys of the environment or of the machine would be used instead of the chosen profile.
            (Some(chosen), _) => (limited(chosen), false),
            (None, Some(profile)) => (Arc::new(chain().with_profile(profile).build()), false),
            (None, None) => (Arc::new(chain().build()), false),
        })
    }

    /// Returns the source that a profile describes in a way that needs more than one step, or None.
    fn followed(&self, profile: &str, depth: usize) -> Result<Option<Source>> {
        let value = |key| profile_value(self.shared, profile, key);
        let refused = |reason: &str| {
            Err(Error::refused(format!("the profile {} in ~/.aws/config {reason}", printable(profile.as_bytes()))))
        };
        let Some(role) = value("role_arn") else { return self.signed_on(profile) };
        if value("mfa_serial").is_some() {
            return refused("asks for a code (mfa_serial), which is not supported: assume the role with another tool");
        }
        if let Some(file) = value("web_identity_token_file") {
            return Ok(Some(Arc::new(AssumeRoleWithWebIdentityCredentialProvider::with_config(role, file.into()))));
        }
        let source: Source = match (value("source_profile"), value("credential_source").as_deref()) {
            _ if depth > DEEPEST => return refused("is a source of its own credentials"),
            // Such a profile has keys of its own.
            (Some(source), _) if source == profile => limited(&source),
            (Some(source), _) => self.followed(&source, depth + 1)?.unwrap_or_else(|| limited(&source)),
            (None, Some("Environment")) => Arc::new(EnvCredentialProvider::new()),
            (None, Some("EcsContainer")) => Arc::new(ECSCredentialProvider::new()),
            (None, Some("Ec2InstanceMetadata")) => Arc::new(IMDSv2CredentialProvider::new()),
            _ => return refused("has a role_arn, but neither a source_profile nor a credential_source that is known"),
        };
        let region = value("region").unwrap_or_else(|| self.region.to_string());
        let signer = Signer::new(self.context.clone(), source, RequestSigner::new("sts", &region));
        let mut assumed = AssumeRoleCredentialProvider::new(role, signer).with_region(region).with_regional_sts_endpoint();
        assumed = assumed.with_role_session_name(value("role_session_name").unwrap_or_else(|| "snapshooter".to_string()));
        if let Some(id) = value("external_id") {
            assumed = assumed.with_external_id(id);
        }
        if let Some(seconds) = value("duration_seconds").and_then(|seconds| seconds.parse().ok()) {
            assumed = assumed.with_duration_seconds(seconds);
        }
        Ok(Some(Arc::new(assumed)))
    }

    /// Returns the source for a profile that names a session of single sign-on, or None. The library knows only the older form,
    /// in which the profile itself has all settings.
    fn signed_on(&self, profile: &str) -> Result<Option<Source>> {
        let value = |key| profile_value(self.shared, profile, key);
        let Some(session) = value("sso_session") else { return Ok(None) };
        let region = profile_value(self.shared, &format!("sso-session {session}"), "sso_region");
        let (Some(region), Some(account), Some(role)) = (region, value("sso_account_id"), value("sso_role_name")) else {
            let reason = format!("the profile {} in ~/.aws/config lacks settings", printable(profile.as_bytes()));
            return Err(Error::advise(reason, "run `aws configure sso`"));
        };
        // The token of a session is kept below the name of the session, where the older form has the address.
        let source = SSOCredentialProvider::new().with_account_id(account).with_region(region).with_role_name(role);
        Ok(Some(Arc::new(source.with_start_url(session))))
    }
}

/// Returns the sources of a profile, and no others.
fn limited(profile: &str) -> Source {
    let chain = DefaultCredentialProvider::builder().with_profile(profile);
    Arc::new(chain.no_env().no_web_identity().no_ecs().no_imds().build())
}
