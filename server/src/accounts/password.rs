//! Passwords: their hashes, and the work of checking them, which is slow on purpose.

use std::fmt;
use std::sync::{Arc, LazyLock};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use serde::{Deserialize, Deserializer, Serialize};
use tokio::sync::Semaphore;

use crate::secret::Secret;

/// Checks at once. Each takes 19 MiB and some hundredths of a second of a processor.
const AT_ONCE: usize = 2;
/// Checks that may wait. Further ones are refused.
const WAITING: usize = 32;

/// An Argon2id hash, as PHC text. Its `Debug` form hides it.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct PasswordHash(String);

/// Checks passwords on blocking threads, in bounded numbers.
pub struct Passwords {
    checking: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

/// Too many passwords are being checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

impl PasswordHash {
    /// The hash of a password, with a random salt. Blocking.
    ///
    /// # Errors
    /// In words, when the system has no randomness or memory for it.
    pub fn of(password: &Secret) -> Result<Self, String> {
        let hash = Argon2::default().hash_password(password.expose().as_bytes());
        hash.map(|hash| Self(hash.to_string())).map_err(|error| error.to_string())
    }

    /// The hash of no password.
    #[must_use]
    pub fn none() -> Self {
        Self(
            "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                .to_owned(),
        )
    }

    /// Whether this is the hash of the password. Blocking. The comparison takes the same time wherever they differ.
    #[must_use]
    pub fn is_of(&self, password: &Secret) -> bool {
        let Ok(hash) = Phc::new(&self.0) else { return false };
        Argon2::default().verify_password(password.expose().as_bytes(), &hash).is_ok()
    }
}

impl<'de> Deserialize<'de> for PasswordHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match Phc::new(&text) {
            Ok(hash) if hash.algorithm.as_str() == "argon2id" => Ok(Self(text)),
            _ => Err(serde::de::Error::custom("this is no Argon2id hash")),
        }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

impl Passwords {
    /// Whether a password is right. For a user that does not exist, `hash` is `None`, and the check takes as long.
    ///
    /// # Errors
    /// When too many checks wait.
    pub async fn check(&self, password: Secret, hash: Option<PasswordHash>) -> Result<bool, TooMany> {
        /// The hash of a random password.
        static NOBODY: LazyLock<PasswordHash> = LazyLock::new(PasswordHash::none);
        let _place = self.places.clone().try_acquire_owned().map_err(|_| TooMany)?;
        let _turn = self.checking.clone().acquire_owned().await.map_err(|_| TooMany)?;
        let check = move || {
            let is_right = hash.as_ref().unwrap_or(&NOBODY).is_of(&password);
            is_right && hash.is_some()
        };
        tokio::task::spawn_blocking(check).await.map_err(|_| TooMany)
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self { checking: Arc::new(Semaphore::new(AT_ONCE)), places: Arc::new(Semaphore::new(AT_ONCE + WAITING)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_right_for_its_hash_alone() {
        let (right, wrong) = (Secret::new("correct horse"), Secret::new("correct horsf"));
        let hash = PasswordHash::of(&right).unwrap();
        let passwords = Passwords::default();
        assert_eq!(passwords.check(right.clone(), Some(hash.clone())).await, Ok(true));
        assert_eq!(passwords.check(wrong, Some(hash.clone())).await, Ok(false));
        for nobody in [Secret::new(""), right.clone()] {
            assert_eq!(passwords.check(nobody.clone(), None).await, Ok(false));
            assert_eq!(passwords.check(nobody, Some(PasswordHash::none())).await, Ok(false));
        }
        assert_ne!(PasswordHash::of(&right).unwrap(), hash, "the salt is random");
        assert!(!format!("{hash:?}").contains(&hash.0));
    }

    #[test]
    fn only_argon2id_is_believed() {
        #[derive(Deserialize)]
        struct File {
            #[expect(dead_code, reason = "it is only read")]
            password: PasswordHash,
        }
        for text in ["", "secret", "$argon2i$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA"] {
            assert!(toml::from_str::<File>(&format!("password = {text:?}")).is_err(), "{text}");
        }
        assert!(toml::from_str::<File>(&format!("password = {:?}", PasswordHash::none().0)).is_ok());
    }
}
