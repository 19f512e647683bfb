//! Who gave the password of a link on its page. A browser proves it with a cookie of that link, so that no address works
//! without the password.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::accounts::TokenId;
use crate::secret::Secret;

/// How long a link stays unlocked.
pub const LASTS: Duration = Duration::from_secs(3600);
/// Keys at once. The oldest goes.
const MOST: usize = 4096;

/// The keys to unlocked links, by their hashes.
#[derive(Default)]
pub struct Unlocked(Mutex<HashMap<blake3::Hash, (TokenId, Instant)>>);

impl Unlocked {
    /// A key to a link; `None` when the system has no randomness.
    pub fn unlock(&self, link: &TokenId) -> Option<Secret> {
        let key = Secret::random("")?;
        let (mut keys, now) = (self.lock(), Instant::now());
        keys.retain(|_, (_, since)| now.duration_since(*since) < LASTS);
        if keys.len() >= MOST
            && let Some(oldest) = keys.iter().min_by_key(|(_, (_, since))| *since).map(|(hash, _)| *hash)
        {
            keys.remove(&oldest);
        }
        keys.insert(hash(&key), (link.clone(), now));
        Some(key)
    }

    /// Whether this is a key to this link.
    pub fn opens(&self, link: &TokenId, key: &Secret) -> bool {
        let keys = self.lock();
        keys.get(&hash(key)).is_some_and(|(of, since)| of == link && since.elapsed() < LASTS)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<blake3::Hash, (TokenId, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(key: &Secret) -> blake3::Hash {
    blake3::hash(key.expose().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_key_opens_its_own_link_for_a_while_and_keys_are_bounded() {
        let (unlocked, one, two) = (Unlocked::default(), "00000001".parse().unwrap(), "00000002".parse().unwrap());
        let key = unlocked.unlock(&one).unwrap();
        assert!(unlocked.opens(&one, &key) && !unlocked.opens(&two, &key) && !unlocked.opens(&one, &Secret::new("x")));
        for _ in 0..MOST {
            tokio::time::advance(Duration::from_millis(1)).await;
            let _key = unlocked.unlock(&two).unwrap();
        }
        assert!(!unlocked.opens(&one, &key) && unlocked.lock().len() == MOST);
        let key = unlocked.unlock(&one).unwrap();
        tokio::time::advance(LASTS).await;
        assert!(!unlocked.opens(&one, &key));
    }
}
