//! One order (RFC 8555, section 7.4): an account, the proof of each name, and the certificate.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount, NewOrder, Order, OrderStatus, Problem,
    RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::sign::CertifiedKey;

use super::{Acme, AcmeError};
use crate::tls::Challenges;

/// How long the authority may take to look at a name, or to sign.
const PATIENCE: Duration = Duration::from_secs(120);
/// The authority forgot the account (RFC 8555, section 6.7).
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// Orders a certificate. Returns it with its key, in PEM.
pub async fn certificate(acme: &Acme, challenges: &Challenges) -> Result<String, AcmeError> {
    let mut order = match begin(acme).await {
        Err(AcmeError::NoAccount) => {
            tracing::warn!("the authority does not know the account any more: a new one is made");
            acme.cache.forget_account()?;
            begin(acme).await?
        }
        begun => begun?,
    };
    let proved = prove(&mut order, challenges).await;
    challenges.clear();
    proved?;
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&RetryPolicy::new().timeout(PATIENCE)).await?;
    Ok(format!("{key}{chain}"))
}

/// Begins the order.
async fn begin(acme: &Acme) -> Result<Order, AcmeError> {
    let identifiers: Vec<_> = acme.domains.iter().cloned().map(Identifier::Dns).collect();
    Ok(account(acme).await?.new_order(&NewOrder::new(&identifiers)).await?)
}

/// The account that is kept, or a new one.
async fn account(acme: &Acme) -> Result<Account, AcmeError> {
    let builder = || match &acme.ca {
        Some(file) => Account::builder_with_root(file),
        None => Account::builder(),
    };
    if let Some(kept) = acme.cache.account()? {
        return Ok(builder()?.from_credentials(kept).await?);
    }
    let contact: Vec<_> = acme.contact.iter().map(String::as_str).collect();
    // Nobody gets here without having agreed to them: `Acme::new` sees to it.
    let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let (account, credentials) = builder()?.create(&new, acme.directory.clone(), None).await?;
    acme.cache.keep_account(&credentials)?;
    Ok(account)
}

/// Proves each name, by a certificate that only the authority gets to see (RFC 8737, section 3).
async fn prove(order: &mut Order, challenges: &Challenges) -> Result<(), AcmeError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let name = authorization.identifier().to_string();
        let Some(mut challenge) = authorization.challenge(ChallengeType::TlsAlpn01) else {
            return Err(AcmeError::NoChallenge(name));
        };
        let proof = proof(&name, challenge.key_authorization().digest().as_ref())?;
        challenges.answer(name, proof);
        challenge.set_ready().await?;
    }
    let status = order.poll_ready(&RetryPolicy::new().timeout(PATIENCE)).await;
    if matches!(status, Ok(OrderStatus::Ready)) {
        return Ok(());
    }
    match refusal(order).await? {
        Some((name, reason)) => Err(AcmeError::NotProved { name, reason }),
        None => Err(status.err().map_or(AcmeError::Refused("it gives no reason".to_owned()), AcmeError::from)),
    }
}

/// The certificate that proves a name: it has the digest of the key authorization in it.
fn proof(name: &str, digest: &[u8]) -> Result<Arc<CertifiedKey>, AcmeError> {
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let key = ring::sign::any_ecdsa_type(&PrivateKeyDer::Pkcs8(key.serialize_der().into()));
    let key = key.map_err(|error| AcmeError::Failed(error.to_string()))?;
    // `CertifiedKey::from_der` would refuse it, because clients refuse a critical extension that they don't know.
    Ok(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key)))
}

/// The first name that the authority does not believe, and its reason.
async fn refusal(order: &mut Order) -> Result<Option<(String, String)>, AcmeError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        let state = authorization.refresh().await?;
        let problem = state.challenges.iter().find_map(|challenge| challenge.error.as_ref());
        if let Some(problem) = problem {
            let reason = reason(problem);
            return Ok(Some((state.identifier().to_string(), reason)));
        }
    }
    Ok(None)
}

fn reason(problem: &Problem) -> String {
    let parts = problem.subproblems.iter().filter_map(|sub| sub.detail.as_deref());
    let words: Vec<_> = problem.detail.as_deref().into_iter().chain(parts).collect();
    if words.is_empty() { problem.r#type.clone().unwrap_or_default() } else { words.join("; ") }
}

impl From<Error> for AcmeError {
    fn from(error: Error) -> Self {
        match &error {
            Error::Api(problem) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => Self::NoAccount,
            Error::Api(problem) => Self::Refused(reason(problem)),
            error => {
                let (mut words, mut cause) = (error.to_string(), error.source());
                while let Some(error) = cause {
                    words = format!("{words}: {error}");
                    cause = error.source();
                }
                Self::Failed(words)
            }
        }
    }
}
