//! The flags of ACME.

use std::path::PathBuf;

use clap::Args;

use crate::settings::{AcmeSettings, Contact, DirectoryUrl, Domain};

/// How the certificate of `--tls acme` is asked for.
#[derive(Clone, Debug, Args)]
pub struct AcmeArgs {
    /// Name of this server in DNS, for `--tls acme`; port 443 of it has to lead to this server. Can be repeated
    #[arg(long, value_name = "NAME")]
    pub acme_domain: Vec<Domain>,
    /// E-mail address to which the authority may write; can be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub acme_contact: Vec<Contact>,
    /// ACME directory of the authority [default: Let's Encrypt's]
    #[arg(long, value_name = "URL")]
    pub acme_directory: Option<DirectoryUrl>,
    /// File with the certificate by which an authority of your own is trusted, in PEM [default: the system's]
    #[arg(long, value_name = "FILE")]
    pub acme_ca: Option<PathBuf>,
    /// Folder for the account and the certificate [default: the folder acme in the state folder]
    #[arg(long, value_name = "DIR")]
    pub acme_cache: Option<PathBuf>,
    /// Agree to the authority's terms of service, which you have read
    #[arg(long)]
    pub acme_agree_terms: bool,
}

impl AcmeArgs {
    /// The settings that hold: those of the command line, then those of a file.
    pub fn settings(&self, file: AcmeSettings) -> AcmeSettings {
        AcmeSettings {
            domains: if self.acme_domain.is_empty() { file.domains } else { self.acme_domain.clone() },
            contact: if self.acme_contact.is_empty() { file.contact } else { self.acme_contact.clone() },
            directory: self.acme_directory.clone().unwrap_or(file.directory),
            ca: self.acme_ca.clone().or(file.ca),
            cache_dir: self.acme_cache.clone().or(file.cache_dir),
            terms_agreed: self.acme_agree_terms || file.terms_agreed,
        }
    }
}
