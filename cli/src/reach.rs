//! Finds a source that answers. It tries them in the given order, again and again while none can be reached.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::address::Source;
use crate::exit::{Code, Failure};
use crate::place::FileUrl;
use crate::remote::Remote;
use crate::words::silent;

const FIRST_RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(10);

/// Connects to the first source that answers, and says which it is. Tries for a given time, or for ever, and reports
/// each wait.
///
/// # Errors
///
/// The reason why the last one could not be reached. A permanent refusal of one comes first, if none answers well.
pub async fn first(
    sources: &[Source],
    patience: Option<Duration>,
    mut tell: impl FnMut(&Failure, Duration),
) -> Result<(Remote, usize), Failure> {
    let began = Instant::now();
    let mut wait = FIRST_RETRY;
    loop {
        let failure = match each(sources).await {
            Err(failure) if may_pass(&failure) => failure,
            other => return other,
        };
        if patience.is_some_and(|patience| began.elapsed() + wait > patience) {
            return Err(failure);
        }
        tell(&failure, wait);
        sleep(wait).await;
        wait = (wait * 2).min(LONGEST_RETRY);
    }
}

fn may_pass(failure: &Failure) -> bool {
    failure.code == Code::Unreachable && !failure.lasting
}

/// The first of these links that leads to a WSTP server, taken out of them, as the place that it names there.
///
/// # Errors
///
/// When none does: an ordinary web server can't prove the data that it sends.
pub async fn server_among(
    links: &mut Vec<FileUrl>,
    patience: Option<Duration>,
    tell: impl FnMut(&Failure, Duration),
) -> Result<Source, Failure> {
    let sources = links.iter().map(FileUrl::on_server).collect::<Result<Vec<_>, _>>()?;
    match first(&sources, patience, tell).await {
        Ok((_, index)) => {
            links.remove(index);
            Ok(sources[index].clone())
        }
        Err(failure) if failure.code == Code::Unreachable => Err(failure),
        Err(failure) => {
            let advice = "Put the address of a WSTP server in front: its hashes prove what the others send.";
            let what = format!("{} Plain HTTP alone proves nothing.", failure.what);
            Err(Failure::new(Code::Usage, what, advice))
        }
    }
}

/// Tries each once. Transient errors win over permanent ones.
async fn each(sources: &[Source]) -> Result<(Remote, usize), Failure> {
    let mut worst = silent("Nobody");
    let mut later = None;
    for (index, source) in sources.iter().enumerate() {
        match Remote::connect(&source.address).await {
            Ok(remote) => return Ok((remote, index)),
            Err(failure) if may_pass(&failure) => later = Some(failure),
            Err(failure) => worst = failure,
        }
    }
    Err(later.unwrap_or(worst))
}
